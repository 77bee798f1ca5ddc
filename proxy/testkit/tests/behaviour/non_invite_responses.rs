//! RFC 4320: what may not be said to a request other than INVITE, and what becomes of it.

use std::time::Duration;

use sigbox_core::{DecisionSettings, Output, Outputs, Settings};
use sigbox_testkit::{Request, Script, Sim, plans, response_to};

use crate::bare::{Bare, ruled};
use crate::world::*;

fn message_answered(statuses: &[u16], span: Duration) -> Vec<String> {
    let mut sim = Sim::always(Settings::default(), plans::serial(&[TO_BOB]));
    let bob = sim.callee(BOB, Script::dead());
    let message = Request::new("MESSAGE", "sip:bob@example.com", alice(), "m1");
    sim.send(alice(), message.text());
    sim.run_for(ms(10));
    let got = sim.first(bob, "MESSAGE").text.clone();
    for status in statuses {
        sim.send(bob, response_to(&got, *status, "b", bob));
        sim.run_for(ms(10));
    }
    sim.run_for(span);
    let labels = sim.labels(alice());
    sim.run_to_end();
    labels
}

/// RFC 4320 §4.1
#[test]
fn no_provisional_response_to_a_non_invite_goes_upstream() {
    assert_eq!(message_answered(&[183, 200], ms(10)), ["200"]);
}

/// RFC 4320 §4.1
#[test]
fn a_non_invite_that_nobody_answers_gets_100_when_timer_e_is_t2_and_no_sooner() {
    for method in ["MESSAGE", "REGISTER", "OPTIONS", "PUBLISH"] {
        let slow = DecisionSettings {
            budget: secs(10),
            max_wait: secs(10),
            ..DecisionSettings::default()
        };
        let thinking = silent(Settings {
            decision: slow,
            ..Settings::default()
        });
        let mut forwarding = Sim::always(Settings::default(), plans::serial(&[TO_BOB]));
        forwarding.callee(BOB, Script::dead());
        for mut sim in [thinking, forwarding] {
            let request = Request::new(method, "sip:bob@example.com", alice(), "m1");
            sim.send(alice(), request.text());
            sim.run_for(ms(3_490));
            assert!(sim.seen(alice()).is_empty(), "{method}: too early");
            sim.run_for(ms(20));
            assert_eq!(sim.labels(alice()), ["100"], "{method}");
            // What comes again is answered the same (RFC 3261 §17.2.2).
            sim.send(alice(), request.text());
            sim.run_for(ms(10));
            assert_eq!(sim.labels(alice()), ["100", "100"], "{method}");
            sim.run_to_end();
        }
    }
}

/// RFC 4320 §4.1
#[test]
fn a_non_invite_that_was_answered_gets_no_100_after_that() {
    assert_eq!(message_answered(&[200], secs(10)), ["200"]);
}

/// RFC 4320 §4.2, RFC 3261 §17.1.2.2
#[test]
fn no_408_to_a_non_invite_goes_upstream() {
    let labels = message_answered(&[408], secs(40));
    assert!(!labels.contains(&"408".into()), "{labels:?}");
}

#[test]
fn a_silent_end_is_recorded() {
    let mut settings = ruled(plans::serial(&[TO_BOB]));
    settings.records.transactions = true;
    let mut bare = Bare::new(settings, "192.0.2.1:5060");
    let message = Request::new("MESSAGE", "sip:bob@example.com", alice(), "m1");
    bare.receive(alice(), &message.text());
    let mut finished = 0;
    while let Some(next) = bare.core.next_timeout() {
        let mut out = Outputs::new();
        bare.core.handle_timeout(next, &mut out);
        finished += out
            .take()
            .iter()
            .filter(|output| matches!(output, Output::Finished(_)))
            .count();
    }
    assert_eq!((finished, bare.core.len()), (1, 0));
}
