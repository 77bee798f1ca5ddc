//! What to do with a request: the core's own form of a decision.
//!
//! A plan is valid by construction. Whoever builds one (a decider's reply, a local rule) has had
//! every URI parsed and every header checked, so the core never meets a half-valid one.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use sigbox_wire::{Host, NameAddr, Scheme, Uri};

use crate::flow::{ListenerId, Transport};
use crate::gateways::GatewayRef;
use crate::header_edits::{HeaderEdits, MAX_HEADER_BYTES, MAX_NAME_BYTES};

/// The most routes a plan may hold, whatever the configuration allows.
pub const MAX_ROUTES: usize = 64;

/// What a decider or a local rule wants done with a suspended request.
#[derive(Clone, Debug, PartialEq)]
pub enum Plan {
    /// Forward it.
    Route(RoutePlan),
    /// Answer it with a final response of 300 to 699 other than 3xx.
    Reject(Reject),
    /// Answer it with a 3xx and contacts.
    Redirect(Redirect),
    /// Let the local rules decide.
    Pass,
}

impl Plan {
    /// The verb, as in the contract.
    pub const fn action(&self) -> &'static str {
        match self {
            Self::Route(_) => "route",
            Self::Reject(_) => "reject",
            Self::Redirect(_) => "redirect",
            Self::Pass => "pass",
        }
    }
}

/// Where to forward a request: groups in order, the routes of one group in parallel.
#[derive(Clone, Debug, PartialEq)]
pub struct RoutePlan {
    /// Never empty, at most [`MAX_ROUTES`], sorted by group.
    routes: Vec<Route>,
    /// Which final responses lead to the next group.
    pub failover: Failover,
    /// Ask again, with what was tried, when every route failed.
    pub requery: bool,
}

impl RoutePlan {
    /// Routes in the order given, then by group. Refuses an empty list and one over
    /// [`MAX_ROUTES`].
    pub fn new(
        mut routes: Vec<Route>,
        failover: Failover,
        requery: bool,
    ) -> Result<Self, PlanError> {
        if routes.is_empty() {
            return Err(PlanError::NoRoutes);
        }
        if routes.len() > MAX_ROUTES {
            return Err(PlanError::TooManyRoutes);
        }
        routes.sort_by_key(|route| route.group);
        Ok(Self {
            routes,
            failover,
            requery,
        })
    }

    /// All routes, by group.
    pub fn routes(&self) -> &[Route] {
        &self.routes
    }
}

/// One branch to be.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Route {
    /// The new Request-URI; `None` keeps the request's.
    pub uri: Option<Target>,
    /// Where the request is sent, if not where its Request-URI points (rtjson's `dst_uri`).
    pub next_hop: Option<Target>,
    /// Route headers to put in front, complete values separated by commas (RFC 3327's Path, in
    /// order of traversal).
    pub path: Option<RouteSet>,
    /// The socket to send from; `None` lets the core choose.
    pub listener: Option<ListenerId>,
    /// Header changes on this branch alone.
    pub edits: Option<Box<HeaderEdits>>,
    /// Opaque to the core; shown in records.
    pub branch_flags: u32,
    /// How long to wait for any response (Timer B/F); `None` is the configured value.
    pub fr_timer: Option<Duration>,
    /// How long to wait for a final response after a provisional one; `None` is the configured
    /// value.
    pub fr_inv_timer: Option<Duration>,
    /// Routes with the same number fork in parallel; lower numbers go first.
    pub group: u16,
    /// The gateway set that chooses the next hop when the route's turn comes.
    pub gateways: Option<Arc<str>>,
    /// The gateway that was chosen: the next hop.
    pub gateway: Option<GatewayRef>,
}

impl Route {
    /// Where it is sent, if not where its Request-URI points.
    pub fn next_hop(&self) -> Option<&Target> {
        match &self.gateway {
            Some(gateway) => Some(gateway.uri()),
            None => self.next_hop.as_ref(),
        }
    }
}

/// A URI that was parsed, with the host and port it leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    text: Box<str>,
    hop: Option<Hop>,
}

/// Where a URI leads before any name is looked up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hop {
    /// The transport to use.
    pub transport: Transport,
    /// The address, or the name to look up.
    pub host: HopHost,
}

/// The host part of a [`Hop`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HopHost {
    /// A numeric address.
    Address(SocketAddr),
    /// A host name and the port to use with whatever address it has.
    Name(Box<str>, u16),
}

impl Target {
    /// Parses `text` as a sip, sips or tel URI.
    pub fn parse(text: &str) -> Result<Self, PlanError> {
        if text
            .bytes()
            .any(|b| b.is_ascii_control() || b == b' ' || b == b'<' || b == b'>')
        {
            return Err(PlanError::Uri);
        }
        let uri = Uri::parse(text.as_bytes()).map_err(|_| PlanError::Uri)?;
        let hop = Hop::of(&uri)?;
        if hop.is_none() && uri.scheme != Scheme::Tel {
            return Err(PlanError::Uri);
        }
        Ok(Self {
            text: text.into(),
            hop,
        })
    }

    /// The URI as written.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The URI as a Request-URI, which has no headers (RFC 3261 §16.6 step 2, §19.1.1).
    pub fn request_uri(&self) -> &str {
        if !self.text.contains('?') {
            return &self.text;
        }
        let uri = Uri::parse(self.text.as_bytes()).ok();
        let headers = uri
            .and_then(|uri| uri.headers)
            .map(|headers| headers.len() + 1);
        let end = self.text.len() - headers.unwrap_or_default();
        self.text.get(..end).unwrap_or_default()
    }

    /// Where it leads; `None` for a tel URI, which names no host.
    pub fn hop(&self) -> Option<&Hop> {
        self.hop.as_ref()
    }
}

impl Hop {
    /// Where `uri` leads: maddr or host, port and transport parameter (RFC 3261 §16.6 step 7, RFC 3263
    /// §4 without NAPTR and SRV). `None` when the URI names no host.
    pub fn of(uri: &Uri<'_>) -> Result<Option<Self>, PlanError> {
        let secure = match uri.scheme {
            Scheme::Sip => false,
            Scheme::Sips => true,
            Scheme::Tel => return Ok(None),
            Scheme::Other(_) => return Err(PlanError::Scheme),
        };
        let host = match uri.param("maddr").flatten() {
            Some(maddr) => Some(Host::parse(maddr).map_err(|_| PlanError::Uri)?),
            None => uri.host,
        };
        let Some(host) = host else {
            return Ok(None);
        };
        let transport = match uri.param("transport").flatten() {
            Some(name) => Transport::from_name(name).ok_or(PlanError::Transport)?,
            None if secure => Transport::Tls,
            None => Transport::Udp,
        };
        let transport = match transport {
            Transport::Tcp | Transport::Udp if secure => Transport::Tls,
            Transport::Ws if secure => Transport::Wss,
            other => other,
        };
        let port = uri.port.unwrap_or(transport.default_port());
        let host = match host {
            Host::V4(ip) => HopHost::Address((ip, port).into()),
            // An IPv4 address in IPv6 clothes is that IPv4 address.
            Host::V6(ip) => HopHost::Address((ip.to_canonical(), port).into()),
            Host::Name(name) => HopHost::Name(String::from_utf8_lossy(name).into(), port),
        };
        Ok(Some(Self { transport, host }))
    }
}

/// Route header values to put in front of a request, checked to be name-addrs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RouteSet {
    text: Box<str>,
    hop: Hop,
}

impl RouteSet {
    /// Parses comma-separated name-addrs, as a Path or Route header holds them. A bare URI is put
    /// into angle brackets.
    pub fn parse(text: &str) -> Result<Self, PlanError> {
        if text.bytes().any(|b| b.is_ascii_control()) {
            return Err(PlanError::Uri);
        }
        let text = if text.contains('<') {
            text.trim().to_owned()
        } else {
            format!("<{}>", text.trim())
        };
        let mut first = None;
        for value in split_values(&text) {
            let route = NameAddr::parse(value.as_bytes()).map_err(|_| PlanError::Uri)?;
            let uri = route.parsed_uri().map_err(|_| PlanError::Uri)?;
            let hop = Hop::of(&uri)?.ok_or(PlanError::Uri)?;
            first.get_or_insert(hop);
        }
        let hop = first.ok_or(PlanError::Uri)?;
        Ok(Self {
            text: text.into(),
            hop,
        })
    }

    /// The header value.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Where the first of them leads.
    pub fn hop(&self) -> &Hop {
        &self.hop
    }
}

/// Splits a list at the commas that are neither in quotes nor in angle brackets.
fn split_values(list: &str) -> impl Iterator<Item = &str> {
    let (mut quoted, mut escaped, mut bracketed) = (false, false, false);
    list.split(move |c| {
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' if !bracketed => quoted = !quoted,
            '<' if !quoted => bracketed = true,
            '>' if !quoted => bracketed = false,
            ',' => return !quoted && !bracketed,
            _ => {}
        }
        false
    })
    .map(str::trim)
}

/// The longest reason phrase of a response made here, in bytes.
pub const MAX_REASON_BYTES: usize = 256;

/// Which final responses lead on to the next group of routes.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub enum Failover {
    /// Everything but 2xx and 6xx.
    #[default]
    Any,
    /// These statuses and classes.
    Only(Vec<StatusMatch>),
}

/// One entry of a failover list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StatusMatch {
    /// `480`
    Status(u16),
    /// `5xx`, as 5.
    Class(u8),
}

impl Failover {
    /// Whether a final response with `status` leads on. A 2xx never does.
    pub fn includes(&self, status: u16) -> bool {
        match self {
            _ if (200..300).contains(&status) => false,
            Self::Any => status < 600,
            Self::Only(list) => list.iter().any(|entry| entry.matches(status)),
        }
    }
}

impl StatusMatch {
    /// Whether `status` is meant.
    pub fn matches(self, status: u16) -> bool {
        match self {
            Self::Status(this) => this == status,
            Self::Class(class) => u16::from(class) == status / 100,
        }
    }
}

/// A final response made here.
#[derive(Clone, Debug, PartialEq)]
pub struct Reject {
    /// 400 to 699.
    pub status: u16,
    /// The reason phrase; `None` is RFC 3261's.
    pub reason: Option<Box<str>>,
    /// Headers to add (`set` and `extra` both add; there is nothing to remove).
    pub headers: HeaderEdits,
    /// `Retry-After`, drawn from this range for each response.
    pub retry_after: Option<(Duration, Duration)>,
}

/// A 3xx made here.
#[derive(Clone, Debug, PartialEq)]
pub struct Redirect {
    /// 300 to 399.
    pub status: u16,
    /// The reason phrase; `None` is RFC 3261's.
    pub reason: Option<Box<str>>,
    /// Headers to add, as in [`Reject::headers`].
    pub headers: HeaderEdits,
    /// In order of preference; never empty.
    pub contacts: Vec<RedirectContact>,
}

/// One Contact of a [`Redirect`].
#[derive(Clone, Debug, PartialEq)]
pub struct RedirectContact {
    /// Where to try.
    pub uri: Target,
    /// Preference in thousandths, 0 to 1000.
    pub q: Option<u16>,
    /// How long the contact is good, in seconds.
    pub expires: Option<u32>,
}

/// Why a plan cannot be built.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// There is nothing to route to.
    #[error("a route plan needs at least one route")]
    NoRoutes,
    /// More than [`MAX_ROUTES`].
    #[error("more than {MAX_ROUTES} routes")]
    TooManyRoutes,
    /// Not a sip, sips or tel URI.
    #[error("not a valid URI")]
    Uri,
    /// A scheme the proxy cannot route.
    #[error("the scheme is not sip, sips or tel")]
    Scheme,
    /// `;transport=` names none we know.
    #[error("unknown transport")]
    Transport,
    /// Not a token, or too long.
    #[error("not a header name of at most {MAX_NAME_BYTES} bytes")]
    HeaderName,
    /// One that only the proxy writes.
    #[error("this header is written by the proxy alone")]
    ProtectedHeader,
    /// It would break out of its line.
    #[error("a header value holds a control character")]
    HeaderValue,
    /// A header longer than is read, or more of them than a datagram has room for.
    #[error("more than {MAX_HEADER_BYTES} bytes of headers, or too long a header")]
    TooLong,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_route_set_is_a_list_of_addresses() {
        let hop = |text| RouteSet::parse(text).map(|set| set.hop().host.clone());
        let first = HopHost::Address(([192, 0, 2, 1], 5060).into());
        for good in [
            "sip:192.0.2.1;lr",
            "<sip:192.0.2.1;lr>",
            "<sip:192.0.2.1;lr>, <sip:192.0.2.2;lr>",
            "\"a, <sip:192.0.2.9>\" <sip:192.0.2.1;lr>;x=1,<sip:192.0.2.2>",
        ] {
            assert_eq!(hop(good), Ok(first.clone()), "{good}");
        }
        for bad in [
            "",
            "<sip:192.0.2.1;lr>, garbage;;<<",
            "<sip:192.0.2.1;lr>,",
            "<http://192.0.2.1>",
            "<tel:+4930>",
            "<sip:192.0.2.1",
        ] {
            assert!(hop(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn headers_of_a_target_do_not_go_into_the_request_line() {
        for (text, requested) in [
            ("sip:a@b;x=y?Route=%3Csip:c%3E", "sip:a@b;x=y"),
            ("sip:a?b@c", "sip:a?b@c"),
            ("sip:a@b?", "sip:a@b"),
            ("tel:+4930", "tel:+4930"),
        ] {
            assert_eq!(Target::parse(text).unwrap().request_uri(), requested);
        }
    }
}
