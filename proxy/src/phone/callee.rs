//! The phone that is called.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use sigbox_wire::{Message, Method};

use super::agent::{Agent, Outbox};
use super::compose::{response, sdp, unique};
use super::endpoint::Incoming;
use super::resend::Resends;

/// What a callee does with every call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CalleeScript {
    /// Send 180 Ringing first.
    pub rings: bool,
    /// What comes then.
    pub then: Then,
}

/// How a callee ends the ringing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Then {
    /// 200 OK after this time.
    Answer(Duration),
    /// This final status of 300 to 699 after this time.
    Refuse(u16, Duration),
    /// Nothing: it rings until the caller gives up, or never even rings.
    Nothing,
}

impl CalleeScript {
    /// Rings and answers after `after`.
    pub fn answers(after: Duration) -> Self {
        Self {
            rings: true,
            then: Then::Answer(after),
        }
    }

    /// Answers `status` at once.
    pub fn refuses(status: u16) -> Self {
        Self {
            rings: false,
            then: Then::Refuse(status, Duration::ZERO),
        }
    }

    /// Rings for ever.
    pub fn rings() -> Self {
        Self {
            rings: true,
            then: Then::Nothing,
        }
    }

    /// Says nothing at all.
    pub fn silent() -> Self {
        Self {
            rings: false,
            then: Then::Nothing,
        }
    }
}

/// One INVITE and what became of it.
#[derive(Debug)]
struct Leg {
    invite: Incoming,
    branch: Vec<u8>,
    call_id: Vec<u8>,
    tag: String,
    /// When the final response is due.
    due: Option<Instant>,
    /// The last response, for retransmitted INVITEs.
    last: Option<Vec<u8>>,
    finished: bool,
}

/// The called user agent; serves until it is dropped.
#[derive(Debug)]
pub struct Callee {
    script: CalleeScript,
    local: SocketAddr,
    legs: Vec<Leg>,
    /// Final responses that still wait for their ACK, by the leg's tag.
    resends: Resends<String>,
}

/// Calls remembered, for their retransmissions; the oldest is forgotten first.
const MAX_LEGS: usize = 256;

impl Callee {
    /// A callee whose socket is bound to `local`.
    pub fn new(script: CalleeScript, local: SocketAddr) -> Self {
        Self {
            script,
            local,
            legs: Vec::new(),
            resends: Resends::default(),
        }
    }

    fn invited(&mut self, now: Instant, incoming: &Incoming, out: &mut Outbox) {
        let message = incoming.message();
        let branch = branch_of(message);
        if let Some(leg) = self.legs.iter().find(|leg| leg.branch == branch) {
            if let Some(last) = &leg.last {
                out.send(last.clone(), leg.invite.from);
            }
            return;
        }
        let Some(invite) = Incoming::parse(message.raw().to_vec(), incoming.from) else {
            return;
        };
        let tag = unique();
        let due = match self.script.then {
            Then::Answer(after) | Then::Refuse(_, after) => Some(now + after),
            Then::Nothing => None,
        };
        let last = self
            .script
            .rings
            .then(|| response(&invite, 180, None, Some(&tag), self.local, None));
        if let Some(ringing) = &last {
            out.send(ringing.clone(), invite.from);
        }
        if self.legs.len() == MAX_LEGS {
            self.legs.remove(0);
        }
        let call_id = message.call_id().to_vec();
        self.legs.push(Leg {
            invite,
            branch,
            call_id,
            tag,
            due,
            last,
            finished: false,
        });
        self.timer(now, out);
    }

    fn cancelled(&mut self, now: Instant, incoming: &Incoming, out: &mut Outbox) {
        let branch = branch_of(incoming.message());
        let Some(leg) = self.legs.iter_mut().find(|leg| leg.branch == branch) else {
            out.send(
                response(incoming, 481, None, None, self.local, None),
                incoming.from,
            );
            return;
        };
        out.send(
            response(incoming, 200, None, Some(&leg.tag), self.local, None),
            incoming.from,
        );
        if !leg.finished {
            let terminated = response(&leg.invite, 487, None, Some(&leg.tag), self.local, None);
            leg.finish(now, terminated, &mut self.resends, out);
        }
    }

    fn known(&self, message: Message<'_>) -> bool {
        self.legs.iter().any(|leg| leg.call_id == message.call_id())
    }
}

impl Leg {
    fn finish(
        &mut self,
        now: Instant,
        last: Vec<u8>,
        resends: &mut Resends<String>,
        out: &mut Outbox,
    ) {
        self.finished = true;
        self.due = None;
        resends.send(now, self.tag.clone(), last.clone(), self.invite.from, out);
        self.last = Some(last);
    }
}

impl Agent for Callee {
    fn message(&mut self, now: Instant, incoming: &Incoming, out: &mut Outbox) {
        let message = incoming.message();
        if !message.is_request() {
            return;
        }
        let status = match message.method() {
            Method::Invite => return self.invited(now, incoming, out),
            Method::Cancel => return self.cancelled(now, incoming, out),
            Method::Ack => {
                // The ACK to a 2xx has a branch of its own; the To tag names the leg in both cases.
                if let Some(tag) = message.to().ok().and_then(|to| to.tag()) {
                    self.resends
                        .answered(&String::from_utf8_lossy(tag).into_owned());
                }
                return;
            }
            Method::Bye if self.known(message) => 200,
            Method::Bye => 481,
            Method::Options => 200,
            _ => 501,
        };
        out.send(
            response(incoming, status, None, None, self.local, None),
            incoming.from,
        );
    }

    fn timer(&mut self, now: Instant, out: &mut Outbox) {
        self.resends.fire(now, out);
        for leg in &mut self.legs {
            if leg.due.is_none_or(|due| due > now) {
                continue;
            }
            let last = match self.script.then {
                Then::Refuse(status, _) => {
                    response(&leg.invite, status, None, Some(&leg.tag), self.local, None)
                }
                Then::Answer(_) | Then::Nothing => response(
                    &leg.invite,
                    200,
                    None,
                    Some(&leg.tag),
                    self.local,
                    Some(sdp(self.local)),
                ),
            };
            leg.finish(now, last, &mut self.resends, out);
        }
    }

    fn wake(&self) -> Option<Instant> {
        self.legs
            .iter()
            .filter_map(|leg| leg.due)
            .chain(self.resends.next())
            .min()
    }

    fn is_over(&self) -> bool {
        false
    }
}

fn branch_of(message: Message<'_>) -> Vec<u8> {
    message
        .via()
        .ok()
        .and_then(|via| via.branch().map(<[u8]>::to_vec))
        .unwrap_or_default()
}
