//! T6: callees that never speak, or ring for ever.

use sigbox_core::{Counter, Settings};
use sigbox_testkit::{Script, Sim, plans};

use crate::world::*;

fn routed_to_bob(script: Script) -> Sim {
    let mut sim = Sim::always(Settings::default(), plans::serial(&[TO_BOB]));
    sim.callee(BOB, script);
    sim
}

/// When each message with that label reached a phone, in milliseconds after the first of them all.
fn times(sim: &Sim, phone: std::net::SocketAddr, label: &str) -> Vec<u64> {
    let seen = sim.seen(phone);
    let start = seen[0].at_ms;
    let wanted = seen.iter().filter(|seen| seen.label() == label);
    wanted.map(|seen| seen.at_ms - start).collect()
}

/// RFC 3261 §16.7 step 6, §17.1.1.2
#[test]
fn t6_without_a_provisional_response_it_is_408_after_64_t1() {
    let mut sim = routed_to_bob(Script::dead());
    let invite = call(&mut sim, secs(40));
    let bob = BOB.parse().unwrap();
    // RFC 3261 §17.1.1.2: Timer A doubles from T1 until Timer B.
    let wanted = [0, 500, 1_500, 3_500, 7_500, 15_500, 31_500];
    let sent = times(&sim, bob, "INVITE");
    assert_eq!(sent.len(), wanted.len(), "{sent:?}");
    for (sent, wanted) in sent.iter().zip(wanted) {
        assert!((wanted..=wanted + 60).contains(sent), "{sent} for {wanted}");
    }
    let given_up = times(&sim, alice(), "408")[0];
    assert!((32_000..=32_060).contains(&given_up), "{given_up}");
    // What was never heard of is not cancelled.
    assert!(times(&sim, bob, "CANCEL").is_empty());
    assert_eq!(sim.count(Counter::BranchTimeout), 1);
    acknowledge_failure(&mut sim, &invite, "408");
    sim.run_to_end();
}

/// RFC 3261 §16.6 step 11, §16.8
#[test]
fn t6_who_rings_for_ever_is_cancelled_by_timer_c_and_it_is_408() {
    let mut sim = routed_to_bob(Script::rings());
    let invite = call(&mut sim, secs(200));
    let bob = BOB.parse().unwrap();
    let cancelled = times(&sim, bob, "CANCEL");
    assert_eq!(cancelled.len(), 1, "{cancelled:?}");
    assert!((185_000..=185_060).contains(&cancelled[0]), "{cancelled:?}");
    // Bob's 487 says what the proxy made him say.
    assert_eq!(sim.labels(alice())[..3], ["100", "180", "408"]);
    assert_eq!(sim.labels(bob), ["INVITE", "CANCEL", "ACK"]);
    acknowledge_failure(&mut sim, &invite, "408");
    sim.run_to_end();
}

/// RFC 3261 §16.7 step 2
#[test]
fn t6_each_provisional_response_starts_timer_c_anew() {
    let mut sim = routed_to_bob(Script::responds(&[
        (0, 180),
        (100_000, 183),
        (200_000, 180),
    ]));
    call(&mut sim, secs(380));
    let bob = BOB.parse().unwrap();
    assert!(times(&sim, bob, "CANCEL").is_empty());
    sim.run_for(secs(10));
    let cancelled = times(&sim, bob, "CANCEL");
    assert!((385_000..=385_060).contains(&cancelled[0]), "{cancelled:?}");
}

#[test]
fn t6_who_rings_and_then_hears_nothing_is_given_up() {
    let mut script = Script::rings();
    script.cancellable = false;
    let mut sim = routed_to_bob(script);
    let invite = call(&mut sim, secs(185 + 40));
    // RFC 3261 §9.1: 64*T1 after the CANCEL nobody waits for the INVITE's end any more.
    assert_eq!(sim.labels(alice())[..3], ["100", "180", "408"]);
    acknowledge_failure(&mut sim, &invite, "408");
    sim.run_to_end();
}
