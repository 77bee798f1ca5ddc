//! A decided call as the inputs of a core: recorded once, played again step by step.
//!
//! What a call costs can only be measured on a core that does nothing else meanwhile. So one core
//! makes up the messages of the call, and a second one with the same past is given them.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use sigbox_core::{
    Core, Counters, Flow, Input, Instant, Listener, ListenerId, Output, Outputs, Plan, Settings,
    Suspended, Token, Transport,
};

use crate::decider::plans;
use crate::text::{Request, response_to};

const PROXY: &str = "192.0.2.1:5060";
const CALLER: &str = "198.51.100.7:5060";
const CALLEE: &str = "203.0.113.9:5060";

/// Calls that were carried, and are over, before the one that is played.
const EARLIER: u32 = 100;

/// The steps of a call through a decider, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Step {
    /// The caller's INVITE, up to the query.
    Invite,
    /// The decision, up to the INVITE that is forwarded.
    Decision,
    /// The callee's 180.
    Ringing,
    /// The callee's 200 to the INVITE.
    Answer,
    /// The caller's ACK of it.
    Ack,
    /// The caller's BYE.
    Bye,
    /// The callee's 200 to the BYE.
    ByeAnswer,
}

impl Step {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Invite,
        Self::Decision,
        Self::Ringing,
        Self::Answer,
        Self::Ack,
        Self::Bye,
        Self::ByeAnswer,
    ];
}

/// A core that has carried calls, and the inputs of the next one.
pub struct Replay {
    core: Core,
    out: Outputs,
    now: Instant,
    inputs: VecDeque<(Instant, Event)>,
    /// Calls and INVITEs besides.
    carried: u32,
    /// Messages that were played: giving their memory back is not the core's work.
    played: Vec<String>,
}

#[derive(Clone)]
enum Event {
    Message(Flow, String),
    Decision(Token, Plan),
}

impl Replay {
    /// With the steps before `step` played.
    pub fn before(step: Step) -> Self {
        let mut recorder = Self::warm();
        let inputs = recorder.call(EARLIER);
        let mut replay = Self::warm();
        replay.inputs = inputs.into();
        for _ in Step::ALL.iter().take_while(|earlier| **earlier < step) {
            replay.step();
        }
        replay
    }

    /// Plays one step.
    pub fn step(&mut self) {
        if let Some((now, event)) = self.inputs.pop_front() {
            self.give(now, event);
        }
    }

    /// Plays what is left of the call.
    pub fn finish(&mut self) {
        while !self.inputs.is_empty() {
            self.step();
        }
    }

    /// Carries this many more calls from their INVITE to the answer to their BYE, one after the
    /// other; their timers do not run out meanwhile.
    pub fn carry(&mut self, calls: u32) {
        let played = std::mem::take(&mut self.played);
        for _ in 0..calls {
            self.carried += 1;
            self.call(EARLIER + self.carried);
            self.played = Vec::new();
        }
        self.played = played;
        self.out = Outputs::new();
    }

    /// Has this many more INVITEs wait for a decision.
    pub fn suspend(&mut self, invites: u32) {
        for _ in 0..invites {
            self.carried += 1;
            let invite = invite(EARLIER + self.carried).text();
            self.out.clear();
            let input = Input::Message {
                flow: flow(CALLER),
                bytes: invite.as_bytes(),
            };
            self.core.handle(self.now, input, &mut self.out);
        }
        self.out = Outputs::new();
    }

    /// Lets time pass until every timer of every transaction is over.
    pub fn run_out(&mut self) {
        while let Some(next) = self.core.next_timeout() {
            self.out.clear();
            self.now = next;
            self.core.handle_timeout(next, &mut self.out);
        }
        self.out.clear();
        assert!(self.core.is_empty(), "transactions are left");
    }

    /// The message that the next step receives, unless that is a decision.
    pub fn upcoming(&self) -> Option<&str> {
        match self.inputs.front()? {
            (_, Event::Message(_, text)) => Some(text),
            (_, Event::Decision(..)) => None,
        }
    }

    /// The request that the last step suspended.
    pub fn suspended(&self) -> Option<Suspended<'_>> {
        self.core.suspended(self.now, self.query()?)
    }

    /// What the proxy was told.
    pub fn settings(&self) -> &Settings {
        self.core.settings()
    }

    /// An INVITE with the headers and body that a desk phone sends: 15 header lines, 731 bytes.
    pub fn invite() -> String {
        invite(0).text()
    }

    fn warm() -> Self {
        let settings = Settings {
            listeners: vec![Listener::new(Transport::Udp, address(PROXY), None)],
            ..Settings::default()
        };
        let mut replay = Self {
            core: Core::new(
                Arc::new(settings),
                0,
                [42; 16],
                1_790_000_000_000,
                Arc::new(Counters::default()),
            ),
            out: Outputs::new(),
            now: Instant::ZERO,
            inputs: VecDeque::new(),
            carried: 0,
            played: Vec::with_capacity(Step::ALL.len() * (EARLIER as usize + 1)),
        };
        for number in 0..EARLIER {
            replay.call(number);
        }
        replay.run_out();
        // An idle proxy would start the next call on a fresh turn of the timer wheel.
        replay.now += Duration::from_millis(1_234);
        replay.core.handle_timeout(replay.now, &mut replay.out);
        replay
    }

    fn give(&mut self, now: Instant, event: Event) {
        self.now = now;
        self.out.clear();
        match event {
            Event::Message(flow, text) => {
                let bytes = text.as_bytes();
                let input = Input::Message { flow, bytes };
                self.core.handle(now, input, &mut self.out);
                self.played.push(text);
            }
            Event::Decision(token, plan) => {
                let answer = Ok(plan);
                let input = Input::Decision { token, answer };
                self.core.handle(now, input, &mut self.out);
            }
        }
    }

    /// Carries one call, and says what the core was given.
    fn call(&mut self, number: u32) -> Vec<(Instant, Event)> {
        let mut given = Vec::with_capacity(Step::ALL.len());
        let invite = invite(number);
        let mut answer = String::new();
        let mut forwarded = String::new();
        for step in Step::ALL {
            let event = match step {
                Step::Invite => Event::Message(flow(CALLER), invite.text()),
                Step::Decision => Event::Decision(
                    self.query().expect("an INVITE is asked about"),
                    plans::serial(&[&format!("sip:{CALLEE}")]),
                ),
                Step::Ringing => {
                    forwarded = self.sent();
                    Event::Message(flow(CALLEE), from_callee(&forwarded, 180))
                }
                Step::Answer => Event::Message(flow(CALLEE), from_callee(&forwarded, 200)),
                Step::Ack => {
                    answer = self.sent();
                    Event::Message(flow(CALLER), invite.in_dialog("ACK", &answer, 1).text())
                }
                Step::Bye => {
                    Event::Message(flow(CALLER), invite.in_dialog("BYE", &answer, 2).text())
                }
                Step::ByeAnswer => Event::Message(flow(CALLEE), from_callee(&self.sent(), 200)),
            };
            let now = self.now + Duration::from_micros(1_700);
            given.push((now, event.clone()));
            self.give(now, event);
        }
        given
    }

    fn query(&self) -> Option<Token> {
        self.out.items().iter().find_map(|output| match output {
            Output::Query { token } => Some(*token),
            _ => None,
        })
    }

    /// The message that the last step sent.
    fn sent(&self) -> String {
        let bytes = self.out.items().iter().find_map(|output| match output {
            Output::Send { bytes, .. } => Some(self.out.bytes(bytes)),
            _ => None,
        });
        String::from_utf8(bytes.expect("something is sent").to_vec()).unwrap()
    }
}

fn invite(number: u32) -> Request {
    let phone = address(CALLER);
    let mut invite = Request::new(
        "INVITE",
        "sip:+493012345678@192.0.2.1",
        phone,
        &format!("{number:08x}4c2d"),
    )
    .with("User-Agent: Deskphone 4.2/1.17.3")
    .with("Allow: INVITE, ACK, CANCEL, BYE, OPTIONS, INFO, UPDATE, PRACK")
    .with("Supported: timer, replaces, 100rel")
    .with("Session-Expires: 1800;refresher=uac")
    .with("P-Preferred-Identity: <sip:alice@example.com>")
    .with("Date: Mon, 23 Nov 2026 12:00:00 GMT")
    .with("Content-Type: application/sdp");
    invite.sent_by.push_str(";rport");
    invite.body = "v=0\r\no=- 1 1 IN IP4 198.51.100.7\r\ns=-\r\nc=IN IP4 198.51.100.7\r\n\
                   t=0 0\r\nm=audio 10000 RTP/AVP 8\r\n"
        .into();
    invite
}

fn from_callee(request: &str, status: u16) -> String {
    response_to(request, status, "callee-5f1b2c", address(CALLEE))
}

fn flow(peer: &str) -> Flow {
    Flow {
        transport: Transport::Udp,
        listener: ListenerId(0),
        connection: None,
        peer: address(peer),
    }
}

fn address(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_call_is_carried_from_its_invite_to_the_end() {
        let invite = Replay::invite();
        let head = invite.split("\r\n\r\n").next().unwrap();
        assert_eq!(head.lines().count(), 1 + 15);
        assert_eq!(invite.len(), 731);

        let mut replay = Replay::before(Step::Invite);
        let mut sent = Vec::new();
        for _ in Step::ALL {
            replay.step();
            sent.push(replay.sent().lines().next().unwrap().to_owned());
        }
        assert_eq!(
            sent,
            [
                "SIP/2.0 100 Trying",
                "INVITE sip:+493012345678@192.0.2.1 SIP/2.0",
                "SIP/2.0 180 Ringing",
                "SIP/2.0 200 OK",
                "ACK sip:callee@203.0.113.9:5060 SIP/2.0",
                "BYE sip:callee@203.0.113.9:5060 SIP/2.0",
                "SIP/2.0 200 OK",
            ]
        );
        replay.run_out();
    }
}
