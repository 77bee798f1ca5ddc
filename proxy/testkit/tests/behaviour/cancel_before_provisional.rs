//! T1: the caller hangs up before the callee has said anything.

use sigbox_core::Settings;
use sigbox_testkit::{Script, Sim, plans};

use crate::world::*;

/// RFC 3261 §9.1, §16.10
#[test]
fn t1_cancel_is_held_until_the_first_provisional_response() {
    let mut sim = Sim::always(Settings::default(), plans::serial(&[TO_BOB]));
    let bob = sim.callee(BOB, Script::responds(&[(300, 100)]));
    let invite = call(&mut sim, ms(50));
    sim.send(alice(), invite.hop_by_hop("CANCEL", None).text());
    sim.run_for(ms(200));
    assert_eq!(sim.labels(alice()), ["100", "200"]);
    assert_eq!(sim.labels(bob), ["INVITE"]);
    sim.run_for(ms(200));
    assert_eq!(sim.labels(bob), ["INVITE", "CANCEL", "ACK"]);
    assert_eq!(sim.labels(alice()), ["100", "200", "487"]);
    acknowledge_failure(&mut sim, &invite, "487");
    sim.run_to_end();
}

#[test]
fn t1_the_cancel_is_the_invites_on_that_hop() {
    let mut sim = Sim::always(Settings::default(), plans::serial(&[TO_BOB]));
    let bob = sim.callee(BOB, Script::rings());
    let invite = call(&mut sim, ms(50));
    sim.send(alice(), invite.hop_by_hop("CANCEL", None).text());
    sim.run_for(ms(50));
    let sent = sim.first(bob, "INVITE").text.clone();
    let cancel = sim.first(bob, "CANCEL").text.clone();
    // RFC 3261 §9.1: Request-URI, Call-ID, To, From, CSeq number and top Via are the INVITE's.
    for name in ["Via", "From", "To", "Call-ID"] {
        assert_eq!(
            sigbox_testkit::field(&cancel, name),
            sigbox_testkit::field(&sent, name)
        );
    }
    assert_eq!(cancel.matches("\r\nVia: ").count(), 1);
    assert!(cancel.contains("\r\nCSeq: 1 CANCEL\r\n"));
    assert_eq!(cancel.split(' ').nth(1), sent.split(' ').nth(1));
}

#[test]
fn t1_a_callee_that_never_speaks_is_given_up_with_487() {
    let mut sim = Sim::always(Settings::default(), plans::serial(&[TO_BOB]));
    let bob = sim.callee(BOB, Script::dead());
    let invite = call(&mut sim, ms(50));
    sim.send(alice(), invite.hop_by_hop("CANCEL", None).text());
    sim.run_for(secs(33));
    assert!(!sim.labels(bob).contains(&"CANCEL".into()));
    assert_eq!(sim.first(alice(), "487").at_ms / 1_000, 32);
    sim.run_to_end();
}
