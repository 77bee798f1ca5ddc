//! The people of these tests.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use sigbox_core::{Action, Condition, FallbackCause, Plan, Rule, Rules, Settings};
use sigbox_testkit::{Asked, Request, Sim, Verdict};

pub(crate) const BOB: &str = "192.0.2.20:5060";
pub(crate) const CAROL: &str = "192.0.2.30:5060";
pub(crate) const TO_BOB: &str = "sip:192.0.2.20";
pub(crate) const TO_CAROL: &str = "sip:192.0.2.30";

pub(crate) fn alice() -> SocketAddr {
    "192.0.2.10:5060".parse().unwrap()
}

pub(crate) fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

pub(crate) fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// Alice's INVITE to a number.
pub(crate) fn invite() -> Request {
    Request::new("INVITE", "sip:+4930123@example.com", alice(), "c1")
}

/// Settings with one fallback rule that carries out `plan`.
pub(crate) fn falling_back_to(plan: Plan) -> Settings {
    let rule = Rule {
        name: "last resort".into(),
        condition: Condition::default(),
        action: Action::Decide(Arc::new(plan)),
    };
    Settings {
        rules: Rules {
            before: Vec::new(),
            fallback: vec![rule],
        },
        ..Settings::default()
    }
}

/// A decider that fails in that way, at once.
pub(crate) fn failing(settings: Settings, cause: FallbackCause) -> Sim {
    Sim::new(settings, move |_, _| {
        Verdict::After(Duration::ZERO, Err(cause))
    })
}

/// A decider that never answers.
pub(crate) fn silent(settings: Settings) -> Sim {
    Sim::new(settings, |_, _: &Asked| Verdict::Silent)
}

/// Sends Alice's INVITE and lets `span` pass.
pub(crate) fn call(sim: &mut Sim, span: Duration) -> Request {
    let invite = invite();
    sim.send(alice(), invite.text());
    sim.run_for(span);
    invite
}

/// Alice acknowledges the 2xx she has, end to end.
pub(crate) fn acknowledge(sim: &mut Sim, invite: &Request) {
    let answer = sim.first(alice(), "200").text.clone();
    sim.send(
        alice(),
        invite.in_dialog("ACK", &answer, invite.cseq).text(),
    );
}

/// Alice acknowledges a failure, hop by hop.
pub(crate) fn acknowledge_failure(sim: &mut Sim, invite: &Request, label: &str) {
    let failure = sim.first(alice(), label).text.clone();
    sim.send(alice(), invite.hop_by_hop("ACK", Some(&failure)).text());
}
