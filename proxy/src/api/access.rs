//! Who asks, and whether they may.

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;
use tokio::sync::watch;

use super::problem::{self, Refusal};
use super::{Api, Operation, Problem, ROUTES, Record};
use crate::admin::Peer;
use crate::config::{Client, Scope, Token};
use crate::tls::Identity;

/// Who may ask for what, as the configuration says it now.
#[derive(Debug)]
pub struct Access {
    known: watch::Sender<Known>,
}

/// Who asks, as in the audit log.
#[derive(Clone, Debug)]
pub struct Caller(pub Arc<str>);

impl Access {
    /// With these tokens and these clients; everybody may do everything when there are none of either.
    pub fn new(tokens: Vec<Token>, clients: Vec<Client>) -> Self {
        Self {
            known: watch::Sender::new(Known { tokens, clients }),
        }
    }

    /// These tokens and clients from now on. Requests that were let in go on; what only waits for something to happen
    /// ends when whoever waits may not any more.
    pub fn replace(&self, tokens: Vec<Token>, clients: Vec<Client>) {
        let new = Known { tokens, clients };
        let (tokens, clients) = (new.tokens.len(), new.clients.len());
        let is_other = self.known.send_if_modified(|known| {
            let is_other = *known != new;
            *known = new;
            is_other
        });
        if is_other {
            tracing::info!(tokens, clients, "who may use the API has changed");
        }
    }

    /// Who asks for `scope`. A token says who it is before the certificate of the connection does.
    ///
    /// # Errors
    /// 401 when they do not say who they are, 403 when they may not.
    fn admit(
        &self,
        headers: &HeaderMap,
        method: &Method,
        peer: Option<&Peer>,
        scope: Scope,
    ) -> Result<(Caller, Grant), Problem> {
        let shown = Shown::of(headers, peer);
        let known = self.known.borrow();
        match known.way(&shown) {
            Way::ThisHost => from_this_host(headers, method)?,
            Way::Certificate(_) => from_no_other_page(headers, method)?,
            Way::Token(_) | Way::None => {}
        }
        let caller = known.caller(&shown, scope)?;
        drop(known);
        let known = self.known.subscribe();
        let grant = Grant {
            known,
            shown,
            scope,
        };
        Ok((caller, grant))
    }
}

/// That a request was let in, for as long as it would be.
#[derive(Clone, Debug)]
pub(super) struct Grant {
    known: watch::Receiver<Known>,
    shown: Shown,
    scope: Scope,
}

impl Grant {
    /// Returns once whoever asked would not be let in any more, with what they would be told.
    pub(super) async fn revoked(mut self) -> Problem {
        loop {
            let now = self
                .known
                .borrow_and_update()
                .caller(&self.shown, self.scope);
            if let Err(problem) = now {
                return problem;
            }
            if self.known.changed().await.is_err() {
                // The server ends, and the request with it.
                std::future::pending::<()>().await;
            }
        }
    }
}

/// What a request shows of who sends it.
#[derive(Clone, Debug)]
struct Shown {
    /// SHA-256 of a token.
    token: Option<[u8; 32]>,
    /// Whom the certificate of the connection names.
    peer: Option<Arc<Identity>>,
}

impl Shown {
    fn of(headers: &HeaderMap, peer: Option<&Peer>) -> Self {
        let shown = headers
            .get(header::AUTHORIZATION)
            .and_then(|value| value.to_str().ok());
        let token = shown.and_then(|value| {
            let (scheme, token) = value.split_once(' ')?;
            scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
        });
        Self {
            token: token.map(|token| Sha256::digest(token).into()),
            peer: peer.map(|Peer(identity)| identity.clone()),
        }
    }
}

/// How it is told who asks.
enum Way<'s> {
    /// Not at all: everybody on this host may.
    ThisHost,
    Token(&'s [u8; 32]),
    Certificate(&'s Identity),
    /// They show nothing of what is known.
    None,
}

#[derive(Debug, PartialEq)]
struct Known {
    tokens: Vec<Token>,
    clients: Vec<Client>,
}

impl Known {
    fn way<'s>(&self, shown: &'s Shown) -> Way<'s> {
        if self.tokens.is_empty() && self.clients.is_empty() {
            return Way::ThisHost;
        }
        match (&shown.token, &shown.peer) {
            (Some(token), _) if !self.tokens.is_empty() => Way::Token(token),
            (_, Some(peer)) => Way::Certificate(peer),
            _ => Way::None,
        }
    }

    fn caller(&self, shown: &Shown, scope: Scope) -> Result<Caller, Problem> {
        match self.way(shown) {
            Way::ThisHost => Ok(Caller("local".into())),
            Way::Token(sha256) => self.by_token(sha256, scope),
            Way::Certificate(peer) => self.by_certificate(peer, scope),
            Way::None => Err(unauthorized(
                match (self.tokens.len(), self.clients.len()) {
                    (_, 0) => "a header `Authorization: Bearer TOKEN` is needed",
                    (0, _) => "a client certificate is needed",
                    _ => "a header `Authorization: Bearer TOKEN` or a client certificate is needed",
                },
            )),
        }
    }

    fn by_token(&self, sha256: &[u8; 32], scope: Scope) -> Result<Caller, Problem> {
        // All of them are compared, whichever it is.
        let mut known = None;
        for candidate in &self.tokens {
            if bool::from(candidate.sha256.ct_eq(sha256.as_slice())) {
                known = Some(candidate);
            }
        }
        let Some(known) = known else {
            return Err(unauthorized("nobody has this token"));
        };
        allowed("token", &known.name, &known.scopes, scope)
    }

    /// The first in the order of the configuration, when the certificate has the names of several.
    fn by_certificate(&self, peer: &Identity, scope: Scope) -> Result<Caller, Problem> {
        let known = self.clients.iter().find(|client| client.names.is(peer));
        let Some(known) = known else {
            let detail = format!(
                "no client is known by the certificate of {:?}",
                peer.shown()
            );
            return Err(forbidden(detail));
        };
        allowed("certificate", &known.name, &known.scopes, scope)
    }
}

fn allowed(what: &str, name: &str, scopes: &[Scope], scope: Scope) -> Result<Caller, Problem> {
    match scopes.contains(&scope) {
        true => Ok(Caller(name.into())),
        false => {
            let detail = format!("the {what} of {name} is not good for `{}`", scope.label());
            Err(forbidden(detail).of_caller(name))
        }
    }
}

fn unauthorized(detail: &str) -> Problem {
    let title = "Say who you are";
    Problem::new(StatusCode::UNAUTHORIZED, "unauthorized", title, detail)
}

fn forbidden(detail: String) -> Problem {
    Problem::new(StatusCode::FORBIDDEN, "forbidden", "You may not", detail)
}

/// A browser shows its certificate whichever page asks, and reaches this host; so a page of another origin must not change
/// anything (RFC 6454).
fn from_no_other_page(headers: &HeaderMap, method: &Method) -> Result<(), Problem> {
    let text = |name| {
        headers
            .get(name)
            .and_then(|value: &header::HeaderValue| value.to_str().ok())
    };
    let Some(origin) = headers.get(header::ORIGIN).filter(|_| !method.is_safe()) else {
        return Ok(());
    };
    let origin = origin.to_str().ok().and_then(|text| text.split_once("://"));
    match (origin, text(header::HOST)) {
        (Some((_, origin)), Some(host)) if origin.eq_ignore_ascii_case(host) => Ok(()),
        _ => Err(forbidden(
            "pages of other origins may not change anything".to_owned(),
        )),
    }
}

/// Where nobody has to say who they are, a page in a browser on this host must not be able to ask either: neither by a
/// name of its own that leads here, nor from another origin.
fn from_this_host(headers: &HeaderMap, method: &Method) -> Result<(), Problem> {
    let refused = |detail: &str| {
        let title = "Only programs of this host may ask";
        Err(Problem::new(
            StatusCode::FORBIDDEN,
            "foreign-host",
            title,
            detail,
        ))
    };
    let text = |name| {
        headers
            .get(name)
            .and_then(|value: &header::HeaderValue| value.to_str().ok())
    };
    if text(header::HOST).is_some_and(|host| !is_local(host)) {
        return refused(
            "the Host header must be an address or localhost; configure `admin.token` to allow names",
        );
    }
    // A port of this host is somebody's own page; an address elsewhere is anybody's.
    let origin = text(header::ORIGIN).and_then(|origin| origin.split_once("://"));
    if !method.is_safe()
        && headers.contains_key(header::ORIGIN)
        && !origin.is_some_and(|(_, host)| is_loopback(host))
    {
        return refused("pages of other origins may not change anything");
    }
    Ok(())
}

fn is_loopback(host: &str) -> bool {
    let name = name_of(host);
    name.eq_ignore_ascii_case("localhost")
        || name.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// Without its port.
fn name_of(host: &str) -> &str {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) => name,
        _ => host,
    };
    name.trim_matches(['[', ']'])
}

fn is_local(host: &str) -> bool {
    let name = name_of(host);
    name.eq_ignore_ascii_case("localhost") || name.parse::<IpAddr>().is_ok()
}

/// Lets a request through to its handler, or not.
pub(super) async fn guard(State(api): State<Api>, mut request: Request, next: Next) -> Response {
    let path = request
        .extensions()
        .get::<MatchedPath>()
        .map(|path| path.as_str().to_owned());
    let operation = path
        .as_deref()
        .and_then(|path| find(request.method(), path));
    // What is not in the list is not served.
    let Some(operation) = operation else {
        let (method, uri) = (request.method().clone(), request.uri().clone());
        return problem::method_not_allowed(method, uri)
            .await
            .into_response();
    };
    let what = format!("{} {}", request.method(), request.uri().path());
    let peer = request.extensions().get::<Peer>();
    match api
        .access
        .admit(request.headers(), request.method(), peer, operation.scope)
    {
        Ok((caller, grant)) => {
            request.extensions_mut().insert(caller.clone());
            request.extensions_mut().insert(grant);
            let response = next.run(request).await;
            if let Some(record) = record(&caller, what, &response, operation.scope) {
                api.audit.add(record);
            }
            response
        }
        Err(problem) => {
            let why = problem.summary();
            api.audit.add(match problem.caller() {
                Some(name) => Record::not_done(name, what, &why),
                None => Record::refused(what, &why),
            });
            problem.into_response()
        }
    }
}

/// What the audit log says of an answer: every change that was refused, and those that were made and of which the handler
/// has nothing more to say.
fn record(caller: &Caller, what: String, response: &Response, scope: Scope) -> Option<Record> {
    let refusal = response.extensions().get::<Refusal>();
    match (scope, refusal) {
        (Scope::Read, _) => None,
        (_, Some(Refusal(why))) => Some(Record::not_done(&caller.0, what, why)),
        (Scope::Gateways | Scope::Limits, None) => Some(Record::done(&caller.0, what, "done")),
        (Scope::Tables | Scope::Admin, None) => None,
    }
}

/// Counts requests that anybody can have refused who reaches the port.
pub(super) async fn count(State(api): State<Api>, response: Response) -> Response {
    api.metrics.api_refused(response.status().as_u16());
    response
}

/// HEAD is what GET is.
fn find(method: &Method, path: &str) -> Option<&'static Operation> {
    let method = if method == Method::HEAD {
        "GET"
    } else {
        method.as_str()
    };
    let path = path.trim_end_matches('/');
    ROUTES
        .iter()
        .find(|operation| operation.method == method && operation.path == path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_lead_here_are_not_this_host() {
        for local in [
            "127.0.0.1:9090",
            "localhost:9090",
            "LOCALHOST",
            "[::1]:9090",
            "[::1]",
        ] {
            assert!(is_local(local), "{local}");
        }
        for foreign in [
            "evil.example:9090",
            "evil.example",
            "localhost.evil.example",
            "",
        ] {
            assert!(!is_local(foreign), "{foreign}");
        }
    }
}
