//! What a finished transaction still answers, and for how long.

use sigbox_core::Settings;
use sigbox_testkit::{Request, Script, Sim, plans};

use crate::world::*;

/// A call that was answered and, 100 ms later, ended.
fn ended_call(sim: &mut Sim) -> (Request, Request) {
    let invite = call(sim, ms(100));
    acknowledge(sim, &invite);
    let answer = sim.first(alice(), "200").text.clone();
    let bye = invite.in_dialog("BYE", &answer, 2);
    sim.send(alice(), bye.text());
    sim.run_for(ms(100));
    (invite, bye)
}

/// RFC 3261 §17.2.2
#[test]
fn a_bye_that_comes_again_is_answered_the_same_for_32_s() {
    let mut sim = Sim::always(Settings::default(), plans::serial(&[TO_BOB]));
    let bob = sim.callee(BOB, Script::answers(10));
    let (_, bye) = ended_call(&mut sim);
    let answer = sim.seen(alice()).last().unwrap().text.clone();
    assert!(answer.contains("CSeq: 2 BYE"), "{answer}");
    let (at_alice, at_bob) = (sim.seen(alice()).len(), sim.seen(bob).len());
    for again in 1..=3 {
        sim.run_for(secs(10));
        sim.send(alice(), bye.text());
        sim.run_for(ms(100));
        assert_eq!(sim.seen(alice()).len(), at_alice + again);
        assert_eq!(sim.seen(alice()).last().unwrap().text, answer);
    }
    assert_eq!(sim.seen(bob).len(), at_bob);
    assert_eq!(sim.core.len(), 2);
    sim.run_for(secs(2));
    assert_eq!(sim.core.len(), 0);
    sim.run_to_end();
}

/// RFC 6026 §7.2
#[test]
fn a_200_that_comes_again_is_passed_on_for_32_s() {
    let mut sim = Sim::always(Settings::default(), plans::serial(&[TO_BOB]));
    let bob = sim.callee(BOB, Script::answers(10));
    let (invite, _) = ended_call(&mut sim);
    let forwarded = sim.first(bob, "INVITE").text.clone();
    let answer = sim.first(alice(), "200").text.clone();
    let tag = sigbox_testkit::field(&answer, "To").unwrap();
    let tag = tag.split("tag=").nth(1).unwrap();
    let again = sigbox_testkit::response_to(&forwarded, 200, tag, bob);
    sim.run_for(secs(31));
    let at_alice = sim.seen(alice()).len();
    sim.send(bob, again.clone());
    sim.run_for(ms(100));
    assert_eq!(sim.seen(alice()).len(), at_alice + 1);
    assert_eq!(sim.seen(alice()).last().unwrap().text, answer);
    assert!(answer.contains(&invite.call_id));
    sim.run_for(secs(1));
    sim.send(bob, again);
    sim.run_for(ms(100));
    assert_eq!(sim.seen(alice()).len(), at_alice + 1);
    sim.run_to_end();
}

/// RFC 3261 §17.1.1.2, §17.1.1.3
#[test]
fn a_failure_that_comes_again_is_acknowledged_by_each_branch_that_had_it() {
    let plan = plans::serial(&[TO_CAROL, TO_BOB]);
    let mut sim = Sim::always(Settings::default(), plan);
    let carol = sim.callee(CAROL, Script::refuses(503));
    let bob = sim.callee(BOB, Script::refuses(486));
    let invite = call(&mut sim, ms(100));
    acknowledge_failure(&mut sim, &invite, "486");
    sim.run_for(ms(100));
    assert_eq!((sim.core.live(), sim.core.len()), (0, 1));
    for (callee, status) in [(carol, 503), (bob, 486)] {
        let forwarded = sim.first(callee, "INVITE").text.clone();
        let ack = sim.first(callee, "ACK").text.clone();
        let before = sim.seen(callee).len();
        sim.send(
            callee,
            sigbox_testkit::response_to(&forwarded, status, "t", callee),
        );
        sim.run_for(ms(100));
        assert_eq!(sim.seen(callee).len(), before + 1);
        assert_eq!(sim.seen(callee).last().unwrap().text, ack);
    }
    sim.run_to_end();
}
