//! A request goes from gateway to gateway, and leaves those alone that do not work.

use sigbox_core::{
    Algorithm, Counter, Failover, Input, Plan, Role, RoutePlan, StatusMatch, Target,
};
use sigbox_testkit::{Script, Sim, field, plans};

use crate::gateways::*;
use crate::world::*;

#[test]
fn every_algorithm_goes_on_until_one_gateway_answers() {
    for algorithm in serial_algorithms() {
        for working in 0..3 {
            let mut scripts = [
                Script::refuses(503),
                Script::refuses(500),
                Script::refuses(480),
            ];
            scripts[working] = Script::answers(10);
            let (mut sim, gateways) = world(carriers(algorithm.clone()), scripts);
            call_number(&mut sim, 1, secs(1));
            assert_eq!(outcome(&sim, 1), Some(200), "{algorithm:?} {working}");
            for gateway in gateways {
                assert!(invites(&sim, gateway) <= 1, "{algorithm:?} tries one twice");
            }
            end(sim);
        }
    }
}

#[test]
fn every_algorithm_leaves_a_dead_gateway_alone() {
    for algorithm in serial_algorithms() {
        let answers = || Script::answers(0);
        let set = sigbox_core::SetDefinition {
            inactive_after: 1,
            ..carriers(algorithm.clone())
        };
        let (mut sim, gateways) = world(set, [Script::dead(), answers(), answers()]);
        let mut number = 0;
        // Whenever it is chosen first, that is the last time.
        while states(&sim)[0] == "active" {
            number += 1;
            assert!(number < 100, "{algorithm:?} never chooses the first");
            call_number(&mut sim, number, secs(2));
        }
        let tried = invites(&sim, gateways[0]);
        assert_eq!(tried, 1, "{algorithm:?}");
        for _ in 0..20 {
            number += 1;
            call_number(&mut sim, number, ms(50));
        }
        assert_eq!(invites(&sim, gateways[0]), 1, "{algorithm:?}");
        assert!(sim.count(Counter::GatewaySkippedInactive) >= 20);
        for number in 1..=number {
            assert_eq!(outcome(&sim, number), Some(200), "{algorithm:?}");
        }
        assert_eq!(sim.changes.len(), 1, "{:?}", sim.changes);
        assert!(sim.changes[0].ends_with("carriers/gw1 active>inactive timeout"));
        end(sim);
    }
}

#[test]
fn the_next_hop_is_the_gateway_and_the_request_uri_stays() {
    let (mut sim, gateways) = world(
        carriers(Algorithm::Priority),
        [(); 3].map(|()| Script::answers(0)),
    );
    call_number(&mut sim, 1, ms(50));
    let invite = sim.first(gateways[0], "INVITE");
    assert!(
        invite
            .text
            .starts_with("INVITE sip:+4930123@example.com SIP/2.0\r\n")
    );
    end(sim);
}

#[test]
fn a_gateway_gets_the_number_as_it_wants_it() {
    let mut set = carriers(Algorithm::Priority);
    set.gateways[0].strip = 3;
    set.gateways[0].prefix = "0049".into();
    set.gateways[1].strip = 200;
    set.gateways[1].prefix = "0".into();
    let (mut sim, gateways) = world(
        set,
        [
            Script::refuses(503),
            Script::refuses(503),
            Script::answers(0),
        ],
    );
    call_number(&mut sim, 1, ms(50));
    for (gateway, uri) in gateways.into_iter().zip([
        "sip:004930123@example.com",
        "sip:0@example.com",
        "sip:+4930123@example.com",
    ]) {
        let invite = &sim.first(gateway, "INVITE").text;
        assert!(invite.starts_with(&format!("INVITE {uri} ")), "{invite}");
    }
    end(sim);
}

#[test]
fn failover_says_which_finals_lead_to_the_next_gateway() {
    for (status, moves_on) in [(486, false), (503, true)] {
        let only = Failover::Only(vec![StatusMatch::Class(5)]);
        let plan = Plan::Route(RoutePlan::new(vec![route_to("carriers")], only, false).unwrap());
        let mut sim = Sim::always(with_set(carriers(Algorithm::Priority), None), plan);
        sim.callee(GATEWAYS[0], Script::refuses(status));
        let second = sim.callee(GATEWAYS[1], Script::answers(0));
        call_number(&mut sim, 1, ms(50));
        assert_eq!(invites(&sim, second) == 1, moves_on, "{status}");
        end(sim);
    }
}

#[test]
fn routes_after_a_set_are_tried_when_its_gateways_failed_or_none_is_usable() {
    for switched_off in [false, true] {
        let routes = vec![
            route_to("carriers"),
            sigbox_core::Route {
                group: 1,
                ..plans::route(TO_BOB, 1)
            },
        ];
        let mut sim = Sim::always(
            with_set(carriers(Algorithm::RoundRobin), None),
            plans::plan(routes),
        );
        let gateways = GATEWAYS.map(|address| sim.callee(address, Script::refuses(503)));
        let bob = sim.callee(BOB, Script::answers(0));
        if switched_off {
            for number in 1..=3 {
                gateway(&sim, number).set_enabled(false, sim.now());
            }
        }
        call_number(&mut sim, 1, ms(50));
        assert_eq!(outcome(&sim, 1), Some(200));
        assert_eq!(invites(&sim, bob), 1);
        let tried: usize = gateways.map(|gateway| invites(&sim, gateway)).iter().sum();
        assert_eq!(tried, if switched_off { 0 } else { 3 });
        let failures = sim.count(Counter::GatewaysNoneUsable);
        assert_eq!(failures, u64::from(switched_off));
        end(sim);
    }
}

#[test]
fn when_no_gateway_is_usable_and_nothing_is_left_the_caller_gets_503() {
    let (mut sim, _) = world(
        carriers(Algorithm::Random),
        [(); 3].map(|()| Script::answers(0)),
    );
    for number in 1..=3 {
        gateway(&sim, number).set_enabled(false, sim.now());
    }
    call_number(&mut sim, 1, ms(50));
    assert_eq!(outcome(&sim, 1), Some(503));
    assert_eq!(sim.count(Counter::GatewaySkippedDisabled), 3);
    assert_eq!(sim.count(Counter::GatewaysNoneUsable), 1);
    end(sim);
}

#[test]
fn a_set_that_a_reload_took_away_is_a_route_that_failed() {
    let (mut sim, _) = world(
        carriers(Algorithm::Random),
        [(); 3].map(|()| Script::answers(0)),
    );
    sim.reload(sigbox_core::Settings::default());
    call_number(&mut sim, 1, ms(50));
    assert_eq!(outcome(&sim, 1), Some(503));
    assert_eq!(sim.count(Counter::GatewaysUnknown), 1);
    end(sim);
}

#[test]
fn a_gateway_that_becomes_unusable_meanwhile_is_passed_over() {
    let (mut sim, gateways) = world(
        carriers(Algorithm::Priority),
        [Script::dead(), Script::answers(0), Script::answers(0)],
    );
    call_number(&mut sim, 1, ms(500));
    // It was chosen as the second when the first was tried.
    gateway(&sim, 2).set_enabled(false, sim.now());
    sim.run_for(secs(1));
    assert_eq!(outcome(&sim, 1), Some(200));
    assert_eq!(gateways.map(|gateway| invites(&sim, gateway)), [1, 0, 1]);
    end(sim);
}

#[test]
fn what_cannot_be_sent_or_has_no_address_counts_as_a_failure() {
    let mut set = carriers(Algorithm::Priority);
    set.inactive_after = 2;
    set.gateways[1].uri = Target::parse("sip:nowhere.invalid").unwrap();
    let (mut sim, gateways) = world(set, [(); 3].map(|()| Script::answers(0)));
    sim.unreachable.push(gateways[0]);
    for number in 1..=3 {
        call_number(&mut sim, number, ms(50));
        assert_eq!(outcome(&sim, number), Some(200));
    }
    assert_eq!(states(&sim), ["inactive", "inactive", "active"]);
    assert_eq!(
        sim.changes,
        [
            "1 carriers/gw1 active>trying unreachable",
            "6 carriers/gw2 active>trying unresolved",
            "51 carriers/gw1 trying>inactive unreachable",
            "56 carriers/gw2 trying>inactive unresolved",
        ]
        .map(str::to_owned)
    );
    end(sim);
}

#[test]
fn a_caller_who_hangs_up_while_it_rings_is_no_failure_of_the_gateway() {
    let (mut sim, _) = world(
        carriers(Algorithm::Priority),
        [(); 3].map(|()| Script::rings()),
    );
    let invite = call_number(&mut sim, 1, ms(50));
    sim.send(alice(), invite.hop_by_hop("CANCEL", None).text());
    sim.run_for(ms(50));
    assert_eq!(outcome(&sim, 1), Some(200), "the CANCEL");
    assert_eq!(states(&sim), ["active"; 3]);
    assert_eq!(gateway(&sim, 1).failures_in_a_row(), 0);
    assert_eq!(gateway(&sim, 1).calls(), 0);
    end(sim);
}

#[test]
fn a_decider_is_asked_again_when_no_gateway_is_usable() {
    let mut sim = Sim::new(with_set(carriers(Algorithm::Random), None), |_, asked| {
        let route = match asked.attempt {
            1 => route_to("carriers"),
            _ => plans::route(TO_BOB, 0),
        };
        let plan = RoutePlan::new(vec![route], Failover::Any, true).unwrap();
        sigbox_testkit::Verdict::After(ms(1), Ok(Plan::Route(plan)))
    });
    let bob = sim.callee(BOB, Script::answers(0));
    for number in 1..=3 {
        gateway(&sim, number).set_enabled(false, sim.now());
    }
    call_number(&mut sim, 1, ms(50));
    assert_eq!(sim.asked.len(), 2);
    assert_eq!(invites(&sim, bob), 1);
    end(sim);
}

#[test]
fn a_redirect_server_answers_with_the_gateways() {
    let mut settings = with_set(carriers(Algorithm::Priority), None);
    settings.role = Role::RedirectServer;
    let routes = vec![
        route_to("carriers"),
        sigbox_core::Route {
            group: 7,
            ..plans::route(TO_BOB, 7)
        },
    ];
    let mut sim = Sim::always(settings, plans::plan(routes));
    gateway(&sim, 2).set_enabled(false, sim.now());
    call_number(&mut sim, 1, ms(50));
    let redirect = sim.first(alice(), "302").text.clone();
    let contacts: Vec<_> = sigbox_testkit::fields(&redirect, "Contact").collect();
    assert_eq!(
        contacts,
        [
            "<sip:+4930123@192.0.2.51:5060>;q=1.000",
            "<sip:+4930123@192.0.2.53:5060>;q=0.900",
            "<sip:+4930123@192.0.2.20>;q=0.800",
        ]
    );
    assert_eq!(field(&redirect, "CSeq"), Some("1 INVITE"));
    sim.input(Input::Drain);
}
