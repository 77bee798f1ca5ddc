//! O1: messages that there is no time for.

use sigbox_core::{Counter, Flow, Input, ListenerId, Settings, Transport};
use sigbox_testkit::{Request, Script, Sim, plans};

use crate::world::*;

/// The request arrives, and there is no time for it.
fn excess(sim: &mut Sim, request: &Request) {
    let flow = Flow {
        transport: Transport::Udp,
        listener: ListenerId(0),
        connection: None,
        peer: alice(),
    };
    let text = request.text();
    let bytes = text.as_bytes();
    sim.input(Input::Excess { flow, bytes });
    sim.run_for(ms(5));
}

#[test]
fn o1_a_new_request_is_refused_without_a_transaction() {
    let range = (secs(20), secs(40));
    let mut sim = silent(Settings {
        retry_after: range,
        ..falling_back_to(plans::reject(480))
    });
    excess(&mut sim, &invite());
    let refusal = sim.first(alice(), "503").text.clone();
    let retry_after = refusal
        .lines()
        .find_map(|line| line.strip_prefix("Retry-After: "))
        .unwrap();
    assert!((20..=40).contains(&retry_after.parse::<u32>().unwrap()));
    assert_eq!(sim.count(Counter::RejectOverload), 1);
    assert!(sim.asked.is_empty());
    assert!(sim.core.is_empty());
    // The caller acknowledges that; nobody answers an ACK.
    acknowledge_failure(&mut sim, &invite(), "503");
    sim.run_for(ms(5));
    assert_eq!(sim.labels(alice()), ["503"]);
    assert_eq!(sim.count(Counter::DropAbsorbedAck), 1);
}

#[test]
fn o1_a_request_that_is_known_already_is_not_refused() {
    let mut sim = silent(falling_back_to(plans::reject(480)));
    let invite = call(&mut sim, ms(5));
    excess(&mut sim, &invite);
    assert_eq!(sim.labels(alice()), ["100", "100"]);
    assert_eq!(sim.count(Counter::RejectOverload), 0);
    sim.run_to_end();
}

#[test]
fn o1_what_is_under_way_goes_on() {
    let mut sim = failing(
        falling_back_to(plans::serial(&[TO_BOB])),
        sigbox_core::FallbackCause::NoResponders,
    );
    sim.callee(BOB, Script::answers(0));
    let invite = call(&mut sim, ms(50));
    let answer = sim.first(alice(), "200").text.clone();
    excess(&mut sim, &invite.in_dialog("ACK", &answer, invite.cseq));
    assert_eq!(sim.labels(BOB.parse().unwrap()), ["INVITE", "ACK"]);
    sim.run_to_end();
}
