//! The calling side.

mod answers;
mod call;
mod requests;
mod settings;
mod tally;

use std::collections::VecDeque;
use std::net::SocketAddrV4;
use std::time::Duration;

use self::call::{Call, Cancel, Phase};
use self::requests::Requests;
pub use self::settings::{CallerSettings, Scenario};
use self::tally::{Failure, Tally};
use crate::arrivals::Arrivals;
use crate::call_key::CallKey;
use crate::clock::Moment;
use crate::drive::Party;
use crate::limits::Limits;
use crate::message::{Message, Method, Start};
use crate::outbox::Outbox;
use crate::report::CallerReport;
use crate::schedule::Schedule;

/// RFC 3261 T2, the longest interval between retransmissions of a request other than INVITE.
const T2: Duration = Duration::from_secs(4);
/// How long a call that is over keeps its place, so that late messages are recognised.
const LINGER: Duration = Duration::from_secs(2);
/// Calls begun, and timers expired, before what has come in meanwhile is read.
const AT_ONCE: usize = 128;
/// How long the run goes on after its last call, for the same reason.
const SETTLE: Duration = Duration::from_millis(50);

/// Which transaction of a call a timer is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Transaction {
    /// INVITE, REGISTER or OPTIONS.
    First,
    Bye,
    Cancel,
}

#[derive(Clone, Copy, Debug)]
enum Timer {
    Repeat(Transaction, Duration),
    GiveUp(Transaction),
    HangUp,
    Cancel,
    Free,
}

/// The calling side of a run, without I/O.
#[derive(Debug)]
pub struct Caller {
    settings: CallerSettings,
    requests: Vec<Requests>,
    arrivals: Arrivals,
    calls: Vec<Call>,
    free: VecDeque<u32>,
    timers: Schedule<(Timer, u32, u32)>,
    open: usize,
    started_at: Moment,
    ends_at: Option<Moment>,
    tally: Tally,
}

impl Caller {
    /// Calls from sockets bound to `locals`, in a run that begins at `start`.
    pub fn new(settings: CallerSettings, locals: &[SocketAddrV4], start: Moment) -> Self {
        let start = start.after(settings.after);
        let plan = settings.plan;
        let mut tally = Tally::default();
        tally.calls.planned = plan.calls;
        Self {
            requests: locals
                .iter()
                .map(|local| Requests::new(&settings, *local))
                .collect(),
            arrivals: Arrivals::new(start, plan.rate, plan.calls, settings.grid),
            settings,
            calls: Vec::new(),
            free: VecDeque::new(),
            timers: Schedule::default(),
            open: 0,
            started_at: start,
            ends_at: None,
            tally,
        }
    }

    /// Ends the run: calls that are open are unfinished.
    pub fn finish(mut self, now: Moment) -> CallerReport {
        for call in self.calls.iter_mut().filter(|call| call.is_open()) {
            self.tally.unfinished(call);
        }
        for _ in 0..self.arrivals.left() {
            self.tally.not_started();
        }
        CallerReport {
            scenario: self.settings.scenario.name(),
            target: self.settings.target.to_string(),
            rate: self.settings.plan.rate,
            took_s: now.since(self.started_at).as_secs_f64(),
            arrived_s: self.tally.arrived.as_secs_f64(),
            calls: self.tally.calls,
            endings: self.tally.endings,
            failures: self.tally.failures(),
            responses: self.tally.responses(),
            retransmissions_sent: self.tally.retransmissions(),
            retransmissions_seen: self.tally.seen_again,
            second_answers: self.tally.second_answers,
            stray: self.tally.stray,
            foreign: self.tally.foreign,
            latency: self.tally.latencies(),
        }
    }

    fn start(&mut self, now: Moment, number: u64, due: Moment, outboxes: &mut [Outbox]) {
        if self.settings.scenario == Scenario::Response {
            return self.send_response(now, number, due, outboxes);
        }
        let slot = match self.free.pop_front() {
            Some(slot) => slot,
            None if self.calls.len() < Limits::OPEN => {
                self.calls.push(Call::default());
                (self.calls.len() - 1) as u32
            }
            None => return self.tally.not_started(),
        };
        self.open += 1;
        self.tally.calls.started += 1;
        self.tally.lag.record(now.since(due));
        self.calls[slot as usize].begin(number, due);
        self.send(slot, Transaction::First, outboxes);
        self.watch(now, slot, Transaction::First);
        if let Some(delay) = self.settings.cancel_after {
            self.set(now, delay, Timer::Cancel, slot);
        }
    }

    /// Sends a response that nobody waits for. That is all there is to such a call.
    fn send_response(&mut self, now: Moment, number: u64, due: Moment, outboxes: &mut [Outbox]) {
        let socket = (number % outboxes.len().max(1) as u64) as usize;
        let key = CallKey {
            caller: self.settings.index,
            round: number as u32,
            due,
            ..CallKey::default()
        };
        let requests = &self.requests[socket];
        outboxes[socket].push(self.settings.target, |out| {
            requests.first(&key.text(), number, out)
        });
        self.tally.calls.started += 1;
        self.tally.calls.completed += 1;
        self.tally.lag.record(now.since(due));
    }

    /// The key of the call at this place.
    fn key(&self, slot: u32) -> CallKey {
        let call = &self.calls[slot as usize];
        CallKey {
            caller: self.settings.index,
            rings: self.settings.rings,
            slot,
            round: call.round,
            due: call.due,
        }
    }

    /// Sends the request of a transaction, for the first time or again.
    fn send(&mut self, slot: u32, transaction: Transaction, outboxes: &mut [Outbox]) {
        let call = &self.calls[slot as usize];
        let (key, socket) = (self.key(slot).text(), socket_of(call, outboxes));
        let (outbox, requests) = (&mut outboxes[socket], &self.requests[socket]);
        match transaction {
            Transaction::First => outbox.push(self.settings.target, |out| {
                requests.first(&key, call.number, out)
            }),
            Transaction::Cancel => outbox.push(self.settings.target, |out| {
                requests.cancel(&key, call.number, out)
            }),
            Transaction::Bye => {
                if let Some(hop) = call.dialog.next_hop() {
                    outbox.push(hop, |out| requests.bye(&key, &call.dialog, out));
                }
            }
        }
    }

    /// Sets the timers of a transaction that has just begun.
    fn watch(&mut self, now: Moment, slot: u32, transaction: Transaction) {
        let t1 = self.settings.t1;
        self.set(now, t1, Timer::Repeat(transaction, t1), slot);
        self.set(now, t1 * 64, Timer::GiveUp(transaction), slot);
    }

    fn set(&mut self, now: Moment, delay: Duration, timer: Timer, slot: u32) {
        let round = self.calls[slot as usize].round;
        self.timers.set(now, delay, (timer, slot, round));
    }

    fn expired(
        &mut self,
        now: Moment,
        due: Moment,
        timer: Timer,
        slot: u32,
        outboxes: &mut [Outbox],
    ) {
        match timer {
            Timer::Repeat(transaction, interval) if self.repeats(slot, transaction) => {
                let method = self.method(transaction);
                self.tally
                    .sent_again(&mut self.calls[slot as usize], method);
                self.send(slot, transaction, outboxes);
                // RFC 3261 §17.1.1.2: INVITE without a ceiling; §17.1.2.2: others up to T2.
                let interval = match method {
                    Method::Invite => interval * 2,
                    _ => (interval * 2).min(T2.max(self.settings.t1)),
                };
                self.set(now, interval, Timer::Repeat(transaction, interval), slot);
            }
            Timer::GiveUp(transaction) if self.waits(slot, transaction) => {
                let method = self.method(transaction);
                self.fail(now, slot, Failure::Timeout(method.name()));
            }
            Timer::HangUp => self.hang_up(now, due, slot, outboxes),
            Timer::Cancel => match self.calls[slot as usize].phase {
                Phase::Calling => self.calls[slot as usize].cancel = Cancel::Wanted,
                Phase::Proceeding => self.cancel(now, slot, outboxes),
                _ => {}
            },
            Timer::Free => {
                self.calls[slot as usize].phase = Phase::Free;
                self.free.push_back(slot);
            }
            Timer::Repeat(..) | Timer::GiveUp(_) => {}
        }
    }

    fn method(&self, transaction: Transaction) -> Method {
        match transaction {
            Transaction::First => self.settings.scenario.method(),
            Transaction::Bye => Method::Bye,
            Transaction::Cancel => Method::Cancel,
        }
    }

    /// Whether a request of this transaction is still to be sent again.
    fn repeats(&self, slot: u32, transaction: Transaction) -> bool {
        let call = &self.calls[slot as usize];
        match transaction {
            // RFC 3261 §17.1.1.2: a provisional response stops INVITE, and INVITE only.
            Transaction::First => {
                call.phase == Phase::Calling
                    || call.phase == Phase::Proceeding && self.settings.scenario != Scenario::Invite
            }
            Transaction::Bye => call.phase == Phase::Leaving,
            Transaction::Cancel => call.phase == Phase::Proceeding && call.cancel == Cancel::Sent,
        }
    }

    /// Whether this transaction still lacks its final response.
    fn waits(&self, slot: u32, transaction: Transaction) -> bool {
        let call = &self.calls[slot as usize];
        match transaction {
            Transaction::First => matches!(call.phase, Phase::Calling | Phase::Proceeding),
            Transaction::Bye => call.phase == Phase::Leaving,
            // The INVITE's own end follows the CANCEL's (RFC 3261 §9.1), answered or not.
            Transaction::Cancel => call.phase == Phase::Proceeding && call.cancel != Cancel::None,
        }
    }

    fn cancel(&mut self, now: Moment, slot: u32, outboxes: &mut [Outbox]) {
        self.calls[slot as usize].cancel = Cancel::Sent;
        self.tally.endings.cancels += 1;
        self.send(slot, Transaction::Cancel, outboxes);
        self.watch(now, slot, Transaction::Cancel);
    }

    fn hang_up(&mut self, now: Moment, due: Moment, slot: u32, outboxes: &mut [Outbox]) {
        let call = &mut self.calls[slot as usize];
        call.phase = Phase::Leaving;
        call.bye_due = due;
        self.tally.endings.byes += 1;
        self.send(slot, Transaction::Bye, outboxes);
        self.watch(now, slot, Transaction::Bye);
    }

    fn fail(&mut self, now: Moment, slot: u32, failure: Failure) {
        self.tally.failed(&mut self.calls[slot as usize], failure);
        self.over(now, slot);
    }

    fn complete(&mut self, now: Moment, slot: u32) {
        self.tally.calls.completed += 1;
        if self.arrivals.left() > 0 {
            self.tally.calls.completed_while_arriving += 1;
        }
        self.over(now, slot);
    }

    fn over(&mut self, now: Moment, slot: u32) {
        self.calls[slot as usize].phase = Phase::Over;
        self.set(now, LINGER, Timer::Free, slot);
        self.open -= 1;
        if self.open == 0 && self.arrivals.left() == 0 {
            self.ends_at = Some(now.after(SETTLE));
        }
    }

    /// The call that a response belongs to.
    fn find(&self, key: CallKey) -> Option<&Call> {
        let call = self.calls.get(key.slot as usize)?;
        (key.caller == self.settings.index
            && call.round == key.round
            && call.due == key.due
            && call.phase != Phase::Free)
            .then_some(call)
    }
}

/// Calls take turns with the sockets.
fn socket_of(call: &Call, outboxes: &[Outbox]) -> usize {
    (call.number % outboxes.len().max(1) as u64) as usize
}

impl Party for Caller {
    fn receive(
        &mut self,
        now: Moment,
        _: usize,
        _: SocketAddrV4,
        bytes: &[u8],
        outboxes: &mut [Outbox],
    ) {
        let Some((message, status)) =
            Message::read(bytes).and_then(|message| match message.start {
                Start::Response(status) => Some((message, status)),
                Start::Request(_) => None,
            })
        else {
            self.tally.foreign += 1;
            return;
        };
        self.tally.response(message.method, status);
        if self.find(message.key).is_none() {
            self.tally.stray += 1;
            return;
        }
        let slot = message.key.slot;
        match message.method {
            Method::Bye => self.bye_response(now, status, slot),
            Method::Cancel => self.cancel_response(status, slot),
            Method::Ack => {}
            Method::Invite | Method::Register | Method::Options => {
                self.first_response(now, status, &message, outboxes);
            }
        }
    }

    fn expire(&mut self, now: Moment, outboxes: &mut [Outbox]) {
        for _ in 0..AT_ONCE {
            let Some((number, due)) = self.arrivals.take(now) else {
                break;
            };
            self.start(now, number, due, outboxes);
            if self.arrivals.left() == 0 {
                self.tally.arrived = now.since(self.started_at);
                let wait = if self.open == 0 {
                    SETTLE
                } else {
                    self.settings.wait
                };
                self.ends_at = Some(now.after(wait));
            }
        }
        for _ in 0..AT_ONCE {
            let Some((due, (timer, slot, round))) = self.timers.expire(now) else {
                break;
            };
            if self.calls[slot as usize].round == round {
                self.expired(now, due, timer, slot, outboxes);
            }
        }
    }

    fn next(&self) -> Option<Moment> {
        [self.arrivals.next_due(), self.timers.next(), self.ends_at]
            .into_iter()
            .flatten()
            .min()
    }

    fn is_done(&self, now: Moment) -> bool {
        self.ends_at.is_some_and(|end| end <= now)
    }
}
