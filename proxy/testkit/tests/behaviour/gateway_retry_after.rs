//! A gateway that asks to be left alone, and those that are left alone for long enough.

use sigbox_core::{Algorithm, Counter, SetDefinition, StatusMatch};
use sigbox_testkit::Script;

use crate::gateways::*;
use crate::world::*;

#[test]
fn a_503_with_retry_after_is_heeded_and_no_failure() {
    let set = SetDefinition {
        inactive_after: 1,
        max_retry_after: secs(20),
        ..carriers(Algorithm::Priority)
    };
    for (asked, heeded) in [("5", 5), ("5 (busy)", 5), ("5;duration=9", 5), ("3600", 20)] {
        let script = Script::refuses(503).with(&format!("Retry-After: {asked}"));
        let (mut sim, gateways) = world(
            set.clone(),
            [script, Script::answers(0), Script::answers(0)],
        );
        call_number(&mut sim, 1, ms(50));
        assert_eq!(outcome(&sim, 1), Some(200));
        assert_eq!(states(&sim), ["active"; 3]);
        sim.run_for(secs(heeded) - ms(100));
        call_number(&mut sim, 2, ms(49));
        assert_eq!(invites(&sim, gateways[0]), 1, "{asked}");
        assert_eq!(sim.count(Counter::GatewaySkippedRetryAfter), 1);
        sim.run_for(ms(10));
        call_number(&mut sim, 3, ms(50));
        assert_eq!(invites(&sim, gateways[0]), 2, "{asked}");
        assert!(sim.changes.is_empty());
        end(sim);
    }
}

#[test]
fn statuses_in_a_row_make_inactive_and_time_makes_usable_again() {
    let set = SetDefinition {
        inactive_after: 2,
        active_after: 1,
        recover: secs(30),
        failure_statuses: vec![StatusMatch::Status(503), StatusMatch::Status(500)],
        ..carriers(Algorithm::Priority)
    };
    let (mut sim, gateways) = world(
        set,
        [Script::refuses(500), Script::answers(0), Script::answers(0)],
    );
    call_number(&mut sim, 1, ms(50));
    call_number(&mut sim, 2, ms(50));
    assert_eq!(states(&sim)[0], "inactive");
    sim.run_for(secs(29));
    call_number(&mut sim, 3, ms(50));
    assert_eq!(invites(&sim, gateways[0]), 2);
    sim.run_for(secs(1));
    // It is tried once, fails once, and is left alone again.
    call_number(&mut sim, 4, ms(50));
    call_number(&mut sim, 5, ms(50));
    assert_eq!(invites(&sim, gateways[0]), 3);
    sim.callee(GATEWAYS[0], Script::answers(0));
    sim.run_for(secs(30));
    call_number(&mut sim, 6, ms(50));
    assert_eq!(states(&sim)[0], "active");
    let steps: Vec<_> = sim
        .changes
        .iter()
        .map(|line| line.split(' ').next_back().unwrap())
        .collect();
    assert_eq!(
        steps,
        [
            "status",
            "status",
            "recovered",
            "status",
            "recovered",
            "answered"
        ]
    );
    for number in 1..=6 {
        assert_eq!(outcome(&sim, number), Some(200));
    }
    end(sim);
}

#[test]
fn another_status_or_a_success_in_between_is_no_failure() {
    let set = SetDefinition {
        inactive_after: 2,
        ..carriers(Algorithm::Priority)
    };
    let (mut sim, _) = world(set, [(); 3].map(|()| Script::refuses(486)));
    call_number(&mut sim, 1, ms(50));
    assert_eq!(states(&sim), ["active"; 3]);
    for number in 2..8 {
        let status = if number % 2 == 0 { 503 } else { 404 };
        sim.callee(GATEWAYS[0], Script::refuses(status));
        call_number(&mut sim, number, ms(50));
    }
    assert!(
        !sim.changes.iter().any(|line| line.contains("inactive")),
        "{:?}",
        sim.changes
    );
    end(sim);
}
