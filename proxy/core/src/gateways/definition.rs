//! What is said about gateway sets, by the configuration or a table.

use std::time::Duration;

use crate::flow::ListenerId;
use crate::plan::{StatusMatch, Target};

/// The most sets there may be.
pub const MAX_SETS: usize = 1_024;

/// The most gateways one set may have.
pub const MAX_GATEWAYS: usize = 1_024;

/// The longest name of a set or gateway, in bytes.
const MAX_NAME: usize = 63;

/// How a set chooses among its gateways. Every algorithm gives an order: the first is tried, the others are where the
/// request goes when that fails. Gateways that cannot be used are left out of it beforehand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// Weighted rendezvous hashing: the same key leads to the same gateway, and only the keys of a gateway that goes
    /// away move. The order is that of `-weight / ln(h)` with `h` in (0, 1) a hash of key and id, the largest first.
    Hash(HashOn),
    /// The k-th request begins with the gateway number `k mod n` of the n that can be used, and goes on in order.
    RoundRobin,
    /// Every order is as likely.
    Random,
    /// The first is drawn with a chance in proportion to its weight, the next among those left in the same way, as
    /// RFC 2782 does. Weight 0 comes after all others.
    Weight,
    /// The lowest priority first; within one priority as [`Algorithm::Weight`].
    Priority,
    /// The fewest calls under way for its weight first; of equal ones in any order. Weight 0 comes last.
    LeastCalls,
    /// The shortest mean time to a first response first; those that were never measured before all others.
    Latency,
    /// All at once; the first 2xx wins.
    Parallel,
}

impl Algorithm {
    /// The name in configuration, tables and documents.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Hash(_) => "hash",
            Self::RoundRobin => "round_robin",
            Self::Random => "random",
            Self::Weight => "weight",
            Self::Priority => "priority",
            Self::LeastCalls => "least_calls",
            Self::Latency => "latency",
            Self::Parallel => "parallel",
        }
    }
}

/// What [`Algorithm::Hash`] hashes. Where it is absent in a request, the Call-ID is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum HashOn {
    /// The Call-ID: calls spread, and all attempts of one stay together.
    #[default]
    CallId,
    /// `user@host` of From, the host in lower case.
    From,
    /// `user@host` of To, the host in lower case.
    To,
    /// The Request-URI as it came.
    RequestUri,
    /// The first header of that name, as it came.
    Header(Box<str>),
}

/// One gateway.
#[derive(Clone, Debug, PartialEq)]
pub struct GatewayDefinition {
    /// Its name within the set: 1 to 63 letters, digits, `.`, `_` and `-`.
    pub id: Box<str>,
    /// The next hop.
    pub uri: Target,
    /// Its share, relative to the others.
    pub weight: u32,
    /// Lower ones first, where the algorithm looks at it.
    pub priority: u32,
    /// The most calls under way; 0 is no limit.
    pub max_calls: u32,
    /// Whether it is used at all.
    pub enabled: bool,
    /// The socket to send from; `None` lets the core choose.
    pub listener: Option<ListenerId>,
    /// How many characters are cut from the beginning of the Request-URI's user.
    pub strip: u8,
    /// What is put in front of the Request-URI's user after that.
    pub prefix: Box<str>,
    /// Opaque text, shown where the gateway is.
    pub attributes: Box<str>,
}

impl GatewayDefinition {
    /// A gateway with the usual values: weight 1, priority 0, no limit, enabled.
    pub fn new(id: &str, uri: Target) -> Self {
        Self {
            id: id.into(),
            uri,
            weight: 1,
            priority: 0,
            max_calls: 0,
            enabled: true,
            listener: None,
            strip: 0,
            prefix: Box::default(),
            attributes: Box::default(),
        }
    }
}

/// One set.
#[derive(Clone, Debug, PartialEq)]
pub struct SetDefinition {
    /// A slug: 1 to 63 of `a-z`, `0-9`, `_`, `-`.
    pub name: Box<str>,
    /// How gateways are chosen.
    pub algorithm: Algorithm,
    /// Its gateways, at least one.
    pub gateways: Vec<GatewayDefinition>,
    /// The most gateways that one request tries; 1 to [`MAX_ROUTES`](crate::MAX_ROUTES).
    pub max_tries: usize,
    /// Final responses that count as failures of the gateway.
    pub failure_statuses: Vec<StatusMatch>,
    /// So many failures in a row make a gateway inactive.
    pub inactive_after: u32,
    /// So many successes in a row make an inactive one active.
    pub active_after: u32,
    /// Without probing: how long an inactive gateway is left alone before a request tries it.
    pub recover: Duration,
    /// The longest Retry-After of a 503 that is believed.
    pub max_retry_after: Duration,
    /// How gateways are probed; `None` learns from requests alone.
    pub probing: Option<Probing>,
    /// Whether RFC 7339 is offered to the gateways and what they ask for is done.
    pub overload_control: bool,
    /// How long an answered call counts when no message of its dialog comes by.
    pub max_call: Duration,
}

impl SetDefinition {
    /// A set with the usual values.
    pub fn new(name: &str, algorithm: Algorithm, gateways: Vec<GatewayDefinition>) -> Self {
        Self {
            name: name.into(),
            algorithm,
            gateways,
            max_tries: crate::MAX_ROUTES,
            failure_statuses: vec![StatusMatch::Status(503)],
            inactive_after: 3,
            active_after: 2,
            recover: Duration::from_secs(30),
            max_retry_after: Duration::from_secs(60),
            probing: None,
            overload_control: false,
            max_call: Duration::from_secs(4 * 3_600),
        }
    }
}

/// How gateways are probed with OPTIONS (RFC 3261 §11).
#[derive(Clone, Debug, PartialEq)]
pub struct Probing {
    /// From one probe to the next; each time up to a tenth more or less.
    pub interval: Duration,
    /// How long a final response is waited for.
    pub timeout: Duration,
    /// Final responses that show a gateway alive; when empty, all but 408 and 5xx, and of those 501, which only says
    /// that OPTIONS is not known.
    pub accept: Vec<StatusMatch>,
    /// The URI in From; `None` is `sip:probe@` and our own address.
    pub from: Option<Target>,
}

impl Probing {
    /// Whether a final response with `status` shows a gateway alive.
    pub(crate) fn accepts(&self, status: u16) -> bool {
        if self.accept.is_empty() {
            status == 501 || status != 408 && status / 100 != 5
        } else {
            self.accept.iter().any(|entry| entry.matches(status))
        }
    }
}

/// Why sets cannot be built.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GatewayError {
    /// More than [`MAX_SETS`].
    #[error("more than {MAX_SETS} gateway sets")]
    TooManySets,
    /// Not a slug.
    #[error("{0:?} is no name of a gateway set: 1 to 63 of a-z, 0-9, _ and -")]
    SetName(Box<str>),
    /// Two sets have one name.
    #[error("there are two gateway sets named {0:?}")]
    SetTwice(Box<str>),
    /// A set has no gateway, or more than [`MAX_GATEWAYS`].
    #[error("gateway set {0:?} must have 1 to {MAX_GATEWAYS} gateways")]
    Size(Box<str>),
    /// Not an id.
    #[error("{1:?} in gateway set {0:?} is no id: 1 to 63 letters, digits, '.', '_' and '-'")]
    Id(Box<str>, Box<str>),
    /// Two gateways of one set have one id.
    #[error("gateway set {0:?} has two gateways with the id {1:?}")]
    IdTwice(Box<str>, Box<str>),
    /// A tel URI, which names no host.
    #[error("gateway {1:?} of set {0:?} has a URI without a host")]
    NoHost(Box<str>, Box<str>),
    /// It is no text that may stand in a Request-URI's user.
    #[error(
        "the prefix of gateway {1:?} of set {0:?} may hold digits, letters, '+', '*', '-' and '.' only"
    )]
    Prefix(Box<str>, Box<str>),
}

/// Refuses what cannot be used.
pub(super) fn check(sets: &[SetDefinition]) -> Result<(), GatewayError> {
    if sets.len() > MAX_SETS {
        return Err(GatewayError::TooManySets);
    }
    let mut names: Vec<&str> = Vec::with_capacity(sets.len());
    for set in sets {
        let name = || set.name.clone();
        let is_slug = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"_-".contains(&b);
        if !is_name(&set.name, is_slug) {
            return Err(GatewayError::SetName(name()));
        }
        names.push(&set.name);
        if !(1..=MAX_GATEWAYS).contains(&set.gateways.len()) {
            return Err(GatewayError::Size(name()));
        }
        let mut ids: Vec<&str> = Vec::with_capacity(set.gateways.len());
        for gateway in &set.gateways {
            let id = || gateway.id.clone();
            if !is_name(&gateway.id, |b| {
                b.is_ascii_alphanumeric() || b"._-".contains(&b)
            }) {
                return Err(GatewayError::Id(name(), id()));
            }
            if gateway.uri.hop().is_none() {
                return Err(GatewayError::NoHost(name(), id()));
            }
            let is_dialled = |b: u8| b.is_ascii_alphanumeric() || b"+*-.".contains(&b);
            if !gateway.prefix.bytes().all(is_dialled) || gateway.prefix.len() > MAX_NAME {
                return Err(GatewayError::Prefix(name(), id()));
            }
            ids.push(&gateway.id);
        }
        if let Some(id) = twice(ids) {
            return Err(GatewayError::IdTwice(name(), id.into()));
        }
    }
    match twice(names) {
        Some(name) => Err(GatewayError::SetTwice(name.into())),
        None => Ok(()),
    }
}

fn is_name(text: &str, may: impl Fn(u8) -> bool) -> bool {
    (1..=MAX_NAME).contains(&text.len()) && text.bytes().all(may)
}

/// A text that is there twice.
fn twice(mut texts: Vec<&str>) -> Option<&str> {
    texts.sort_unstable();
    texts
        .windows(2)
        .find(|pair| pair[0] == pair[1])
        .map(|pair| pair[0])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gateway(id: &str) -> GatewayDefinition {
        GatewayDefinition::new(id, Target::parse("sip:192.0.2.1").unwrap())
    }

    fn set(name: &str, gateways: Vec<GatewayDefinition>) -> SetDefinition {
        SetDefinition::new(name, Algorithm::Random, gateways)
    }

    #[test]
    fn what_cannot_be_used_is_refused() {
        let tel = GatewayDefinition::new("a", Target::parse("tel:+4930").unwrap());
        let prefixed = GatewayDefinition {
            prefix: "0@".into(),
            ..gateway("a")
        };
        for (sets, wanted) in [
            (vec![set("a", vec![gateway("A.1_-")])], None),
            (vec![set("", vec![gateway("a")])], Some("is no name")),
            (vec![set("A", vec![gateway("a")])], Some("is no name")),
            (vec![set("a", vec![])], Some("must have 1 to")),
            (vec![set("a", vec![gateway("a b")])], Some("is no id")),
            (
                vec![set("a", vec![gateway("x"), gateway("y"), gateway("x")])],
                Some("two gateways with the id \"x\""),
            ),
            (vec![set("a", vec![tel])], Some("without a host")),
            (vec![set("a", vec![prefixed])], Some("the prefix")),
            (
                vec![set("a", vec![gateway("a")]), set("a", vec![gateway("a")])],
                Some("two gateway sets named \"a\""),
            ),
        ] {
            let found = check(&sets).err().map(|error| error.to_string());
            match wanted {
                None => assert_eq!(found, None),
                Some(wanted) => {
                    let found = found.unwrap_or_default();
                    assert!(found.contains(wanted), "{found:?} does not say {wanted:?}");
                }
            }
        }
    }

    #[test]
    fn which_answers_show_a_gateway_alive() {
        let mut probing = Probing {
            interval: Duration::from_secs(1),
            timeout: Duration::from_secs(1),
            accept: Vec::new(),
            from: None,
        };
        for (status, alive) in [
            (200, true),
            (302, true),
            (403, true),
            (405, true),
            (408, false),
            (500, false),
            (501, true),
            (503, false),
            (603, true),
        ] {
            assert_eq!(probing.accepts(status), alive, "{status}");
        }
        probing.accept = vec![StatusMatch::Class(2), StatusMatch::Status(503)];
        let accepted = [200, 299, 404, 503].map(|status| probing.accepts(status));
        assert_eq!(accepted, [true, true, false, true]);
    }
}
