//! A first look at a datagram.

use memchr::memchr;

use crate::chars::{is_lws, is_token, trim_end};
use crate::grammar::skip_sws;
use crate::header_id::HeaderId;
use crate::lines::Line;
use crate::start_line::StartLine;
use crate::values::Values;
use crate::via::Via;

/// What a datagram is, and what tells which shard must see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Peek<'a> {
    /// A request, perhaps malformed.
    Request {
        /// The first Call-ID, empty when there is none. The same bytes as
        /// [`Message::call_id`](crate::Message::call_id).
        call_id: &'a [u8],
    },
    /// A response, perhaps malformed.
    Response {
        /// The branch of the topmost Via, empty when there is none.
        branch: &'a [u8],
    },
    /// Nothing, CRLFs (RFC 5626 §3.5.1), or up to four NULs.
    KeepAlive,
    /// STUN, RTP, HTTP, noise.
    NotSip,
}

/// Looks at a datagram without indexing it: the first line, then no further than the one header that
/// says where it belongs.
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
        let via = find(headers, HeaderId::Via)
            .map(Values::first)
            .map(Via::parse);
        let branch = via
            .and_then(Result::ok)
            .and_then(|via| via.branch())
            .unwrap_or_default();
        return Peek::Response { branch };
    }
    if is_request_line(first) {
        return Peek::Request {
            call_id: find(headers, HeaderId::CallId).unwrap_or_default(),
        };
    }
    Peek::NotSip
}

/// A method, something, and a SIP version of whatever number.
fn is_request_line(line: &[u8]) -> bool {
    let line = trim_end(line);
    let version = line.rsplit(|byte| is_lws(*byte)).next().unwrap_or_default();
    let method = line.split(|byte| is_lws(*byte)).next().unwrap_or_default();
    version.len() < line.len()
        && StartLine::is_response(version)
        && !method.is_empty()
        && method.iter().all(|byte| is_token(*byte))
}

/// The trimmed value of the first header with this id.
fn find(headers: &[u8], id: HeaderId) -> Option<&[u8]> {
    let mut at = 0;
    loop {
        let line = Line::logical(headers, at);
        let text = &headers[line.start..line.end];
        if text.is_empty() {
            return None;
        }
        let (name, value) = text.split_at(memchr(b':', text).unwrap_or(text.len()));
        if let [b':', value @ ..] = value
            && HeaderId::from_name(trim_end(name)) == id
        {
            return Some(trim_end(skip_sws(value)));
        }
        at = line.next;
    }
}
