//! The responses of a called party.

use std::net::SocketAddrV4;

use crate::message::{Message, SDP, value};

/// Ends of responses that are the same for all calls of one listener.
#[derive(Debug)]
pub(crate) struct Responses {
    ringing: Vec<u8>,
    answered: Vec<u8>,
    /// Sets the tags of listeners apart: branches of one fork have the same Call-ID.
    tag_prefix: String,
}

impl Responses {
    /// For the listener with this index and address.
    pub(crate) fn new(index: usize, local: SocketAddrV4) -> Self {
        let contact = format!("Contact: <sip:{local}>\r\n");
        Self {
            ringing: format!("{contact}Content-Length: 0\r\n\r\n").into_bytes(),
            answered: format!(
                "{contact}Content-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{SDP}",
                SDP.len()
            )
            .into_bytes(),
            tag_prefix: format!("u{index}-"),
        }
    }

    /// Appends the lines that every response to `request` has, Via to CSeq (RFC 3261 §8.2.6.2).
    pub(crate) fn head(&self, request: &Message<'_>, out: &mut Vec<u8>) {
        let line = |line: &[u8], out: &mut Vec<u8>| {
            out.extend_from_slice(line);
            out.extend_from_slice(b"\r\n");
        };
        for lines in [&request.vias, &request.record_routes] {
            for each in lines {
                line(each, out);
            }
        }
        line(request.from, out);
        out.extend_from_slice(request.to);
        if memchr::memmem::find(value(request.to), b";tag=").is_none() {
            out.extend_from_slice(b";tag=");
            out.extend_from_slice(self.tag_prefix.as_bytes());
            out.extend_from_slice(request.key.text().mark());
        }
        out.extend_from_slice(b"\r\n");
        line(request.call_id, out);
        line(request.cseq, out);
    }

    /// Appends a response to an INVITE with that head.
    pub(crate) fn to_invite(&self, status: u16, head: &[u8], out: &mut Vec<u8>) {
        let tail = match status {
            180 => &self.ringing[..],
            200 => &self.answered,
            _ => b"Content-Length: 0\r\n\r\n",
        };
        status_line(status, out);
        out.extend_from_slice(head);
        out.extend_from_slice(tail);
    }

    /// Appends a response to another request.
    pub(crate) fn to_other(&self, status: u16, request: &Message<'_>, out: &mut Vec<u8>) {
        status_line(status, out);
        self.head(request, out);
        if let Some(contact) = request
            .contact
            .filter(|_| request.method == crate::message::Method::Register)
        {
            out.extend_from_slice(contact);
            out.extend_from_slice(b"\r\n");
        }
        out.extend_from_slice(b"Content-Length: 0\r\n\r\n");
    }
}

fn status_line(status: u16, out: &mut Vec<u8>) {
    let reason = match status {
        180 => "Ringing",
        200 => "OK",
        481 => "Call/Transaction Does Not Exist",
        487 => "Request Terminated",
        503 => "Service Unavailable",
        _ => "Refused",
    };
    out.extend_from_slice(b"SIP/2.0 ");
    out.extend_from_slice(status.to_string().as_bytes());
    out.push(b' ');
    out.extend_from_slice(reason.as_bytes());
    out.extend_from_slice(b"\r\n");
}
