//! The caller's side of a dialog (RFC 3261 §12).

use std::net::SocketAddr;

use sigbox_wire::{HeaderId, Message, Uri};

use super::compose::{Request, new_branch, text_of};

/// What a 2xx to our INVITE established.
#[derive(Clone, Debug)]
pub struct Dialog {
    /// The callee's tag; it tells the branches of a fork apart.
    pub remote_tag: Vec<u8>,
    remote_target: String,
    routes: Vec<String>,
    to: String,
    next_hop: SocketAddr,
}

impl Dialog {
    /// Reads the response. `proxy` is where requests go when neither the route set nor the contact
    /// names an address.
    pub fn from_response(response: Message<'_>, proxy: SocketAddr) -> Self {
        // The caller's route set is the recorded one backwards (§12.1.2).
        let mut recorded: Vec<_> = response
            .addresses(HeaderId::RecordRoute)
            .flatten()
            .collect();
        recorded.reverse();
        let contact = response.addresses(HeaderId::Contact).flatten().next();
        let remote_target = contact.map(|contact| contact.uri).unwrap_or_default();
        let first_hop = recorded.first().map_or(remote_target, |route| route.uri);
        let remote_tag = response
            .to()
            .ok()
            .and_then(|to| to.tag().map(<[u8]>::to_vec))
            .unwrap_or_default();
        Self {
            remote_tag,
            remote_target: lossy(remote_target),
            routes: recorded.iter().map(|route| lossy(route.raw)).collect(),
            to: text_of(response, HeaderId::To),
            next_hop: address_of(first_hop).unwrap_or(proxy),
        }
    }

    /// Where requests of the dialog are sent.
    pub fn next_hop(&self) -> SocketAddr {
        self.next_hop
    }

    /// Writes an ACK or BYE.
    pub fn request(
        &self,
        method: &str,
        from: &str,
        call_id: &str,
        cseq: u32,
        local: SocketAddr,
    ) -> Vec<u8> {
        Request {
            method,
            uri: &self.remote_target,
            local,
            branch: &new_branch(),
            routes: &self.routes,
            from,
            to: &self.to,
            call_id,
            cseq,
            headers: &[],
            sdp: None,
        }
        .write()
    }
}

/// The address that a SIP URI names, when its host is a number.
pub fn address_of(uri: &[u8]) -> Option<SocketAddr> {
    let uri = Uri::parse(uri).ok()?;
    let ip = uri.host?.ip()?;
    Some(SocketAddr::new(ip, uri.port.unwrap_or(5060)))
}

fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use sigbox_wire::{Index, Limits};

    use super::*;

    fn dialog(headers: &str) -> Dialog {
        let response = format!(
            "SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP 127.0.0.1:1;branch=z9hG4bK1\r\n{headers}From: <sip:a@x>;tag=1\r\n\
             To: <sip:b@x>;tag=2\r\nCall-ID: c\r\nCSeq: 1 INVITE\r\nContent-Length: 0\r\n\r\n"
        );
        let mut index = Index::default();
        index
            .parse(response.as_bytes(), &Limits::default())
            .unwrap();
        Dialog::from_response(Message::new(response.as_bytes(), &index), port(9))
    }

    fn port(port: u16) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], port))
    }

    #[test]
    fn the_route_set_is_the_recorded_one_backwards() {
        // The proxy nearest to the callee recorded its route last, on top.
        let dialog = dialog(
            "Record-Route: <sip:127.0.0.1:4;lr>, <sip:127.0.0.1:3;lr>\r\nRecord-Route: <sip:127.0.0.1:2;lr>\r\n\
             Contact: \"B\" <sip:b@127.0.0.1:5>\r\n",
        );
        assert_eq!(dialog.next_hop(), port(2));
        let ack =
            String::from_utf8(dialog.request("ACK", "<sip:a@x>;tag=1", "c", 1, port(1))).unwrap();
        assert!(
            ack.starts_with("ACK sip:b@127.0.0.1:5 SIP/2.0\r\n"),
            "{ack}"
        );
        let routes: Vec<&str> = ack
            .lines()
            .filter_map(|line| line.strip_prefix("Route: "))
            .collect();
        assert_eq!(
            routes,
            [
                "<sip:127.0.0.1:2;lr>",
                "<sip:127.0.0.1:3;lr>",
                "<sip:127.0.0.1:4;lr>"
            ]
        );
        assert!(ack.contains("\r\nTo: <sip:b@x>;tag=2\r\n"), "{ack}");
    }

    #[test]
    fn without_routes_requests_go_to_the_contact_and_without_an_address_to_the_proxy() {
        assert_eq!(
            dialog("Contact: <sip:b@127.0.0.1:5>\r\n").next_hop(),
            port(5)
        );
        assert_eq!(
            dialog("Contact: <sip:b@host.example>\r\n").next_hop(),
            port(9)
        );
    }
}
