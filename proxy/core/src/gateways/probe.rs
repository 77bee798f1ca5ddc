//! Probes: OPTIONS that the core sends by itself, and what their answers show (RFC 3261 §11).
//!
//! One core of a process does it, that of shard 0. A probe is a client transaction (RFC 3261 §17.1.2) without a server
//! transaction above it. It ends with the first final response, or when the set's timeout is over.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use sigbox_wire::{Message, Method};

use super::overload::OFFER;
use super::{Gateway, GatewayChange, GatewayState, Probing, Why};
use crate::branch;
use crate::clock::Instant;
use crate::core::Core;
use crate::counters::Counter;
use crate::env::Env;
use crate::flow::{Flow, ListenerId, Transport};
use crate::forward::{write_line, write_via};
use crate::io::{Output, Outputs};
use crate::key::{BranchToken, Ticket, TransactionKey};
use crate::plan::HopHost;
use crate::secret::{Secret, hex};
use crate::settings::{Settings, Timers};
use crate::slots::Slot;
use crate::transaction::{Act, ClientNonInvite, ClientNonInviteEvent, Timed};

/// The shard whose core probes.
const PROBER: u8 = 0;

/// The longest time before the first probe of a gateway; they do not all go out at once.
const START: Duration = Duration::from_secs(1);

/// When which gateway is probed.
#[derive(Default)]
pub(crate) struct Prober {
    planned: Vec<Planned>,
    /// The soonest of them.
    next: Option<Instant>,
    /// Every probe that has a slot, the answered ones that absorb retransmissions included.
    open: Vec<TransactionKey>,
}

struct Planned {
    gateway: Arc<Gateway>,
    due: Instant,
    last: Option<TransactionKey>,
}

/// One probe.
pub(crate) struct Probe {
    gateway: Arc<Gateway>,
    began: Instant,
    /// `None` while its address is looked up.
    sent: Option<Sent>,
}

struct Sent {
    client: Timed<ClientNonInvite>,
    flow: Flow,
    text: Box<[u8]>,
    at: Instant,
    heard: bool,
}

/// Whether a probe keeps its slot.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Then {
    Stay,
    Go,
}

impl Prober {
    pub(crate) fn next(&self) -> Option<Instant> {
        self.next
    }

    /// How many slots its probes have.
    pub(crate) fn open(&self) -> usize {
        self.open.len()
    }

    /// Plans the gateways of `settings` anew; those that were planned before keep their time, unless their interval
    /// has become shorter than that.
    fn plan(&mut self, now: Instant, settings: &Settings, secret: &mut Secret) {
        let mut before = std::mem::take(&mut self.planned);
        for set in settings.gateways.iter() {
            let Some(probing) = set.probing() else {
                continue;
            };
            for gateway in set.gateways() {
                let is_same = |one: &Planned| Arc::ptr_eq(&one.gateway.standing, &gateway.standing);
                let known = before
                    .iter()
                    .position(is_same)
                    .map(|at| before.swap_remove(at));
                let first = now + within(START.min(probing.interval), secret);
                let (due, last) = match known {
                    Some(known) => (known.due.min(now + probing.interval), known.last),
                    None => (first, None),
                };
                self.planned.push(Planned {
                    gateway: gateway.clone(),
                    due,
                    last,
                });
            }
        }
        self.look_ahead();
    }

    fn look_ahead(&mut self) {
        self.next = self.planned.iter().map(|planned| planned.due).min();
    }
}

impl Core {
    /// Plans probes for the settings in force.
    pub(crate) fn plan_probes(&mut self, now: Instant) {
        if self.shard() == PROBER && !self.is_draining() {
            let (settings, prober, secret) = self.prober_parts();
            prober.plan(now, &settings, secret);
        }
    }

    /// Sends the probes that are due.
    pub(crate) fn probe(&mut self, now: Instant, out: &mut Outputs) {
        if self.prober().next.is_none_or(|next| next > now) {
            return;
        }
        let mut planned = std::mem::take(&mut self.prober().planned);
        for one in planned.iter_mut().filter(|planned| planned.due <= now) {
            let Some(probing) = &one.gateway.terms.set.probing else {
                continue;
            };
            let (_, _, secret) = self.prober_parts();
            one.due = now + probing.interval * 9 / 10 + within(probing.interval / 5, secret);
            let last = one.last.and_then(|key| self.store_ref().slot(key));
            let is_pending = matches!(last, Some(Slot::Probe(Some(probe))) if probe.is_pending());
            if !is_pending && one.gateway.state() != GatewayState::Disabled {
                one.last = Some(self.begin_probe(now, &one.gateway, out));
            }
        }
        let prober = self.prober();
        prober.planned = planned;
        prober.look_ahead();
    }

    fn begin_probe(
        &mut self,
        now: Instant,
        gateway: &Arc<Gateway>,
        out: &mut Outputs,
    ) -> TransactionKey {
        gateway.standing.count_probe();
        let key = self.store().insert_probe(Box::new(Probe {
            gateway: gateway.clone(),
            began: now,
            sent: None,
        }));
        self.prober().open.push(key);
        self.with_probe(now, key, out, |probe, env| probe.begin(env));
        key
    }

    /// The answer to a probe, or something like it.
    pub(crate) fn on_probe_response(
        &mut self,
        now: Instant,
        key: TransactionKey,
        response: Message<'_>,
        out: &mut Outputs,
    ) {
        self.with_probe(now, key, out, |probe, env| probe.on_response(env, response));
    }

    pub(crate) fn on_probe_looked(
        &mut self,
        now: Instant,
        key: TransactionKey,
        addresses: &[IpAddr],
        out: &mut Outputs,
    ) {
        self.with_probe(now, key, out, |probe, env| probe.on_looked(env, addresses));
    }

    pub(crate) fn on_probe_send_failed(
        &mut self,
        now: Instant,
        key: TransactionKey,
        out: &mut Outputs,
    ) {
        self.with_probe(now, key, out, |probe, env| match probe.is_pending() {
            true => probe.fail(env, Why::Unreachable),
            false => Then::Stay,
        });
    }

    pub(crate) fn on_probe_timeout(
        &mut self,
        now: Instant,
        key: TransactionKey,
        out: &mut Outputs,
    ) {
        self.with_probe(now, key, out, |probe, env| probe.on_timeout(env));
    }

    /// Ends every probe and sends no more.
    pub(crate) fn stop_probes(&mut self) {
        let prober = std::mem::take(self.prober());
        for key in prober.open {
            self.store().terminate(key);
        }
    }

    fn with_probe(
        &mut self,
        now: Instant,
        key: TransactionKey,
        out: &mut Outputs,
        work: impl FnOnce(&mut Probe, &mut Env<'_>) -> Then,
    ) {
        let Some(mut probe) = self.store().take_probe(key) else {
            return;
        };
        let (mut env, store) = self.env(now, key, out);
        if work(&mut probe, &mut env) == Then::Stay {
            let next = probe.next();
            store.put_probe(key, probe);
            store.arm(now, key, next);
        } else {
            store.terminate(key);
            self.prober().open.retain(|open| *open != key);
        }
    }
}

impl Probe {
    /// Whether its final response is still to come.
    fn is_pending(&self) -> bool {
        let sent = self.sent.as_ref();
        sent.is_none_or(|sent| sent.client.state.is_pending())
    }

    fn probing(&self) -> Option<&Probing> {
        self.gateway.terms.set.probing.as_ref()
    }

    fn limit(&self) -> Instant {
        self.began + self.probing().map_or(START, |probing| probing.timeout)
    }

    fn next(&self) -> Instant {
        let timers = self.sent.as_ref().and_then(|sent| sent.client.next());
        timers.unwrap_or(self.limit())
    }

    fn begin(&mut self, env: &mut Env<'_>) -> Then {
        let gateway = self.gateway.clone();
        match gateway.uri().hop() {
            Some(hop) => match &hop.host {
                HopHost::Address(address) => self.send(env, hop.transport, *address),
                HopHost::Name(name, _) => {
                    let name = env.out.text(|out| out.extend_from_slice(name.as_bytes()));
                    let ticket = Ticket(BranchToken {
                        key: env.key,
                        index: 0,
                    });
                    env.out.push(Output::Lookup { ticket, name });
                    Then::Stay
                }
            },
            None => self.fail(env, Why::Unresolved),
        }
    }

    fn on_looked(&mut self, env: &mut Env<'_>, addresses: &[IpAddr]) -> Then {
        if self.sent.is_some() {
            return Then::Stay;
        }
        let gateway = self.gateway.clone();
        let Some(hop) = gateway.uri().hop() else {
            return self.fail(env, Why::Unresolved);
        };
        let HopHost::Name(_, port) = hop.host else {
            return Then::Stay;
        };
        let addresses = addresses.iter().map(|ip| SocketAddr::new(*ip, port));
        let usable = |address: &SocketAddr| self.listener(env, hop.transport, *address).is_some();
        let first = addresses.clone().next();
        match addresses.clone().find(usable).or(first) {
            Some(address) => self.send(env, hop.transport, address),
            None => self.fail(env, Why::Unresolved),
        }
    }

    fn listener(
        &self,
        env: &Env<'_>,
        transport: Transport,
        address: SocketAddr,
    ) -> Option<ListenerId> {
        let wanted = self.gateway.listener();
        let preferred = wanted.unwrap_or(ListenerId(0));
        let found = env.settings.listener_for(transport, address, preferred)?;
        wanted.is_none_or(|wanted| wanted == found).then_some(found)
    }

    fn send(&mut self, env: &mut Env<'_>, transport: Transport, address: SocketAddr) -> Then {
        let listener = self.listener(env, transport, address);
        let Some(listener) = listener.filter(|_| !env.settings.owns_address(transport, address))
        else {
            return self.fail(env, Why::Unreachable);
        };
        let flow = Flow {
            transport,
            listener,
            connection: None,
            peer: address,
        };
        let timers = Timers {
            fr: self.limit() - env.now,
            ..env.settings.timers.clone()
        };
        let (state, reliable) = (ClientNonInvite::Trying, transport.is_reliable());
        let text = self.write(env, &flow);
        let bytes = text.clone();
        self.sent = Some(Sent {
            client: Timed::new(state, env.now, reliable, &timers),
            flow,
            text,
            at: env.now,
            heard: false,
        });
        env.send(flow, Some(token(env.key)), |out| {
            out.extend_from_slice(&bytes);
        });
        Then::Stay
    }

    /// The OPTIONS request (RFC 3261 §8.1.1, §11.1).
    fn write(&self, env: &mut Env<'_>, flow: &Flow) -> Box<[u8]> {
        let uri = self.gateway.uri().request_uri();
        let [tag, first, second] = [(); 3].map(|()| hex::<16>(env.secret.draw()));
        let (settings, secret, shard) = (env.settings, &*env.secret, env.shard);
        let mut text = format!("OPTIONS {uri} SIP/2.0\r\n").into_bytes();
        let offer = if self.gateway.terms.set.overload_control {
            OFFER
        } else {
            ""
        };
        write_via(
            settings,
            flow,
            |out| {
                branch::write(secret, shard, token(env.key), out);
                out.extend_from_slice(offer.as_bytes());
            },
            &mut text,
        );
        let from = self.probing().and_then(|probing| probing.from.as_ref());
        let from = match (from, settings.listener(flow.listener)) {
            (Some(from), _) => from.request_uri().to_owned(),
            (None, Some(listener)) => match &listener.advertised {
                Some((host, port)) => format!("sip:probe@{host}:{port}"),
                None => format!("sip:probe@{}", listener.address),
            },
            (None, None) => "sip:probe@anonymous.invalid".to_owned(),
        };
        let shown = |digits: [u8; 16]| String::from_utf8_lossy(&digits).into_owned();
        let user_agent = settings.server.as_deref().unwrap_or("sigbox");
        write_line(&mut text, "Max-Forwards", "70");
        write_line(&mut text, "From", &format!("<{from}>;tag={}", shown(tag)));
        write_line(&mut text, "To", &format!("<{uri}>"));
        write_line(&mut text, "Call-ID", &(shown(first) + &shown(second)));
        write_line(&mut text, "CSeq", "1 OPTIONS");
        write_line(&mut text, "User-Agent", user_agent);
        write_line(&mut text, "Accept", "application/sdp");
        text.extend_from_slice(b"Content-Length: 0\r\n\r\n");
        text.into_boxed_slice()
    }

    fn on_response(&mut self, env: &mut Env<'_>, response: Message<'_>) -> Then {
        let (gateway, now) = (self.gateway.clone(), env.now);
        let is_ours =
            |cseq: &sigbox_wire::CSeq<'_>| cseq.number == 1 && cseq.method == Method::Options;
        let Some(sent) = self
            .sent
            .as_mut()
            .filter(|_| response.cseq().is_ok_and(|cseq| is_ours(&cseq)))
        else {
            env.count(Counter::DropCseqMismatch);
            return Then::Stay;
        };
        let status = response.status();
        let Some((next, act)) = sent.client.state.on(ClientNonInviteEvent::of(status)) else {
            env.count(Counter::DropLateResponse);
            return Then::Stay;
        };
        let reliable = sent.flow.transport.is_reliable();
        sent.client.enter(next, now, reliable, &env.settings.timers);
        if act != Act::Pass {
            env.count(Counter::RetransmissionReceived);
            return Then::Stay;
        }
        if !std::mem::replace(&mut sent.heard, true) {
            gateway.standing.measure(now - sent.at);
        }
        gateway.heed(now, response);
        if status < 200 {
            return Then::Stay;
        }
        let set = &gateway.terms.set;
        let accepts = |probing: &Probing| probing.accepts(status);
        if set.probing.as_ref().is_none_or(accepts) {
            let step = gateway.standing.succeed(now, set);
            self.tell(env, step, Why::Answered);
        } else {
            let step = gateway.standing.fail(now, set, Why::Status(status), true);
            self.tell(env, step, Why::Status(status));
        }
        // An answered one absorbs retransmissions of the answer for Timer K.
        if reliable { Then::Go } else { Then::Stay }
    }

    fn on_timeout(&mut self, env: &mut Env<'_>) -> Then {
        let now = env.now;
        let limit = self.limit();
        let Some(sent) = &mut self.sent else {
            return if limit <= now {
                self.fail(env, Why::Unresolved)
            } else {
                Then::Stay
            };
        };
        if sent.client.deadline.is_some_and(|at| at <= now) {
            return match sent.client.state.on(ClientNonInviteEvent::Expire) {
                Some((_, Act::TimeOut)) => self.fail(env, Why::Timeout),
                _ => Then::Go,
            };
        }
        if sent.client.retransmit_at.is_some_and(|at| at <= now) {
            sent.client.back_off(now);
            if let Some((_, Act::Resend)) = sent.client.state.on(ClientNonInviteEvent::Retransmit) {
                env.count(Counter::RetransmissionSent);
                env.send(sent.flow, Some(token(env.key)), |out| {
                    out.extend_from_slice(&sent.text);
                });
            }
        }
        Then::Stay
    }

    fn fail(&mut self, env: &mut Env<'_>, why: Why) -> Then {
        let set = &self.gateway.terms.set;
        let step = self.gateway.standing.fail(env.now, set, why, true);
        self.tell(env, step, why);
        Then::Go
    }

    fn tell(&self, env: &mut Env<'_>, step: Option<super::GatewayStep>, why: Why) {
        if let Some((from, to)) = step {
            env.out.push(Output::Gateway(Box::new(GatewayChange {
                gateway: self.gateway.clone(),
                from,
                to,
                why,
                by_probe: true,
                at: env.now,
            })));
        }
    }
}

fn token(key: TransactionKey) -> BranchToken {
    BranchToken { key, index: 0 }
}

/// A time drawn evenly from zero up to `span`.
fn within(span: Duration, secret: &mut Secret) -> Duration {
    let micros = u64::try_from(span.as_micros()).unwrap_or(u64::MAX);
    Duration::from_micros(secret.draw() % micros.max(1))
}
