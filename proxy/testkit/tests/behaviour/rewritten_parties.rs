//! From and To that a decider rewrote stay what they are for each side, in the whole dialog.

use std::net::SocketAddr;

use sigbox_core::{HeaderEdits, Party, Route, Settings};
use sigbox_testkit::{Request, Script, Sim, field, plans, response_to};

use crate::world::*;

const CALLER: &str = "\"Alice\" <sip:alice@192.0.2.10:5060>;tag=a-c1";
const CALLEE: &str = "<sip:+4930123@example.com>;tag=tag-of-192.0.2.20";
const CALLER_THERE: &str = "\"Office\" <sip:100@pbx.example>;tag=a-c1";
const CALLEE_THERE: &str = "<sip:bob@carrier.example>;tag=tag-of-192.0.2.20";

fn rewriting(record_route: bool) -> Sim {
    let mut edits = HeaderEdits::new();
    let party = |display: &str, uri: &str| Party {
        display: Some(display.into()),
        uri: Some(uri.into()),
    };
    edits.from(party("Office", "sip:100@pbx.example")).unwrap();
    edits.to(party("", "sip:bob@carrier.example")).unwrap();
    let route = Route {
        edits: Some(Box::new(edits)),
        ..plans::route(TO_BOB, 0)
    };
    let settings = Settings {
        record_route,
        ..Settings::default()
    };
    let mut sim = Sim::always(settings, plans::plan(vec![route]));
    sim.callee(BOB, Script::answers(0));
    sim.callee("192.0.2.10:5060", Script::answers(0));
    sim
}

fn bob() -> SocketAddr {
    BOB.parse().unwrap()
}

fn parties(text: &str) -> [&str; 2] {
    [field(text, "From").unwrap(), field(text, "To").unwrap()]
}

/// What Bob sends within the dialog of the INVITE he got.
fn from_bob(sim: &Sim, method: &str, cseq: u32) -> Request {
    let invite = &sim.first(bob(), "INVITE").text;
    let mut request = Request::new(method, "sip:alice@192.0.2.10:5060", bob(), "c1");
    request.branch = format!("z9hG4bK-bob-{method}-{cseq}");
    request.cseq = cseq;
    request.from = CALLEE_THERE.into();
    request.to = field(invite, "From").unwrap().into();
    let route = field(invite, "Record-Route").unwrap();
    request.headers = format!("Max-Forwards: 70\r\nRoute: {route}\r\n");
    request
}

/// The last message with that label at a phone.
fn last(sim: &Sim, phone: SocketAddr, label: &str) -> String {
    let mut seen = sim.seen(phone).iter().filter(|seen| seen.label() == label);
    seen.next_back().unwrap().text.clone()
}

#[test]
fn both_ends_see_one_dialog_from_the_invite_to_the_bye() {
    for record_route in [true, false] {
        let mut sim = rewriting(record_route);
        let invite = call(&mut sim, ms(100));
        assert_eq!(parties(&last(&sim, bob(), "INVITE"))[0], CALLER_THERE);
        assert_eq!(parties(&last(&sim, alice(), "200")), [CALLER, CALLEE]);
        let answer = last(&sim, alice(), "200");
        acknowledge(&mut sim, &invite);
        sim.run_for(ms(10));
        assert_eq!(
            parties(&last(&sim, bob(), "ACK")),
            [CALLER_THERE, CALLEE_THERE]
        );

        // Alice changes the session.
        sim.send(alice(), invite.in_dialog("INVITE", &answer, 2).text());
        sim.run_for(ms(50));
        assert_eq!(
            parties(&last(&sim, bob(), "INVITE")),
            [CALLER_THERE, CALLEE_THERE]
        );
        assert_eq!(parties(&last(&sim, alice(), "200")), [CALLER, CALLEE]);
        sim.send(alice(), invite.in_dialog("ACK", &answer, 2).text());
        sim.run_for(ms(10));
        assert_eq!(
            parties(&last(&sim, bob(), "ACK")),
            [CALLER_THERE, CALLEE_THERE]
        );

        // Bob does, and hangs up.
        for (method, cseq) in [("INVITE", 7), ("ACK", 7), ("BYE", 8)] {
            sim.send(bob(), from_bob(&sim, method, cseq).text());
            sim.run_for(ms(50));
            assert_eq!(
                parties(&last(&sim, alice(), method)),
                [CALLEE, CALLER],
                "{method}"
            );
        }
        assert_eq!(
            parties(&last(&sim, bob(), "200")),
            [CALLEE_THERE, CALLER_THERE]
        );
        assert_eq!(sim.asked.len(), 1);
        sim.run_to_end();
    }
}

#[test]
fn the_caller_may_hang_up_too_and_through_a_second_core() {
    let mut sim = rewriting(true);
    let invite = call(&mut sim, ms(100));
    let answer = last(&sim, alice(), "200");
    // Nothing is remembered: another process, with another secret, has all it needs.
    let mut other = rewriting(true);
    other.send(alice(), invite.in_dialog("BYE", &answer, 2).text());
    other.run_for(ms(50));
    assert_eq!(
        parties(&last(&other, bob(), "BYE")),
        [CALLER_THERE, CALLEE_THERE]
    );
    assert_eq!(parties(&last(&other, alice(), "200")), [CALLER, CALLEE]);
    acknowledge(&mut sim, &invite);
    sim.run_to_end();
    other.run_to_end();
}

#[test]
fn a_2xx_that_comes_again_long_after_is_turned_back_too() {
    let mut sim = rewriting(true);
    let invite = call(&mut sim, ms(100));
    let answer = last(&sim, bob(), "INVITE");
    let again = response_to(&answer, 200, "tag-of-192.0.2.20", bob());
    for _ in 0..2 {
        sim.send(bob(), again.clone());
        sim.run_for(secs(1));
        assert_eq!(sim.core.live(), 0);
    }
    let answers = sim
        .seen(alice())
        .iter()
        .filter(|seen| seen.label() == "200");
    let seen: Vec<_> = answers.map(|seen| parties(&seen.text)).collect();
    assert_eq!(seen, [[CALLER, CALLEE]; 3]);
    acknowledge(&mut sim, &invite);
    sim.run_to_end();
}
