//! Requests: retransmissions to their transactions, new ones through validation (RFC 3261 §16.3)
//! and route preprocessing (§16.4) to a decision or along their Route set.

use sigbox_wire::{
    Essentials, HeaderId, Index, Message, Method, Reason, Scheme, Stored, Via, is_emergency,
};
use smallvec::SmallVec;

use crate::breadth;
use crate::challenges::Challenges;
use crate::clock::Instant;
use crate::consult::Consulted;
use crate::context::{Context, Phase, Server};
use crate::core::Core;
use crate::counters::Counter;
use crate::display_name;
use crate::env::{Answer, reply_flow};
use crate::flow::Flow;
use crate::forward::write_line;
use crate::io::{Class, Outputs};
use crate::key::TransactionKey;
use crate::parties::Parties;
use crate::secret::{Fingerprint, Parts};
use crate::settings::Role;
use crate::slots::Slot;
use crate::transaction::{ServerInvite, ServerNonInvite, Timed};

/// Methods in the Allow header of the proxy's own OPTIONS answer: all that it forwards.
const ALLOW: &str = "INVITE, ACK, CANCEL, BYE, OPTIONS, REGISTER, PRACK, SUBSCRIBE, NOTIFY, \
                     PUBLISH, INFO, REFER, MESSAGE, UPDATE";

/// A request as it arrived, and which transaction it belongs to.
#[derive(Clone, Copy)]
pub(crate) struct Arrival<'a> {
    pub(crate) now: Instant,
    pub(crate) flow: &'a Flow,
    pub(crate) request: Message<'a>,
    pub(crate) fingerprint: Fingerprint,
}

impl Core {
    pub(crate) fn on_request(
        &mut self,
        now: Instant,
        flow: &Flow,
        request: Message<'_>,
        out: &mut Outputs,
    ) {
        let method = request.method();
        self.counters().add(request_counter(method));
        if self.is_excess && self.refuse_excess(now, flow, request, out) {
            return;
        }
        let read = match request.validate() {
            Ok(read) => read,
            Err(_) if method == Method::Ack => return self.counters().add(Counter::DropMalformed),
            Err(fault) => return self.refuse_malformed(now, flow, request, fault.reason, out),
        };
        let Some(text) = display_name::quoted(request, &read) else {
            return self.on_valid_request(now, flow, request, &read, out);
        };
        let mut index = Index::default();
        let parsed = index.parse(&text, &self.settings().limits.wire);
        let quoted = Message::new(&text, &index);
        match parsed.and_then(|()| quoted.validate()) {
            Ok(read) => self.on_valid_request(now, flow, quoted, &read, out),
            // The quotes were too much for the limits.
            Err(fault) => self.refuse_malformed(now, flow, request, fault.reason, out),
        }
    }

    fn on_valid_request(
        &mut self,
        now: Instant,
        flow: &Flow,
        request: Message<'_>,
        read: &Essentials<'_>,
        out: &mut Outputs,
    ) {
        let Some(fingerprint) = self.fingerprint(request, &read.via) else {
            return self.counters().add(Counter::DropUnanswerable);
        };
        let arrival = Arrival {
            now,
            flow,
            request,
            fingerprint,
        };
        let known = self.store().find(fingerprint);
        match request.method() {
            Method::Ack => self.on_ack(arrival, read, known, out),
            Method::Cancel => match known {
                Some(key) => self.on_cancel(arrival, key, out),
                None => {
                    self.counters().add(Counter::RejectNoTransaction);
                    self.refuse(arrival, 481, b"", out);
                }
            },
            _ => match known {
                Some(key) => self.on_repeated(now, key, out),
                None => self.on_new(arrival, read, out),
            },
        }
    }

    fn on_repeated(&mut self, now: Instant, key: TransactionKey, out: &mut Outputs) {
        if !self.work(now, key, out, |context, env| context.on_retransmission(env)) {
            self.with_tail(now, key, out, |tail, env| tail.on_retransmission(env));
        }
    }

    fn on_ack(
        &mut self,
        arrival: Arrival<'_>,
        read: &Essentials<'_>,
        known: Option<TransactionKey>,
        out: &mut Outputs,
    ) {
        let now = arrival.now;
        // An answer made without a transaction, or by one that is gone, has the tag of this request.
        let has_own_tag = || {
            let own_tag = || self.secret().tag(arrival.fingerprint);
            let tag = read
                .to
                .tag()
                .and_then(|tag| <&[u8; 16]>::try_from(tag).ok());
            tag.is_some_and(|tag| *tag == own_tag())
        };
        if known.is_none() && has_own_tag() {
            return self.counters().add(Counter::DropAbsorbedAck);
        }
        let mut forward = known.is_none();
        if let Some(key) = known {
            let live = self.work(now, key, out, |context, env| forward = context.on_ack(env));
            if !live {
                let passed = self.with_tail(now, key, out, |tail, env| tail.on_ack(env));
                forward = passed.unwrap_or(false);
            }
        }
        // The ACK of a 2xx belongs to a dialog; anything else is a stray (T9).
        let in_dialog = read.to.tag().is_some();
        let hops_left = read.max_forwards != Some(0);
        if forward && in_dialog && hops_left {
            let Arrival {
                flow,
                request,
                fingerprint,
                ..
            } = arrival;
            self.forward_ack(now, flow, request, read, fingerprint, out);
        } else if forward {
            self.counters().add(Counter::DropStrayAck);
        }
    }

    fn on_cancel(&mut self, arrival: Arrival<'_>, key: TransactionKey, out: &mut Outputs) {
        if !self.work(arrival.now, key, out, |context, env| {
            context.on_cancel(env, arrival.request, arrival.flow)
        }) && matches!(self.store().slot(key), Some(Slot::Tail(_)))
        {
            self.refuse(arrival, 200, b"", out);
        }
    }

    /// A request that no transaction knows (RFC 3261 §16.3).
    fn on_new(&mut self, arrival: Arrival<'_>, read: &Essentials<'_>, out: &mut Outputs) {
        let Arrival {
            now,
            flow,
            request,
            fingerprint,
        } = arrival;
        if read.to.tag().is_none() && self.is_over_always(arrival, out) {
            return;
        }
        let refusal = self.judge(request, read);
        if let Some(Refusal {
            status,
            counter,
            extra,
        }) = refusal
        {
            if let Some(counter) = counter {
                self.counters().add(counter);
            }
            return self.refuse(arrival, status, &extra, out);
        }
        let Some(breadth) = breadth::of(request) else {
            self.counters().add(Counter::RejectMalformed);
            return self.refuse(arrival, 400, b"", out);
        };
        if breadth == 0 {
            self.counters().add(Counter::RejectMaxBreadth);
            return self.refuse(arrival, 440, b"", out);
        }
        if self.is_loop(request, read) {
            self.counters().add(Counter::RejectLoop);
            return self.refuse(arrival, 482, b"", out);
        }
        let routes = self.routes(flow, request);
        let in_dialog = read.to.tag().is_some();
        // A request within a dialog comes by the Route set this proxy recorded; without one it does
        // not belong here. That the Route is really ours to have recorded is not proven: whoever
        // makes up a tag and a Route is relayed like a dialog.
        // A redirect server is in no dialog at all.
        let is_foreign = routes.own == 0 || self.settings().role == Role::RedirectServer;
        if (in_dialog || !crate::rules::may_be_asked(request)) && is_foreign {
            self.counters().add(Counter::RejectNoDialog);
            return self.refuse(arrival, 481, b"", out);
        }
        let emergency = is_emergency(request.request_uri());
        if let Some(counter) = self.turns_away(in_dialog, emergency) {
            return self.refuse_for_now(arrival, counter, out);
        }
        if in_dialog {
            self.follow_gateway_call(now, request);
        }
        let id = (!in_dialog).then(|| self.request_id(request, read));
        if id.is_some_and(|id| self.suspended_requests().holds(id)) {
            self.counters().add(Counter::RejectMerged);
            return self.refuse(arrival, 482, b"", out);
        }
        let consulted = match id {
            Some(_) => self.consult(arrival, out),
            None => Some(Consulted::Nothing),
        };
        let Some(consulted) = consulted else { return };
        let timers = self.settings().timers.clone();
        let reliable = flow.transport.is_reliable();
        let invite = request.method() == Method::Invite;
        let server = if invite {
            Server::Invite(Timed::new(ServerInvite::Proceeding, now, reliable, &timers))
        } else {
            Server::NonInvite(Timed::new(ServerNonInvite::Trying, now, reliable, &timers))
        };
        let mut context = Box::new(Context {
            request: Stored::new(request),
            cseq: read.cseq.number,
            in_dialog,
            fingerprint,
            flow: *flow,
            upstream: reply_flow(Some(&read.via), flow),
            arrived: now,
            server,
            phase: Phase::Forwarding,
            trying_at: None,
            decision: None,
            plan: None,
            next_route: 0,
            own_routes: routes.own,
            routed_listener: routes.listener,
            parties: Parties::read(&routes.parties, request).filter(|_| in_dialog),
            branches: SmallVec::new(),
            group_start: 0,
            best: None,
            challenges: Challenges::default(),
            moved: Vec::new(),
            breadth,
            last: Vec::new(),
            cancelled: false,
            cancel_reason: Box::default(),
        });
        let key = self.store().reserve(fingerprint);
        let (mut env, _) = self.env(now, key, out);
        if invite && (timers.trying.is_zero() || reliable) {
            context.answer(&mut env, 100, None, b"");
        } else {
            let after = if invite {
                timers.trying
            } else {
                timers.late_trying()
            };
            context.trying_at = Some(now + after);
        }
        match id {
            Some(id) => context.decide(&mut env, Class::of(request.method()), id, consulted),
            None => context.follow_route_set(&mut env, routes.hop(read)),
        }
        self.settle(now, key, context);
    }

    /// What speaks against forwarding a new request at all (RFC 3261 §16.3 steps 2, 3 and 5), and what
    /// is answered by the proxy itself.
    fn judge(&self, request: Message<'_>, read: &Essentials<'_>) -> Option<Refusal> {
        let refusal = |status, counter| {
            Some(Refusal {
                status,
                counter: Some(counter),
                extra: Vec::new(),
            })
        };
        let Some(uri) = &read.uri else {
            return refusal(400, Counter::RejectMalformed);
        };
        // A URN leads nowhere by itself, but a decider knows what it stands for (RFC 5031).
        if let Scheme::Other(scheme) = uri.scheme
            && !scheme.eq_ignore_ascii_case(b"urn")
        {
            return refusal(416, Counter::RejectScheme);
        }
        let for_us = uri.user.is_none() && self.settings().owns(uri).is_some();
        if for_us && request.method() == Method::Options {
            let mut extra = Vec::new();
            write_line(&mut extra, "Allow", ALLOW);
            write_line(&mut extra, "Accept", "application/sdp, */*");
            write_line(&mut extra, "Supported", "path");
            return Some(Refusal {
                status: 200,
                counter: None,
                extra,
            });
        }
        if read.max_forwards == Some(0) {
            return refusal(483, Counter::RejectMaxForwards);
        }
        if request.has(HeaderId::ProxyRequire) {
            let mut extra = Vec::new();
            // A line for a line: the answer must not outgrow a request that may be forged.
            for header in request.all(HeaderId::ProxyRequire) {
                for part in [&b"Unsupported: "[..], header.value, b"\r\n"] {
                    extra.extend_from_slice(part);
                }
            }
            return Some(Refusal {
                status: 420,
                counter: Some(Counter::RejectExtension),
                extra,
            });
        }
        None
    }

    /// 503 for a request that there is no time for, after a look at no more of it than that takes; `false` when it belongs
    /// to what is under way.
    fn refuse_excess(
        &mut self,
        now: Instant,
        flow: &Flow,
        request: Message<'_>,
        out: &mut Outputs,
    ) -> bool {
        if let Method::Ack | Method::Cancel = request.method() {
            return false;
        }
        let via = request.via().ok().filter(|_| request.answerable());
        let Some(fingerprint) = via.and_then(|via| self.fingerprint(request, &via)) else {
            return false;
        };
        if self.store().find(fingerprint).is_some() {
            return false;
        }
        let arrival = Arrival {
            now,
            flow,
            request,
            fingerprint,
        };
        self.refuse_for_now(arrival, Counter::RejectOverload, out);
        true
    }

    /// 503 with a Retry-After drawn anew.
    fn refuse_for_now(&mut self, arrival: Arrival<'_>, counter: Counter, out: &mut Outputs) {
        self.counters().add(counter);
        let range = self.settings().retry_after;
        let (env, _) = self.env(arrival.now, TransactionKey::from_bits(0), out);
        let mut extra = Vec::new();
        write_line(
            &mut extra,
            "Retry-After",
            &env.secret.seconds_between(range).to_string(),
        );
        self.refuse(arrival, 503, &extra, out);
    }

    /// Answers without a transaction: the same answer each time the request comes.
    fn refuse(&mut self, arrival: Arrival<'_>, status: u16, extra: &[u8], out: &mut Outputs) {
        self.refuse_with(arrival, status, None, extra, out);
    }

    /// The same with a reason phrase of its own.
    pub(crate) fn refuse_with(
        &mut self,
        arrival: Arrival<'_>,
        status: u16,
        reason: Option<&str>,
        extra: &[u8],
        out: &mut Outputs,
    ) {
        let Arrival {
            now, flow, request, ..
        } = arrival;
        let (mut env, _) = self.env(now, TransactionKey::from_bits(0), out);
        let upstream = reply_flow(request.via().ok().as_ref(), flow);
        let answer = Answer {
            status,
            reason,
            fingerprint: arrival.fingerprint,
            extra,
        };
        env.reply(request, flow.peer, upstream, &answer);
    }

    /// 400 for what can be answered, or 505 when it is only the version (RFC 3261 §21.5.6); silence
    /// for what cannot.
    pub(crate) fn refuse_malformed(
        &mut self,
        now: Instant,
        flow: &Flow,
        request: Message<'_>,
        why: Reason,
        out: &mut Outputs,
    ) {
        let via = request.via().ok();
        let fingerprint = via.and_then(|via| self.fingerprint(request, &via));
        // What cannot be told apart as a transaction can still have a tag of its own.
        let fingerprint = fingerprint.unwrap_or_else(|| {
            let vias = request.all(HeaderId::Via);
            let unlike = |parts: &mut Parts| {
                vias.for_each(|via| parts.add(via.value));
                parts.add(request.call_id());
            };
            self.fingerprint_of(unlike).0
        });
        match fingerprint {
            // The caller would take a 400 for the final response of the transaction under way.
            known
                if self.store().find(known).is_some()
                    && !request
                        .cseq()
                        .is_ok_and(|cseq| cseq.method == Method::Cancel) =>
            {
                self.counters().add(Counter::DropMalformed);
            }
            fingerprint if request.answerable() => {
                let (status, counter) = match why {
                    Reason::Version => (505, Counter::RejectVersion),
                    _ => (400, Counter::RejectMalformed),
                };
                self.counters().add(counter);
                let arrival = Arrival {
                    now,
                    flow,
                    request,
                    fingerprint,
                };
                self.refuse(arrival, status, b"", out);
            }
            _ => self.counters().add(Counter::DropUnanswerable),
        }
    }

    /// What identifies the server transaction (RFC 3261 §17.2.3). ACK and CANCEL have that of the
    /// INVITE they belong to.
    fn fingerprint(&mut self, request: Message<'_>, via: &Via<'_>) -> Option<Fingerprint> {
        let method = match request.method() {
            Method::Ack | Method::Cancel => Method::Invite,
            other => other,
        };
        let cookie = b"z9hg4bk";
        let branch = via.branch().unwrap_or_default();
        let is_unique =
            branch.len() > cookie.len() && branch[..cookie.len()].eq_ignore_ascii_case(cookie);
        let (fingerprint, is_complete) = self.fingerprint_of(|parts| {
            if is_unique {
                parts.add_lower(branch);
                parts.add_lower(via.host);
                parts.add(&via.port.map_or([0; 2], u16::to_be_bytes));
                parts.add(method.as_bytes());
                return Some(());
            }
            // An RFC 2543 peer: the To tag is left out, for an ACK has one that its INVITE had not.
            let from = request.from().ok()?;
            parts.add(request.request_uri());
            parts.add(from.tag().unwrap_or_default());
            parts.add(request.call_id());
            parts.add(&request.cseq().ok()?.number.to_be_bytes());
            parts.add(method.as_bytes());
            parts.add(via.raw);
            Some(())
        });
        is_complete.map(|()| fingerprint)
    }
}

/// A request that is answered at once.
struct Refusal {
    status: u16,
    counter: Option<Counter>,
    /// Complete header lines.
    extra: Vec<u8>,
}

fn request_counter(method: Method<'_>) -> Counter {
    match method {
        Method::Invite => Counter::RequestInvite,
        Method::Ack => Counter::RequestAck,
        Method::Bye => Counter::RequestBye,
        Method::Cancel => Counter::RequestCancel,
        Method::Options => Counter::RequestOptions,
        Method::Register => Counter::RequestRegister,
        Method::Message => Counter::RequestMessage,
        _ => Counter::RequestOther,
    }
}
