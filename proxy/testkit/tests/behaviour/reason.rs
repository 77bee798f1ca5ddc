//! Why a call is cancelled: the Reason of a CANCEL (RFC 3326).

use sigbox_core::Settings;
use sigbox_testkit::{Script, Sim, fields, plans};

use crate::world::*;

fn reasons(sim: &Sim, phone: &str) -> Vec<String> {
    let cancel = &sim.first(phone.parse().unwrap(), "CANCEL").text;
    fields(cancel, "Reason").map(str::to_owned).collect()
}

#[test]
fn who_rang_in_vain_hears_that_somebody_else_answered() {
    let plan = plans::parallel(&[TO_BOB, TO_CAROL]);
    let mut sim = Sim::always(Settings::default(), plan);
    sim.callee(BOB, Script::answers(100));
    sim.callee(CAROL, Script::rings());
    let invite = call(&mut sim, secs(1));
    let completed = "SIP;cause=200;text=\"Call completed elsewhere\"";
    assert_eq!(reasons(&sim, CAROL), [completed]);
    acknowledge(&mut sim, &invite);
    sim.run_to_end();
}

#[test]
fn or_that_somebody_declined_for_all() {
    let plan = plans::parallel(&[TO_BOB, TO_CAROL]);
    let mut sim = Sim::always(Settings::default(), plan);
    sim.callee(BOB, Script::responds(&[(100, 603)]));
    sim.callee(CAROL, Script::rings());
    call(&mut sim, secs(1));
    assert_eq!(reasons(&sim, CAROL), ["SIP;cause=603;text=\"Decline\""]);
    sim.run_to_end();
}

#[test]
fn or_that_it_rang_too_long() {
    let plan = plans::plan(vec![plans::timed(TO_BOB, 0, 500, 1_000)]);
    let mut sim = Sim::always(Settings::default(), plan);
    sim.callee(BOB, Script::rings());
    call(&mut sim, secs(2));
    assert_eq!(
        reasons(&sim, BOB),
        ["SIP;cause=408;text=\"Request Timeout\""]
    );
    sim.run_to_end();
}

#[test]
fn the_callers_own_reasons_are_passed_on() {
    let mut sim = Sim::always(Settings::default(), plans::serial(&[TO_BOB]));
    sim.callee(BOB, Script::rings());
    let invite = call(&mut sim, ms(100));
    let cancel = invite
        .hop_by_hop("CANCEL", None)
        .with("Reason: SIP;cause=600;text=\"Busy, Everywhere\"")
        .with("Reason: Q.850;cause=17");
    sim.send(alice(), cancel.text());
    sim.run_for(ms(100));
    let said = ["SIP;cause=600;text=\"Busy, Everywhere\"", "Q.850;cause=17"];
    assert_eq!(reasons(&sim, BOB), said);
    sim.run_to_end();
}

#[test]
fn a_caller_who_says_nothing_gives_no_reason() {
    let mut sim = Sim::always(Settings::default(), plans::serial(&[TO_BOB]));
    sim.callee(BOB, Script::rings());
    let invite = call(&mut sim, ms(100));
    sim.send(alice(), invite.hop_by_hop("CANCEL", None).text());
    sim.run_for(ms(100));
    assert!(reasons(&sim, BOB).is_empty());
    sim.run_to_end();
}
