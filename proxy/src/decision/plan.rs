//! From a decision document to a plan the core carries out.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use sigbox_contracts::decision::{self, NameAddr, StatusMatch};
use sigbox_contracts::{Action, Decision, Invalid, InvalidReason, Routing};
use sigbox_core::{
    Failover, GatewaySet, HeaderEdits, Hop, HopHost, Listener, ListenerId, MAX_REASON_BYTES, Party,
    Plan, PlanError, Redirect, RedirectContact, Reject, Route, RoutePlan, RouteSet, Settings,
    Target,
};
use sigbox_wire::Uri;

/// What a decision is read against.
#[derive(Clone, Copy, Debug)]
pub struct PlanContext<'a> {
    /// Our sockets, with the ports they really have, and our names.
    pub settings: &'a Settings,
    /// The most routes a decision may have.
    pub max_routes: usize,
}

/// A decision as the core takes it.
#[derive(Clone, Debug, PartialEq)]
pub enum Parsed {
    /// What to do with the request.
    Final(Plan),
    /// Nothing yet: wait this much longer.
    Extend(Duration),
}

/// Reads a decision that passed [`Decision::validate`], and checks what only the proxy can see: the
/// whole grammar of URIs, the names of sockets, and that no route leads back here.
///
/// # Errors
/// [`Invalid`] with a pointer to the first value found wrong; nothing is half applied.
pub fn plan_of(decision: &Decision, context: &PlanContext<'_>) -> Result<Parsed, Invalid> {
    let plan = match decision.verb() {
        Action::Route => Plan::Route(route_plan(decision, context)?),
        Action::Reject => Plan::Reject(reject(decision)?),
        Action::Redirect => Plan::Redirect(redirect(decision)?),
        Action::Pass => Plan::Pass,
        Action::Extend => {
            let Some(span) = decision.extend_ms else {
                return Err(missing("/extend_ms", "extend says how much longer to wait"));
            };
            return Ok(Parsed::Extend(Duration::from_millis(span)));
        }
        other => {
            let detail = format!("{other} is not carried out by this version of the proxy");
            return Err(Invalid::new(
                InvalidReason::UnknownAction,
                "/action",
                detail,
            ));
        }
    };
    Ok(Parsed::Final(plan))
}

fn missing(pointer: &str, detail: &str) -> Invalid {
    Invalid::new(InvalidReason::MissingField, pointer, detail)
}

/// The refusal for what the core would not take.
fn refused(error: PlanError, pointer: String, found: &str) -> Invalid {
    let reason = match error {
        PlanError::NoRoutes => InvalidReason::NoRoutes,
        PlanError::TooManyRoutes => InvalidReason::TooManyRoutes,
        PlanError::Uri | PlanError::Transport => InvalidReason::BadUri,
        PlanError::Scheme => InvalidReason::BadScheme,
        PlanError::HeaderName => InvalidReason::BadHeader,
        PlanError::ProtectedHeader => InvalidReason::ProtectedHeader,
        PlanError::HeaderValue => InvalidReason::HeaderInjection,
        PlanError::TooLong => InvalidReason::TooLarge,
    };
    Invalid::new(reason, pointer, format!("{found:?}: {error}"))
}

fn target(text: &str, pointer: impl FnOnce() -> String) -> Result<Target, Invalid> {
    Target::parse(text).map_err(|error| refused(error, pointer(), text))
}

fn route_plan(decision: &Decision, context: &PlanContext<'_>) -> Result<RoutePlan, Invalid> {
    let count = decision.routes.len();
    if count > context.max_routes {
        let detail = format!("{count}; at most {} are taken", context.max_routes);
        return Err(Invalid::new(
            InvalidReason::TooManyRoutes,
            "/routes",
            detail,
        ));
    }
    let grouped = decision.routes.iter().any(|route| route.group.is_some());
    let parallel = decision.routing == Some(Routing::Parallel);
    let mut routes = Vec::with_capacity(count);
    for (position, document) in decision.routes.iter().enumerate() {
        let group = match document.group {
            Some(group) => group,
            None if grouped || parallel => 0,
            // At most `max_routes` of them, so every position is a group number.
            None => u16::try_from(position).unwrap_or(u16::MAX),
        };
        routes.push(
            route(document, group, context)
                .map_err(|invalid| invalid.under(&format!("/routes/{position}")))?,
        );
    }
    let failover = match &decision.failover {
        None => Failover::Any,
        Some(list) => Failover::Only(list.iter().map(status_match).collect()),
    };
    RoutePlan::new(routes, failover, decision.requery)
        .map_err(|error| refused(error, "/routes".to_owned(), &count.to_string()))
}

fn status_match(entry: &StatusMatch) -> sigbox_core::StatusMatch {
    match *entry {
        StatusMatch::Exact(status) => sigbox_core::StatusMatch::Status(status),
        // `3xx` to `6xx`, by the contract's parser.
        StatusMatch::Class(digit) => {
            sigbox_core::StatusMatch::Class(u8::try_from(digit).unwrap_or(u8::MAX))
        }
    }
}

/// One route; pointers are relative to it.
fn route(
    document: &decision::Route,
    group: u16,
    context: &PlanContext<'_>,
) -> Result<Route, Invalid> {
    let gateways = match document.gateways.as_deref() {
        None => None,
        Some(name) => Some(gateway_set(name, document, context.settings)?),
    };
    let parse = |text: &Option<String>, field: &str| {
        text.as_deref()
            .map(|text| target(text, || format!("/{field}")))
            .transpose()
    };
    let uri = parse(&document.uri, "uri")?;
    let next_hop = parse(&document.dst_uri, "dst_uri")?;
    let path = match document.path.as_deref() {
        None => None,
        Some(text) => {
            Some(RouteSet::parse(text).map_err(|error| refused(error, "/path".to_owned(), text))?)
        }
    };
    let listener = match document.socket.as_deref() {
        None => None,
        Some(name) => Some(listener_named(name, &context.settings.listeners)?),
    };
    // Where the request really goes: a Request-URI in our own domain is in order when the next hop
    // is somebody else.
    let leads_to = match (&next_hop, &path, &uri) {
        _ if gateways.is_some() => None,
        (Some(target), _, _) => target.hop().map(|hop| (hop, "/dst_uri", target.text())),
        (None, Some(path), _) => Some((path.hop(), "/path", path.text())),
        (None, None, Some(target)) => target.hop().map(|hop| (hop, "/uri", target.text())),
        (None, None, None) => None,
    };
    if let Some((hop, pointer, text)) = leads_to
        && leads_here(text, hop, context.settings)
    {
        let detail = format!("{text:?} is this proxy itself");
        return Err(Invalid::new(InvalidReason::SelfTarget, pointer, detail));
    }
    let edits = if document.headers.is_empty() {
        None
    } else {
        Some(Box::new(header_edits(&document.headers)?))
    };
    Ok(Route {
        uri,
        next_hop,
        path,
        listener,
        edits,
        branch_flags: document.branch_flags.unwrap_or_default(),
        fr_timer: document.fr_timer.map(Duration::from_millis),
        fr_inv_timer: document.fr_inv_timer.map(Duration::from_millis),
        group,
        gateways,
        gateway: None,
    })
}

/// The set of that name; it takes the place of a next hop.
fn gateway_set(
    name: &str,
    document: &decision::Route,
    settings: &Settings,
) -> Result<Arc<str>, Invalid> {
    if document.dst_uri.is_some() {
        return Err(Invalid::new(
            InvalidReason::UnexpectedField,
            "/dst_uri",
            "the gateway set chooses the next hop; give one of dst_uri and gateways",
        ));
    }
    if settings.gateways.set(name).is_some() {
        return Ok(name.into());
    }
    let known: Vec<&str> = settings.gateways.iter().map(GatewaySet::name).collect();
    let detail = match known.as_slice() {
        [] => format!("{name:?} is no gateway set of this proxy, which has none"),
        known => format!("{name:?} is none of {}", known.join(", ")),
    };
    Err(Invalid::new(
        InvalidReason::UnknownGateways,
        "/gateways",
        detail,
    ))
}

/// The listener written as `<transport>:<host>:<port>`, by its bound or advertised address.
fn listener_named(name: &str, listeners: &[Listener]) -> Result<ListenerId, Invalid> {
    let is_named = |listener: &Listener| {
        let Some((transport, address)) = name.split_once(':') else {
            return false;
        };
        if !transport.eq_ignore_ascii_case(listener.transport.name()) {
            return false;
        }
        let bound = address.parse() == Ok(listener.address);
        bound
            || listener.advertised.as_ref().is_some_and(|(host, port)| {
                address.rsplit_once(':').is_some_and(|(name, number)| {
                    name.eq_ignore_ascii_case(host) && number.parse() == Ok(*port)
                })
            })
    };
    let position = listeners.iter().position(is_named);
    position
        .and_then(|position| u16::try_from(position).ok())
        .map(ListenerId)
        .ok_or_else(|| {
            let known: Vec<String> = listeners
                .iter()
                .map(|l| format!("{}:{}", l.transport, l.address))
                .collect();
            let detail = format!("{name:?} is none of {}", known.join(", "));
            Invalid::new(InvalidReason::UnknownSocket, "/socket", detail)
        })
}

/// Whether a request for `text`, whose hop is `hop`, would come back to us.
pub(crate) fn leads_here(text: &str, hop: &Hop, settings: &Settings) -> bool {
    if let HopHost::Address(address) = &hop.host
        && settings.owns_address(hop.transport, *address)
    {
        return true;
    }
    // Nearly every target has a host of its own, and needs not be parsed once more.
    if !may_name_us(&hop.host, settings) {
        return false;
    }
    // A path holds name-addrs; what leads here by name is the first of them.
    let uri = text
        .split_once('<')
        .map_or(text, |(_, bracketed)| bracketed);
    let uri = uri.split_once('>').map_or(uri, |(uri, _)| uri);
    Uri::parse(uri.as_bytes()).is_ok_and(|uri| settings.owns(&uri).is_some())
}

/// Whether a host is one of ours, with whatever port and transport.
fn may_name_us(host: &HopHost, settings: &Settings) -> bool {
    let advertised = settings.listeners.iter().flat_map(|l| &l.advertised);
    let mut names = advertised.map(|(host, _)| host).chain(&settings.aliases);
    match host {
        HopHost::Address(address) => {
            let ip = address.ip();
            settings.listeners.iter().any(|listener| {
                let bound = listener.address.ip().to_canonical();
                bound == ip || bound.is_unspecified() && ip.is_loopback()
            }) || names.any(|name| {
                let ours = name.trim_matches(['[', ']']).parse::<IpAddr>();
                ours.is_ok_and(|ours| ours.to_canonical() == ip)
            })
        }
        HopHost::Name(name, _) => names.any(|ours| ours.eq_ignore_ascii_case(name)),
    }
}

fn header_edits(document: &decision::HeaderEdits) -> Result<HeaderEdits, Invalid> {
    let mut edits = HeaderEdits::new();
    let at = |error, field: &str, found: &str| refused(error, format!("/headers/{field}"), found);
    if let Some(from) = &document.from {
        edits
            .from(party(from))
            .map_err(|error| at(error, "from", &shown(from)))?;
    }
    if let Some(to) = &document.to {
        edits
            .to(party(to))
            .map_err(|error| at(error, "to", &shown(to)))?;
    }
    for name in &document.remove {
        edits
            .remove(name)
            .map_err(|error| at(error, "remove", name))?;
    }
    for (name, value) in &document.set {
        edits
            .set(name, value)
            .map_err(|error| at(error, "set", &format!("{name}: {value}")))?;
    }
    for line in document.extra.iter().flat_map(|lines| lines.split("\r\n")) {
        if line.is_empty() {
            continue;
        }
        let (name, value) = line.split_once(':').ok_or_else(|| {
            Invalid::new(
                InvalidReason::BadHeader,
                "/headers/extra",
                format!("{line:?} has no colon"),
            )
        })?;
        edits
            .add(name.trim_end(), value.trim())
            .map_err(|error| at(error, "extra", line))?;
    }
    Ok(edits)
}

fn party(document: &NameAddr) -> Party {
    Party {
        display: document.display.as_deref().map(Into::into),
        uri: document.uri.as_deref().map(Into::into),
    }
}

fn shown(document: &NameAddr) -> String {
    format!(
        "{} <{}>",
        document.display.as_deref().unwrap_or_default(),
        document.uri.as_deref().unwrap_or_default()
    )
}

fn reject(decision: &Decision) -> Result<Reject, Invalid> {
    let Some(status) = decision.status else {
        return Err(missing("/status", "reject says which status, 400 to 699"));
    };
    Ok(Reject {
        status,
        reason: reason_phrase(decision)?,
        headers: header_edits(&decision.headers)?,
        retry_after: decision.retry_after_ms.map(|range| {
            let (min, max) = range.bounds();
            (Duration::from_millis(min), Duration::from_millis(max))
        }),
    })
}

/// The reason phrase, short enough for a response to fit into a datagram.
fn reason_phrase(decision: &Decision) -> Result<Option<Box<str>>, Invalid> {
    let Some(reason) = decision.reason.as_deref() else {
        return Ok(None);
    };
    if reason.len() > MAX_REASON_BYTES {
        let detail = format!("{} bytes, at most {MAX_REASON_BYTES}", reason.len());
        return Err(Invalid::new(InvalidReason::TooLarge, "/reason", detail));
    }
    Ok(Some(reason.into()))
}

fn redirect(decision: &Decision) -> Result<Redirect, Invalid> {
    if decision.contacts.is_empty() {
        return Err(missing("/contacts", "redirect says where to go"));
    }
    let mut contacts = Vec::with_capacity(decision.contacts.len());
    for (position, contact) in decision.contacts.iter().enumerate() {
        let uri = target(&contact.uri, || format!("/contacts/{position}/uri"))?;
        contacts.push(RedirectContact {
            uri,
            q: contact.q.map(thousandths),
            expires: contact.expires,
        });
    }
    Ok(Redirect {
        status: decision.status.unwrap_or(Decision::DEFAULT_REDIRECT_STATUS),
        reason: reason_phrase(decision)?,
        headers: header_edits(&decision.headers)?,
        contacts,
    })
}

/// A q value in thousandths; a value outside 0 to 1 was refused before.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "clamped to 0..=1000 before the cast"
)]
fn thousandths(q: f64) -> u16 {
    (q.clamp(0.0, 1.0) * 1_000.0).round() as u16
}
