//! Hosts in URIs and Via.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use nom::Parser;
use nom::bytes::complete::{tag, take_till1, take_while1};
use nom::combinator::recognize;
use nom::sequence::delimited;

use crate::chars::is_host;
use crate::grammar::{Parsed, Stuck, port, refuse};
use crate::malformed::{Malformed, Reason};

/// A host as RFC 3261 §25.1 has it.
#[derive(Debug, Clone, Copy)]
pub enum Host<'a> {
    /// A dotted quad.
    V4(Ipv4Addr),
    /// An IPv6 address, written in brackets.
    V6(Ipv6Addr),
    /// A name, as written.
    Name(&'a [u8]),
}

impl<'a> Host<'a> {
    /// Parses a host without a port.
    ///
    /// # Errors
    ///
    /// [`Reason::Host`]: brackets around something other than an IPv6 address, digits and dots that
    /// are no IPv4 address (`256.1.1.1`, `010.0.0.1`), or bytes that no host name has.
    pub fn parse(text: &'a [u8]) -> Result<Self, Malformed> {
        if let Some((address, [])) = dotted_quad(text) {
            return Ok(Self::V4(address));
        }
        let is_numeric = |byte: &u8| byte.is_ascii_digit() || *byte == b'.';
        let host = match text {
            [b'[', address @ .., b']'] => ascii(address).and_then(ipv6).map(Self::V6),
            name if name.iter().all(is_numeric) => None,
            name if name.iter().all(|byte| is_host(*byte)) => Some(Self::Name(name)),
            _ => None,
        };
        host.ok_or(Malformed::new(Reason::Host, 0))
    }

    /// The address, if it is one.
    pub const fn ip(&self) -> Option<IpAddr> {
        match self {
            Self::V4(address) => Some(IpAddr::V4(*address)),
            Self::V6(address) => Some(IpAddr::V6(*address)),
            Self::Name(_) => None,
        }
    }
}

/// Names are equal in any case (RFC 3261 §19.1.4).
impl PartialEq for Host<'_> {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Name(one), Self::Name(two)) => one.eq_ignore_ascii_case(two),
            _ => self.ip().is_some() && self.ip() == other.ip(),
        }
    }
}

impl Eq for Host<'_> {}

/// As it stands in a URI: IPv6 in brackets.
impl fmt::Display for Host<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::V4(address) => address.fmt(f),
            Self::V6(address) => write!(f, "[{address}]"),
            Self::Name(name) => String::from_utf8_lossy(name).fmt(f),
        }
    }
}

/// Four numbers up to 255 without leading zeros, and what follows them.
fn dotted_quad(text: &[u8]) -> Option<(Ipv4Addr, &[u8])> {
    let (mut address, mut rest) = (0, text);
    for position in 0..4 {
        if position > 0 {
            rest = rest.strip_prefix(b".")?;
        }
        let mut octet = 0;
        for digits in 0..3 {
            match rest {
                [digit @ b'0'..=b'9', after @ ..] if digits == 0 || octet > 0 => {
                    octet = octet * 10 + u32::from(digit - b'0');
                    rest = after;
                }
                _ if digits == 0 => return None,
                _ => break,
            }
        }
        if octet > 255 {
            return None;
        }
        address = address << 8 | octet;
    }
    Some((Ipv4Addr::from(address), rest))
}

/// An IPv6 address. The grammar of RFC 3261 has one colon too many before an IPv4 address at its end:
/// that is passed over (RFC 5118 §4.10).
fn ipv6(text: &str) -> Option<Ipv6Addr> {
    text.parse().ok().or_else(|| {
        let (before, v4) = text.split_once(":::")?;
        v4.parse::<Ipv4Addr>().ok()?;
        format!("{before}::{v4}").parse().ok()
    })
}

fn ascii(text: &[u8]) -> Option<&str> {
    std::str::from_utf8(text).ok()
}

/// `host`, with the text it was read from.
fn host(input: &[u8]) -> Parsed<'_, (Host<'_>, &[u8])> {
    if let Some((address, rest)) = dotted_quad(input)
        && !rest.first().is_some_and(|byte| is_host(*byte))
    {
        let text = &input[..input.len() - rest.len()];
        return Ok((rest, (Host::V4(address), text)));
    }
    let (rest, text) = if let [b'[', ..] = input {
        recognize(delimited(
            tag(&b"["[..]),
            take_till1(|b| b == b']'),
            tag(&b"]"[..]),
        ))
        .parse(input)?
    } else {
        take_while1(is_host).parse(input)?
    };
    match Host::parse(text) {
        Ok(host) => Ok((rest, (host, text))),
        Err(_) => refuse(input, Reason::Host),
    }
}

/// `hostport`, with `colon` between the two: Via allows white space around it, a URI does not.
pub(crate) fn hostport<'a>(
    input: &'a [u8],
    mut colon: impl Parser<&'a [u8], Output = (), Error = Stuck<'a>>,
) -> Parsed<'a, (Host<'a>, &'a [u8], Option<u16>)> {
    let (after_host, (parsed, text)) = host(input)?;
    let Ok((at_port, ())) = colon.parse(after_host) else {
        return Ok((after_host, (parsed, text, None)));
    };
    let len = at_port.iter().take_while(|b| b.is_ascii_digit()).count();
    match at_port.split_at(len) {
        // A colon without a port: what it is there for is for others to say.
        ([], _) => Ok((after_host, (parsed, text, None))),
        (digits, rest) => match port(digits) {
            Some(port) => Ok((rest, (parsed, text, Some(port)))),
            None => refuse(after_host, Reason::Port),
        },
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Host, dotted_quad};

    #[test]
    fn digits_and_dots_are_an_address_or_nothing() {
        assert!(matches!(Host::parse(b"192.0.2.1"), Ok(Host::V4(_))));
        for text in ["256.1.1.1", "010.0.0.1", "1.2.3", "1.2.3.4.5", "1", ".", ""] {
            assert!(Host::parse(text.as_bytes()).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn an_ipv4_address_is_what_std_takes_for_one(
            text in "([0-9]{1,3}\\.){3}[0-9]{1,3}|[0-9.]{0,18}|.{0,8}"
        ) {
            let read = dotted_quad(text.as_bytes()).filter(|(_, rest)| rest.is_empty());
            prop_assert_eq!(read.map(|(address, _)| address), text.parse().ok());
        }
    }

    #[test]
    fn ipv6_stands_in_brackets() {
        assert!(matches!(Host::parse(b"[2001:db8::1]"), Ok(Host::V6(_))));
        assert_eq!(
            Host::parse(b"[2001:db8:::192.0.2.1]"),
            Host::parse(b"[2001:db8::192.0.2.1]")
        );
        for text in [
            "[2001:db8:::1]",
            "[2001:db8::::192.0.2.1]",
            "[1::2:::192.0.2.1]",
            "[:::192.0.2.1:::192.0.2.1]",
            "2001:db8::1",
            "[2001:db8::1",
            "[::1%eth0]",
            "[]",
            "]",
            "[192.0.2.1]",
        ] {
            assert!(Host::parse(text.as_bytes()).is_err(), "{text}");
        }
    }

    #[test]
    fn names_are_equal_in_any_case_and_never_equal_to_addresses() {
        assert_eq!(Host::parse(b"AtlanTa.CoM"), Host::parse(b"atlanta.com"));
        assert_ne!(Host::parse(b"localhost"), Host::parse(b"127.0.0.1"));
        // A container's host name starts with a digit as often as not.
        assert!(matches!(Host::parse(b"3f2a9c"), Ok(Host::Name(_))));
    }
}
