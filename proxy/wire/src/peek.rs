//! A first look at a datagram.

use memchr::memchr;

use crate::chars::{is_lws, is_token, trim_end};
use crate::grammar::skip_sws;
use crate::header_id::HeaderId;
use crate::lines::Line;
use crate::params::Params;
use crate::scan::first_equal;
use crate::start_line::StartLine;
use crate::values::Values;

/// What a datagram is, and what tells which shard must see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Peek<'a> {
    /// A request, perhaps malformed.
    Request(PeekedRequest<'a>),
    /// A response, perhaps malformed.
    Response(PeekedResponse<'a>),
    /// Nothing, CRLFs (RFC 5626 §3.5.1), or up to four NULs.
    KeepAlive,
    /// STUN, RTP, HTTP, noise.
    NotSip,
}

/// A request, not looked at further than its first line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PeekedRequest<'a> {
    headers: &'a [u8],
}

impl<'a> PeekedRequest<'a> {
    /// The first Call-ID, empty when there is none. The same bytes as [`Message::call_id`](crate::Message::call_id).
    pub fn call_id(&self) -> &'a [u8] {
        find(self.headers, HeaderId::CallId).unwrap_or_default()
    }
}

/// A response, not looked at further than its first line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PeekedResponse<'a> {
    headers: &'a [u8],
}

impl<'a> PeekedResponse<'a> {
    /// The branch of the topmost Via, empty when there is none.
    pub fn branch(&self) -> &'a [u8] {
        let via = find(self.headers, HeaderId::Via).map(Values::first);
        // Nothing before its parameters can hold a semicolon in a Via that parses.
        let params = via.and_then(|via| Some(Params::of(&via[memchr(b';', via)?..])));
        params
            .and_then(|params| params.value("branch"))
            .unwrap_or_default()
    }
}

/// Looks at the first line of a datagram, without indexing it.
pub fn peek(raw: &[u8]) -> Peek<'_> {
    let message = raw.trim_ascii_start();
    if message.is_empty() || raw.len() <= 4 && raw.iter().all(|byte| *byte == 0) {
        return Peek::KeepAlive;
    }
    let line = Line::physical(message, 0);
    if !line.is_terminated {
        return Peek::NotSip;
    }
    let (first, headers) = (&message[..line.end], &message[line.next..]);
    if StartLine::is_response(first) {
        return Peek::Response(PeekedResponse { headers });
    }
    if is_request_line(first) {
        return Peek::Request(PeekedRequest { headers });
    }
    Peek::NotSip
}

/// A method, something, and a SIP version of whatever number.
fn is_request_line(line: &[u8]) -> bool {
    let line = trim_end(line);
    let Some(last_gap) = line.iter().rposition(|byte| is_lws(*byte)) else {
        return false;
    };
    let method_len = line.iter().take_while(|byte| is_token(**byte)).count();
    StartLine::is_response(&line[last_gap + 1..]) && method_len > 0 && is_lws(line[method_len])
}

/// The trimmed value of the first header with this id.
pub(crate) fn find(headers: &[u8], id: HeaderId) -> Option<&[u8]> {
    let initials = id.initials();
    let mut at = 0;
    loop {
        match &headers[at..] {
            [] | [b'\r', b'\n', ..] => return None,
            [letter, ..] if initials.contains(&letter.to_ascii_lowercase()) => {
                let line = Line::logical(headers, at);
                let text = &headers[line.start..line.end];
                if let Some(colon) = first_equal(b':', text)
                    && HeaderId::from_name(trim_end(&text[..colon])) == id
                {
                    return Some(trim_end(skip_sws(&text[colon + 1..])));
                }
                at = line.next;
            }
            // Most lines are of no interest; the continuation of one is a line of none either.
            line => at += 1 + first_equal(b'\n', line)?,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Peek, peek};

    fn call_id(text: &[u8]) -> &[u8] {
        match peek(text) {
            Peek::Request(request) => request.call_id(),
            other => panic!("{other:?}: {}", text.escape_ascii()),
        }
    }

    fn branch(text: &[u8]) -> &[u8] {
        match peek(text) {
            Peek::Response(response) => response.branch(),
            other => panic!("{other:?}: {}", text.escape_ascii()),
        }
    }

    #[test]
    fn a_request_belongs_to_its_call() {
        for text in [
            &b"INVITE sip:a@b SIP/2.0\r\nVia: x\r\nCall-ID: abc@d\r\n\r\n"[..],
            b"\r\n\r\nINVITE sip:a@b SIP/2.0\r\nv: x\r\n y\r\ni  :\r\n  abc@d \r\nCall-ID: 2\r\n\r\n",
            b"!odd~ sip:a@b SIP/7.0\r\nCALL-ID:abc@d\r\n\r\n",
            b"INVITE  sip:a@b  SIP/2.0 \r\nCall-ID: abc@d\r\n",
        ] {
            assert_eq!(call_id(text), b"abc@d", "{}", text.escape_ascii());
        }
        let hidden = b"INVITE sip:a@b SIP/2.0\r\nX: y\r\n Call-ID: 1\r\n\r\nCall-ID: 2\r\n";
        assert_eq!(call_id(hidden), b"");
    }

    #[test]
    fn a_response_belongs_to_its_topmost_via() {
        for text in [
            &b"SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP a;branch=one, SIP/2.0/UDP b;branch=two\r\n\r\n"[..],
            b"SIP/2.0 200\r\nv : SIP/2.0/UDP a\r\n ;branch=one\r\nVia: SIP/2.0/UDP b;branch=two\r\n\r\n",
        ] {
            assert_eq!(branch(text), b"one", "{}", text.escape_ascii());
        }
        assert_eq!(branch(b"SIP/2.0 200 OK\r\nVia: nonsense\r\n\r\n"), b"");
        assert_eq!(branch(b"SIP/2.0 4294967301 x\r\n\r\n"), b"");
    }

    #[test]
    fn p5_keep_alives_and_foreign_protocols_on_the_sip_port() {
        for text in [&b""[..], b"\r\n", b"\r\n\r\n", b"\0\0\0\0", b"\0", b" \r\n"] {
            assert_eq!(peek(text), Peek::KeepAlive, "{}", text.escape_ascii());
        }
        for text in [
            &b"\x00\x01\x00\x00\x21\x12\xa4\x42abcdefghijkl"[..],
            b"\x80\x00\x12\x34\0\0\0\xa0rtp\r\n",
            b"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc",
            b"\x12\x34\x01\x00\x00\x01\0\0\0\0\0\0\x07example\x03com\0\0\x01\0\x01",
            b"INVITE sip:a@b SIP/2.0",
            b"\0\0\0\0\0",
            b"hello",
        ] {
            assert_eq!(peek(text), Peek::NotSip, "{}", text.escape_ascii());
        }
    }
}
