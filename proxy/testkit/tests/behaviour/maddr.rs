//! A maddr in a URI: the request is sent there, and one that it led here goes on without (RFC 3261 §16.4, RFC 3263 §4).

use sigbox_core::{Route, Settings, Target};
use sigbox_testkit::{Request, Script, Sim, plans};

use crate::world::*;

#[test]
fn a_request_is_sent_to_the_maddr() {
    let route = Route {
        uri: Some(Target::parse("sip:bob@example.com;maddr=192.0.2.20").unwrap()),
        ..Route::default()
    };
    let mut sim = Sim::always(Settings::default(), plans::plan(vec![route]));
    let bob = sim.callee(BOB, Script::answers(0));
    let invite = call(&mut sim, ms(100));
    assert_eq!(sim.labels(bob), ["INVITE"]);
    acknowledge(&mut sim, &invite);
    sim.run_to_end();
}

#[test]
fn a_maddr_that_is_no_host_leads_nowhere() {
    assert!(Target::parse("sip:bob@example.com;maddr=a%20b").is_err());
    assert!(Target::parse("sip:bob@example.com;maddr=1.2.3.256").is_err());
}

#[test]
fn our_own_is_taken_away_with_its_port_and_transport() {
    for (came, goes) in [
        ("sip:bob@example.com;maddr=192.0.2.1", "sip:bob@example.com"),
        (
            "sips:bob:pw@Example.com:5060;x=y;MADDR=192.0.2.1;transport=udp;lr",
            "sips:bob:pw@Example.com;x=y;lr",
        ),
        (
            "sip:bob@example.com;maddr=192.0.2.9",
            "sip:bob@example.com;maddr=192.0.2.9",
        ),
        (
            "sip:bob@example.com:5070;maddr=192.0.2.1",
            "sip:bob@example.com:5070;maddr=192.0.2.1",
        ),
        (
            "sip:bob;maddr=192.0.2.1@example.com",
            "sip:bob;maddr=192.0.2.1@example.com",
        ),
    ] {
        let mut sim = Sim::always(Settings::default(), plans::serial(&[TO_BOB]));
        let bob = sim.callee(BOB, Script::answers(0));
        let message = Request::new("MESSAGE", came, alice(), "m1");
        sim.send(alice(), message.text());
        sim.run_for(ms(10));
        assert_eq!(sim.asked[0].uri, goes);
        let first = sim
            .first(bob, "MESSAGE")
            .text
            .lines()
            .next()
            .unwrap()
            .to_owned();
        assert_eq!(first, format!("MESSAGE {goes} SIP/2.0"));
        sim.run_to_end();
    }
}
