//! T9: an ACK that belongs to nothing.

use sigbox_core::{Counter, Settings};
use sigbox_testkit::{Request, Script, Sim, plans};

use crate::world::*;

#[test]
fn t9_no_reply_ever_and_no_transaction() {
    let mut sim = silent(Settings::default());
    for number in 0..1_000 {
        let mut ack = Request::new("ACK", "sip:bob@192.0.2.20", alice(), &format!("s{number}"));
        if number % 2 == 0 {
            ack.to.push_str(";tag=wrong");
        }
        sim.send(alice(), ack.text());
    }
    sim.run_for(secs(1));
    assert!(sim.seen(alice()).is_empty());
    assert_eq!(sim.core.len(), 0);
    assert_eq!(sim.count(Counter::DropStrayAck), 1_000);
}

#[test]
fn t9_an_ack_outside_any_dialog_is_not_relayed_though_it_names_our_route() {
    let mut sim = silent(Settings::default());
    let bob = sim.callee(BOB, Script::rings());
    let ack = Request::new("ACK", "sip:bob@192.0.2.20", alice(), "s");
    sim.send(alice(), ack.with("Route: <sip:192.0.2.1:5060;lr>").text());
    sim.run_for(secs(1));
    assert!(sim.seen(bob).is_empty());
    assert_eq!(sim.count(Counter::DropStrayAck), 1);
}

/// RFC 3261 §17.2.3
#[test]
fn t9_an_ack_with_the_wrong_branch_does_not_confirm_a_failure() {
    let mut sim = Sim::always(Settings::default(), plans::reject(404));
    let invite = call(&mut sim, ms(10));
    let failure = sim.first(alice(), "404").text.clone();
    let mut ack = invite.hop_by_hop("ACK", Some(&failure));
    ack.branch = "z9hG4bK-another".into();
    sim.send(alice(), ack.text());
    sim.run_for(secs(2));
    assert_eq!(
        sim.labels(alice()),
        ["100", "404", "404", "404"],
        "still retransmitted"
    );
    sim.run_to_end();
}

/// RFC 3261 §17.2.3
#[test]
fn t14_a_branch_in_upper_case_is_the_same_branch() {
    let mut sim = Sim::always(Settings::default(), plans::reject(404));
    let invite = call(&mut sim, ms(10));
    let failure = sim.first(alice(), "404").text.clone();
    let mut ack = invite.hop_by_hop("ACK", Some(&failure));
    ack.branch = ack.branch.to_uppercase();
    sim.send(alice(), ack.text());
    sim.run_for(secs(2));
    assert_eq!(sim.labels(alice()), ["100", "404"]);
    sim.run_to_end();
}

/// RFC 3261 §17.2.3
#[test]
fn t14_an_rfc_2543_peer_without_the_cookie_is_matched_by_the_rest() {
    let mut sim = Sim::always(Settings::default(), plans::reject(404));
    sim.callee(BOB, Script::dead());
    let mut invite = invite();
    invite.branch = "1".into();
    sim.send(alice(), invite.text());
    sim.send(alice(), invite.text());
    sim.run_for(ms(10));
    assert_eq!(sim.asked.len(), 1);
    let failure = sim.first(alice(), "404").text.clone();
    sim.send(alice(), invite.hop_by_hop("ACK", Some(&failure)).text());
    let before = sim.seen(alice()).len();
    sim.run_for(secs(3));
    assert_eq!(sim.seen(alice()).len(), before);
    sim.run_to_end();
}
