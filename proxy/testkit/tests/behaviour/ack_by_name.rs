//! ACKs that wait for an address, and those that go nowhere.

use sigbox_core::{Counter, Input, Settings};
use sigbox_testkit::{Request, Script, Sim, plans};

use crate::bare::Bare;
use crate::world::*;

/// RFC 3261 §16.11
#[test]
fn t9_the_ack_of_an_answer_made_without_a_transaction_goes_nowhere() {
    let mut sim = silent(Settings::default());
    sim.input(Input::Drain);
    let bob = sim.callee(BOB, Script::rings());
    let route = "Route: <sip:192.0.2.1:5060;lr>";
    let mut invite = invite().with(route);
    invite.uri = "sip:bob@192.0.2.20".into();
    sim.send(alice(), invite.text());
    sim.run_for(ms(10));
    let refusal = sim.first(alice(), "503").text.clone();
    let ack = invite.hop_by_hop("ACK", Some(&refusal)).with(route);
    sim.send(alice(), ack.text());
    sim.run_for(ms(10));
    assert!(sim.seen(bob).is_empty(), "{:?}", sim.labels(bob));
    sim.run_to_end();
}

#[test]
fn lingering_transactions_do_not_count_against_an_ack() {
    let mut settings = Settings::default();
    settings.limits.transactions = 1;
    let mut sim = Sim::always(settings, plans::serial(&[TO_BOB]));
    sim.names.insert(
        "phone.example.net".into(),
        vec!["192.0.2.20".parse().unwrap()],
    );
    let bob = sim.callee(BOB, Script::answers(0));
    let invite = call(&mut sim, ms(50));
    let answer = sim.first(alice(), "200").text.clone();
    assert_eq!((sim.core.live(), sim.core.len()), (0, 1));
    let mut ack = invite.in_dialog("ACK", &answer, 1);
    ack.uri = "sip:callee@phone.example.net".into();
    sim.send(alice(), ack.text());
    sim.run_for(ms(50));
    assert_eq!(sim.labels(bob), ["INVITE", "ACK"]);
    sim.run_to_end();
}

#[test]
fn an_ack_that_finds_no_address_in_time_is_counted() {
    let mut bare = Bare::new(Settings::default(), "192.0.2.1:5060");
    let mut ack = Request::new("ACK", "sip:bob@gw.example.net", alice(), "s");
    ack.to.push_str(";tag=t");
    let ack = ack.with("Route: <sip:192.0.2.1:5060;lr>");
    bare.receive(alice(), &ack.text());
    assert_eq!(bare.core.len(), 1);
    bare.run_for(secs(10));
    assert_eq!(bare.core.len(), 0);
    assert_eq!(bare.counters.count(Counter::DropUnroutable), 1);
}
