//! T15: CANCEL that comes again, or for nothing.

use sigbox_core::{Counter, Settings};
use sigbox_testkit::{Script, Sim, plans};

use crate::world::*;

/// RFC 3261 §9.2, §16.10
#[test]
fn t15_a_repeated_cancel_is_answered_200_again_and_cancels_once() {
    let mut sim = Sim::always(Settings::default(), plans::serial(&[TO_BOB]));
    // Bob answers the CANCEL at once, and the INVITE later.
    let script = Script::responds(&[(0, 180), (200, 487)]);
    let bob = sim.callee(
        BOB,
        Script {
            cancellable: false,
            ..script
        },
    );
    let invite = call(&mut sim, ms(50));
    for _ in 0..3 {
        sim.send(alice(), invite.hop_by_hop("CANCEL", None).text());
        sim.run_for(ms(10));
    }
    let to_cancel = sim
        .seen(alice())
        .iter()
        .filter(|seen| seen.text.contains("CSeq: 1 CANCEL"));
    assert!(to_cancel.clone().all(|seen| seen.status() == 200));
    assert_eq!(to_cancel.count(), 3);
    sim.run_for(ms(200));
    assert_eq!(sim.labels(bob), ["INVITE", "CANCEL", "ACK"]);
    acknowledge_failure(&mut sim, &invite, "487");
    sim.run_to_end();
}

#[test]
fn t15_a_cancel_after_the_call_was_answered_changes_nothing() {
    let mut sim = Sim::always(Settings::default(), plans::serial(&[TO_BOB]));
    let bob = sim.callee(BOB, Script::answers(0));
    let invite = call(&mut sim, ms(50));
    acknowledge(&mut sim, &invite);
    sim.send(alice(), invite.hop_by_hop("CANCEL", None).text());
    sim.run_for(ms(50));
    // RFC 3261 §9.2: the transaction still exists, so 200; it has its answer, so nothing else.
    assert_eq!(sim.labels(alice()), ["100", "180", "200", "200"]);
    assert_eq!(sim.labels(bob), ["INVITE", "ACK"]);
    sim.run_to_end();
}

/// RFC 3261 §9.2
#[test]
fn t15_a_cancel_for_a_finished_invite_is_481() {
    let mut sim = Sim::always(Settings::default(), plans::serial(&[TO_BOB]));
    sim.callee(BOB, Script::answers(0));
    let invite = call(&mut sim, ms(50));
    acknowledge(&mut sim, &invite);
    sim.run_to_end();
    sim.send(alice(), invite.hop_by_hop("CANCEL", None).text());
    sim.run_for(ms(50));
    assert_eq!(sim.seen(alice()).last().unwrap().label(), "481");
    assert_eq!(sim.count(Counter::RejectNoTransaction), 1);
}
