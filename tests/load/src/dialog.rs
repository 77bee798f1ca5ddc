//! What a caller keeps of a 200 to send its ACK and BYE (RFC 3261 §12.1.2).

use std::net::{IpAddr, SocketAddrV4};

use crate::message::{Message, elements, value};

/// Why a 2xx makes no dialog.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum DialogError {
    /// There is no Contact with a URI.
    #[error("no Contact")]
    NoContact,
    /// The next hop is a name, another address family or not on loopback.
    #[error("the next hop is not 127.0.0.0/8")]
    NotLoopback,
}

/// Route set, remote target and To of a dialog, kept as the text that requests will hold. Its memory is used again.
#[derive(Debug, Default)]
pub(crate) struct Dialog {
    text: Vec<u8>,
    routes_start: usize,
    to_start: usize,
    next_hop: Option<SocketAddrV4>,
}

impl Dialog {
    /// Takes what a 2xx says. The route set is the Record-Route values in reverse; routers are taken to be loose.
    pub(crate) fn learn(&mut self, response: &Message<'_>) -> Result<(), DialogError> {
        self.text.clear();
        let contact = response.contact.map(value);
        let target = contact
            .and_then(|contact| elements(contact).next())
            .and_then(uri)
            .ok_or(DialogError::NoContact)?;
        self.text.extend_from_slice(target);
        self.routes_start = self.text.len();
        let mut next_hop = target;
        for line in response.record_routes.iter().rev() {
            let values: smallvec::SmallVec<[&[u8]; 4]> = elements(value(line)).collect();
            for (index, route) in values.iter().rev().enumerate() {
                if self.text.len() == self.routes_start && index == 0 {
                    next_hop = uri(route).unwrap_or_default();
                }
                self.text.extend_from_slice(b"Route: ");
                self.text.extend_from_slice(route);
                self.text.extend_from_slice(b"\r\n");
            }
        }
        self.to_start = self.text.len();
        self.text.extend_from_slice(value(response.to));
        let hop = address(next_hop).filter(|hop| hop.ip().is_loopback());
        self.next_hop = Some(hop.ok_or(DialogError::NotLoopback)?);
        Ok(())
    }

    /// The remote target's URI.
    pub(crate) fn target(&self) -> &[u8] {
        &self.text[..self.routes_start]
    }

    /// Route lines, each with its line end.
    pub(crate) fn routes(&self) -> &[u8] {
        &self.text[self.routes_start..self.to_start]
    }

    /// The value of To.
    pub(crate) fn to(&self) -> &[u8] {
        &self.text[self.to_start..]
    }

    /// Where requests go: to the first route, or to the target.
    pub(crate) fn next_hop(&self) -> Option<SocketAddrV4> {
        self.next_hop
    }
}

/// The URI of a name-addr or addr-spec; parameters after a bare URI belong to the header (RFC 3261 §20.10).
fn uri(value: &[u8]) -> Option<&[u8]> {
    let mut quoted = false;
    let open = value.iter().position(|byte| {
        quoted ^= *byte == b'"';
        *byte == b'<' && !quoted
    });
    let uri = match open {
        Some(open) => {
            let rest = &value[open + 1..];
            &rest[..memchr::memchr(b'>', rest)?]
        }
        None => value.split(|byte| *byte == b';').next()?,
    };
    Some(uri).filter(|uri| !uri.is_empty())
}

/// The numeric IPv4 address and port of a `sip:` URI.
pub(crate) fn address(uri: &[u8]) -> Option<SocketAddrV4> {
    let rest = std::str::from_utf8(uri).ok()?.strip_prefix("sip:")?;
    let host = rest.split([';', '?']).next()?;
    let host = host.rsplit_once('@').map_or(host, |(_, host)| host);
    let (host, port) = match host.split_once(':') {
        Some((host, port)) => (host, port.parse().ok()?),
        None => (host, 5060),
    };
    match host.parse().ok()? {
        IpAddr::V4(ip) => Some(SocketAddrV4::new(ip, port)),
        IpAddr::V6(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn learn(record_routes: &str, contact: &str) -> Result<Dialog, DialogError> {
        let text = format!(
            "SIP/2.0 200 OK\r\nVia: v\r\n{record_routes}From: f\r\nTo: <sip:b@c>;tag=1\r\n{contact}\
             Call-ID: 00000001000000020000000000000003@a\r\nCSeq: 1 INVITE\r\n\r\n"
        );
        let mut dialog = Dialog::default();
        dialog.learn(&Message::read(text.as_bytes()).unwrap())?;
        Ok(dialog)
    }

    #[test]
    fn the_route_set_is_record_route_in_reverse() -> Result<(), DialogError> {
        let dialog = learn(
            "Record-Route: <sip:127.0.0.1:3;lr>, <sip:127.0.0.1:2;lr>\r\nRecord-Route: <sip:127.0.0.1:1;lr;a=,>\r\n",
            "Contact: <sip:b@127.0.0.1:9>\r\n",
        )?;
        assert_eq!(dialog.target(), b"sip:b@127.0.0.1:9");
        assert_eq!(
            dialog.routes(),
            b"Route: <sip:127.0.0.1:1;lr;a=,>\r\nRoute: <sip:127.0.0.1:2;lr>\r\nRoute: <sip:127.0.0.1:3;lr>\r\n"
        );
        assert_eq!(dialog.to(), b"<sip:b@c>;tag=1");
        assert_eq!(dialog.next_hop(), "127.0.0.1:1".parse().ok());
        Ok(())
    }

    #[test]
    fn without_record_route_requests_go_to_the_contact() -> Result<(), DialogError> {
        let dialog = learn(
            "",
            "Contact: \"<\" <sip:b@127.0.0.1:9;transport=udp>;q=1\r\n",
        )?;
        assert_eq!(dialog.next_hop(), "127.0.0.1:9".parse().ok());
        assert_eq!(dialog.routes(), b"");
        Ok(())
    }

    #[test]
    fn nothing_is_sent_beyond_loopback() {
        for contact in [
            "sip:b@192.0.2.1",
            "sip:b@example.com",
            "sip:b@[::1]:5",
            "tel:1",
        ] {
            let contact = format!("Contact: <{contact}>\r\n");
            assert_eq!(learn("", &contact).err(), Some(DialogError::NotLoopback));
        }
        let route = "Record-Route: <sip:192.0.2.1;lr>\r\n";
        let contact = "Contact: <sip:b@127.0.0.1>\r\n";
        assert_eq!(learn(route, contact).err(), Some(DialogError::NotLoopback));
        assert_eq!(learn("", "").err(), Some(DialogError::NoContact));
    }
}
