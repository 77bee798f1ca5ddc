//! A redirect server: what would be forwarded is answered with its targets (RFC 3261 §8.3).

use sigbox_core::{FallbackCause, Role, Route, Settings, Target};
use sigbox_testkit::{Request, Sim, fields, plans};

use crate::world::*;

fn redirecting(settings: Settings) -> Settings {
    Settings {
        role: Role::RedirectServer,
        ..settings
    }
}

fn contacts(sim: &Sim) -> Vec<String> {
    let text = &sim.first(alice(), "302").text;
    fields(text, "Contact").map(str::to_owned).collect()
}

#[test]
fn a_decisions_routes_are_contacts_in_order() {
    let to = |uri: &str, group| Route {
        uri: Some(Target::parse(uri).unwrap()),
        group,
        ..Route::default()
    };
    let plan = plans::plan(vec![
        to("sip:bob@192.0.2.20", 0),
        to("sip:bob@192.0.2.21", 0),
        plans::route("sip:192.0.2.30:5070;transport=tcp", 1),
    ]);
    let mut sim = Sim::always(redirecting(Settings::default()), plan);
    let invite = call(&mut sim, ms(100));
    assert_eq!(
        contacts(&sim),
        [
            "<sip:bob@192.0.2.20>;q=1.000",
            "<sip:bob@192.0.2.21>;q=1.000",
            "<sip:+4930123@192.0.2.30:5070;transport=tcp>;q=0.900",
        ]
    );
    acknowledge_failure(&mut sim, &invite, "302");
    sim.run_to_end();
}

#[test]
fn so_are_those_of_the_fallback_rules() {
    let settings = redirecting(falling_back_to(plans::serial(&[TO_BOB])));
    let mut sim = failing(settings, FallbackCause::NoResponders);
    let register = Request::new("MESSAGE", "sip:bob@example.com", alice(), "m");
    sim.send(alice(), register.text());
    sim.run_for(ms(10));
    assert_eq!(contacts(&sim), ["<sip:bob@192.0.2.20>"]);
    sim.run_to_end();
}

#[test]
fn nothing_is_forwarded_whatever_tag_and_route_it_has() {
    let settings = redirecting(Settings::default());
    let mut sim = Sim::always(settings, plans::serial(&[TO_BOB]));
    for method in ["INVITE", "ACK", "BYE", "MESSAGE"] {
        let mut request = Request::new(method, "sip:bob@192.0.2.20", alice(), method);
        request.to.push_str(";tag=made-up");
        let request = request.with("Route: <sip:192.0.2.1:5060;lr>");
        sim.send(alice(), request.text());
        sim.run_for(ms(10));
    }
    assert!(sim.seen(BOB.parse().unwrap()).is_empty());
    assert_eq!(sim.labels(alice()), ["481", "481", "481"]);
}
