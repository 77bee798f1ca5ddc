//! The ACK of a 2xx: forwarded without a transaction (RFC 3261 §16.11, §13.2.2.4).

use std::net::{IpAddr, SocketAddr};

use sigbox_wire::{Essentials, Message};

use crate::branch;
use crate::clock::Instant;
use crate::counters::Counter;
use crate::env::Env;
use crate::flow::{Flow, ListenerId, Transport};
use crate::forward::{edit_max_forwards, stamp_via, write_via};
use crate::parties::Parties;
use crate::plan::{Hop, HopHost};
use crate::route_headers::{Next, RouteHeaders, edit_routes};
use crate::secret::Fingerprint;

/// An ACK whose next hop is a name that is being looked up.
pub(crate) struct PendingAck {
    text: Box<[u8]>,
    source: Flow,
    preferred: ListenerId,
    own_routes: usize,
    parties: Option<Box<Parties>>,
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

/// An ACK on its way through.
pub(crate) struct Ack<'a> {
    pub(crate) request: Message<'a>,
    pub(crate) read: &'a Essentials<'a>,
    pub(crate) source: &'a Flow,
    pub(crate) fingerprint: Fingerprint,
    /// How many leading Route values lead here.
    pub(crate) own_routes: usize,
    /// The addresses of the other side.
    pub(crate) parties: Option<Box<Parties>>,
    pub(crate) preferred: ListenerId,
}

impl Ack<'_> {
    /// Forwards it along its Route set.
    pub(crate) fn forward(&self, env: &mut Env<'_>, routes: &RouteHeaders<'_>) -> Forwarded {
        let uri = match &routes.next {
            Some(Next::Uri(uri)) => uri.as_ref(),
            Some(Next::Unreadable) | None => self.read.uri.as_ref(),
        };
        let Some(hop) = uri.and_then(|uri| Hop::of(uri).ok()).flatten() else {
            env.count(Counter::DropUnroutable);
            return Forwarded::Done;
        };
        match hop.host {
            HopHost::Address(address) => {
                self.send(env, hop.transport, address);
                Forwarded::Done
            }
            HopHost::Name(name, port) => {
                let pending = PendingAck {
                    text: self.request.raw().into(),
                    source: *self.source,
                    preferred: self.preferred,
                    own_routes: self.own_routes,
                    parties: self.parties.clone(),
                    fingerprint: self.fingerprint,
                    transport: hop.transport,
                    port,
                    until: env.now + PATIENCE,
                };
                Forwarded::Wait(name, Box::new(pending))
            }
        }
    }

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
        stamp_via(&mut splicer, self.request, &self.read.via, self.source.peer);
        edit_max_forwards(&mut splicer, self.request, self.read.max_forwards);
        if let Some(parties) = &self.parties {
            parties.edit(&mut splicer, self.request);
        }
        env.count(Counter::RequestsForwarded);
        env.send(flow, None, |out| splicer.finish(self.request.raw(), out));
        *env.splicer = splicer;
    }
}

impl PendingAck {
    /// Its next hop's addresses are known.
    pub(crate) fn on_looked(&self, env: &mut Env<'_>, addresses: &[IpAddr]) {
        let mut index = sigbox_wire::Index::default();
        let parsed = index.parse(&self.text, &env.settings.limits.wire);
        let request = Message::new(&self.text, &index);
        let address = addresses
            .iter()
            .map(|ip| SocketAddr::new(*ip, self.port))
            .find(|address| {
                env.settings
                    .listener_for(self.transport, *address, self.preferred)
                    .is_some()
            });
        match (parsed.and_then(|()| request.validate()), address) {
            (Ok(read), Some(address)) => {
                let ack = Ack {
                    request,
                    read: &read,
                    source: &self.source,
                    fingerprint: self.fingerprint,
                    own_routes: self.own_routes,
                    parties: self.parties.clone(),
                    preferred: self.preferred,
                };
                ack.send(env, self.transport, address);
            }
            _ => env.count(Counter::DropUnroutable),
        }
    }
}
