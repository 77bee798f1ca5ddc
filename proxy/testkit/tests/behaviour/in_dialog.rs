//! D10: what belongs to a dialog never goes to a decider.

use sigbox_core::{Counter, FallbackCause, Settings};
use sigbox_testkit::{Request, Script, Sim, plans};

use crate::world::*;

fn answered_call(sim: &mut Sim) -> (Request, String) {
    let invite = call(sim, ms(100));
    acknowledge(sim, &invite);
    sim.run_for(ms(10));
    (invite, sim.first(alice(), "200").text.clone())
}

/// RFC 3261 §16.4, §16.12, RFC 3262, RFC 3311
#[test]
fn d10_requests_in_a_dialog_follow_their_route_set_with_nats_down() {
    let settings = falling_back_to(plans::serial(&[TO_BOB]));
    let mut sim = failing(settings, FallbackCause::Disconnected);
    let bob = sim.callee(BOB, Script::answers(0));
    let (invite, answer) = answered_call(&mut sim);
    let asked = sim.asked.len();
    for (number, method) in (2..).zip(["PRACK", "UPDATE", "INFO", "INVITE", "BYE"]) {
        sim.send(alice(), invite.in_dialog(method, &answer, number).text());
        sim.run_for(ms(20));
        let got = sim.seen(bob).last().unwrap();
        assert_eq!(got.label(), method);
        assert!(!got.text.contains("\r\nRoute:"), "our Route is taken away");
        assert_eq!(sim.seen(alice()).last().unwrap().label(), "200");
    }
    assert_eq!(sim.asked.len(), asked);
    sim.run_to_end();
}

#[test]
fn d10_the_callee_hangs_up() {
    let mut sim = Sim::always(Settings::default(), plans::serial(&[TO_BOB]));
    let bob = sim.callee(BOB, Script::answers(0));
    sim.callee("192.0.2.10:5060", Script::dead());
    let (_, answer) = answered_call(&mut sim);
    // Bob's view of the dialog: From and To swapped, the Record-Route as it came.
    let invite = sim.first(bob, "INVITE").text.clone();
    let mut bye = Request::new("BYE", "sip:alice@192.0.2.10:5060", bob, "c1");
    bye.call_id = sigbox_testkit::field(&invite, "Call-ID").unwrap().into();
    bye.from = sigbox_testkit::field(&answer, "To").unwrap().into();
    bye.to = sigbox_testkit::field(&invite, "From").unwrap().into();
    let route = sigbox_testkit::field(&invite, "Record-Route").unwrap();
    bye.headers = format!("Max-Forwards: 70\r\nRoute: {route}\r\n");
    sim.send(bob, bye.text());
    sim.run_for(ms(10));
    assert_eq!(sim.seen(alice()).last().unwrap().label(), "BYE");
    assert_eq!(sim.asked.len(), 1);
    sim.run_to_end();
}

#[test]
fn t10_a_request_for_a_dialog_that_never_came_through_here_is_481() {
    let mut sim = silent(Settings::default());
    for method in ["BYE", "INFO", "INVITE", "UPDATE"] {
        let mut request = Request::new(method, "sip:bob@192.0.2.20", alice(), method);
        request.to.push_str(";tag=unknown");
        sim.send(alice(), request.text());
        sim.run_for(ms(10));
        assert_eq!(sim.seen(alice()).last().unwrap().label(), "481", "{method}");
    }
    assert!(sim.asked.is_empty());
    assert_eq!(sim.count(Counter::RejectNoDialog), 4);
    assert_eq!(sim.core.len(), 0);
}
