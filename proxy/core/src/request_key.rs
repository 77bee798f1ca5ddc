//! Parts of a request as text: what limits count by, and what decisions are remembered by.

use std::fmt;
use std::io::Write;
use std::net::IpAddr;

use ipnet::IpNet;
use smallvec::SmallVec;

use crate::rules::Facts;

/// A key in the making; the usual one is not allocated.
pub(crate) type KeyText = SmallVec<[u8; 128]>;

/// The longest key, as in the contract's `cache.key`.
const LONGEST: usize = 256;

/// One part of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RequestPart {
    /// The method.
    Method,
    /// The source address, or its network of so many bits for IPv4 and for IPv6.
    Source {
        /// 0 to 32.
        v4: u8,
        /// 0 to 128.
        v6: u8,
    },
    /// Our socket it came in by: a trunk.
    Listener,
    /// The user part of the Request-URI.
    User,
    /// The host of the Request-URI, lower case.
    Domain,
    /// The user part of From.
    FromUser,
    /// The host of From, lower case.
    FromDomain,
    /// The user part of To.
    ToUser,
    /// The host of To, lower case.
    ToDomain,
    /// The first value of that header.
    Header(Box<str>),
}

impl RequestPart {
    /// The whole source address.
    pub const SOURCE: Self = Self::Source { v4: 32, v6: 128 };

    /// The part that `text` names: `user`, `source/24`, `header:X-Trunk`. `source/` and a number up to 32
    /// is an IPv4 network, and of IPv6 the /64; a larger number is an IPv6 network, and of IPv4 the
    /// whole address.
    pub fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "method" => Self::Method,
            "source" => Self::SOURCE,
            "listener" => Self::Listener,
            "user" => Self::User,
            "domain" => Self::Domain,
            "from_user" => Self::FromUser,
            "from_domain" => Self::FromDomain,
            "to_user" => Self::ToUser,
            "to_domain" => Self::ToDomain,
            _ => {
                if let Some(name) = text.strip_prefix("header:") {
                    let is_name = |b: u8| b.is_ascii_alphanumeric() || b"-.!%*_+`'~".contains(&b);
                    return (!name.is_empty() && name.bytes().all(is_name))
                        .then(|| Self::Header(name.into()));
                }
                match text.strip_prefix("source/")?.parse().ok()? {
                    v4 @ 1..=32 => Self::Source { v4, v6: 64 },
                    v6 @ 33..=128 => Self::Source { v4: 32, v6 },
                    _ => return None,
                }
            }
        })
    }

    /// Appends the part as text; `false` when the request has no such part.
    pub(crate) fn append(&self, facts: &Facts<'_>, out: &mut KeyText) -> bool {
        let user = |uri: Option<&sigbox_wire::Uri<'_>>, out: &mut KeyText| {
            let user = uri.and_then(|uri| uri.user);
            out.extend_from_slice(user.unwrap_or_default());
            user.is_some()
        };
        match self {
            Self::Method => out.extend_from_slice(facts.request.method().as_bytes()),
            Self::Source { v4, v6 } => {
                let ip = facts.source();
                let bits = if ip.is_ipv4() { *v4 } else { *v6 };
                let net = IpNet::new(ip, bits).map_or(ip, |net| net.network());
                return write_ip(net, out);
            }
            Self::Listener => return write!(out, "{}", facts.flow.listener.0).is_ok(),
            Self::User => return user(facts.uri(), out),
            Self::FromUser => return user(facts.from().map(|from| &from.uri), out),
            Self::ToUser => return user(facts.to().map(|to| &to.uri), out),
            Self::Domain => return domain(facts.uri().and_then(|uri| uri.host), out),
            Self::FromDomain => return domain(facts.from().and_then(|from| from.uri.host), out),
            Self::ToDomain => return domain(facts.to().and_then(|to| to.uri.host), out),
            Self::Header(name) => {
                let Some(header) = facts.request.named(name.as_bytes()).next() else {
                    return false;
                };
                out.extend_from_slice(header.value);
            }
        }
        true
    }
}

impl fmt::Display for RequestPart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Method => "method",
            Self::Source { v4: 32, v6: 128 } => "source",
            Self::Source { v4: 32, v6 } => return write!(f, "source/{v6}"),
            Self::Source { v4, .. } => return write!(f, "source/{v4}"),
            Self::Listener => "listener",
            Self::User => "user",
            Self::Domain => "domain",
            Self::FromUser => "from_user",
            Self::FromDomain => "from_domain",
            Self::ToUser => "to_user",
            Self::ToDomain => "to_domain",
            Self::Header(name) => return write!(f, "header:{name}"),
        })
    }
}

fn write_ip(ip: IpAddr, out: &mut KeyText) -> bool {
    write!(out, "{ip}").is_ok()
}

fn domain(host: Option<sigbox_wire::Host<'_>>, out: &mut KeyText) -> bool {
    match host {
        None => false,
        Some(sigbox_wire::Host::Name(name)) => {
            let start = out.len();
            out.extend_from_slice(name);
            out[start..].make_ascii_lowercase();
            true
        }
        Some(host) => host.ip().is_some_and(|ip| write_ip(ip, out)),
    }
}

/// A text with parts of a request in it: `{from_user}|{user}`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyTemplate {
    text: Box<str>,
    pieces: Box<[Piece]>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Text(Box<str>),
    Part(RequestPart),
}

impl KeyTemplate {
    /// Reads a template; braces stand around the names of [`RequestPart::parse`].
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut pieces = Vec::new();
        let mut rest = text;
        while let Some(at) = rest.find(['{', '}']) {
            if at > 0 {
                pieces.push(Piece::Text(rest[..at].into()));
            }
            let inner = rest[at..].strip_prefix('{');
            let Some((name, after)) = inner.and_then(|inner| inner.split_once('}')) else {
                return Err("a brace stands alone".to_owned());
            };
            let Some(part) = RequestPart::parse(name) else {
                return Err(format!("`{name}` is no part of a request"));
            };
            pieces.push(Piece::Part(part));
            rest = after;
        }
        if !rest.is_empty() {
            pieces.push(Piece::Text(rest.into()));
        }
        if !pieces.iter().any(|piece| matches!(piece, Piece::Part(_))) {
            return Err("no part of the request is in it".to_owned());
        }
        Ok(Self {
            text: text.into(),
            pieces: pieces.into(),
        })
    }

    /// The key of a request. `None` when a part of it is missing, holds what separates parts (`|`) or
    /// a control character, or the key is longer than a decider may declare.
    pub(crate) fn key(&self, facts: &Facts<'_>) -> Option<KeyText> {
        let mut key = KeyText::new();
        for piece in &self.pieces {
            match piece {
                Piece::Text(text) => key.extend_from_slice(text.as_bytes()),
                Piece::Part(part) => {
                    let start = key.len();
                    let is_there = part.append(facts, &mut key);
                    let is_plain = |b: &u8| *b != b'|' && !b.is_ascii_control();
                    if !is_there || !key[start..].iter().all(is_plain) {
                        return None;
                    }
                }
            }
        }
        (key.len() <= LONGEST).then_some(key)
    }
}

impl fmt::Display for KeyTemplate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_read_back_as_they_are_written() {
        for text in [
            "method",
            "source",
            "source/24",
            "source/56",
            "listener",
            "user",
            "domain",
            "from_user",
            "from_domain",
            "to_user",
            "to_domain",
            "header:X-Trunk",
        ] {
            assert_eq!(RequestPart::parse(text).unwrap().to_string(), text);
        }
        for text in [
            "",
            "users",
            "source/0",
            "source/129",
            "source/x",
            "header:",
            "header:a b",
        ] {
            assert_eq!(RequestPart::parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_template_that_says_nothing_is_refused() {
        assert!(KeyTemplate::parse("{from_user}|{user}").is_ok());
        for (text, fault) in [
            ("de", "no part of the request is in it"),
            ("{user", "a brace stands alone"),
            ("user}", "a brace stands alone"),
            ("{usr}", "`usr` is no part of a request"),
        ] {
            assert_eq!(KeyTemplate::parse(text).unwrap_err(), fault);
        }
    }
}
