//! Responses that this element makes itself.

use std::net::SocketAddr;

use crate::decimal::write_decimal;
use crate::header_id::HeaderId;
use crate::message::{Header, Message};
use crate::values::first_end;

/// A response to a request (RFC 3261 §8.2.6).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reply<'a> {
    /// 100 to 699.
    pub status: u16,
    /// [`reason_phrase`] or another text; control characters come out as spaces.
    pub reason: &'a str,
    /// Put on To when it has no tag and parses; not for a 100.
    pub to_tag: Option<&'a [u8]>,
    /// The value of a Server header.
    pub server: Option<&'a str>,
    /// Complete header lines with their CRLF.
    pub extra: &'a [u8],
}

impl Reply<'_> {
    /// Appends the response: all Vias, the topmost one stamped with the `source` of the request, From,
    /// To, Call-ID and CSeq as they came, Timestamp in a 100, `extra`, Server, and an empty body.
    /// Headers that the request lacks are left out; see [`Message::answerable`]. Record-Route is not
    /// copied: this element is in no dialog of its own.
    pub fn write(&self, request: Message<'_>, source: SocketAddr, out: &mut Vec<u8>) {
        out.extend_from_slice(b"SIP/2.0 ");
        write_decimal(self.status.into(), out);
        out.push(b' ');
        let reason = out.len();
        out.extend_from_slice(self.reason.as_bytes());
        for byte in &mut out[reason..] {
            if byte.is_ascii_control() {
                *byte = b' ';
            }
        }
        out.extend_from_slice(b"\r\n");

        let mut topmost = request.via().ok();
        for header in request.all(HeaderId::Via) {
            match topmost.take() {
                Some(via) => {
                    out.extend_from_slice(header.name);
                    out.extend_from_slice(b": ");
                    via.write_stamped(source, out);
                    out.extend_from_slice(&header.value[first_end(header.value)..]);
                    out.extend_from_slice(b"\r\n");
                }
                None => line(request, &header, out),
            }
        }
        for id in [
            HeaderId::From,
            HeaderId::To,
            HeaderId::CallId,
            HeaderId::CSeq,
        ] {
            let Some(header) = request.header(id) else {
                continue;
            };
            line(request, &header, out);
            if id == HeaderId::To
                && let Some(tag) = self.to_tag
                && request.to().is_ok_and(|to| to.param("tag").is_none())
            {
                out.truncate(out.len() - 2);
                out.extend_from_slice(b";tag=");
                out.extend_from_slice(tag);
                out.extend_from_slice(b"\r\n");
            }
        }
        if self.status == 100
            && let Some(header) = request.header(HeaderId::Timestamp)
        {
            line(request, &header, out);
        }
        out.extend_from_slice(self.extra);
        if let Some(server) = self.server {
            for part in ["Server: ", server, "\r\n"] {
                out.extend_from_slice(part.as_bytes());
            }
        }
        out.extend_from_slice(b"Content-Length: 0\r\n\r\n");
    }
}

/// The header under the name it came with.
fn line(request: Message<'_>, header: &Header<'_>, out: &mut Vec<u8>) {
    let (name, value) = (header.name, header.value);
    let written = &request.raw()[header.line.clone()];
    // What stands between the two and around them is most often what would be written.
    let between = written.get(name.len()..).unwrap_or_default();
    if between.starts_with(b": ") && written.len() == name.len() + value.len() + 4 {
        return out.extend_from_slice(written);
    }
    for part in [name, b": ", value, b"\r\n"] {
        out.extend_from_slice(part);
    }
}

/// The reason phrase registered with IANA for a status, or that of its class.
pub const fn reason_phrase(status: u16) -> &'static str {
    match status {
        100 => "Trying",
        180 => "Ringing",
        181 => "Call Is Being Forwarded",
        182 => "Queued",
        183 => "Session Progress",
        199 => "Early Dialog Terminated",
        200 => "OK",
        202 => "Accepted",
        204 => "No Notification",
        300 => "Multiple Choices",
        301 => "Moved Permanently",
        302 => "Moved Temporarily",
        305 => "Use Proxy",
        380 => "Alternative Service",
        400 => "Bad Request",
        401 => "Unauthorized",
        402 => "Payment Required",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        406 => "Not Acceptable",
        407 => "Proxy Authentication Required",
        408 => "Request Timeout",
        410 => "Gone",
        412 => "Conditional Request Failed",
        413 => "Request Entity Too Large",
        414 => "Request-URI Too Long",
        415 => "Unsupported Media Type",
        416 => "Unsupported URI Scheme",
        417 => "Unknown Resource-Priority",
        420 => "Bad Extension",
        421 => "Extension Required",
        422 => "Session Interval Too Small",
        423 => "Interval Too Brief",
        424 => "Bad Location Information",
        425 => "Bad Alert Message",
        428 => "Use Identity Header",
        429 => "Provide Referrer Identity",
        430 => "Flow Failed",
        433 => "Anonymity Disallowed",
        436 => "Bad Identity Info",
        437 => "Unsupported Credential",
        438 => "Invalid Identity Header",
        439 => "First Hop Lacks Outbound Support",
        440 => "Max-Breadth Exceeded",
        469 => "Bad Info Package",
        470 => "Consent Needed",
        480 => "Temporarily Unavailable",
        481 => "Call/Transaction Does Not Exist",
        482 => "Loop Detected",
        483 => "Too Many Hops",
        484 => "Address Incomplete",
        485 => "Ambiguous",
        486 => "Busy Here",
        487 => "Request Terminated",
        488 => "Not Acceptable Here",
        489 => "Bad Event",
        491 => "Request Pending",
        493 => "Undecipherable",
        494 => "Security Agreement Required",
        500 => "Server Internal Error",
        501 => "Not Implemented",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Server Time-out",
        505 => "Version Not Supported",
        513 => "Message Too Large",
        555 => "Push Notification Service Not Supported",
        580 => "Precondition Failure",
        600 => "Busy Everywhere",
        603 => "Decline",
        604 => "Does Not Exist Anywhere",
        606 => "Not Acceptable",
        607 => "Unwanted",
        608 => "Rejected",
        _ => match status / 100 {
            1 => "Progress",
            2 => "Success",
            3 => "Redirection",
            4 => "Request Failure",
            5 => "Server Failure",
            _ => "Global Failure",
        },
    }
}
