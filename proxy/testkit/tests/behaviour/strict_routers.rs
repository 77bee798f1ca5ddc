//! T12: elements of RFC 2543, whose Route takes the place of the Request-URI (RFC 3261 §16.4, §16.6 step 6).

use sigbox_core::Settings;
use sigbox_testkit::{Request, Script, Sim, field, fields, plans};

use crate::world::*;

const STRICT: &str = "192.0.2.60:5060";

/// A call that is up, and Alice's BYE in it.
fn call_and_bye() -> (Sim, Request) {
    let mut sim = Sim::always(Settings::default(), plans::serial(&[TO_BOB]));
    sim.callee(BOB, Script::answers(0));
    let invite = call(&mut sim, ms(50));
    acknowledge(&mut sim, &invite);
    sim.run_for(ms(10));
    let answer = sim.first(alice(), "200").text.clone();
    (sim, invite.in_dialog("BYE", &answer, 2))
}

/// The URI of our Route in a request.
fn own_uri(request: &Request) -> String {
    let own = field(&request.headers, "Route").unwrap();
    own.trim_matches(['<', '>']).to_owned()
}

/// RFC 3261 §16.4, §16.12
#[test]
fn t12_a_strict_router_before_us_has_put_the_request_uri_last() {
    let (mut sim, mut bye) = call_and_bye();
    let (own, remote) = (own_uri(&bye), bye.uri.clone());
    bye.uri = own;
    bye.headers = format!("Max-Forwards: 70\r\nRoute: <{remote}>\r\n");
    sim.send(alice(), bye.text());
    sim.run_for(ms(20));
    let got = &sim.first(BOB.parse().unwrap(), "BYE").text;
    assert!(
        got.starts_with(&format!("BYE {remote} SIP/2.0\r\n")),
        "{got}"
    );
    assert_eq!(fields(got, "Route").count(), 0, "{got}");
    assert_eq!(sim.seen(alice()).last().unwrap().label(), "200");
    sim.run_to_end();
}

#[test]
fn t12_the_routes_between_are_kept() {
    let (mut sim, mut bye) = call_and_bye();
    let next = sim.callee(STRICT, Script::answers(0));
    let (own, remote) = (own_uri(&bye), bye.uri.clone());
    bye.uri = own;
    bye.headers = format!(
        "Max-Forwards: 70\r\nRoute: <sip:192.0.2.60;lr>, <sip:192.0.2.61;lr>\r\nRoute: <{remote}>\r\n"
    );
    sim.send(alice(), bye.text());
    sim.run_for(ms(20));
    let got = &sim.first(next, "BYE").text;
    assert!(
        got.starts_with(&format!("BYE {remote} SIP/2.0\r\n")),
        "{got}"
    );
    let routes: Vec<_> = fields(got, "Route").collect();
    assert_eq!(routes, ["<sip:192.0.2.60;lr>", "<sip:192.0.2.61;lr>"]);
}

/// RFC 3261 §16.6 step 6, §16.12
#[test]
fn t12_a_strict_router_after_us_gets_its_own_uri_and_the_request_uri_last() {
    let (mut sim, mut bye) = call_and_bye();
    let next = sim.callee(STRICT, Script::answers(0));
    let remote = bye.uri.clone();
    bye.headers
        .push_str("Route: <sip:192.0.2.60>\r\nRoute: <sip:192.0.2.61;lr>\r\n");
    sim.send(alice(), bye.text());
    sim.run_for(ms(20));
    let got = &sim.first(next, "BYE").text;
    assert!(got.starts_with("BYE sip:192.0.2.60 SIP/2.0\r\n"), "{got}");
    let routes: Vec<_> = fields(got, "Route").collect();
    assert_eq!(
        routes,
        ["<sip:192.0.2.61;lr>", format!("<{remote}>").as_str()]
    );
}

#[test]
fn t12_a_last_route_that_is_no_address_is_refused() {
    let (mut sim, mut bye) = call_and_bye();
    bye.uri = own_uri(&bye);
    bye.headers = "Max-Forwards: 70\r\nRoute: <not a uri\r\n".into();
    sim.send(alice(), bye.text());
    sim.run_for(ms(20));
    assert_eq!(sim.labels(BOB.parse().unwrap()), ["INVITE", "ACK"]);
    assert_eq!(sim.seen(alice()).last().unwrap().label(), "400");
}

#[test]
fn t12_a_route_set_of_our_own_only_leads_nowhere() {
    let (mut sim, mut bye) = call_and_bye();
    let own = own_uri(&bye);
    bye.headers = format!("Max-Forwards: 70\r\nRoute: <{own}>\r\n");
    bye.uri = own;
    sim.send(alice(), bye.text());
    sim.run_for(ms(50));
    assert_eq!(sim.labels(BOB.parse().unwrap()), ["INVITE", "ACK"]);
    let answer = sim.seen(alice()).last().unwrap().status();
    assert!(answer >= 400, "{answer}");
    sim.run_to_end();
}
