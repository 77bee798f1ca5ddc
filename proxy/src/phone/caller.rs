//! The phone that calls.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use sigbox_wire::{HeaderId, Message, Method};

use super::agent::{Agent, Outbox};
use super::compose::{self, Request, new_branch, response, unique};
use super::dialog::Dialog;
use super::endpoint::Incoming;
use super::resend::{Resends, TIMEOUT};

/// What the caller does.
#[derive(Clone, Debug)]
pub struct CallScript {
    /// Request-URI and To: `sip:+4930123@127.0.0.1:5060`.
    pub to: String,
    /// The caller's URI: `sip:alice@127.0.0.1`.
    pub from: String,
    /// Where the INVITE is sent.
    pub next_hop: SocketAddr,
    /// More header lines of the INVITE, without line ends.
    pub headers: Vec<String>,
    /// How long the call is held before the caller hangs up.
    pub hold: Duration,
    /// Give up before there is an answer.
    pub cancel: Option<Cancel>,
    /// How long to wait for any response.
    pub first_response: Duration,
    /// How long to let it ring.
    pub final_response: Duration,
}

impl CallScript {
    /// Calls `to` by way of `next_hop`, holds an answered call for 100 ms and hangs up.
    pub fn new(to: impl Into<String>, next_hop: SocketAddr) -> Self {
        Self {
            to: to.into(),
            from: "sip:alice@127.0.0.1".to_owned(),
            next_hop,
            headers: Vec::new(),
            hold: Duration::from_millis(100),
            cancel: None,
            first_response: Duration::from_secs(5),
            final_response: Duration::from_secs(60),
        }
    }
}

/// When a caller loses patience.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cancel {
    /// Count from this provisional response; from the INVITE when `None`.
    pub on: Option<u16>,
    /// This much later. A CANCEL is never sent before the first provisional response
    /// (RFC 3261 §9.1); it waits for one.
    pub after: Duration,
}

/// How a call went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// A final response.
    Final {
        /// Its status.
        status: u16,
        /// Its reason phrase.
        reason: String,
    },
    /// Nothing came back at all.
    Silence,
    /// It rang, or was tried, and that was all.
    Unanswered,
}

/// Whether an answered call was ended properly.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// There was no call to end.
    None,
    /// Our BYE was answered with 200.
    Confirmed,
    /// Our BYE was refused, or nobody answered it.
    Unconfirmed,
    /// The other side hung up first.
    Remote,
}

/// What the caller saw.
#[derive(Clone, Debug)]
pub struct CallReport {
    /// The call's Call-ID.
    pub call_id: String,
    /// Provisional responses, in order.
    pub provisional: Vec<u16>,
    /// The result.
    pub answer: Answer,
    /// Contact URIs of the final response.
    pub contacts: Vec<String>,
    /// How the call ended.
    pub ending: Ending,
    /// From the INVITE to its final response.
    pub setup: Option<Duration>,
}

impl CallReport {
    /// The final status, when there was one.
    pub fn status(&self) -> Option<u16> {
        match self.answer {
            Answer::Final { status, .. } => Some(status),
            Answer::Silence | Answer::Unanswered => None,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Pending {
    Invite,
    Cancel,
    Bye,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// `start` has not run.
    Idle,
    /// No final response yet.
    Calling { give_up: Instant },
    /// The CANCEL is out: a final response must come.
    Cancelling { give_up: Instant },
    /// In a call.
    Talking { until: Instant },
    /// Waiting for the last answers only.
    Ending,
}

/// The calling user agent. Run it with [`agent::run`](super::agent::run), then read
/// [`Caller::report`].
#[derive(Debug)]
pub struct Caller {
    script: CallScript,
    local: SocketAddr,
    from: String,
    branch: String,
    phase: Phase,
    started: Option<Instant>,
    cancel_at: Option<Instant>,
    resends: Resends<Pending>,
    dialog: Option<(Dialog, Vec<u8>)>,
    report: CallReport,
}

/// How long a final response may take after the CANCEL. A server may need all of 64*T1 to give up on
/// its own side (RFC 3261 §9.1) and then still answer.
pub const CANCEL_PATIENCE: Duration = TIMEOUT.saturating_add(Duration::from_secs(1));

const INVITE_CSEQ: u32 = 1;

impl Caller {
    /// A caller whose socket is bound to `local`.
    pub fn new(script: CallScript, local: SocketAddr) -> Self {
        let report = CallReport {
            call_id: format!("{}@{}", unique(), local.ip()),
            provisional: Vec::new(),
            answer: Answer::Silence,
            contacts: Vec::new(),
            ending: Ending::None,
            setup: None,
        };
        let from = format!("<{}>;tag={}", script.from, unique());
        Self {
            script,
            local,
            from,
            branch: new_branch(),
            phase: Phase::Idle,
            started: None,
            cancel_at: None,
            resends: Resends::default(),
            dialog: None,
            report,
        }
    }

    /// What happened; complete when the script is over.
    pub fn report(&self) -> &CallReport {
        &self.report
    }

    fn start(&mut self, now: Instant, out: &mut Outbox) {
        let invite = self.request(
            "INVITE",
            &format!("<{}>", self.script.to),
            Some(compose::sdp(self.local)),
        );
        self.resends
            .send_invite(now, Pending::Invite, invite, self.script.next_hop, out);
        self.started = Some(now);
        self.phase = Phase::Calling {
            give_up: now + self.script.first_response,
        };
        if let Some(Cancel { on: None, after }) = self.script.cancel {
            self.cancel_at = Some(now + after);
        }
    }

    /// A request of the INVITE's own transaction: the INVITE, its CANCEL, its ACK after a refusal.
    fn request(&self, method: &str, to: &str, sdp: Option<String>) -> Vec<u8> {
        Request {
            method,
            uri: &self.script.to,
            local: self.local,
            branch: &self.branch,
            routes: &[],
            from: &self.from,
            to,
            call_id: &self.report.call_id,
            cseq: INVITE_CSEQ,
            headers: if sdp.is_some() {
                &self.script.headers
            } else {
                &[]
            },
            sdp,
        }
        .write()
    }

    fn send_cancel(&mut self, now: Instant, out: &mut Outbox) {
        self.cancel_at = None;
        self.phase = Phase::Cancelling {
            give_up: now + CANCEL_PATIENCE,
        };
        let cancel = self.request("CANCEL", &format!("<{}>", self.script.to), None);
        self.resends
            .send(now, Pending::Cancel, cancel, self.script.next_hop, out);
    }

    fn in_dialog(&self, dialog: &Dialog, method: &str, cseq: u32) -> Vec<u8> {
        dialog.request(method, &self.from, &self.report.call_id, cseq, self.local)
    }

    fn hang_up(&mut self, now: Instant, dialog: &Dialog, out: &mut Outbox) {
        self.phase = Phase::Ending;
        self.report.ending = Ending::Unconfirmed;
        let bye = self.in_dialog(dialog, "BYE", INVITE_CSEQ + 1);
        self.resends
            .send(now, Pending::Bye, bye, dialog.next_hop(), out);
    }

    fn invite_response(&mut self, now: Instant, response: Message<'_>, out: &mut Outbox) {
        let status = response.status();
        self.resends.answered(&Pending::Invite);
        match status {
            100..=199 => self.provisional(now, status, out),
            200..=299 => self.accepted(now, response, out),
            _ => self.refused(now, response, out),
        }
    }

    fn provisional(&mut self, now: Instant, status: u16, out: &mut Outbox) {
        if !matches!(self.phase, Phase::Calling { .. }) {
            return;
        }
        self.report.answer = Answer::Unanswered;
        self.report.provisional.push(status);
        let started = self.started.unwrap_or(now);
        self.phase = Phase::Calling {
            give_up: started + self.script.final_response,
        };
        if let Some(Cancel {
            on: Some(on),
            after,
        }) = self.script.cancel
            && on == status
            && self.cancel_at.is_none()
        {
            self.cancel_at = Some(now + after);
        }
        if self.cancel_at.is_some_and(|at| at <= now) {
            self.send_cancel(now, out);
        }
    }

    fn accepted(&mut self, now: Instant, response: Message<'_>, out: &mut Outbox) {
        let dialog = Dialog::from_response(response, self.script.next_hop);
        if let Some((known, ack)) = &self.dialog
            && known.remote_tag == dialog.remote_tag
        {
            out.send(ack.clone(), known.next_hop());
            return;
        }
        let ack = self.in_dialog(&dialog, "ACK", INVITE_CSEQ);
        out.send(ack.clone(), dialog.next_hop());
        if self.dialog.is_some() {
            // Another branch of a fork answered as well: only one call is wanted.
            let bye = self.in_dialog(&dialog, "BYE", INVITE_CSEQ + 1);
            out.send(bye, dialog.next_hop());
            return;
        }
        self.concluded(now, response);
        if matches!(self.phase, Phase::Cancelling { .. }) {
            // The answer crossed our CANCEL.
            self.hang_up(now, &dialog, out);
        } else {
            self.phase = Phase::Talking {
                until: now + self.script.hold,
            };
        }
        self.dialog = Some((dialog, ack));
    }

    fn refused(&mut self, now: Instant, response: Message<'_>, out: &mut Outbox) {
        let ack = self.request("ACK", &compose::text_of(response, HeaderId::To), None);
        out.send(ack, self.script.next_hop);
        if matches!(self.phase, Phase::Calling { .. } | Phase::Cancelling { .. }) {
            self.concluded(now, response);
            self.phase = Phase::Ending;
        }
    }

    fn concluded(&mut self, now: Instant, response: Message<'_>) {
        self.report.answer = Answer::Final {
            status: response.status(),
            reason: String::from_utf8_lossy(response.reason()).into_owned(),
        };
        self.report.contacts = response
            .addresses(HeaderId::Contact)
            .flatten()
            .map(|contact| String::from_utf8_lossy(contact.uri).into_owned())
            .collect();
        self.report.setup = self.started.map(|started| now - started);
    }

    fn request_received(&mut self, incoming: &Incoming, out: &mut Outbox) {
        let status = match incoming.message().method() {
            Method::Ack => return,
            Method::Bye if self.dialog.is_some() => {
                self.phase = Phase::Ending;
                self.resends.clear();
                self.report.ending = Ending::Remote;
                200
            }
            Method::Options => 200,
            _ => 501,
        };
        out.send(
            response(incoming, status, None, None, self.local, None),
            incoming.from,
        );
    }
}

impl Agent for Caller {
    fn message(&mut self, now: Instant, incoming: &Incoming, out: &mut Outbox) {
        let message = incoming.message();
        if message.call_id() != self.report.call_id.as_bytes() {
            return;
        }
        if message.is_request() {
            return self.request_received(incoming, out);
        }
        match message.method() {
            Method::Invite => self.invite_response(now, message, out),
            Method::Cancel => {
                self.resends.answered(&Pending::Cancel);
            }
            Method::Bye if message.status() >= 200 => {
                let awaited = self.resends.answered(&Pending::Bye);
                self.report.ending = match message.status() {
                    200..=299 if awaited => Ending::Confirmed,
                    _ => self.report.ending,
                };
            }
            _ => {}
        }
    }

    fn timer(&mut self, now: Instant, out: &mut Outbox) {
        if self.phase == Phase::Idle {
            self.start(now, out);
        }
        self.resends.fire(now, out);
        match self.phase {
            Phase::Calling { give_up } if give_up <= now => {
                if self.report.provisional.is_empty() {
                    self.resends.clear();
                    self.phase = Phase::Ending;
                } else {
                    self.send_cancel(now, out);
                }
            }
            Phase::Calling { .. } => {
                let due = self.cancel_at.is_some_and(|at| at <= now);
                if due && !self.report.provisional.is_empty() {
                    self.send_cancel(now, out);
                }
            }
            Phase::Cancelling { give_up } if give_up <= now => self.phase = Phase::Ending,
            Phase::Talking { until } if until <= now => {
                if let Some((dialog, _)) = self.dialog.clone() {
                    self.hang_up(now, &dialog, out);
                }
            }
            Phase::Idle | Phase::Cancelling { .. } | Phase::Talking { .. } | Phase::Ending => {}
        }
    }

    fn wake(&self) -> Option<Instant> {
        let phase = match self.phase {
            Phase::Idle | Phase::Ending => None,
            Phase::Calling { give_up } => {
                // Before the first provisional response a CANCEL that is due only waits.
                let cancel = self
                    .cancel_at
                    .filter(|_| !self.report.provisional.is_empty());
                Some(cancel.map_or(give_up, |at| at.min(give_up)))
            }
            Phase::Cancelling { give_up } => Some(give_up),
            Phase::Talking { until } => Some(until),
        };
        [phase, self.resends.next()].into_iter().flatten().min()
    }

    fn is_over(&self) -> bool {
        self.phase == Phase::Ending && self.resends.is_empty()
    }
}
