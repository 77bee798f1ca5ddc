//! D6: the caller hangs up while a decider is thinking.

use sigbox_core::{Counter, Input, Settings};
use sigbox_testkit::{Script, plans};

use crate::world::*;

/// RFC 3261 §9.2, §16.10
#[test]
fn d6_cancel_is_answered_at_once_and_a_later_answer_makes_no_branch() {
    let mut sim = silent(Settings::default());
    let bob = sim.callee(BOB, Script::answers(0));
    let invite = call(&mut sim, ms(50));
    sim.send(alice(), invite.hop_by_hop("CANCEL", None).text());
    sim.run_for(ms(2));
    assert_eq!(sim.labels(alice()), ["100", "200", "487"]);
    assert!(sim.first(alice(), "200").text.contains("CSeq: 1 CANCEL"));
    assert_eq!(sim.withdrawn, [sim.asked[0].token]);
    assert_eq!(sim.count(Counter::DecidedCancelled), 1);
    acknowledge_failure(&mut sim, &invite, "487");

    let token = sim.asked[0].token;
    sim.input(Input::Decision {
        token,
        answer: Ok(plans::serial(&[TO_BOB])),
    });
    sim.run_for(ms(10));
    assert!(sim.seen(bob).is_empty());
    assert_eq!(sim.count(Counter::AnswerLate), 1);
    sim.run_to_end();
}

#[test]
fn d6_cancel_does_nothing_to_a_suspended_message() {
    let mut sim = silent(falling_back_to(plans::serial(&[TO_BOB])));
    let bob = sim.callee(BOB, Script::answers(0));
    let mut message = invite();
    message.method = "MESSAGE".into();
    sim.send(alice(), message.text());
    sim.run_for(ms(50));
    // RFC 3261 §9.1: nobody should; its branch would name no INVITE.
    sim.send(alice(), message.hop_by_hop("CANCEL", None).text());
    sim.run_for(ms(400));
    assert_eq!(sim.labels(alice()), ["481", "200"]);
    assert_eq!(sim.labels(bob), ["MESSAGE"]);
    sim.run_to_end();
}
