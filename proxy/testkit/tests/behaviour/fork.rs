//! D13, T3: forking in parallel.

use sigbox_core::Settings;
use sigbox_testkit::{Script, Sim, plans};

use crate::world::*;

/// RFC 3261 §16.6 step 10, §16.7 step 10
#[test]
fn d13_the_first_to_answer_wins_and_the_loser_is_cancelled() {
    let mut sim = Sim::always(Settings::default(), plans::parallel(&[TO_BOB, TO_CAROL]));
    let bob = sim.callee(BOB, Script::answers(300));
    let carol = sim.callee(CAROL, Script::rings());
    let invite = call(&mut sim, secs(1));
    assert_eq!(sim.labels(carol), ["INVITE", "CANCEL", "ACK"]);
    assert_eq!(sim.labels(alice()), ["100", "180", "180", "200"]);
    acknowledge(&mut sim, &invite);
    sim.run_for(ms(10));
    assert_eq!(sim.labels(bob), ["INVITE", "ACK"]);
    sim.run_to_end();
}

#[test]
fn d13_groups_fork_inside_and_follow_each_other() {
    let dave = "192.0.2.40:5060";
    let routes = vec![
        plans::route("sip:192.0.2.40", 7),
        plans::route(TO_BOB, 3),
        plans::route(TO_CAROL, 3),
    ];
    let mut sim = Sim::always(Settings::default(), plans::plan(routes));
    let bob = sim.callee(BOB, Script::refuses(486));
    let carol = sim.callee(CAROL, Script::responds(&[(200, 480)]));
    let dave = sim.callee(dave, Script::answers(0));
    call(&mut sim, secs(1));
    assert_eq!(
        sim.first(bob, "INVITE").at_ms,
        sim.first(carol, "INVITE").at_ms
    );
    assert!(sim.first(dave, "INVITE").at_ms >= 200);
    assert_eq!(sim.labels(alice()), ["100", "180", "200"]);
    sim.run_to_end();
}

/// RFC 3261 §16.7 step 5, RFC 6026 §7.1, §7.2
#[test]
fn t3_two_callees_answer_at_once_and_both_200s_reach_the_caller() {
    let mut sim = Sim::always(Settings::default(), plans::parallel(&[TO_BOB, TO_CAROL]));
    sim.callee(BOB, Script::answers(100));
    sim.callee(CAROL, Script::answers(101));
    call(&mut sim, secs(1));
    let tags: Vec<_> = sim
        .seen(alice())
        .iter()
        .filter(|seen| seen.status() == 200)
        .map(|seen| sigbox_testkit::field(&seen.text, "To").unwrap().to_owned())
        .collect();
    assert_eq!(tags.len(), 2);
    assert_ne!(tags[0], tags[1]);
    sim.run_to_end();
}
