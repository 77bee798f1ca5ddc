//! Request line and status line (RFC 3261 §7.1, §7.2).

use nom::Parser;
use nom::bytes::complete::{tag, tag_no_case, take_till1, take_while1};
use nom::combinator::{opt, rest};
use nom::sequence::preceded;

use crate::chars::{is_lws, is_token};
use crate::grammar::{Parsed, number, refuse, token, whole};
use crate::malformed::{Malformed, Reason};
use crate::scan::first_below;

/// What the first line is made of; the slices are parts of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StartLine<'a> {
    Request { method: &'a [u8], uri: &'a [u8] },
    Response { status: u16, reason: &'a [u8] },
}

impl<'a> StartLine<'a> {
    pub(crate) fn is_response(line: &[u8]) -> bool {
        line.get(..4)
            .is_some_and(|start| start.eq_ignore_ascii_case(b"SIP/"))
    }

    pub(crate) fn parse(line: &'a [u8]) -> Result<Self, Malformed> {
        Self::usual(line).map_or_else(|| Self::by_grammar(line), Ok)
    }

    /// The line as it nearly always is; `None` is for the grammar to judge.
    fn usual(line: &'a [u8]) -> Option<Self> {
        if let Some(status @ [b'1'..=b'6', b'0'..=b'9', b'0'..=b'9', after @ ..]) =
            line.strip_prefix(b"SIP/2.0 ")
        {
            let reason = match after {
                [] => after,
                [b' ', reason @ ..] => reason,
                _ => return None,
            };
            let status = number(&status[..3]).and_then(|status| u16::try_from(status).ok())?;
            return Some(Self::Response { status, reason });
        }
        let words = line.strip_suffix(b" SIP/2.0")?;
        let (method, after) = words.split_at(words.iter().position(|byte| !is_token(*byte))?);
        let uri = after.strip_prefix(b" ")?;
        let is_usual = !method.is_empty() && !uri.is_empty();
        (is_usual && first_below::<{ b' ' + 1 }>(uri).is_none())
            .then_some(Self::Request { method, uri })
    }

    fn by_grammar(line: &'a [u8]) -> Result<Self, Malformed> {
        let form = if Self::is_response(line) {
            response
        } else {
            request
        };
        whole(line, Reason::StartLine, form)
    }

    /// As much of a faulty request line as a 400 or 505 and its log line can use.
    pub(crate) fn salvage(line: &'a [u8]) -> Self {
        if Self::is_response(line) {
            return Self::Response {
                status: 0,
                reason: &[],
            };
        }
        let method_end = line
            .iter()
            .position(|b| !is_token(*b))
            .unwrap_or(line.len());
        let (method, after) = line.split_at(method_end);
        let uri = match after {
            [b' ', after @ ..] => after.split(|b| is_lws(*b)).next().unwrap_or_default(),
            _ => &[],
        };
        Self::Request { method, uri }
    }
}

fn request(line: &[u8]) -> Parsed<'_, StartLine<'_>> {
    let (after, (method, _, uri, _)) =
        (token, tag(&b" "[..]), take_till1(is_lws), tag(&b" "[..])).parse(line)?;
    let (after, ()) = version(after)?;
    Ok((after, StartLine::Request { method, uri }))
}

fn response(line: &[u8]) -> Parsed<'_, StartLine<'_>> {
    let (at_status, _) = (version, tag(&b" "[..])).parse(line)?;
    let (after, digits) = take_till1(is_lws).parse(at_status)?;
    let status = match number(digits).and_then(|n| u16::try_from(n).ok()) {
        Some(status @ 100..=699) if digits.len() == 3 => status,
        _ => return refuse(at_status, Reason::Status),
    };
    // Without a reason there should still be a space; peers leave it out.
    let (after, reason) = opt(preceded(tag(&b" "[..]), rest)).parse(after)?;
    Ok((
        after,
        StartLine::Response {
            status,
            reason: reason.unwrap_or_default(),
        },
    ))
}

fn version(input: &[u8]) -> Parsed<'_, ()> {
    let (after, (_, major, _, minor)) = (
        tag_no_case(&b"SIP/"[..]),
        take_while1(|b: u8| b.is_ascii_digit()),
        tag(&b"."[..]),
        take_while1(|b: u8| b.is_ascii_digit()),
    )
        .parse(input)?;
    if (major, minor) == (b"2", b"0") {
        Ok((after, ()))
    } else {
        refuse(input, Reason::Version)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::StartLine;
    use crate::malformed::Reason;

    proptest! {
        #[test]
        fn the_usual_line_is_what_the_grammar_has(
            line in "(INVITE|SIP/2.0|sip/2.0|[ -~]{0,3})[ \t]?(sip:[a-z@ ]{0,6}|[0-9]{2,4})[ \n]?(SIP/2.0|OK|.{0,4})"
        ) {
            if let Some(usual) = StartLine::usual(line.as_bytes()) {
                prop_assert_eq!(StartLine::by_grammar(line.as_bytes()), Ok(usual));
            }
        }
    }

    fn fault(line: &[u8]) -> Reason {
        StartLine::parse(line).unwrap_err().reason
    }

    #[test]
    fn a_request_line_has_three_words() {
        assert_eq!(
            StartLine::parse(b"INVITE sip:bob@example.com SIP/2.0"),
            Ok(StartLine::Request {
                method: b"INVITE",
                uri: b"sip:bob@example.com"
            })
        );
    }

    #[test]
    fn p1_white_space_in_a_request_line_is_refused() {
        // RFC 4475 §3.1.2.7, §3.1.2.8, §3.1.2.9
        for line in [
            &b"INVITE sip:user@example.com; lr SIP/2.0"[..],
            b"INVITE  sip:user@example.com  SIP/2.0",
            b"OPTIONS sip:remote-target@example.com SIP/2.0  ",
            b"OPTIONS sip:remote-target@example.com SIP/2.0\t",
            b"INVITE\tsip:user@example.com\tSIP/2.0",
            b"INVITE sip:user@example.com",
            b"INVITE",
            b" INVITE sip:a@b SIP/2.0",
            b"",
        ] {
            assert_eq!(fault(line), Reason::StartLine, "{}", line.escape_ascii());
        }
    }

    #[test]
    fn p1_another_version_is_told_apart() {
        assert_eq!(
            fault(b"OPTIONS sip:t.watson@example.org SIP/7.0"),
            Reason::Version
        );
        assert_eq!(fault(b"SIP/3.0 200 OK"), Reason::Version);
        assert_eq!(fault(b"GET / HTTP/1.1"), Reason::StartLine);
        let salvaged = StartLine::salvage(b"OPTIONS sip:t.watson@example.org SIP/7.0");
        let uri = &b"sip:t.watson@example.org"[..];
        assert_eq!(
            salvaged,
            StartLine::Request {
                method: b"OPTIONS",
                uri
            }
        );
    }

    #[test]
    fn a_reason_may_be_empty_missing_or_anything_at_all() {
        for (line, reason) in [
            (&b"SIP/2.0 100 "[..], &b""[..]),
            (b"SIP/2.0 100", b""),
            (b"sip/2.0 100 Trying harder", b"Trying harder"),
            (
                "SIP/2.0 100 = 2**3 * 5**2 но".as_bytes(),
                "= 2**3 * 5**2 но".as_bytes(),
            ),
        ] {
            assert_eq!(
                StartLine::parse(line),
                Ok(StartLine::Response {
                    status: 100,
                    reason
                })
            );
        }
    }

    #[test]
    fn t8_a_status_is_three_digits_from_100_to_699() {
        for status in [
            "4294967301",
            "99",
            "099",
            "0200",
            "700",
            "2e2",
            "20",
            "-20",
            "+20",
            "0",
        ] {
            let line = format!("SIP/2.0 {status} better not break the receiver");
            assert_eq!(fault(line.as_bytes()), Reason::Status, "{status}");
        }
    }
}
