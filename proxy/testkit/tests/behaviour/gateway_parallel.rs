//! A set that forks to all of its gateways.

use sigbox_core::Algorithm;
use sigbox_testkit::Script;

use crate::gateways::*;
use crate::world::*;

#[test]
fn all_usable_gateways_ring_and_the_losers_are_cancelled() {
    let (mut sim, gateways) = world(
        carriers(Algorithm::Parallel),
        [Script::rings(), Script::answers(300), Script::rings()],
    );
    gateway(&sim, 3).set_enabled(false, sim.now());
    call_number(&mut sim, 1, ms(100));
    assert_eq!(
        [1, 2, 3].map(|number| gateway(&sim, number).calls()),
        [1, 1, 0]
    );
    sim.run_for(secs(1));
    assert_eq!(sim.labels(gateways[0]), ["INVITE", "CANCEL", "ACK"]);
    assert_eq!(sim.labels(gateways[1]), ["INVITE"]);
    assert!(sim.seen(gateways[2]).is_empty());
    assert_eq!(outcome(&sim, 1), Some(200));
    // Nobody counts answered calls in this set.
    assert_eq!(
        [1, 2, 3].map(|number| gateway(&sim, number).calls()),
        [0; 3]
    );
    end(sim);
}

#[test]
fn a_set_in_a_group_forks_with_the_other_routes_of_the_group() {
    use sigbox_testkit::{Sim, plans};
    let routes = vec![plans::route(TO_BOB, 0), route_to("carriers")];
    let settings = with_set(carriers(Algorithm::Priority), None);
    let mut sim = Sim::always(settings, plans::plan(routes));
    let bob = sim.callee(BOB, Script::refuses(480));
    let [first, second, _] = GATEWAYS.map(|address| sim.callee(address, Script::refuses(480)));
    call_number(&mut sim, 1, ms(50));
    assert_eq!(
        sim.first(bob, "INVITE").at_ms,
        sim.first(first, "INVITE").at_ms
    );
    assert!(sim.first(second, "INVITE").at_ms > sim.first(first, "INVITE").at_ms);
    end(sim);
}

#[test]
fn a_dead_gateway_is_not_forked_to_again() {
    let set = sigbox_core::SetDefinition {
        inactive_after: 1,
        ..carriers(Algorithm::Parallel)
    };
    let (mut sim, gateways) = world(
        set,
        [Script::dead(), Script::rings(), Script::answers(2_000)],
    );
    call_number(&mut sim, 1, secs(3));
    assert_eq!(states(&sim), ["inactive", "active", "active"]);
    call_number(&mut sim, 2, secs(3));
    assert_eq!(gateways.map(|gateway| invites(&sim, gateway)), [1, 2, 2]);
    assert_eq!([1, 2].map(|number| outcome(&sim, number)), [Some(200); 2]);
    end(sim);
}
