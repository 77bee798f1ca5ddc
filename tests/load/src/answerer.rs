//! The called side.

mod leg;
mod responses;

use std::collections::HashMap;
use std::net::SocketAddrV4;
use std::time::Duration;

use self::leg::{Leg, Stage};
use self::responses::Responses;
use crate::behaviour::{Behaviour, Listener};
use crate::call_key::CallKey;
use crate::clock::Moment;
use crate::drive::Party;
use crate::latency::Latency;
use crate::limits::Limits;
use crate::message::{Message, Method, Start};
use crate::outbox::Outbox;
use crate::report::{AnswererLatencies, AnswererReport};
use crate::schedule::Schedule;

/// RFC 3261 T2, the longest interval between retransmissions of a final response.
const T2: Duration = Duration::from_secs(4);

/// How the called side behaves.
#[derive(Clone, Copy, Debug)]
pub struct AnswererSettings {
    /// RFC 3261 T1. Final responses are sent again for 64 times this, and calls that are over are remembered as long.
    pub t1: Duration,
    /// The first copy of this share of INVITE, ACK and BYE is dropped, evenly; 0 to 100.
    pub drop_percent: u32,
}

#[derive(Clone, Copy, Debug)]
enum Timer {
    Repeat(Duration),
    GiveUp,
    Forget,
}

/// The called side of a run, without I/O. One call has at most one branch per listener.
#[derive(Debug)]
pub struct Answerer {
    settings: AnswererSettings,
    behaviours: Vec<Behaviour>,
    responses: Vec<Responses>,
    legs: HashMap<(usize, CallKey), Leg, ahash::RandomState>,
    timers: Schedule<(Timer, usize, CallKey)>,
    arrival: Latency,
    setup: Latency,
    dice: [u32; 3],
    report: AnswererReport,
}

impl Answerer {
    /// Listeners with the addresses that they are bound to, in the order of the sockets.
    pub fn new(settings: AnswererSettings, listeners: &[Listener]) -> Self {
        let addresses = listeners.iter().map(|listener| listener.address);
        Self {
            settings,
            behaviours: listeners
                .iter()
                .map(|listener| listener.behaviour)
                .collect(),
            responses: addresses
                .clone()
                .enumerate()
                .map(|(index, local)| Responses::new(index, local))
                .collect(),
            legs: HashMap::default(),
            timers: Schedule::default(),
            arrival: Latency::default(),
            setup: Latency::default(),
            dice: [0; 3],
            report: AnswererReport {
                listeners: addresses.map(|address| address.to_string()).collect(),
                ..AnswererReport::default()
            },
        }
    }

    /// Ends the run.
    pub fn finish(mut self) -> AnswererReport {
        self.report.latency = AnswererLatencies {
            invite_arrival: self.arrival.quantiles(),
            setup: self.setup.quantiles(),
        };
        self.report
    }

    /// Whether the first copy of a request is dropped: exactly the share asked for, evenly spread.
    fn drops(&mut self, kind: usize) -> bool {
        let share = &mut self.dice[kind];
        *share += self.settings.drop_percent.min(100);
        let drops = *share >= 100;
        *share %= 100;
        self.report.dropped += u64::from(drops);
        drops
    }

    fn seen_again(&mut self, method: Method) {
        *self
            .report
            .retransmissions_seen
            .entry(method.name())
            .or_default() += 1;
    }

    fn invite(
        &mut self,
        now: Moment,
        socket: usize,
        from: SocketAddrV4,
        message: &Message<'_>,
        outbox: &mut Outbox,
    ) {
        let id = (socket, message.key);
        match self.legs.get(&id).map(|leg| leg.stage) {
            None if self.legs.len() >= Limits::OPEN => self.report.foreign += 1,
            None => {
                self.report.invites += 1;
                self.arrival.record(now.since(message.key.due));
                let is_dropped = self.drops(0);
                let leg = Leg {
                    stage: if is_dropped {
                        Stage::Dropped
                    } else {
                        Stage::Ringing
                    },
                    status: 0,
                    peer: from,
                    head: Vec::new(),
                    has_bye: false,
                    ack_dropped: false,
                    bye_dropped: false,
                };
                self.legs.insert(id, leg);
                if !is_dropped {
                    self.respond(now, id, message, outbox);
                }
            }
            Some(Stage::Dropped) => {
                self.seen_again(Method::Invite);
                self.respond(now, id, message, outbox);
            }
            Some(stage) => {
                self.seen_again(Method::Invite);
                let responses = &self.responses[socket];
                if let Some(leg) = self.legs.get(&id).filter(|leg| !leg.head.is_empty()) {
                    let status = if stage == Stage::Ringing {
                        180
                    } else {
                        leg.status
                    };
                    outbox.push(leg.peer, |out| responses.to_invite(status, &leg.head, out));
                }
            }
        }
    }

    /// What the listener does with an INVITE that it has not answered.
    fn respond(
        &mut self,
        now: Moment,
        id: (usize, CallKey),
        message: &Message<'_>,
        outbox: &mut Outbox,
    ) {
        let Some(leg) = self.legs.get_mut(&id) else {
            return;
        };
        leg.stage = Stage::Ringing;
        let behaviour = match self.behaviours[id.0] {
            Behaviour::Answer if id.1.rings => Behaviour::Ring,
            behaviour => behaviour,
        };
        if behaviour == Behaviour::Silent {
            return;
        }
        let responses = &self.responses[id.0];
        leg.head.reserve_exact(768);
        responses.head(message, &mut leg.head);
        if let Behaviour::Answer | Behaviour::Ring = behaviour {
            outbox.push(leg.peer, |out| responses.to_invite(180, &leg.head, out));
        }
        match behaviour {
            Behaviour::Answer => self.conclude(now, id, 200, outbox),
            Behaviour::Refuse(status) => self.conclude(now, id, status, outbox),
            Behaviour::Ring | Behaviour::Silent => {}
        }
    }

    /// Sends the final response to an INVITE, and again until it is acknowledged (RFC 3261 §13.3.1.4, §17.2.1).
    fn conclude(&mut self, now: Moment, id: (usize, CallKey), status: u16, outbox: &mut Outbox) {
        let Some(leg) = self.legs.get_mut(&id) else {
            return;
        };
        leg.stage = Stage::Final;
        leg.status = status;
        outbox.push(leg.peer, |out| {
            self.responses[id.0].to_invite(status, &leg.head, out)
        });
        let t1 = self.settings.t1;
        self.timers.set(now, t1, (Timer::Repeat(t1), id.0, id.1));
        self.timers.set(now, t1 * 64, (Timer::GiveUp, id.0, id.1));
    }

    fn ack(&mut self, now: Moment, id: (usize, CallKey)) {
        let is_first = self
            .legs
            .get(&id)
            .is_some_and(|leg| leg.stage == Stage::Final && !leg.ack_dropped);
        let is_dropped = is_first && self.drops(1);
        let Some(leg) = self.legs.get_mut(&id) else {
            self.report.stray += 1;
            return;
        };
        leg.ack_dropped |= is_dropped;
        if is_dropped {
            return;
        }
        match (leg.stage, leg.status) {
            (Stage::Final, 200..300) => {
                leg.stage = Stage::Up;
                leg.head = Vec::new();
                self.report.established += 1;
                self.setup.record(now.since(id.1.due));
                if leg.has_bye {
                    self.over(now, id);
                }
            }
            (Stage::Final, status) => {
                if status == 487 {
                    self.report.cancelled += 1;
                } else {
                    self.report.refused += 1;
                }
                self.over(now, id);
            }
            (Stage::Up | Stage::Over, _) => self.seen_again(Method::Ack),
            (Stage::Dropped | Stage::Ringing, _) => self.report.stray += 1,
        }
    }

    fn bye(
        &mut self,
        now: Moment,
        id: (usize, CallKey),
        message: &Message<'_>,
        from: SocketAddrV4,
        outbox: &mut Outbox,
    ) {
        let is_first = self
            .legs
            .get(&id)
            .is_some_and(|leg| !leg.has_bye && !leg.bye_dropped);
        let is_dropped = is_first && self.drops(2);
        let status = match self.legs.get_mut(&id) {
            Some(leg) if is_dropped => {
                leg.bye_dropped = true;
                return;
            }
            Some(leg) if leg.has_bye || leg.bye_dropped => {
                leg.has_bye = true;
                self.seen_again(Method::Bye);
                200
            }
            Some(leg) => {
                leg.has_bye = true;
                200
            }
            None => {
                self.report.stray += 1;
                481
            }
        };
        outbox.push(from, |out| {
            self.responses[id.0].to_other(status, message, out)
        });
        match self.legs.get(&id).map(|leg| leg.stage) {
            Some(Stage::Up) => self.over(now, id),
            // The ACK is still to come.
            Some(Stage::Final) if is_first => self.report.bye_before_ack += 1,
            _ => {}
        }
    }

    fn cancel(
        &mut self,
        now: Moment,
        id: (usize, CallKey),
        message: &Message<'_>,
        from: SocketAddrV4,
        outbox: &mut Outbox,
    ) {
        let stage = self.legs.get(&id).map(|leg| leg.stage);
        let status = if stage.is_some() { 200 } else { 481 };
        outbox.push(from, |out| {
            self.responses[id.0].to_other(status, message, out)
        });
        match stage {
            None => self.report.stray += 1,
            Some(Stage::Ringing) if self.legs.get(&id).is_some_and(|leg| !leg.head.is_empty()) => {
                self.conclude(now, id, 487, outbox);
            }
            Some(_) => {}
        }
    }

    fn over(&mut self, now: Moment, id: (usize, CallKey)) {
        if let Some(leg) = self.legs.get_mut(&id) {
            self.report.ended += u64::from(leg.status == 200);
            leg.stage = Stage::Over;
            leg.head = Vec::new();
            self.timers
                .set(now, self.settings.t1 * 64, (Timer::Forget, id.0, id.1));
        }
    }
}

impl Party for Answerer {
    fn receive(
        &mut self,
        now: Moment,
        socket: usize,
        from: SocketAddrV4,
        bytes: &[u8],
        outboxes: &mut [Outbox],
    ) {
        let Some((message, method)) =
            Message::read(bytes).and_then(|message| match message.start {
                Start::Request(method) => Some((message, method)),
                Start::Response(_) => None,
            })
        else {
            self.report.foreign += 1;
            return;
        };
        let id = (socket, message.key);
        let outbox = &mut outboxes[socket];
        match method {
            Method::Invite => self.invite(now, socket, from, &message, outbox),
            Method::Ack => self.ack(now, id),
            Method::Bye => self.bye(now, id, &message, from, outbox),
            Method::Cancel => self.cancel(now, id, &message, from, outbox),
            Method::Register | Method::Options => {
                self.report.requests += 1;
                let status = match self.behaviours[socket] {
                    Behaviour::Answer | Behaviour::Ring => 200,
                    Behaviour::Refuse(status) => status,
                    Behaviour::Silent => return,
                };
                outbox.push(from, |out| {
                    self.responses[socket].to_other(status, &message, out)
                });
            }
        }
    }

    fn expire(&mut self, now: Moment, outboxes: &mut [Outbox]) {
        while let Some((_, (timer, socket, key))) = self.timers.expire(now) {
            let id = (socket, key);
            let Some(leg) = self.legs.get(&id) else {
                continue;
            };
            match timer {
                Timer::Repeat(interval) if leg.stage == Stage::Final => {
                    self.report.retransmissions_sent += 1;
                    outboxes[socket].push(leg.peer, |out| {
                        self.responses[socket].to_invite(leg.status, &leg.head, out);
                    });
                    let interval = (interval * 2).min(T2.max(self.settings.t1));
                    self.timers
                        .set(now, interval, (Timer::Repeat(interval), socket, key));
                }
                Timer::GiveUp if leg.stage == Stage::Final => {
                    self.report.unacknowledged += 1;
                    self.over(now, id);
                }
                Timer::Forget => {
                    self.legs.remove(&id);
                }
                Timer::Repeat(_) | Timer::GiveUp => {}
            }
        }
    }

    fn next(&self) -> Option<Moment> {
        self.timers.next()
    }

    fn is_done(&self, _: Moment) -> bool {
        false
    }
}
