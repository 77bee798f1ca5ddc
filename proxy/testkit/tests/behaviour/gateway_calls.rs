//! Calls under way at each gateway, and their limit.

use sigbox_core::{Algorithm, Counter, SetDefinition};
use sigbox_testkit::{Request, Script, Sim};

use crate::gateways::*;
use crate::world::*;

fn calls(sim: &Sim) -> [u32; 3] {
    [1, 2, 3].map(|number| gateway(sim, number).calls())
}

/// The 200 to the call of that number.
fn answer(sim: &Sim, number: usize) -> String {
    let call_id = format!("Call-ID: c{number}@");
    let seen = sim.seen(alice()).iter();
    let mut answers = seen.filter(|seen| seen.status() == 200 && seen.text.contains(&call_id));
    answers.next().unwrap().text.clone()
}

fn in_dialog(sim: &mut Sim, invite: &Request, number: usize, method: &str, cseq: u32) {
    let answer = answer(sim, number);
    sim.send(alice(), invite.in_dialog(method, &answer, cseq).text());
    sim.run_for(ms(10));
}

#[test]
fn calls_spread_over_gateways_and_count_until_their_bye() {
    let (mut sim, gateways) = world(
        carriers(Algorithm::LeastCalls),
        [(); 3].map(|()| Script::answers(10)),
    );
    let invites_: Vec<_> = (0..9)
        .map(|number| call_number(&mut sim, number, ms(100)))
        .collect();
    assert_eq!(calls(&sim), [3, 3, 3]);
    assert_eq!(gateways.map(|gateway| invites(&sim, gateway)), [3, 3, 3]);
    for (number, invite) in invites_.iter().enumerate() {
        in_dialog(&mut sim, invite, number, "BYE", 2);
        assert_eq!(calls(&sim).iter().sum::<u32>(), 8 - number as u32);
    }
    assert_eq!(calls(&sim), [0; 3]);
    end(sim);
}

#[test]
fn a_bye_of_the_callee_ends_the_call_as_well() {
    let (mut sim, gateways) = world(
        carriers(Algorithm::LeastCalls),
        [(); 3].map(|()| Script::answers(10)),
    );
    let invite = call_number(&mut sim, 1, ms(100));
    assert_eq!(calls(&sim).iter().sum::<u32>(), 1);
    let callee = gateways
        .into_iter()
        .find(|gateway| invites(&sim, *gateway) == 1)
        .unwrap();
    let mut bye = invite.in_dialog("BYE", &answer(&sim, 1), 1);
    bye.sent_by = format!("SIP/2.0/UDP {callee}");
    bye.branch = "z9hG4bK-of-the-callee".into();
    bye.uri = format!("sip:alice@{}", alice());
    std::mem::swap(&mut bye.from, &mut bye.to);
    sim.send(callee, bye.text());
    sim.run_for(ms(10));
    assert_eq!(calls(&sim), [0; 3]);
    end(sim);
}

#[test]
fn a_full_gateway_is_passed_over_in_every_algorithm() {
    for algorithm in serial_algorithms() {
        let mut set = carriers(algorithm.clone());
        set.gateways
            .iter_mut()
            .for_each(|gateway| gateway.max_calls = 2);
        let (mut sim, gateways) = world(set, [(); 3].map(|()| Script::answers(10)));
        let invites_: Vec<_> = (0..7)
            .map(|number| call_number(&mut sim, number, ms(50)))
            .collect();
        assert_eq!(
            gateways.map(|gateway| invites(&sim, gateway)),
            [2, 2, 2],
            "{algorithm:?}"
        );
        assert_eq!(outcome(&sim, 6), Some(503));
        assert!(sim.count(Counter::GatewaySkippedFull) >= 3);
        in_dialog(&mut sim, &invites_[0], 0, "BYE", 2);
        call_number(&mut sim, 7, ms(50));
        assert_eq!(outcome(&sim, 7), Some(200), "{algorithm:?}");
        end(sim);
    }
}

#[test]
fn calls_that_fail_are_cancelled_or_never_answered_do_not_stay() {
    let mut set = carriers(Algorithm::LeastCalls);
    set.gateways.truncate(1);
    let ring = [(); 3].map(|()| Script::rings());
    let (mut sim, _) = world(set, ring);
    let calls = |sim: &Sim| gateway(sim, 1).calls();
    let invite = call_number(&mut sim, 1, ms(50));
    assert_eq!(calls(&sim), 1);
    sim.send(alice(), invite.hop_by_hop("CANCEL", None).text());
    sim.run_for(ms(50));
    assert_eq!(calls(&sim), 0);
    for (number, script) in [Script::refuses(486), Script::dead()]
        .into_iter()
        .enumerate()
    {
        sim.callee(GATEWAYS[0], script);
        call_number(&mut sim, 2 + number, ms(1));
        sim.run_for(secs(2));
        assert_eq!(calls(&sim), 0);
    }
    end(sim);
}

#[test]
fn a_call_without_a_bye_expires_and_requests_in_it_put_that_off() {
    let set = SetDefinition {
        max_call: secs(100),
        ..carriers(Algorithm::LeastCalls)
    };
    let (mut sim, _) = world(set, [(); 3].map(|()| Script::answers(10)));
    let first = call_number(&mut sim, 1, ms(50));
    call_number(&mut sim, 2, ms(50));
    sim.run_for(secs(60));
    in_dialog(&mut sim, &first, 1, "UPDATE", 2);
    sim.run_for(secs(41));
    assert_eq!(calls(&sim).iter().sum::<u32>(), 1);
    assert_eq!(sim.count(Counter::GatewayCallsExpired), 1);
    sim.run_for(secs(60));
    assert_eq!(calls(&sim), [0; 3]);
    assert_eq!(sim.count(Counter::GatewayCallsExpired), 2);
    end(sim);
}

#[test]
fn more_calls_than_there_is_room_for_are_not_counted_and_that_is() {
    let mut settings = with_set(carriers(Algorithm::LeastCalls), None);
    settings.limits.gateway_calls = 2;
    let mut sim = Sim::always(settings, plan_to_carriers());
    for address in GATEWAYS {
        sim.callee(address, Script::answers(10));
    }
    for number in 0..5 {
        call_number(&mut sim, number, ms(50));
        assert_eq!(outcome(&sim, number), Some(200));
    }
    assert_eq!(calls(&sim).iter().sum::<u32>(), 2);
    assert_eq!(sim.count(Counter::GatewayCallsUncounted), 3);
    end(sim);
}

#[test]
fn a_core_that_ends_gives_its_calls_back() {
    let (mut sim, _) = world(
        carriers(Algorithm::LeastCalls),
        [(); 3].map(|()| Script::answers(10)),
    );
    call_number(&mut sim, 1, ms(50));
    sim.callee(GATEWAYS[0], Script::rings());
    let sets = sim.core.settings().gateways.clone();
    for number in 2..5 {
        call_number(&mut sim, number, ms(5));
    }
    let all = || {
        sets.set("carriers")
            .unwrap()
            .gateways()
            .iter()
            .map(|gateway| gateway.calls())
            .sum::<u32>()
    };
    assert_eq!(all(), 4);
    drop(sim);
    assert_eq!(all(), 0);
}
