//! T4: one callee says no for all.

use sigbox_core::Settings;
use sigbox_testkit::{Script, Sim, plans};

use crate::world::*;

/// RFC 3261 §16.7 steps 5 and 6
#[test]
fn t4_a_6xx_cancels_the_others_and_goes_upstream() {
    let mut sim = Sim::always(Settings::default(), plans::parallel(&[TO_BOB, TO_CAROL]));
    sim.callee(BOB, Script::responds(&[(0, 180), (100, 603)]));
    let carol = sim.callee(CAROL, Script::rings());
    call(&mut sim, ms(200));
    assert_eq!(sim.labels(carol), ["INVITE", "CANCEL", "ACK"]);
    assert_eq!(sim.labels(alice()), ["100", "180", "180", "603"]);
    sim.run_to_end();
}

/// RFC 3261 §16.7 step 5
#[test]
fn t4_a_200_that_races_the_6xx_still_wins() {
    let mut sim = Sim::always(Settings::default(), plans::parallel(&[TO_BOB, TO_CAROL]));
    sim.callee(BOB, Script::responds(&[(0, 180), (100, 603)]));
    sim.callee(CAROL, Script::responds(&[(0, 180), (101, 200)]));
    call(&mut sim, ms(200));
    assert_eq!(sim.labels(alice()), ["100", "180", "180", "200"]);
    sim.run_to_end();
}
