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
        let mut routes: Vec<String> = response
            .addresses(HeaderId::RecordRoute)
            .flatten()
            .map(|route| lossy(route.raw))
            .collect();
        // The caller's route set is the recorded one backwards (§12.1.2).
        routes.reverse();
        let contact = response.addresses(HeaderId::Contact).flatten().next();
        let remote_target = contact
            .map(|contact| lossy(contact.uri))
            .unwrap_or_default();
        let first_route = response
            .addresses(HeaderId::RecordRoute)
            .flatten()
            .last()
            .and_then(|route| address_of(route.uri));
        let next_hop = first_route
            .or_else(|| address_of(remote_target.as_bytes()))
            .unwrap_or(proxy);
        let remote_tag = response
            .to()
            .ok()
            .and_then(|to| to.tag().map(<[u8]>::to_vec))
            .unwrap_or_default();
        Self {
            remote_tag,
            remote_target,
            routes,
            to: text_of(response, HeaderId::To),
            next_hop,
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
