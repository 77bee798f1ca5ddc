//! A callee answers after its branch was given up.

use sigbox_core::Settings;
use sigbox_testkit::{Script, Sim, plans};

use crate::world::*;

/// RFC 3261 §16.7 step 10
#[test]
fn a_2xx_of_a_branch_given_up_stops_the_others() {
    let routes = vec![
        plans::timed(TO_BOB, 0, 1_000, 60_000),
        plans::route(TO_CAROL, 1),
    ];
    let mut sim = Sim::always(Settings::default(), plans::plan(routes));
    sim.callee(BOB, Script::responds(&[(1_500, 200)]));
    let carol = sim.callee(CAROL, Script::rings());
    call(&mut sim, secs(3));
    assert_eq!(sim.labels(alice()), ["100", "180", "200"]);
    assert_eq!(sim.labels(carol), ["INVITE", "CANCEL", "ACK"]);
    sim.run_to_end();
}

#[test]
fn no_branch_is_sent_after_a_2xx() {
    let routes = vec![
        plans::timed(TO_BOB, 0, 1_000, 60_000),
        plans::route("sip:carol.example.net", 1),
    ];
    let mut sim = Sim::always(Settings::default(), plans::plan(routes));
    sim.names.insert(
        "carol.example.net".into(),
        vec!["192.0.2.30".parse().unwrap()],
    );
    sim.callee(BOB, Script::responds(&[(1_001, 200)]));
    let carol = sim.callee(CAROL, Script::rings());
    call(&mut sim, secs(3));
    assert_eq!(sim.labels(alice()), ["100", "200"]);
    assert!(sim.seen(carol).is_empty(), "{:?}", sim.labels(carol));
    sim.run_to_end();
}
