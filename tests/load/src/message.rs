//! Reading what came in: one pass over the lines, and only the lines that a party needs.

use memchr::{memchr, memchr_iter};
use smallvec::SmallVec;

use crate::call_key::CallKey;

/// The body of every INVITE and its 200.
pub(crate) const SDP: &str = "v=0\r\no=user1 53655765 2353687637 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n\
                   m=audio 6000 RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\n";

/// Methods that take part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Method {
    Invite,
    Ack,
    Bye,
    Cancel,
    Register,
    Options,
}

impl Method {
    /// As in a request line.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Invite => "INVITE",
            Self::Ack => "ACK",
            Self::Bye => "BYE",
            Self::Cancel => "CANCEL",
            Self::Register => "REGISTER",
            Self::Options => "OPTIONS",
        }
    }

    fn parse(name: &[u8]) -> Option<Self> {
        Some(match name {
            b"INVITE" => Self::Invite,
            b"ACK" => Self::Ack,
            b"BYE" => Self::Bye,
            b"CANCEL" => Self::Cancel,
            b"REGISTER" => Self::Register,
            b"OPTIONS" => Self::Options,
            _ => return None,
        })
    }
}

/// The first line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Start {
    /// A request with this method.
    Request(Method),
    /// A response with this status, 100 to 699.
    Response(u16),
}

/// A message as far as a party looks at it. Lines are whole header lines without their line end.
#[derive(Debug)]
pub(crate) struct Message<'a> {
    pub(crate) start: Start,
    /// Method of the CSeq.
    pub(crate) method: Method,
    /// Whose call it is.
    pub(crate) key: CallKey,
    pub(crate) vias: SmallVec<[&'a [u8]; 4]>,
    pub(crate) record_routes: SmallVec<[&'a [u8]; 4]>,
    pub(crate) from: &'a [u8],
    pub(crate) to: &'a [u8],
    pub(crate) call_id: &'a [u8],
    pub(crate) cseq: &'a [u8],
    pub(crate) contact: Option<&'a [u8]>,
    /// Whether there is a Retry-After.
    pub(crate) has_retry_after: bool,
}

impl<'a> Message<'a> {
    /// Reads a message of one of our calls; `None` when it is anything else. Lines are not folded: no proxy does that
    /// to lines which were not.
    pub(crate) fn read(bytes: &'a [u8]) -> Option<Self> {
        let mut lines = Lines::new(bytes);
        let start = read_start(lines.next()?)?;
        let mut vias = SmallVec::new();
        let mut record_routes = SmallVec::new();
        let (mut from, mut to, mut call_id, mut cseq, mut contact) = (None, None, None, None, None);
        let mut has_retry_after = false;
        for line in lines.take_while(|line| !line.is_empty()) {
            match Name::of(line) {
                Some(Name::Via) => vias.push(line),
                Some(Name::RecordRoute) => record_routes.push(line),
                Some(Name::From) => from = Some(line),
                Some(Name::To) => to = Some(line),
                Some(Name::CallId) => call_id = Some(line),
                Some(Name::CSeq) => cseq = Some(line),
                Some(Name::Contact) => contact = Some(line),
                Some(Name::RetryAfter) => has_retry_after = true,
                None => {}
            }
        }
        let (call_id, cseq) = (call_id?, cseq?);
        let method = value(cseq).rsplit(|byte| *byte == b' ').next()?;
        Some(Self {
            start,
            method: Method::parse(method)?,
            key: CallKey::parse(value(call_id))?,
            vias,
            record_routes,
            from: from?,
            to: to?,
            call_id,
            cseq,
            contact,
            has_retry_after,
        })
    }
}

/// Header fields that a party looks at.
#[derive(Clone, Copy, Debug)]
enum Name {
    Via,
    RecordRoute,
    From,
    To,
    CallId,
    CSeq,
    Contact,
    RetryAfter,
}

impl Name {
    /// Of a header line; `None` for any other field.
    fn of(line: &[u8]) -> Option<Self> {
        // Lines are told apart by how they begin, and most are spelled as in RFC 3261.
        let (name, usual, compact) = match line.first()? | 0x20 {
            b'v' => (Self::Via, &b"Via:"[..], b'v'),
            b'f' => (Self::From, &b"From:"[..], b'f'),
            b't' => (Self::To, &b"To:"[..], b't'),
            b'i' => (Self::CallId, &b"i:"[..], b'i'),
            // Not Max-Forwards, which every request has.
            b'm' if line.get(1)? | 0x20 != b'a' => (Self::Contact, &b"m:"[..], b'm'),
            b'c' => match line.get(1)? | 0x20 {
                b'a' => (Self::CallId, &b"Call-ID:"[..], 0),
                b's' => (Self::CSeq, &b"CSeq:"[..], 0),
                // Not Content-Length.
                b'o' if line.get(5)? | 0x20 == b'c' => (Self::Contact, &b"Contact:"[..], 0),
                _ => return None,
            },
            b'r' => match line.get(2)? | 0x20 {
                b'c' => (Self::RecordRoute, &b"Record-Route:"[..], 0),
                _ => (Self::RetryAfter, &b"Retry-After:"[..], 0),
            },
            _ => return None,
        };
        (line.starts_with(usual) || Self::is_spelled(line, usual, compact)).then_some(name)
    }

    /// Whether a line has this name in any spelling (RFC 3261 §7.3.1): letters of either case, space before the colon.
    #[cold]
    fn is_spelled(line: &[u8], usual: &[u8], compact: u8) -> bool {
        let colon = line.iter().position(|byte| *byte == b':');
        let name = line[..colon.unwrap_or(0)].trim_ascii_end();
        name.eq_ignore_ascii_case(&usual[..usual.len() - 1])
            || name.eq_ignore_ascii_case(&[compact])
    }
}

/// The value of a header line.
pub(crate) fn value(line: &[u8]) -> &[u8] {
    let colon = line.iter().position(|byte| *byte == b':');
    colon.map_or(&[][..], |colon| line[colon + 1..].trim_ascii())
}

fn read_start(line: &[u8]) -> Option<Start> {
    if let Some(rest) = line.strip_prefix(b"SIP/2.0 ") {
        let status = rest.get(..3)?.iter().try_fold(0, |status, digit| {
            let digit = digit.is_ascii_digit().then(|| u16::from(digit - b'0'))?;
            Some(status * 10 + digit)
        })?;
        return (100..700)
            .contains(&status)
            .then_some(Start::Response(status));
    }
    let method = &line[..memchr(b' ', line)?];
    Method::parse(method).map(Start::Request)
}

/// The parts of a value that are separated by commas, which mean nothing inside `<>` and `""` (RFC 3261 §7.3.1).
pub(crate) fn elements(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = Some(value);
    std::iter::from_fn(move || {
        let value = rest?;
        let (mut quoted, mut bracketed, mut escaped) = (false, false, false);
        let comma = value.iter().position(|byte| {
            let is_escaped = std::mem::take(&mut escaped);
            match byte {
                b'\\' if quoted && !is_escaped => escaped = true,
                b'"' if !is_escaped && !bracketed => quoted = !quoted,
                b'<' if !quoted => bracketed = true,
                b'>' if !quoted => bracketed = false,
                b',' => return !quoted && !bracketed,
                _ => {}
            }
            false
        });
        rest = comma.map(|comma| &value[comma + 1..]);
        Some(value[..comma.unwrap_or(value.len())].trim_ascii())
    })
    .filter(|element| !element.is_empty())
}

/// Lines without their ends.
struct Lines<'a> {
    bytes: &'a [u8],
    start: usize,
    ends: memchr::Memchr<'a>,
}

impl<'a> Lines<'a> {
    fn new(bytes: &'a [u8]) -> Self {
        Self {
            bytes,
            start: 0,
            ends: memchr_iter(b'\n', bytes),
        }
    }
}

impl<'a> Iterator for Lines<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let end = self.ends.next()?;
        let line = &self.bytes[self.start..end];
        self.start = end + 1;
        Some(line.strip_suffix(b"\r").unwrap_or(line))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_response_is_read_in_any_spelling() {
        let text = "SIP/2.0 180 Ringing\r\nv: SIP/2.0/UDP 127.0.0.1:1;branch=z9hG4bKa\r\nVIA : SIP/2.0/UDP 127.0.0.1:2\r\n\
            Record-Route: <sip:127.0.0.1;lr>\r\nf: <sip:a@b>;tag=1\r\nTo: <sip:c@d>;tag=2\r\nX-To: no\r\n\
            i: 00000001000000020000000000000003@127.0.0.1\r\ncseq: 1   INVITE\r\nm: <sip:c@127.0.0.1:3>\r\n\r\nTo: body\r\n";
        let message = Message::read(text.as_bytes()).unwrap();
        assert_eq!(message.start, Start::Response(180));
        assert_eq!(message.method, Method::Invite);
        assert_eq!((message.key.slot, message.key.round), (1, 2));
        assert_eq!(message.vias.len(), 2);
        assert_eq!(
            message.record_routes.as_slice(),
            [b"Record-Route: <sip:127.0.0.1;lr>"]
        );
        assert_eq!(value(message.to), b"<sip:c@d>;tag=2");
        assert_eq!(
            message.contact.map(value),
            Some(&b"<sip:c@127.0.0.1:3>"[..])
        );
    }

    #[test]
    fn what_is_not_ours_is_not_read() {
        for text in [
            "",
            "SIP/2.0 99 No\r\n\r\n",
            "OPTIONS sip:a SIP/2.0\r\nVia: v\r\nFrom: f\r\nTo: t\r\nCall-ID: other\r\nCSeq: 1 OPTIONS\r\n\r\n",
            "INFO sip:a SIP/2.0\r\n\r\n",
            "OPTIONS sip:a SIP/2.0\r\nVia: v\r\nFrom: f\r\nTo: t\r\nc: 00000001000000020000000000000003@a\r\nCSeq: 1 OPTIONS\r\n\r\n",
            "no colon here\r\n",
        ] {
            assert!(Message::read(text.as_bytes()).is_none(), "{text}");
        }
    }

    #[test]
    fn commas_inside_a_uri_or_a_name_do_not_separate() {
        let value = br#"<sip:a,b@127.0.0.1;lr>, "x\",<y" <sip:127.0.0.1:2;lr>;p=1 ,<sip:c>"#;
        let elements: Vec<_> = elements(value)
            .map(<[u8]>::escape_ascii)
            .map(|e| e.to_string())
            .collect();
        assert_eq!(
            elements,
            [
                "<sip:a,b@127.0.0.1;lr>",
                r#"\"x\\\",<y\" <sip:127.0.0.1:2;lr>;p=1"#,
                "<sip:c>"
            ]
        );
    }
}
