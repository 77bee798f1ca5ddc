//! Targets that are host names.

use sigbox_core::{Counter, Settings};
use sigbox_testkit::{Script, Sim, plans};

use crate::bare::{Bare, ruled};
use crate::world::*;

/// RFC 3261 §16.6 step 7
#[test]
fn a_name_is_looked_up_before_the_branch_is_sent() {
    let mut sim = Sim::always(Settings::default(), plans::serial(&["sip:gw.example.net"]));
    // An address family without a socket is passed over.
    let addresses = ["2001:db8::1", "192.0.2.20"].map(|ip| ip.parse().unwrap());
    sim.names
        .insert("gw.example.net".into(), addresses.to_vec());
    let bob = sim.callee(BOB, Script::answers(0));
    call(&mut sim, ms(50));
    assert_eq!(sim.labels(bob), ["INVITE"]);
    assert_eq!(sim.labels(alice()), ["100", "180", "200"]);
    sim.run_to_end();
}

/// RFC 3261 §16.9
#[test]
fn t13_a_name_without_an_address_leads_to_the_next_route() {
    let mut sim = Sim::always(
        Settings::default(),
        plans::serial(&["sip:nowhere.invalid", TO_BOB]),
    );
    sim.callee(BOB, Script::answers(0));
    call(&mut sim, ms(50));
    assert_eq!(sim.labels(alice()), ["100", "180", "200"]);
    assert_eq!(sim.count(Counter::BranchUnresolved), 1);
    sim.run_to_end();
}

#[test]
fn a_caller_that_hangs_up_during_the_lookup_gets_487_and_nothing_is_sent() {
    let mut sim = Sim::always(Settings::default(), plans::serial(&["sip:gw.example.net"]));
    sim.names
        .insert("gw.example.net".into(), vec!["192.0.2.20".parse().unwrap()]);
    let bob = sim.callee(BOB, Script::answers(0));
    let invite = call(&mut sim, ms(3));
    sim.send(alice(), invite.hop_by_hop("CANCEL", None).text());
    sim.run_for(ms(50));
    assert_eq!(sim.labels(alice()), ["100", "200", "487"]);
    assert!(sim.seen(bob).is_empty());
    sim.run_to_end();
}

#[test]
fn a_route_to_the_proxy_itself_is_not_sent() {
    let mut sim = Sim::always(
        Settings::default(),
        plans::serial(&["sip:192.0.2.1", TO_BOB]),
    );
    sim.callee(BOB, Script::answers(0));
    call(&mut sim, ms(50));
    assert_eq!(sim.count(Counter::BranchSelf), 1);
    assert_eq!(sim.labels(alice()), ["100", "180", "200"]);
    sim.run_to_end();
}

#[test]
fn t13_a_lookup_that_is_never_answered_fails_its_branch() {
    let mut bare = Bare::new(
        ruled(plans::serial(&["sip:gw.example.net"])),
        "192.0.2.1:5060",
    );
    bare.receive(alice(), &invite().text());
    let sent = bare.run_for(secs(600));
    assert!(!sent.is_empty(), "no final response");
    assert_eq!(bare.core.len(), 0);
}
