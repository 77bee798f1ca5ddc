//! The core itself: what came in, which transaction it belongs to, what becomes of that.

use std::sync::Arc;
use std::time::Duration;

use sigbox_wire::{Essentials, HeaderId, Index, Message, Method, Reason, Splicer, Via};
use uuid::Uuid;

use crate::branch;
use crate::clock::Instant;
use crate::context::Context;
use crate::counters::{Counter, Counters, Gauge};
use crate::env::Env;
use crate::flow::Flow;
use crate::gateways::{Calls, Prober};
use crate::io::{Class, Input, Output, Outputs, Tried};
use crate::key::{BranchToken, Ticket, Token, TransactionKey};
use crate::parties::Parties;
use crate::route_headers::{
    Recorded, RouteHeaders, is_from_strict_router, straightened, without_own_maddr,
};
use crate::secret::{Fingerprint, Parts, Secret};
use crate::settings::{Role, Settings};
use crate::slots::Slot;
use crate::stateless::{Ack, Forwarded};
use crate::store::Store;
use crate::tail::Tail;
use crate::waiting::Waiting;

/// One shard's proxy: every transaction of the calls that belong to it.
pub struct Core {
    settings: Arc<Settings>,
    recorded: Recorded,
    shard: u8,
    secret: Secret,
    wall_origin_ms: u64,
    counters: Arc<Counters>,
    pub(crate) store: Store,
    suspended: Waiting,
    calls: Calls,
    prober: Prober,
    answered_at: Option<Instant>,
    lag: Duration,
    draining: bool,
    /// The message at hand is one there is no time for.
    pub(crate) is_excess: bool,
    /// Where messages are indexed; taken out while one is worked on.
    index: Option<Box<Index>>,
    parts: Parts,
    splicer: Splicer,
    due: Vec<TransactionKey>,
}

/// What a decider is asked about.
#[derive(Clone, Copy)]
pub struct Suspended<'a> {
    /// The request as it came.
    pub request: Message<'a>,
    /// The way it came.
    pub flow: Flow,
    /// The decision's id, a UUIDv7.
    pub id: Uuid,
    /// Whose deciders to ask.
    pub tenant: &'a Arc<str>,
    /// What kind of request it is.
    pub class: Class,
    /// 1 for the first query of a transaction.
    pub attempt: u8,
    /// How long until the fallback rules decide, counted from when the query was put out.
    pub budget: Duration,
    /// What was tried since the request came.
    pub tried: &'a [Tried],
}

impl Core {
    /// A core without transactions. `shard` goes into Via branches, `seed` is secret and fresh for
    /// each process, `wall_origin_ms` is the Unix time in milliseconds at [`Instant::ZERO`].
    pub fn new(
        settings: Arc<Settings>,
        shard: u8,
        seed: [u8; 16],
        wall_origin_ms: u64,
        counters: Arc<Counters>,
    ) -> Self {
        let mut core = Self {
            recorded: Recorded::by(&settings),
            settings,
            shard,
            secret: Secret::new(seed),
            wall_origin_ms,
            counters,
            store: Store::new(),
            suspended: Waiting::default(),
            calls: Calls::default(),
            prober: Prober::default(),
            answered_at: None,
            lag: Duration::ZERO,
            draining: false,
            is_excess: false,
            index: None,
            parts: Parts::default(),
            splicer: Splicer::default(),
            due: Vec::new(),
        };
        core.plan_probes(Instant::ZERO);
        core
    }

    /// Takes in what happened and appends what is to be done to `out`, which the caller drains
    /// before the next call.
    pub fn handle(&mut self, now: Instant, input: Input<'_>, out: &mut Outputs) {
        match input {
            Input::Message { flow, bytes } => self.on_message(now, &flow, bytes, out),
            Input::Excess { flow, bytes } => {
                self.is_excess = true;
                self.on_message(now, &flow, bytes, out);
                self.is_excess = false;
            }
            Input::Decision { token, answer } => {
                let found = self.work(now, token.key, out, |context, env| {
                    context.on_decision(env, token.attempt, answer);
                });
                self.count_unless(found, Counter::AnswerLate);
            }
            Input::Extend { token, by } => {
                let found = self.work(now, token.key, out, |context, env| {
                    context.on_extend(env, token.attempt, by);
                });
                self.count_unless(found, Counter::AnswerLate);
            }
            Input::Looked {
                ticket: Ticket(branch),
                addresses,
            } => {
                let ack = match self.store.slot(branch.key) {
                    Some(Slot::Ack(_)) => true,
                    Some(Slot::Probe(_)) => {
                        return self.on_probe_looked(now, branch.key, addresses, out);
                    }
                    Some(_) => false,
                    None => return,
                };
                if ack {
                    self.with_ack(now, branch.key, out, |ack, env| {
                        ack.on_looked(env, addresses)
                    });
                    self.store.terminate(branch.key);
                } else {
                    self.work(now, branch.key, out, |context, env| {
                        context.on_looked(env, branch.index, addresses);
                    });
                }
            }
            Input::SendFailed { branch }
                if matches!(self.store.slot(branch.key), Some(Slot::Probe(_))) =>
            {
                self.on_probe_send_failed(now, branch.key, out);
            }
            Input::SendFailed { branch } => {
                self.work(now, branch.key, out, |context, env| {
                    context.on_send_failed(env, branch.index);
                });
            }
            Input::Reload(settings) => {
                self.recorded = Recorded::by(&settings);
                self.settings = settings;
                self.plan_probes(now);
            }
            Input::Drain => {
                self.draining = true;
                self.stop_probes();
            }
            Input::Lag(lag) => self.lag = lag,
            Input::WallClock { origin_ms } => self.wall_origin_ms = origin_ms,
        }
        self.publish_gauges();
    }

    /// Does what is due at `now`.
    pub fn handle_timeout(&mut self, now: Instant, out: &mut Outputs) {
        let mut due = std::mem::take(&mut self.due);
        self.store.fire(now, &mut due);
        for key in due.drain(..) {
            self.on_timeout(now, key, out);
        }
        due.shrink_to(1 << 10);
        self.due = due;
        self.probe(now, out);
        while self.calls.expire_one(now) {
            self.counters.add(Counter::GatewayCallsExpired);
        }
        self.publish_gauges();
    }

    /// When [`Core::handle_timeout`] must be called next; it may be called earlier.
    pub fn next_timeout(&self) -> Option<Instant> {
        let own = [self.prober.next(), self.calls.next()];
        own.into_iter()
            .flatten()
            .chain(self.store.next_timeout())
            .min()
    }

    /// What an [`Output::Query`] is about, as long as it is open.
    pub fn suspended(&self, now: Instant, token: Token) -> Option<Suspended<'_>> {
        let context = self.store.context(token.key)?;
        let budget = context.budget_left(now)?;
        let decision = context.decision.as_ref()?;
        (decision.attempt == token.attempt).then(|| Suspended {
            request: context.message(),
            flow: context.flow,
            id: decision.id,
            tenant: &decision.tenant,
            class: decision.class,
            attempt: decision.attempt,
            budget,
            tried: &decision.tried,
        })
    }

    /// All transactions, those that only absorb retransmissions and probes of gateways included.
    pub fn len(&self) -> usize {
        self.store.len()
    }

    /// Whether there is no transaction at all.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Transactions that are not finished. Probes of gateways are none of them.
    pub fn live(&self) -> usize {
        self.store.len() - self.store.lingering() - self.prober.open()
    }

    /// Until when the ACK of the last answered call can be expected: 4*T1 after its 2xx, time for
    /// the callee to repeat it twice. A proxy that stops stays that long, although no transaction
    /// is open any more.
    pub fn expects_ack_until(&self) -> Option<Instant> {
        Some(self.answered_at? + self.settings.timers.t1 * 4)
    }

    /// The settings in force.
    pub fn settings(&self) -> &Arc<Settings> {
        &self.settings
    }

    fn on_message(&mut self, now: Instant, flow: &Flow, bytes: &[u8], out: &mut Outputs) {
        self.read_message(now, flow, bytes, true, out);
    }

    /// `as_it_came`: it was not made straight yet.
    fn read_message(
        &mut self,
        now: Instant,
        flow: &Flow,
        bytes: &[u8],
        as_it_came: bool,
        out: &mut Outputs,
    ) {
        let mut index = self.index.take().unwrap_or_default();
        let parsed = index.parse(bytes, &self.settings.limits.wire);
        let message = Message::new(bytes, &index);
        match parsed {
            Ok(()) if as_it_came && is_from_strict_router(&self.settings, message) => {
                match straightened(&mut self.splicer, message) {
                    Some(text) => {
                        self.index = Some(index);
                        return self.read_message(now, flow, &text, false, out);
                    }
                    None => self.refuse_malformed(now, flow, message, Reason::Address, out),
                }
            }
            Ok(()) if message.is_request() => {
                let own = as_it_came
                    .then(|| without_own_maddr(&self.settings, &mut self.splicer, message))
                    .flatten();
                if let Some(text) = own {
                    self.index = Some(index);
                    return self.read_message(now, flow, &text, false, out);
                }
                self.on_request(now, flow, message, out);
            }
            Ok(()) => self.on_response(now, flow, message, out),
            Err(fault) if message.is_request() && message.method() != Method::Ack => {
                self.refuse_malformed(now, flow, message, fault.reason, out);
            }
            Err(_) => self.counters.add(Counter::DropMalformed),
        }
        self.index = Some(index);
    }

    /// What it belongs to is known by our branch alone (RFC 3261 §16.7 step 1, §17.1.3, §18.1.2); what belongs to nothing
    /// goes nowhere (RFC 6026 §7.3).
    fn on_response(&mut self, now: Instant, flow: &Flow, response: Message<'_>, out: &mut Outputs) {
        self.counters.add(match response.status() / 100 {
            1 => Counter::Response1xx,
            2 => Counter::Response2xx,
            3 => Counter::Response3xx,
            4 => Counter::Response4xx,
            5 => Counter::Response5xx,
            _ => Counter::Response6xx,
        });
        // Most peers send our Via back as we wrote it.
        let as_written = response.header(HeaderId::Via).and_then(|via| {
            let listener = self.settings.listener(flow.listener)?;
            branch::read(&self.secret, self.shard, listener.branch_of(via.value)?)
        });
        let (token, below) = match as_written {
            Some(token) => (Some(token), response.vias_below_first_line().next()),
            None => {
                let mut vias = response.vias();
                let ours = vias.next().and_then(Result::ok);
                let token = ours.and_then(|via| self.token_of(&via));
                (token, vias.next())
            }
        };
        let Some(BranchToken { key, index }) = token else {
            return self.counters.add(Counter::DropForeignBranch);
        };
        // Without these nobody could match it, and it could not be acknowledged.
        let named = [HeaderId::From, HeaderId::To, HeaderId::CallId];
        if named.iter().any(|id| !response.has(*id)) {
            return self.counters.add(Counter::DropMalformed);
        }
        let leads_back = below.is_some_and(|via| via.is_ok());
        match self.store.slot(key) {
            Some(Slot::Tail(_)) => {
                self.with_tail(now, key, out, |tail, env| {
                    tail.on_response(env, index, response, leads_back)
                });
            }
            Some(Slot::Live(_)) => {
                self.work(now, key, out, |context, env| {
                    context.on_response(env, index, response, leads_back)
                });
            }
            Some(Slot::Probe(_)) => self.on_probe_response(now, key, response, out),
            Some(Slot::Ack(_)) | None => self.counters.add(Counter::DropStrayResponse),
        }
    }

    fn on_timeout(&mut self, now: Instant, key: TransactionKey, out: &mut Outputs) {
        let until = match self.store.slot(key) {
            Some(Slot::Live(_)) => {
                self.work(now, key, out, |context, env| {
                    context.decision_timeout(env);
                    context.server_timeout(env);
                    for index in 0..context.branches.len() {
                        context.client_timeout(env, index);
                        context.cancel_timeout(env, index);
                    }
                });
                return;
            }
            Some(Slot::Probe(_)) => return self.on_probe_timeout(now, key, out),
            Some(Slot::Tail(_)) => now,
            Some(Slot::Ack(ack)) => {
                if ack.until <= now {
                    self.counters.add(Counter::DropUnroutable);
                }
                ack.until
            }
            None => return,
        };
        if until <= now {
            self.store.terminate(key);
        } else {
            self.store.arm(now, key, until);
        }
    }

    /// An environment for work on `key`, apart from the store.
    pub(crate) fn env<'a>(
        &'a mut self,
        now: Instant,
        key: TransactionKey,
        out: &'a mut Outputs,
    ) -> (Env<'a>, &'a mut Store) {
        let env = Env {
            now,
            key,
            shard: self.shard,
            settings: &self.settings,
            secret: &mut self.secret,
            counters: &self.counters,
            splicer: &mut self.splicer,
            out,
            suspended: &mut self.suspended,
            calls: &mut self.calls,
            answered_at: &mut self.answered_at,
            lag: self.lag,
            wall_origin_ms: self.wall_origin_ms,
        };
        (env, &mut self.store)
    }

    /// Works on a live transaction and settles what has become of it; `false` when there is none.
    pub(crate) fn work(
        &mut self,
        now: Instant,
        key: TransactionKey,
        out: &mut Outputs,
        work: impl FnOnce(&mut Context, &mut Env<'_>),
    ) -> bool {
        let Some(mut context) = self.store.take(key) else {
            return false;
        };
        let (mut env, _) = self.env(now, key, out);
        work(&mut context, &mut env);
        self.settle(now, key, context);
        true
    }

    /// Works on the tail of a finished transaction.
    pub(crate) fn with_tail<R>(
        &mut self,
        now: Instant,
        key: TransactionKey,
        out: &mut Outputs,
        work: impl FnOnce(&Tail<'_>, &mut Env<'_>) -> R,
    ) -> Option<R> {
        let (mut env, store) = self.env(now, key, out);
        let tail = store.tail(key)?;
        Some(work(&tail, &mut env))
    }

    fn with_ack(
        &mut self,
        now: Instant,
        key: TransactionKey,
        out: &mut Outputs,
        work: impl FnOnce(&crate::stateless::PendingAck, &mut Env<'_>),
    ) {
        let (mut env, store) = self.env(now, key, out);
        if let Some(Slot::Ack(ack)) = store.slot(key) {
            work(ack, &mut env);
        }
    }

    /// Puts a transaction back where it now belongs: live, lingering, or gone.
    pub(crate) fn settle(&mut self, now: Instant, key: TransactionKey, context: Box<Context>) {
        if !context.is_finished() {
            let next = context.next_timeout();
            self.store.put(key, context);
            if let Some(next) = next {
                self.store.arm(now, key, next);
            }
            return;
        }
        let Some(until) = context.lingers_until().filter(|until| *until > now) else {
            return self.store.terminate(key);
        };
        self.store.linger(now, key, &context, until);
    }

    /// Forwards the ACK of a 2xx.
    pub(crate) fn forward_ack(
        &mut self,
        now: Instant,
        flow: &Flow,
        request: Message<'_>,
        read: &Essentials<'_>,
        fingerprint: Fingerprint,
        out: &mut Outputs,
    ) {
        let routes = self.routes(flow, request);
        if routes.own == 0 || self.settings.role == Role::RedirectServer {
            return self.counters.add(Counter::DropStrayAck);
        }
        let ack = Ack {
            request,
            read,
            source: flow,
            fingerprint,
            own_routes: routes.own.into(),
            parties: Parties::read(&routes.parties, request),
            preferred: routes.listener.unwrap_or(flow.listener),
        };
        let nobody = TransactionKey::from_bits(0);
        let (mut env, _) = self.env(now, nobody, out);
        let forwarded = ack.forward(&mut env, &routes);
        if let Forwarded::Wait(name, ack) = forwarded {
            if self.live() >= self.settings.limits.transactions {
                return self.counters.add(Counter::DropUnroutable);
            }
            let until = ack.until;
            let key = self.store.insert_ack(ack);
            self.store.arm(now, key, until);
            let name = out.text(|out| out.extend_from_slice(name.as_bytes()));
            out.push(Output::Lookup {
                ticket: Ticket(BranchToken { key, index: 0 }),
                name,
            });
        }
    }

    /// Why a request that would open a transaction cannot, if so.
    pub(crate) fn turns_away(&self, in_dialog: bool, is_emergency: bool) -> Option<Counter> {
        let limit = self.settings.limits.transactions;
        // Calls that are up can be changed and ended when no more can begin, and who needs help can call.
        let limit = if in_dialog || is_emergency {
            limit + limit / 4
        } else {
            limit
        };
        if self.live() >= limit {
            Some(Counter::RejectCapacity)
        } else if self.draining && !in_dialog {
            Some(Counter::RejectDraining)
        } else {
            None
        }
    }

    pub(crate) fn secret(&self) -> &Secret {
        &self.secret
    }

    pub(crate) fn routes<'m>(&self, flow: &Flow, request: Message<'m>) -> RouteHeaders<'m> {
        RouteHeaders::read(&self.settings, &self.recorded, flow.listener, request)
    }

    /// 128 bits that stand for the parts that `add` adds, and what it returns.
    pub(crate) fn fingerprint_of<T>(
        &mut self,
        add: impl FnOnce(&mut Parts) -> T,
    ) -> (Fingerprint, T) {
        self.parts.clear();
        let added = add(&mut self.parts);
        (self.secret.fingerprint(&self.parts), added)
    }

    pub(crate) fn store(&mut self) -> &mut Store {
        &mut self.store
    }

    pub(crate) fn store_ref(&self) -> &Store {
        &self.store
    }

    pub(crate) fn shard(&self) -> u8 {
        self.shard
    }

    pub(crate) fn is_draining(&self) -> bool {
        self.draining
    }

    pub(crate) fn prober(&mut self) -> &mut Prober {
        &mut self.prober
    }

    /// What planning probes takes.
    pub(crate) fn prober_parts(&mut self) -> (Arc<Settings>, &mut Prober, &mut Secret) {
        (self.settings.clone(), &mut self.prober, &mut self.secret)
    }

    /// Answered calls of gateways that count them.
    pub(crate) fn gateway_calls(&mut self) -> &mut Calls {
        &mut self.calls
    }

    pub(crate) fn suspended_requests(&self) -> &Waiting {
        &self.suspended
    }

    /// Which branch of which transaction sent what has this Via; none when it is not ours.
    pub(crate) fn token_of(&self, via: &Via<'_>) -> Option<BranchToken> {
        branch::read(&self.secret, self.shard, via.branch()?)
    }

    pub(crate) fn counters(&self) -> &Counters {
        &self.counters
    }

    fn count_unless(&self, found: bool, counter: Counter) {
        if !found {
            self.counters.add(counter);
        }
    }

    fn publish_gauges(&self) {
        self.counters.set(Gauge::Transactions, self.live());
        self.counters.set(Gauge::Lingering, self.store.lingering());
        self.counters.set(Gauge::Suspended, self.suspended.len());
        debug_assert!(self.suspended.len() <= self.live());
    }
}

impl Drop for Core {
    fn drop(&mut self) {
        self.counters.set(Gauge::Transactions, 0);
        self.counters.set(Gauge::Lingering, 0);
        self.counters.set(Gauge::Suspended, 0);
    }
}
