//! Service URNs (RFC 5031): an emergency call is for a decider or a rule to route.

use sigbox_core::{Counter, Route, Settings, Target};
use sigbox_testkit::{Request, Script, Sim, plans};

use crate::world::*;

#[test]
fn an_emergency_call_goes_where_the_decider_says() {
    let route = Route {
        uri: Some(Target::parse("sip:psap@192.0.2.20").unwrap()),
        ..Route::default()
    };
    let mut sim = Sim::always(Settings::default(), plans::plan(vec![route]));
    let bob = sim.callee(BOB, Script::answers(0));
    let invite = Request::new("INVITE", "urn:service:sos.fire", alice(), "e1");
    sim.send(alice(), invite.text());
    sim.run_for(ms(100));
    assert_eq!(sim.asked[0].uri, "urn:service:sos.fire");
    let got = &sim.first(bob, "INVITE").text;
    assert!(
        got.starts_with("INVITE sip:psap@192.0.2.20 SIP/2.0\r\n"),
        "{got}"
    );
    assert!(got.contains("\r\nTo: <urn:service:sos.fire>\r\n"), "{got}");
    acknowledge(&mut sim, &invite);
    sim.run_to_end();
}

#[test]
fn with_nowhere_to_send_it_the_caller_hears_so() {
    let mut sim = Sim::always(Settings::default(), plans::plan(vec![Route::default()]));
    let invite = Request::new("INVITE", "urn:service:sos", alice(), "e1");
    sim.send(alice(), invite.text());
    sim.run_for(ms(100));
    assert_eq!(sim.labels(alice()), ["100", "503"]);
    acknowledge_failure(&mut sim, &invite, "503");
    sim.run_to_end();
}

#[test]
fn other_schemes_are_416() {
    let mut sim = silent(Settings::default());
    let request = Request::new("MESSAGE", "mailto:bob@example.com", alice(), "m1");
    sim.send(alice(), request.text());
    sim.run_for(ms(10));
    assert_eq!(sim.labels(alice()), ["416"]);
    assert_eq!(sim.count(Counter::RejectScheme), 1);
}

#[test]
fn there_is_a_reserve_for_emergency_calls() {
    let mut settings = Settings::default();
    settings.limits.transactions = 4;
    settings.limits.suspended = 4;
    let mut sim = silent(settings);
    let mut calls = |uri: &str, from: u32, count: u32| -> Vec<u16> {
        for number in from..from + count {
            let call = Request::new("INVITE", uri, alice(), &number.to_string());
            sim.send(alice(), call.text());
        }
        sim.run_for(ms(10));
        let finals = sim.seen(alice()).iter().map(|seen| seen.status());
        finals.filter(|status| *status >= 200).collect()
    };
    assert_eq!(calls("sip:bob@example.com", 0, 6), [503, 503]);
    assert_eq!(calls("urn:service:sos", 10, 1), [503, 503]);
    assert_eq!(sim.asked.len(), 5);
    sim.run_to_end();
}
