//! Who asks, and whether they may.

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use super::problem::{self, Refusal};
use super::{Api, Operation, Problem, ROUTES, Record};
use crate::config::{Scope, Token};

/// Who may ask for what.
#[derive(Debug)]
pub struct Access {
    tokens: Vec<Token>,
}

/// Who asks, as in the audit log.
#[derive(Clone, Debug)]
pub struct Caller(pub Arc<str>);

impl Access {
    /// With these tokens; everybody may do everything when there are none.
    pub fn new(tokens: Vec<Token>) -> Self {
        Self { tokens }
    }

    /// Who asks for `scope`.
    ///
    /// # Errors
    /// 401 when they do not say who they are, 403 when they may not.
    fn admit(&self, headers: &HeaderMap, method: &Method, scope: Scope) -> Result<Caller, Problem> {
        if self.tokens.is_empty() {
            return from_this_host(headers, method).map(|()| Caller("local".into()));
        }
        let shown = headers
            .get(header::AUTHORIZATION)
            .and_then(|value| value.to_str().ok());
        let token = shown.and_then(|value| {
            let (scheme, token) = value.split_once(' ')?;
            scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
        });
        let refused = |detail: &str| {
            let title = "Say who you are";
            Problem::new(StatusCode::UNAUTHORIZED, "unauthorized", title, detail)
        };
        let Some(token) = token else {
            return Err(refused("a header `Authorization: Bearer TOKEN` is needed"));
        };
        let sha256 = Sha256::digest(token);
        // All of them are compared, whichever it is.
        let mut known = None;
        for candidate in &self.tokens {
            if bool::from(candidate.sha256.ct_eq(sha256.as_slice())) {
                known = Some(candidate);
            }
        }
        let Some(known) = known else {
            return Err(refused("nobody has this token"));
        };
        if !known.scopes.contains(&scope) {
            let detail = format!(
                "the token of {} is not good for `{}`",
                known.name,
                scope.label()
            );
            let title = "You may not";
            return Err(Problem::new(
                StatusCode::FORBIDDEN,
                "forbidden",
                title,
                detail,
            ));
        }
        Ok(Caller(known.name.as_ref().into()))
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
    let origin = text(header::ORIGIN).and_then(|origin| origin.split_once("://"));
    let is_safe = method.is_safe();
    if !is_safe
        && headers.contains_key(header::ORIGIN)
        && !origin.is_some_and(|(_, host)| is_local(host))
    {
        return refused("pages of other origins may not change anything");
    }
    Ok(())
}

fn is_local(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) => name,
        _ => host,
    };
    let name = name.trim_matches(['[', ']']);
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
    match api
        .access
        .admit(request.headers(), request.method(), operation.scope)
    {
        Ok(caller) => {
            request.extensions_mut().insert(caller.clone());
            let response = next.run(request).await;
            if let Some(outcome) = outcome(&response, operation.scope) {
                api.audit.add(Record::done(&caller.0, what, outcome));
            }
            response
        }
        Err(problem) => {
            api.audit.add(Record::refused(what, &problem.summary()));
            problem.into_response()
        }
    }
}

/// What the audit log says of an answer: every change that was refused, and those that were made and of which the handler
/// has nothing more to say.
fn outcome(response: &Response, scope: Scope) -> Option<String> {
    let refusal = response.extensions().get::<Refusal>();
    match (scope, refusal) {
        (Scope::Read, _) => None,
        (_, Some(Refusal(why))) => Some(format!("refused: {why}")),
        (Scope::Gateways | Scope::Limits, None) => Some("done".to_owned()),
        (Scope::Tables | Scope::Admin, None) => None,
    }
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
