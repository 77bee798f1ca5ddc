//! Which requests can wait when there is more to do than time.

use crate::chars::is_lws;
use crate::header_id::HeaderId;
use crate::lines::Line;
use crate::method::Method;
use crate::name_addr::NameAddr;
use crate::peek::find;
use crate::start_line::StartLine;

/// What a datagram begins, as far as that must be known before anything is parsed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Begins {
    /// It belongs to what is under way: a response, ACK, BYE, CANCEL, PRACK, or a request with a tag in To. So does what
    /// may never wait: a call to an emergency service.
    Nothing,
    /// An INVITE outside any dialog.
    Call,
    /// Any other request outside a dialog. What is malformed counts as such.
    Other,
}

impl Begins {
    /// Looks at the first line and at the To header only.
    pub fn of(raw: &[u8]) -> Self {
        let message = raw.trim_ascii_start();
        let line = Line::physical(message, 0);
        let (first, headers) = (&message[..line.end], &message[line.next..]);
        if StartLine::is_response(first) {
            return Self::Nothing;
        }
        let mut words = first.split(|byte| is_lws(*byte));
        let method = words.next().unwrap_or_default();
        let begins = match Method::from_bytes(method) {
            Method::Invite if words.next().is_some_and(is_emergency) => return Self::Nothing,
            Method::Ack | Method::Bye | Method::Cancel | Method::Prack => return Self::Nothing,
            Method::Invite => Self::Call,
            _ => Self::Other,
        };
        match find(headers, HeaderId::To) {
            Some(to) if NameAddr::parse(to).is_ok_and(|to| to.tag().is_some()) => Self::Nothing,
            _ => begins,
        }
    }
}

/// Whether a Request-URI is the URN of the emergency services or of one of them (RFC 5031 §4.2).
pub fn is_emergency(uri: &[u8]) -> bool {
    const SOS: &[u8] = b"urn:service:sos";
    let start = uri.get(..SOS.len());
    start.is_some_and(|start| start.eq_ignore_ascii_case(SOS))
        && matches!(uri.get(SOS.len()), None | Some(b'.'))
}

#[cfg(test)]
mod tests {
    use super::Begins;

    fn request(method: &str, to: &str) -> Vec<u8> {
        format!("{method} sip:bob@example.com SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1\r\n{to}Call-ID: a\r\n\r\n")
            .into_bytes()
    }

    #[test]
    fn what_begins_something() {
        for (method, to, begins) in [
            ("INVITE", "To: <sip:bob@example.com>\r\n", Begins::Call),
            (
                "INVITE",
                "t: \"tag=x\" <sip:bob@example.com;tag=y>\r\n",
                Begins::Call,
            ),
            (
                "INVITE",
                "To: <sip:bob@example.com>;x=\">;tag=y\"\r\n",
                Begins::Call,
            ),
            ("REGISTER", "To: sip:bob@example.com\r\n", Begins::Other),
            ("OPTIONS", "To: sip:bob@example.com;x=y\r\n", Begins::Other),
            ("MESSAGE", "", Begins::Other),
        ] {
            assert_eq!(Begins::of(&request(method, to)), begins, "{method} {to}");
        }
    }

    #[test]
    fn an_emergency_call_does_not_wait() {
        for (uri, begins) in [
            ("urn:service:sos", Begins::Nothing),
            ("URN:service:SOS.fire", Begins::Nothing),
            ("urn:service:sosumi", Begins::Call),
            ("urn:service:counseling", Begins::Call),
            ("sip:urn:service:sos@example.com", Begins::Call),
        ] {
            let request = format!("INVITE {uri} SIP/2.0\r\nTo: <{uri}>\r\n\r\n");
            assert_eq!(Begins::of(request.as_bytes()), begins, "{uri}");
        }
    }

    #[test]
    fn what_goes_on_or_ends_something() {
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
            let begins = Begins::of(&request(method, to));
            assert_eq!(begins, Begins::Nothing, "{method} {to}");
        }
        let response = b"SIP/2.0 200 OK\r\nTo: <sip:bob@example.com>\r\n\r\n";
        assert_eq!(Begins::of(response), Begins::Nothing);
    }
}
