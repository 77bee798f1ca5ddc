//! The requests of a caller.

use std::net::SocketAddrV4;

use super::{CallerSettings, Scenario};
use crate::call_key::KeyText;
use crate::dialog::Dialog;
use crate::message::SDP;
use crate::template::Template;

/// A request inside a dialog, or an ACK for a refusal: around what only the response knew.
#[derive(Debug)]
struct Following {
    via: Template,
    from: Template,
    tail: Template,
}

/// Everything that one socket sends.
#[derive(Debug)]
pub(crate) struct Requests {
    first: Template,
    cancel: Template,
    ack: Following,
    refusal_ack_line: Template,
    refusal_ack: Following,
    bye: Following,
}

impl Requests {
    /// Renders what is the same for all calls from `local`.
    pub(crate) fn new(settings: &CallerSettings, local: SocketAddrV4) -> Self {
        let (method, body, extra) = match settings.scenario {
            Scenario::Invite => ("INVITE", SDP, "Content-Type: application/sdp\r\n"),
            Scenario::Register => ("REGISTER", "", "Expires: 3600\r\n"),
            Scenario::Options => ("OPTIONS", "", "Accept: application/sdp\r\n"),
            Scenario::Response => ("INVITE", "", ""),
        };
        let host = local.ip();
        let uri = &settings.uri;
        let line = match settings.scenario {
            // RFC 3261 §10.2: the Request-URI names the registrar, To the address of record.
            Scenario::Register => {
                let domain = uri
                    .rsplit_once('@')
                    .map_or(uri.as_str(), |(_, domain)| domain);
                format!("sip:{}", domain.trim_start_matches("sip:"))
            }
            _ => uri.clone(),
        };
        // One branch per transaction: i for the first request, its CANCEL and the ACK of a refusal.
        let via = |branch| {
            Template::new(&format!(
                "Via: SIP/2.0/UDP {local};branch=z9hG4bK{branch}{{mark}}\r\nMax-Forwards: 70\r\n"
            ))
        };
        let from = format!("From: \"Alice\" <sip:alice@{local}>;tag={{mark}}\r\nTo: ");
        let ids = |cseq: &str| format!("\r\nCall-ID: {{call_id}}@{host}\r\nCSeq: {cseq}\r\n");
        let contact = format!("Contact: <sip:alice@{local}>\r\n");
        let following = |branch, cseq| Following {
            via: via(branch),
            from: Template::new(&from),
            tail: Template::new(&format!("{}{contact}Content-Length: 0\r\n\r\n", ids(cseq))),
        };
        let head = format!(
            "{line} SIP/2.0\r\nVia: SIP/2.0/UDP {local};branch=z9hG4bKi{{mark}}\r\nMax-Forwards: 70\r\n{from}<{uri}>"
        );
        let first = match settings.scenario {
            // As if the target had sent the request for us.
            Scenario::Response => format!(
                "SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP {target};branch=z9hG4bKs{{mark}}\r\n\
                 Via: SIP/2.0/UDP {local};branch=z9hG4bKi{{mark}}\r\n{from}<{uri}>;tag={{mark}}{ids}{contact}\
                 Content-Length: 0\r\n\r\n",
                target = settings.target,
                ids = ids("1 INVITE"),
            ),
            _ => format!(
                "{method} {head}{ids}{contact}User-Agent: sigbox-load\r\n{extra}Content-Length: {length}\r\n\r\n{body}",
                ids = ids(&format!("1 {method}")),
                length = body.len(),
            ),
        };
        Self {
            first: Template::new(&first),
            cancel: Template::new(&format!(
                "CANCEL {head}{}Content-Length: 0\r\n\r\n",
                ids("1 CANCEL")
            )),
            ack: following('a', "1 ACK"),
            refusal_ack_line: Template::new(&format!("ACK {uri} SIP/2.0\r\n")),
            refusal_ack: following('i', "1 ACK"),
            bye: following('b', "2 BYE"),
        }
    }

    /// INVITE, REGISTER, OPTIONS, or the response of [`Scenario::Response`].
    pub(crate) fn first(&self, key: &KeyText, number: u64, out: &mut Vec<u8>) {
        self.first.write(key, number, out);
    }

    /// CANCEL of the INVITE.
    pub(crate) fn cancel(&self, key: &KeyText, number: u64, out: &mut Vec<u8>) {
        self.cancel.write(key, number, out);
    }

    /// ACK of a 2xx.
    pub(crate) fn ack(&self, key: &KeyText, dialog: &Dialog, out: &mut Vec<u8>) {
        in_dialog(b"ACK ", &self.ack, key, dialog, out);
    }

    /// BYE.
    pub(crate) fn bye(&self, key: &KeyText, dialog: &Dialog, out: &mut Vec<u8>) {
        in_dialog(b"BYE ", &self.bye, key, dialog, out);
    }

    /// ACK of a final response from 300 up (RFC 3261 §17.1.1.3).
    pub(crate) fn refusal_ack(&self, key: &KeyText, number: u64, to: &[u8], out: &mut Vec<u8>) {
        self.refusal_ack_line.write(key, number, out);
        self.refusal_ack.via.write(key, number, out);
        self.refusal_ack.from.write(key, number, out);
        out.extend_from_slice(to);
        self.refusal_ack.tail.write(key, number, out);
    }
}

fn in_dialog(
    method: &[u8],
    request: &Following,
    key: &KeyText,
    dialog: &Dialog,
    out: &mut Vec<u8>,
) {
    out.extend_from_slice(method);
    out.extend_from_slice(dialog.target());
    out.extend_from_slice(b" SIP/2.0\r\n");
    request.via.write(key, 0, out);
    out.extend_from_slice(dialog.routes());
    request.from.write(key, 0, out);
    out.extend_from_slice(dialog.to());
    request.tail.write(key, 0, out);
}
