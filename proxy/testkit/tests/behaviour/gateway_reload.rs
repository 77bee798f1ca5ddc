//! What is known about gateways stays known when the configuration is read again.

use sigbox_core::{Algorithm, Instant, SetDefinition, Target};
use sigbox_testkit::Script;

use crate::gateways::*;
use crate::world::*;

#[test]
fn state_calls_and_latency_survive_a_reload_and_a_new_uri_begins_anew() {
    let set = || SetDefinition {
        inactive_after: 1,
        ..carriers(Algorithm::Priority)
    };
    let (mut sim, gateways) = world(set(), [Script::dead(), Script::rings(), Script::answers(0)]);
    call_number(&mut sim, 1, secs(2));
    gateway(&sim, 3).set_enabled(false, sim.now());
    assert_eq!(states(&sim), ["inactive", "active", "disabled"]);
    assert_eq!(gateway(&sim, 2).calls(), 1);
    let latency = gateway(&sim, 2).latency();
    assert!(latency.is_some());

    let mut changed = set();
    changed.gateways[1].weight = 7;
    changed.gateways.rotate_left(1);
    let settings = with_set(changed, Some(&sim));
    sim.reload(settings);
    // gw2, gw3, gw1
    assert_eq!(states(&sim), ["active", "disabled", "inactive"]);
    assert_eq!(gateway(&sim, 1).calls(), 1);
    assert_eq!(gateway(&sim, 1).latency(), latency);
    call_number(&mut sim, 2, ms(50));
    assert_eq!(gateways.map(|gateway| invites(&sim, gateway)), [1, 2, 0]);

    let mut moved = set();
    moved.gateways[0].uri = Target::parse("sip:192.0.2.59").unwrap();
    let settings = with_set(moved, Some(&sim));
    sim.reload(settings);
    assert_eq!(states(&sim), ["active", "active", "disabled"]);
    end(sim);
}

#[test]
fn a_gateway_that_comes_later_stands_as_it_does_since_then() {
    let answering = || [(); 3].map(|()| Script::answers(0));
    let (mut sim, _) = world(carriers(Algorithm::Priority), answering());
    sim.run_for(secs(7));
    let mut moved = carriers(Algorithm::Priority);
    moved.gateways[0].uri = Target::parse("sip:192.0.2.59").unwrap();
    let came = sim.now();
    let settings = with_set(moved, Some(&sim));
    sim.reload(settings);
    sim.run_for(secs(7));
    assert_eq!(gateway(&sim, 1).since(), came, "it is a new one");
    assert_eq!(gateway(&sim, 2).since(), Instant::ZERO, "it was there");
    end(sim);
}

#[test]
fn probes_keep_their_time_over_a_reload() {
    let set = || SetDefinition {
        probing: probing(),
        ..carriers(Algorithm::Priority)
    };
    let (mut sim, gateways) = world(set(), [(); 3].map(|()| Script::answers(0)));
    for _ in 0..40 {
        sim.run_for(secs(3));
        let settings = with_set(set(), Some(&sim));
        sim.reload(settings);
    }
    // 120 s at one in about ten.
    let probes = sim.seen(gateways[0]).len();
    assert!((11..=14).contains(&probes), "{probes} probes in 120 s");

    let settings = with_set(carriers(Algorithm::Priority), Some(&sim));
    sim.reload(settings);
    sim.run_for(secs(60));
    assert_eq!(sim.seen(gateways[0]).len(), probes, "no longer probed");
    end(sim);
}

#[test]
fn an_answer_to_a_probe_of_before_the_reload_still_counts() {
    let set = || SetDefinition {
        probing: probing(),
        inactive_after: 1,
        ..carriers(Algorithm::Priority)
    };
    let (mut sim, _) = world(
        set(),
        [Script::dead(), Script::answers(0), Script::answers(0)],
    );
    sim.run_for(secs(2));
    let settings = with_set(set(), Some(&sim));
    sim.reload(settings);
    sim.run_for(secs(2));
    assert_eq!(states(&sim), ["inactive", "active", "active"]);
    end(sim);
}
