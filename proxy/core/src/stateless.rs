//! The ACK of a 2xx: forwarded without a transaction (RFC 3261 §16.11, §13.2.2.4).

use std::net::{IpAddr, SocketAddr};

use sigbox_wire::{HeaderId, Message};

use crate::branch;
use crate::clock::Instant;
use crate::counters::Counter;
use crate::env::Env;
use crate::flow::{Flow, ListenerId, Transport};
use crate::forward::{edit_max_forwards, edit_routes, stamp_via, write_via};
use crate::plan::{Hop, HopHost};
use crate::secret::Fingerprint;

/// An ACK whose next hop is a name that is being looked up.
pub(crate) struct PendingAck {
    text: Box<[u8]>,
    source: Flow,
    preferred: ListenerId,
    own_routes: usize,
    fingerprint: Fingerprint,
    transport: Transport,
    port: u16,
    pub(crate) until: Instant,
}

/// How long an ACK waits for an address; a callee that waits longer has sent its 2xx again.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(5);

/// What came of forwarding.
pub(crate) enum Forwarded {
    Done,
    /// Look this name up, and keep the ACK meanwhile.
    Wait(Box<str>, Box<PendingAck>),
}

/// Forwards an ACK along its Route set, `own_routes` of which lead here.
pub(crate) fn forward_ack(
    env: &mut Env<'_>,
    request: Message<'_>,
    source: &Flow,
    fingerprint: Fingerprint,
    own_routes: usize,
    preferred: ListenerId,
) -> Forwarded {
    let next_route = request.addresses(HeaderId::Route).nth(own_routes);
    let uri = match &next_route {
        Some(Ok(route)) => route.parsed_uri(),
        Some(Err(_)) | None => request.uri(),
    };
    let Some(hop) = uri.ok().and_then(|uri| Hop::of(&uri).ok().flatten()) else {
        env.count(Counter::DropUnroutable);
        return Forwarded::Done;
    };
    match hop.host {
        HopHost::Address(address) => {
            let ack = Ack {
                request,
                source,
                fingerprint,
                own_routes,
                preferred,
            };
            ack.send(env, hop.transport, address);
            Forwarded::Done
        }
        HopHost::Name(name, port) => {
            let pending = PendingAck {
                text: request.raw().into(),
                source: *source,
                preferred,
                own_routes,
                fingerprint,
                transport: hop.transport,
                port,
                until: env.now + PATIENCE,
            };
            Forwarded::Wait(name, Box::new(pending))
        }
    }
}

impl PendingAck {
    /// Its next hop's addresses are known.
    pub(crate) fn on_looked(&self, env: &mut Env<'_>, addresses: &[IpAddr]) {
        let mut index = sigbox_wire::Index::default();
        let parsed = index.parse(&self.text, &env.settings.limits.wire);
        let address = addresses
            .iter()
            .map(|ip| SocketAddr::new(*ip, self.port))
            .find(|address| {
                env.settings
                    .listener_for(self.transport, *address, self.preferred)
                    .is_some()
            });
        match (parsed, address) {
            (Ok(()), Some(address)) => {
                let ack = Ack {
                    request: Message::new(&self.text, &index),
                    source: &self.source,
                    fingerprint: self.fingerprint,
                    own_routes: self.own_routes,
                    preferred: self.preferred,
                };
                ack.send(env, self.transport, address);
            }
            _ => env.count(Counter::DropUnroutable),
        }
    }
}

struct Ack<'a> {
    request: Message<'a>,
    source: &'a Flow,
    fingerprint: Fingerprint,
    own_routes: usize,
    preferred: ListenerId,
}

impl Ack<'_> {
    fn send(&self, env: &mut Env<'_>, transport: Transport, address: SocketAddr) {
        let listener = env
            .settings
            .listener_for(transport, address, self.preferred);
        let Some(listener) = listener.filter(|_| !env.settings.owns_address(transport, address))
        else {
            return env.count(Counter::DropUnroutable);
        };
        let flow = Flow {
            transport,
            listener,
            connection: None,
            peer: address,
        };
        let mut splicer = std::mem::take(env.splicer);
        splicer.clear();
        splicer.insert(self.request.headers_start(), |out| {
            let branch = |out: &mut Vec<u8>| branch::write_stateless(self.fingerprint, out);
            write_via(env.settings, &flow, branch, out);
        });
        edit_routes(&mut splicer, self.request, self.own_routes);
        stamp_via(&mut splicer, self.request, self.source.peer);
        edit_max_forwards(&mut splicer, self.request);
        env.count(Counter::RequestsForwarded);
        env.send(flow, None, |out| splicer.finish(self.request.raw(), out));
        *env.splicer = splicer;
    }
}
