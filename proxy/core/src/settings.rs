//! What the core is told once and again on reload. The shell makes it from the configuration file.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use sigbox_wire::{Host, Uri};

use crate::flow::{ListenerId, Transport};
use crate::gateways::GatewaySets;
use crate::io::Class;
use crate::limits::RateLimits;
use crate::plan_cache::PlanCache;
use crate::routing_tables::RoutingTables;
use crate::rules::Rules;

/// Everything the core can be told.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Our sockets; a [`ListenerId`](crate::ListenerId) is a position here.
    pub listeners: Vec<Listener>,
    /// Host names and addresses, lower case, that also mean this proxy in a Request-URI or Route.
    pub aliases: Vec<Box<str>>,
    /// The tenant of requests whose rule names none.
    pub tenant: Arc<str>,
    /// The value of the Server header in responses made here; `None` sends none.
    pub server: Option<Box<str>>,
    /// Whether dialog-forming requests get a Record-Route (RFC 3261 §16.6 step 4).
    pub record_route: bool,
    /// What becomes of requests that a plan routes.
    pub role: Role,
    /// What becomes of 3xx responses.
    pub redirects: Redirects,
    /// Timer values.
    pub timers: Timers,
    /// Suspension.
    pub decision: DecisionSettings,
    /// Limits.
    pub limits: Limits,
    /// Local rules.
    pub rules: Rules,
    /// Limits on requests outside a dialog.
    pub rate_limits: RateLimits,
    /// Decisions that may be used again; the same for all shards of a node.
    pub cache: Arc<PlanCache>,
    /// Tables that rules look requests up in.
    pub tables: Option<Arc<dyn RoutingTables>>,
    /// Gateway sets, shared by all cores of a process.
    pub gateways: Arc<GatewaySets>,
    /// Which records to emit.
    pub records: Records,
    /// How long a caller is told to wait when the proxy drains, drawn from this range.
    pub retry_after: (Duration, Duration),
    /// Adds `X-Sigbox-Fallback: <cause>` to responses made by a fallback rule.
    pub explain_fallback: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            listeners: Vec::new(),
            aliases: Vec::new(),
            tenant: "default".into(),
            server: None,
            record_route: true,
            role: Role::default(),
            redirects: Redirects::default(),
            timers: Timers::default(),
            decision: DecisionSettings::default(),
            limits: Limits::default(),
            rules: Rules::default(),
            rate_limits: RateLimits::default(),
            cache: Arc::default(),
            tables: None,
            gateways: Arc::default(),
            records: Records::default(),
            retry_after: (Duration::from_secs(2), Duration::from_secs(10)),
            explain_fallback: false,
        }
    }
}

/// What the proxy does with a request that a rule or a decider routes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Role {
    /// Forwards it, as a stateful proxy (RFC 3261 §16).
    #[default]
    Proxy,
    /// Answers it with 302 and the routes as contacts (RFC 3261 §8.3).
    RedirectServer,
}

/// What becomes of a 3xx that a branch answers (RFC 3261 §16.7 step 4).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Redirects {
    /// It is a final response like any: the next routes, or the caller, get to see it.
    #[default]
    Relay,
    /// Its contacts are tried before the routes that are left.
    Follow,
    /// The decider is asked again, with the contacts in what was tried.
    Ask,
}

/// One listening socket.
#[derive(Clone, Debug, PartialEq)]
pub struct Listener {
    /// Its transport.
    pub transport: Transport,
    /// Its bound address, with the real port.
    pub address: SocketAddr,
    /// The host and port to write into Via and Record-Route; `None` writes the bound address.
    pub advertised: Option<(Box<str>, u16)>,
    /// Our Via up to its branch.
    via: Box<str>,
    /// Our Record-Route line.
    record_route: Box<str>,
}

/// SIP timers (RFC 3261 table 4) and ours.
#[derive(Clone, Debug, PartialEq)]
pub struct Timers {
    /// Round-trip estimate.
    pub t1: Duration,
    /// The longest retransmission interval of non-INVITE requests and INVITE responses.
    pub t2: Duration,
    /// How long a message may stay in the network.
    pub t4: Duration,
    /// How long a branch waits for any response before it counts as 408; Timers B and F, 64*T1 by
    /// default.
    pub fr: Duration,
    /// How long an INVITE branch may ring; Timer C (RFC 3261 §16.6 step 11), over three minutes by
    /// default.
    pub fr_inv: Duration,
    /// How long an INVITE over UDP may go unanswered before 100 Trying is sent; under 200 ms
    /// (RFC 3261 §17.2.1).
    pub trying: Duration,
}

impl Timers {
    /// How long a request other than INVITE may go unanswered before 100 Trying is sent, and must not be answered with it
    /// over UDP: until the Timer E of whoever sent it is set to T2 (RFC 4320 §4.1); 3.5 s by default.
    pub(crate) fn late_trying(&self) -> Duration {
        let mut interval = self.t1;
        let mut after = interval;
        while !interval.is_zero() && interval * 2 < self.t2 {
            interval *= 2;
            after += interval;
        }
        after
    }
}

impl Default for Timers {
    fn default() -> Self {
        let t1 = Duration::from_millis(500);
        Self {
            t1,
            t2: Duration::from_secs(4),
            t4: Duration::from_secs(5),
            fr: t1 * 64,
            fr_inv: Duration::from_secs(185),
            trying: Duration::ZERO,
        }
    }
}

/// How transactions are suspended.
#[derive(Clone, Debug, PartialEq)]
pub struct DecisionSettings {
    /// How long a decider has.
    pub budget: Duration,
    /// The longest a transaction may stay suspended, extensions included.
    pub max_wait: Duration,
    /// How often deciders are asked about one transaction.
    pub max_attempts: u8,
    /// The classes asked about when no rule matches. For the others, and with nobody to ask, the
    /// fallback rules decide.
    pub ask: Vec<Class>,
}

impl Default for DecisionSettings {
    fn default() -> Self {
        Self {
            budget: Duration::from_millis(200),
            max_wait: Duration::from_secs(10),
            max_attempts: 3,
            ask: Class::ALL.to_vec(),
        }
    }
}

/// Limits; each has a counter for what it refused.
#[derive(Clone, Debug, PartialEq)]
pub struct Limits {
    /// Transactions suspended at once in one core.
    pub suspended: usize,
    /// Live transactions (finished ones that absorb retransmissions do not count) in one core.
    pub transactions: usize,
    /// Answered calls that are counted for their gateways in one core; more count only until they are answered.
    pub gateway_calls: usize,
    /// Message limits.
    pub wire: sigbox_wire::Limits,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            suspended: 20_000,
            transactions: 100_000,
            gateway_calls: 100_000,
            wire: sigbox_wire::Limits::default(),
        }
    }
}

/// Which records the core emits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Records {
    /// [`Output::Decided`](crate::Output::Decided)
    pub decisions: bool,
    /// [`Output::Finished`](crate::Output::Finished)
    pub transactions: bool,
}

impl Settings {
    /// The socket to send from to `destination`: the preferred one if it fits, else the first that
    /// has the transport and the address family.
    pub fn listener_for(
        &self,
        transport: Transport,
        destination: SocketAddr,
        preferred: ListenerId,
    ) -> Option<ListenerId> {
        let ip = destination.ip().to_canonical();
        let one_host =
            !ip.is_multicast() && !ip.is_unspecified() && ip != std::net::Ipv4Addr::BROADCAST;
        let fits = |listener: &&Listener| {
            one_host
                && listener.transport == transport
                && listener.address.is_ipv4() == ip.is_ipv4()
        };
        if self
            .listeners
            .get(usize::from(preferred.0))
            .filter(fits)
            .is_some()
        {
            return Some(preferred);
        }
        let position = self.listeners.iter().position(|listener| fits(&listener))?;
        Some(ListenerId(position as u16))
    }

    /// Whether sending there would reach this proxy itself.
    pub fn owns_address(&self, transport: Transport, address: SocketAddr) -> bool {
        self.listeners.iter().any(|listener| {
            listener.transport == transport && listener.is_at(address.ip(), address.port())
        })
    }

    /// Whether a URI's host and port name this proxy, and by which socket if that is known.
    pub fn owns(&self, uri: &Uri<'_>) -> Option<Option<ListenerId>> {
        let host = uri.host?;
        let transport = uri
            .param("transport")
            .flatten()
            .and_then(Transport::from_name);
        let listener = self.listeners.iter().position(|listener| {
            let port = uri.port.unwrap_or(listener.transport.default_port());
            transport.is_none_or(|transport| transport == listener.transport)
                && match host {
                    Host::Name(name) => listener.advertised.as_ref().is_some_and(|(host, at)| {
                        *at == port && host.as_bytes().eq_ignore_ascii_case(name)
                    }),
                    numeric => numeric.ip().is_some_and(|ip| listener.is_at(ip, port)),
                }
        });
        if let Some(position) = listener {
            return Some(Some(ListenerId(position as u16)));
        }
        let known_port = uri.port.is_none_or(|port| {
            self.listeners.iter().any(|listener| {
                listener.address.port() == port
                    || listener
                        .advertised
                        .as_ref()
                        .is_some_and(|(_, at)| *at == port)
            })
        });
        let alias = known_port
            && self.aliases.iter().any(|alias| match host {
                Host::Name(name) => alias.as_bytes().eq_ignore_ascii_case(name),
                numeric => numeric.ip().is_some_and(|ip| alias.parse() == Ok(ip)),
            });
        alias.then_some(None)
    }

    pub(crate) fn listener(&self, id: ListenerId) -> Option<&Listener> {
        self.listeners.get(usize::from(id.0))
    }
}

impl Listener {
    /// A socket bound to `address`, which peers reach as `advertised` if that is something else.
    pub fn new(
        transport: Transport,
        address: SocketAddr,
        advertised: Option<(Box<str>, u16)>,
    ) -> Self {
        let sent_by = match &advertised {
            Some((host, port)) => format!("{host}:{port}"),
            None => address.to_string(),
        };
        let parameter = match transport {
            Transport::Udp => String::new(),
            other => format!(";transport={other}"),
        };
        let protocol = transport.via_name();
        Self {
            transport,
            address,
            advertised,
            via: format!("Via: SIP/2.0/{protocol} {sent_by};branch=").into(),
            record_route: format!("Record-Route: <sip:{sent_by}{parameter};lr>\r\n").into(),
        }
    }

    /// The Via line of what is sent from here, up to the branch.
    pub(crate) fn via(&self) -> &str {
        &self.via
    }

    /// The branch of a Via that is ours to the letter; what else may be ours is to be parsed.
    pub(crate) fn branch_of<'v>(&self, via: &'v [u8]) -> Option<&'v [u8]> {
        let written = self.via.strip_prefix("Via: ")?;
        via.strip_prefix(written.as_bytes())
    }

    /// The value of our Record-Route.
    pub(crate) fn record_route_value(&self) -> &[u8] {
        let line = self.record_route.as_bytes();
        let value = line.strip_prefix(b"Record-Route: ").unwrap_or_default();
        value.strip_suffix(b"\r\n").unwrap_or_default()
    }

    /// The Record-Route line that brings a dialog back here.
    pub(crate) fn record_route(&self) -> &str {
        &self.record_route
    }

    fn is_at(&self, ip: IpAddr, port: u16) -> bool {
        let (bound, ip) = (self.address.ip().to_canonical(), ip.to_canonical());
        // Bound to every address, it hears what this host sends to itself.
        let hears = bound == ip || bound.is_unspecified() && ip.is_loopback();
        hears && self.address.port() == port
            || self.advertised.as_ref().is_some_and(|(host, at)| {
                *at == port && host.trim_matches(['[', ']']).parse() == Ok(ip)
            })
    }
}
