//! The messages a phone writes.

use std::collections::hash_map::RandomState;
use std::fmt::Write as _;
use std::hash::{BuildHasher, Hasher};
use std::net::SocketAddr;

use sigbox_wire::{HeaderId, Message, Reply, reason_phrase};

use super::endpoint::Incoming;

/// A value that no other message carries: for tags, branches and Call-IDs. Not a secret.
pub fn unique() -> String {
    format!("{:016x}", RandomState::new().build_hasher().finish())
}

/// A new Via branch (RFC 3261 §8.1.1.7).
pub fn new_branch() -> String {
    format!("z9hG4bK{}", unique())
}

/// A request to write.
#[derive(Debug)]
pub struct Request<'a> {
    /// INVITE, ACK, ...
    pub method: &'a str,
    /// Request-URI.
    pub uri: &'a str,
    /// Our address, for Via and Contact.
    pub local: SocketAddr,
    /// Via branch.
    pub branch: &'a str,
    /// Route header values, in order.
    pub routes: &'a [String],
    /// From header value with its tag.
    pub from: &'a str,
    /// To header value, with a tag inside a dialog.
    pub to: &'a str,
    /// Call-ID.
    pub call_id: &'a str,
    /// CSeq number.
    pub cseq: u32,
    /// More header lines, without line ends.
    pub headers: &'a [String],
    /// An SDP body; a Contact is sent with it.
    pub sdp: Option<String>,
}

impl Request<'_> {
    /// The bytes on the wire.
    pub fn write(&self) -> Vec<u8> {
        let mut text = format!(
            "{method} {uri} SIP/2.0\r\nVia: SIP/2.0/UDP {local};rport;branch={branch}\r\nMax-Forwards: 70\r\n",
            method = self.method,
            uri = self.uri,
            local = self.local,
            branch = self.branch
        );
        for route in self.routes {
            push_line(&mut text, "Route", route);
        }
        push_line(&mut text, "From", self.from);
        push_line(&mut text, "To", self.to);
        push_line(&mut text, "Call-ID", self.call_id);
        push_line(&mut text, "CSeq", &format!("{} {}", self.cseq, self.method));
        for header in self.headers {
            text.push_str(header);
            text.push_str("\r\n");
        }
        if self.sdp.is_some() {
            push_line(&mut text, "Contact", &contact(self.local));
            push_line(&mut text, "Allow", "INVITE, ACK, CANCEL, BYE, OPTIONS");
        }
        push_line(
            &mut text,
            "User-Agent",
            concat!("sigbox-phone/", env!("CARGO_PKG_VERSION")),
        );
        push_body(&mut text, self.sdp.as_deref());
        text.into_bytes()
    }
}

/// A response to `request`.
///
/// With a `to_tag` it belongs to a dialog: Contact and the Record-Route set go into it
/// (RFC 3261 §12.1.1).
pub fn response(
    request: &Incoming,
    status: u16,
    reason: Option<&str>,
    to_tag: Option<&str>,
    local: SocketAddr,
    sdp: Option<String>,
) -> Vec<u8> {
    let message = request.message();
    let mut extra = String::new();
    if to_tag.is_some() && status < 300 {
        for line in message.all(HeaderId::RecordRoute) {
            push_line(
                &mut extra,
                "Record-Route",
                &String::from_utf8_lossy(line.value),
            );
        }
        push_line(&mut extra, "Contact", &contact(local));
    }
    let mut bytes = Vec::with_capacity(message.raw().len());
    let reason = reason.unwrap_or_else(|| reason_phrase(status));
    Reply {
        status,
        reason,
        to_tag: to_tag.map(str::as_bytes),
        server: None,
        extra: extra.as_bytes(),
    }
    .write(message, request.from, &mut bytes);
    match sdp {
        Some(sdp) => with_body(bytes, &sdp),
        None => bytes,
    }
}

/// A session description for a phone that never sends media: port 9 is the discard port.
pub fn sdp(local: SocketAddr) -> String {
    let (family, host) = if local.is_ipv4() {
        ("IP4", local.ip())
    } else {
        ("IP6", local.ip())
    };
    format!(
        "v=0\r\no=- 1 1 IN {family} {host}\r\ns=sigbox\r\nc=IN {family} {host}\r\nt=0 0\r\nm=audio 9 RTP/AVP 8 0\r\n\
         a=rtpmap:8 PCMA/8000\r\na=rtpmap:0 PCMU/8000\r\na=inactive\r\n"
    )
}

fn contact(local: SocketAddr) -> String {
    format!("<sip:phone@{local}>")
}

fn push_line(text: &mut String, name: &str, value: &str) {
    // Writing into a string cannot fail.
    let _ = write!(text, "{name}: {value}\r\n");
}

fn push_body(text: &mut String, body: Option<&str>) {
    if body.is_some() {
        push_line(text, "Content-Type", "application/sdp");
    }
    let body = body.unwrap_or_default();
    push_line(text, "Content-Length", &body.len().to_string());
    text.push_str("\r\n");
    text.push_str(body);
}

/// Replaces the empty body that [`Reply`] writes.
fn with_body(mut reply: Vec<u8>, body: &str) -> Vec<u8> {
    if let Some(head) = reply.strip_suffix(b"Content-Length: 0\r\n\r\n") {
        reply.truncate(head.len());
        let mut rest = String::new();
        push_body(&mut rest, Some(body));
        reply.extend_from_slice(rest.as_bytes());
    }
    reply
}

/// The text of a header's first value, empty when it is missing.
pub fn text_of(message: Message<'_>, id: HeaderId) -> String {
    message
        .header(id)
        .map(|header| String::from_utf8_lossy(header.value).into_owned())
        .unwrap_or_default()
}
