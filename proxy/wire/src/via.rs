//! Via (RFC 3261 §20.42) and what the receiver writes into it.

use std::net::{IpAddr, SocketAddr};

use nom::Parser;

use crate::chars::{trim, trim_end};
use crate::decimal::{write_decimal, write_ip};
use crate::grammar::{Parsed, lws, port, separator, skip_sws, sws, token, whole};
use crate::host::{Host, hostport};
use crate::malformed::{Malformed, Reason};
use crate::params::{Params, is_named, params};

/// One Via value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Via<'a> {
    /// `UDP`, `TCP`, `TLS`, … in the case it came in.
    pub transport: &'a [u8],
    /// The host of sent-by as written, an IPv6 address in its brackets.
    pub host: &'a [u8],
    /// The port of sent-by.
    pub port: Option<u16>,
    /// branch, received, rport and whatever else.
    pub params: Params<'a>,
    /// The whole value, trimmed.
    pub raw: &'a [u8],
    sent_by_host: Host<'a>,
    branch: Option<&'a [u8]>,
    rport: Option<Rport<'a>>,
    /// Whether parameters must go or come twice when this is stamped.
    is_forged: bool,
}

/// The parameter of RFC 3581 as it was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Rport<'a> {
    name: &'a [u8],
    value: Option<&'a [u8]>,
}

impl<'a> Via<'a> {
    /// Parses one value. Any protocol and version is accepted: a message in another version wants an
    /// answer (RFC 4475 §3.1.2.16), and it goes where this says.
    ///
    /// # Errors
    ///
    /// [`Reason::Via`], or [`Reason::Host`], [`Reason::Port`], [`Reason::Param`], [`Reason::Quote`]
    /// when it is known better.
    pub fn parse(value: &'a [u8]) -> Result<Self, Malformed> {
        whole(trim_end(value), Reason::Via, |input| {
            let input = skip_sws(input);
            let (at_host, (transport, ())) = (sent_protocol, lws).parse(input)?;
            let (after, (sent_by_host, host, port)) = hostport(at_host, separator(b':'))?;
            let (mut branch, mut rport, mut is_forged) = (None, None, false);
            let (rest, params) = params(after, |name, value| {
                if is_named(name, b"branch") {
                    branch = branch.or(Some(value));
                } else if is_named(name, b"rport") {
                    is_forged |= rport.is_some() || value.is_some();
                    rport = rport.or(Some(Rport { name, value }));
                } else {
                    is_forged |= is_named(name, b"received");
                }
            })?;
            Ok((
                rest,
                Via {
                    transport,
                    host,
                    port,
                    params,
                    raw: input,
                    sent_by_host,
                    branch: branch.flatten(),
                    rport,
                    is_forged,
                },
            ))
        })
    }

    /// The transaction identifier (RFC 3261 §17.1.3).
    pub fn branch(&self) -> Option<&'a [u8]> {
        self.branch
    }

    /// The address the request was received from, as written by the receiver.
    pub fn received(&self) -> Option<&'a [u8]> {
        self.params.value("received")
    }

    /// RFC 3581: `Some(None)` asks for the source port, `Some(Some(port))` tells it. A value that is
    /// not a port counts as none.
    pub fn rport(&self) -> Option<Option<u16>> {
        self.rport.map(|rport| rport.value.and_then(port))
    }

    /// The host of sent-by, parsed.
    pub const fn sent_by_host(&self) -> Host<'a> {
        self.sent_by_host
    }

    /// `host[:port]` as written.
    pub fn sent_by(&self) -> &'a [u8] {
        let start = self.host.as_ptr() as usize - self.raw.as_ptr() as usize;
        trim(&self.raw[start..self.raw.len() - self.params.as_bytes().len()])
    }

    /// Appends the value with what RFC 3261 §18.2.1 and RFC 3581 §4 have the receiver say: `rport`
    /// gets the source port if the sender asked for it; `received` is there if it did, or if sent-by
    /// is not the source address. What the sender forged in their place is gone; all else is
    /// byte-exact.
    pub fn write_stamped(&self, source: SocketAddr, out: &mut Vec<u8>) {
        let wants_received = match self.split_at_rport() {
            Some((before, after)) => {
                out.extend_from_slice(before);
                if self.rport.is_some() {
                    out.push(b'=');
                    write_decimal(source.port().into(), out);
                }
                out.extend_from_slice(after);
                self.rport.is_some()
            }
            None => self.write_with_rport(source, out),
        };
        if wants_received || !self.is_from(source) {
            out.extend_from_slice(b";received=");
            write_ip(source.ip().to_canonical(), out);
        }
    }

    /// The value in front of where the source port goes and behind it, when there is nothing else to
    /// do to it.
    fn split_at_rport(&self) -> Option<(&'a [u8], &'a [u8])> {
        let Some(rport) = self.rport else {
            return (!self.is_forged).then_some((self.raw, &[]));
        };
        let name = rport.name.as_ptr() as usize - self.raw.as_ptr() as usize;
        let (before, after) = self.raw.split_at_checked(name + rport.name.len())?;
        let is_plain = before.ends_with(b";rport")
            && matches!(after, [] | [b';', ..])
            && self.params.as_bytes().starts_with(b";");
        (is_plain && !self.is_forged).then_some((before, after))
    }

    /// Appends the value with the source port in its `rport`, and says whether it had one.
    fn write_with_rport(&self, source: SocketAddr, out: &mut Vec<u8>) -> bool {
        let mut params = self.params.iter();
        out.extend_from_slice(&self.raw[..self.raw.len() - self.params.as_bytes().len()]);
        let mut has_rport = false;
        while let Some(param) = params.next_param() {
            if param.name.eq_ignore_ascii_case(b"rport") {
                if !has_rport {
                    out.extend_from_slice(b";rport=");
                    write_decimal(source.port().into(), out);
                }
                has_rport = true;
            } else if !param.name.eq_ignore_ascii_case(b"received") {
                out.extend_from_slice(param.text);
            }
        }
        has_rport
    }

    fn is_from(&self, source: SocketAddr) -> bool {
        self.sent_by_host.ip().map(|ip| ip.to_canonical()) == Some(source.ip().to_canonical())
    }

    /// The address in `received`, with or without the brackets that RFC 5118 §4.5 tells of.
    pub fn received_ip(&self) -> Option<IpAddr> {
        let text = self.received()?;
        let text = match text {
            [b'[', text @ .., b']'] => text,
            text => text,
        };
        std::str::from_utf8(text).ok()?.parse().ok()
    }
}

/// `sent-protocol`, of which only the transport matters.
fn sent_protocol(input: &[u8]) -> Parsed<'_, &[u8]> {
    let after = match input.strip_prefix(b"SIP/2.0/") {
        Some(after) => skip_sws(after),
        None => {
            let mut protocol = (sws, token, separator(b'/'), token, separator(b'/'));
            let (after, _) = protocol.parse(input)?;
            after
        }
    };
    token(after)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::Via;
    use crate::malformed::Reason;

    fn via(text: &[u8]) -> Via<'_> {
        Via::parse(text).unwrap_or_else(|fault| panic!("{}: {fault}", text.escape_ascii()))
    }

    fn stamped(text: &str, source: &str) -> String {
        let mut out = Vec::new();
        let via = via(text.as_bytes());
        let source = source.parse().unwrap();
        via.write_stamped(source, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn every_part_of_a_via() {
        let via =
            via(b"SIP/2.0/UDP [2001:db8::9]:5070;rport;branch=z9hG4bK87asdks7;received=192.0.2.1");
        assert_eq!(via.transport, b"UDP");
        assert_eq!(via.host, b"[2001:db8::9]");
        assert_eq!(via.port, Some(5070));
        assert_eq!(via.sent_by(), b"[2001:db8::9]:5070");
        assert_eq!(via.branch(), Some(&b"z9hG4bK87asdks7"[..]));
        assert_eq!(via.rport(), Some(None));
        assert_eq!(via.received_ip(), Some("192.0.2.1".parse().unwrap()));
    }

    #[test]
    fn p1_white_space_wherever_the_grammar_has_it() {
        // RFC 4475 §3.1.1.1
        let folded =
            via(b"  SIP  /    2.0\r\n /UDP\r\n    192.0.2.2 : 5061 ; branch=\r\n z9hG4bK30239 ");
        assert_eq!(folded.transport, b"UDP");
        assert_eq!((folded.host, folded.port), (&b"192.0.2.2"[..], Some(5061)));
        assert_eq!(folded.sent_by(), b"192.0.2.2 : 5061");
        assert_eq!(folded.branch(), Some(&b"z9hG4bK30239"[..]));
    }

    #[test]
    fn p4_what_is_no_via() {
        for (text, reason) in [
            (&b""[..], Reason::Via),
            (b"SIP/2.0/UDP", Reason::Via),
            (b"SIP/2.0/UDP ", Reason::Via),
            (b"SIP/2.0 192.0.2.1", Reason::Via),
            (b"SIP/2.0/UDP 192.0.2.1:", Reason::Via),
            (b"SIP/2.0/UDP 192.0.2.1:0", Reason::Port),
            (b"SIP/2.0/UDP 192.0.2.1:65536", Reason::Port),
            (b"SIP/2.0/UDP 192.0.2.15;;", Reason::Param),
            (b"SIP/2.0/UDP 192.0.2.15;branch=", Reason::Via),
            (b"SIP/2.0/UDP 2001:db8::9;branch=a", Reason::Host),
            (b"SIP/2.0/UDP a, SIP/2.0/UDP b", Reason::Via),
            (b"SIP/2.0/UDP a\r\nX: b", Reason::Via),
        ] {
            let fault = Via::parse(text).expect_err(&text.escape_ascii().to_string());
            assert_eq!(fault.reason, reason, "{}", text.escape_ascii());
        }
    }

    /// A server once read before the start of its buffer on this one.
    #[test]
    fn a_host_of_colon_and_bracket_is_refused() {
        for text in [
            &b"SIP/2.0/UDP :]"[..],
            b"SIP/2.0/UDP ]",
            b"SIP/2.0/UDP []",
            b"SIP/2.0/UDP [:",
        ] {
            assert!(Via::parse(text).is_err(), "{}", text.escape_ascii());
        }
    }

    /// RFC 3261 §18.2.1
    #[test]
    fn received_is_added_when_sent_by_is_not_the_source() {
        for (text, expected) in [
            (
                "SIP/2.0/UDP 192.0.2.1;branch=a",
                "SIP/2.0/UDP 192.0.2.1;branch=a",
            ),
            (
                "SIP/2.0/UDP 10.0.0.1;branch=a",
                "SIP/2.0/UDP 10.0.0.1;branch=a;received=192.0.2.1",
            ),
            (
                "SIP/2.0/UDP pc33.a.com ;branch=a",
                "SIP/2.0/UDP pc33.a.com ;branch=a;received=192.0.2.1",
            ),
        ] {
            assert_eq!(stamped(text, "192.0.2.1:1024"), expected);
        }
    }

    /// RFC 3581 §4
    #[test]
    fn rport_is_filled_in_where_it_stands_and_brings_received_with_it() {
        assert_eq!(
            stamped(
                "SIP/2.0/UDP 192.0.2.1;rport;branch=a;x=\";\"",
                "192.0.2.1:1024"
            ),
            "SIP/2.0/UDP 192.0.2.1;rport=1024;branch=a;x=\";\";received=192.0.2.1"
        );
    }

    proptest! {
        /// What is read along with the parameters is what looking them up gives, and what is written
        /// in one piece is what writing them one by one gives.
        #[test]
        fn a_via_is_stamped_one_way(
            protocol in "SIP ?/ ?2\\.0 ?/ ?UDP|sip/2\\.0/TCP",
            params in "( ?; ?(rport|rport|RPORT|branch|Branch|received)( ?(= ?([a-z0-9.]{1,4}|\"[;,]\"))?)?){0,3}",
        ) {
            let text = format!("{protocol} 192.0.2.1{params}");
            let via = via(text.as_bytes());
            prop_assert_eq!(via.branch(), via.params.value("branch"));
            let rport = via.params.get("rport");
            prop_assert_eq!(via.rport(), rport.map(|port| port.and_then(super::port)));
            for source in ["192.0.2.1:1024", "192.0.2.9:1024"] {
                let source = source.parse().unwrap();
                let (mut one, mut other) = (Vec::new(), Vec::new());
                via.write_stamped(source, &mut one);
                if via.write_with_rport(source, &mut other) || !via.is_from(source) {
                    other.extend_from_slice(format!(";received={}", source.ip()).as_bytes());
                }
                prop_assert_eq!(one, other);
            }
        }
    }

    /// RFC 3261 §18.2.1, RFC 3581 §4
    #[test]
    fn p6_forged_values_are_replaced() {
        assert_eq!(
            stamped(
                "SIP/2.0/UDP 10.0.0.1;received=9.9.9.9;rport=53;branch=a;RPORT",
                "192.0.2.1:1024"
            ),
            "SIP/2.0/UDP 10.0.0.1;rport=1024;branch=a;received=192.0.2.1"
        );
        assert_eq!(
            stamped(
                "SIP/2.0/UDP 192.0.2.1;received=9.9.9.9;branch=a",
                "192.0.2.1:1024"
            ),
            "SIP/2.0/UDP 192.0.2.1;branch=a"
        );
    }

    #[test]
    fn ipv6_sources_are_written_without_brackets_and_mapped_ones_as_ipv4() {
        assert_eq!(
            stamped(
                "SIP/2.0/UDP [2001:db8::9]:6050;branch=a",
                "[2001:db8::1]:5060"
            ),
            "SIP/2.0/UDP [2001:db8::9]:6050;branch=a;received=2001:db8::1"
        );
        assert_eq!(
            stamped("SIP/2.0/UDP 192.0.2.1;branch=a", "[::ffff:192.0.2.1]:5060"),
            "SIP/2.0/UDP 192.0.2.1;branch=a"
        );
        // RFC 5118 §4.5: both forms are met.
        for text in [
            &b"SIP/2.0/UDP [::9];received=[2001:db8::1]"[..],
            b"SIP/2.0/UDP [::9];received=2001:db8::1",
        ] {
            assert_eq!(
                via(text).received_ip(),
                Some("2001:db8::1".parse().unwrap())
            );
        }
    }
}
