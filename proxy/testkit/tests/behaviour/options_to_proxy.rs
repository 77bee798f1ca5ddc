//! Requests the proxy answers itself.

use sigbox_core::{Counter, Input, Settings};
use sigbox_testkit::{Request, Script, Sim, plans};

use crate::world::*;

#[test]
fn options_to_the_proxy_is_answered_here_without_a_transaction() {
    let mut sim = silent(Settings::default());
    sim.send(
        alice(),
        Request::new("OPTIONS", "sip:192.0.2.1", alice(), "o1").text(),
    );
    sim.run_for(ms(10));
    let text = &sim.first(alice(), "200").text;
    assert!(text.contains("\r\nAllow: INVITE, ACK, ") && text.contains("\r\nAccept: "));
    assert!(sim.asked.is_empty());
    assert_eq!(sim.core.len(), 0);
}

#[test]
fn options_to_somebody_is_asked_about() {
    let mut sim = Sim::always(Settings::default(), plans::serial(&[TO_BOB]));
    let bob = sim.callee(BOB, Script::rings());
    sim.send(
        alice(),
        Request::new("OPTIONS", "sip:bob@192.0.2.1", alice(), "o2").text(),
    );
    sim.run_for(ms(10));
    assert_eq!(sim.labels(bob), ["OPTIONS"]);
    assert_eq!(sim.labels(alice()), ["200"]);
    sim.run_to_end();
}

/// RFC 3261 §16.3 step 5
#[test]
fn an_unsupported_extension_is_420_and_names_it() {
    let mut sim = silent(Settings::default());
    sim.send(
        alice(),
        invite().with("Proxy-Require: sec-agree, foo").text(),
    );
    sim.run_for(ms(10));
    let text = &sim.first(alice(), "420").text;
    assert!(
        text.contains("\r\nUnsupported: sec-agree, foo\r\n"),
        "{text}"
    );
    assert_eq!(sim.count(Counter::RejectExtension), 1);
}

/// RFC 3261 §16.3 step 2
#[test]
fn an_unknown_scheme_is_416() {
    let mut sim = silent(Settings::default());
    sim.send(
        alice(),
        Request::new("INVITE", "http://example.com", alice(), "h").text(),
    );
    sim.run_for(ms(10));
    assert_eq!(sim.labels(alice()), ["416"]);
}

#[test]
fn d15_a_draining_proxy_refuses_new_calls_and_finishes_those_it_has() {
    let mut sim = Sim::always(Settings::default(), plans::serial(&[TO_BOB]));
    let bob = sim.callee(BOB, Script::answers(500));
    let first = call(&mut sim, ms(50));
    sim.input(Input::Drain);
    let mut second = invite();
    second.branch = "z9hG4bK-second".into();
    second.call_id = "second".into();
    sim.send(alice(), second.text());
    sim.run_for(ms(10));
    let refused = sim.first(alice(), "503").text.clone();
    let after: u64 = sigbox_testkit::field(&refused, "Retry-After")
        .unwrap()
        .parse()
        .unwrap();
    assert!((2..=10).contains(&after));
    sim.run_for(secs(1));
    acknowledge(&mut sim, &first);
    let answer = sim.first(alice(), "200").text.clone();
    sim.send(alice(), first.in_dialog("BYE", &answer, 2).text());
    sim.run_for(ms(50));
    assert_eq!(sim.labels(bob), ["INVITE", "ACK", "BYE"]);
    assert_eq!(sim.core.live(), 0);
    sim.run_to_end();
}

#[test]
fn d15_an_answered_call_is_waited_for_until_its_ack_can_have_come() {
    let mut sim = Sim::always(Settings::default(), plans::serial(&[TO_BOB]));
    sim.callee(BOB, Script::answers(100));
    assert_eq!(sim.core.expects_ack_until(), None);
    call(&mut sim, secs(1));
    assert_eq!(sim.core.live(), 0);
    let until = sim.core.expects_ack_until().unwrap();
    assert_eq!(until.as_millis(), 103 + 4 * 500);
    sim.run_to_end();
}
