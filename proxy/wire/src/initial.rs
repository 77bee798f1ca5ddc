//! Which requests can wait when there is more to do than time.

use memchr::{memchr, memrchr};

use crate::chars::{is_lws, trim_end};
use crate::header_id::HeaderId;
use crate::lines::Line;
use crate::method::Method;
use crate::params::Params;
use crate::peek::find;
use crate::start_line::StartLine;

/// Whether a datagram is a request outside any dialog that may begin one, or a transaction of its own: not a
/// response, and not ACK, BYE, CANCEL or anything with a tag in To. What is malformed counts as such a request.
///
/// Looks at the first line and at the To header only; for deciding what comes first before anything is parsed.
pub fn is_initial(raw: &[u8]) -> bool {
    let message = raw.trim_ascii_start();
    let line = Line::physical(message, 0);
    let (first, headers) = (&message[..line.end], &message[line.next..]);
    if StartLine::is_response(first) {
        return false;
    }
    let method = first.split(|byte| is_lws(*byte)).next().unwrap_or_default();
    if let Method::Ack | Method::Bye | Method::Cancel | Method::Prack = Method::from_bytes(method) {
        return false;
    }
    let Some(to) = find(headers, HeaderId::To) else {
        return true;
    };
    // Behind the URI in brackets, or behind the URI without.
    let params = match memrchr(b'>', to) {
        Some(bracket) => &to[bracket + 1..],
        None => to,
    };
    let Some(start) = memchr(b';', params) else {
        return true;
    };
    Params::of(trim_end(&params[start..]))
        .value("tag")
        .is_none()
}

#[cfg(test)]
mod tests {
    use super::is_initial;

    fn request(method: &str, to: &str) -> Vec<u8> {
        format!("{method} sip:bob@example.com SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1\r\n{to}Call-ID: a\r\n\r\n")
            .into_bytes()
    }

    #[test]
    fn what_begins_something_is_initial() {
        for (method, to) in [
            ("INVITE", "To: <sip:bob@example.com>\r\n"),
            ("INVITE", "t: \"tag=x\" <sip:bob@example.com;tag=y>\r\n"),
            ("REGISTER", "To: sip:bob@example.com\r\n"),
            ("OPTIONS", "To: sip:bob@example.com;x=y\r\n"),
            ("MESSAGE", ""),
        ] {
            assert!(is_initial(&request(method, to)), "{method} {to}");
        }
    }

    #[test]
    fn what_goes_on_or_ends_something_is_not() {
        for (method, to) in [
            ("INVITE", "To: <sip:bob@example.com>;tag=1\r\n"),
            (
                "UPDATE",
                "TO : Bob <sip:bob@example.com> ; x=y ;\r\n tag=1\r\n",
            ),
            ("INFO", "t: sip:bob@example.com;tag=1\r\n"),
            ("ACK", "To: <sip:bob@example.com>\r\n"),
            ("BYE", ""),
            ("CANCEL", "To: <sip:bob@example.com>\r\n"),
        ] {
            assert!(!is_initial(&request(method, to)), "{method} {to}");
        }
        assert!(!is_initial(
            b"SIP/2.0 200 OK\r\nTo: <sip:bob@example.com>\r\n\r\n"
        ));
    }
}
