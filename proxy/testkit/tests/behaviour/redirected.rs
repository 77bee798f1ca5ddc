//! 3xx responses of targets: passed on, followed, or told to the decider (RFC 3261 §16.7 step 4).

use sigbox_core::{
    Action, Condition, Failover, HeaderEdits, Plan, Redirects, Route, RoutePlan, Rule, Settings,
};
use sigbox_testkit::{Request, Script, Sim, Verdict, field, plans};

use crate::world::*;

const DAVE: &str = "192.0.2.40:5060";
const TO_DAVE: &str = "<sip:dave@192.0.2.40>";

fn settings(redirects: Redirects) -> Settings {
    Settings {
        redirects,
        ..Settings::default()
    }
}

/// Bob moved; then Carol, when a route of the plan.
fn moved(redirects: Redirects, contacts: &[&str]) -> Sim {
    let plan = plans::serial(&[TO_BOB, TO_CAROL]);
    let mut sim = Sim::always(settings(redirects), plan);
    sim.callee(BOB, Script::redirects(contacts));
    sim.callee(CAROL, Script::refuses(486));
    sim.callee(DAVE, Script::answers(100));
    sim
}

fn address(phone: &str) -> std::net::SocketAddr {
    phone.parse().unwrap()
}

#[test]
fn a_redirect_is_a_response_like_any_unless_configured() {
    let mut sim = Sim::always(settings(Redirects::Relay), plans::serial(&[TO_BOB]));
    sim.callee(BOB, Script::redirects(&[TO_DAVE]));
    call(&mut sim, ms(100));
    assert_eq!(
        field(&sim.first(alice(), "302").text, "Contact"),
        Some(TO_DAVE)
    );
    sim.run_to_end();
}

#[test]
fn its_contacts_are_tried_before_the_routes_that_are_left() {
    let mut sim = moved(Redirects::Follow, &[TO_DAVE]);
    let invite = call(&mut sim, secs(1));
    assert_eq!(sim.labels(alice()), ["100", "180", "200"]);
    assert_eq!(sim.labels(address(BOB)), ["INVITE", "ACK"]);
    let got = &sim.first(address(DAVE), "INVITE").text;
    assert!(
        got.starts_with("INVITE sip:dave@192.0.2.40 SIP/2.0\r\n"),
        "{got}"
    );
    assert!(sim.seen(address(CAROL)).is_empty());
    acknowledge(&mut sim, &invite);
    sim.run_to_end();
}

#[test]
fn when_they_fail_the_routes_that_are_left_follow() {
    let mut sim = moved(
        Redirects::Follow,
        &["<sip:x@192.0.2.20>;q=0.1", "<sip:y@192.0.2.20>"],
    );
    let invite = call(&mut sim, secs(1));
    // Each contact leads to Bob, who names the same two again: they are not tried twice.
    let targets = sim
        .seen(address(BOB))
        .iter()
        .filter(|seen| seen.label() == "INVITE");
    let uris: Vec<_> = targets
        .map(|seen| seen.text.split(' ').nth(1).unwrap().to_owned())
        .collect();
    assert_eq!(
        uris,
        [
            "sip:+4930123@example.com",
            "sip:y@192.0.2.20",
            "sip:x@192.0.2.20"
        ]
    );
    assert_eq!(sim.labels(address(CAROL)), ["INVITE", "ACK"]);
    assert_eq!(sim.labels(alice())[..2], ["100", "302"]);
    acknowledge_failure(&mut sim, &invite, "302");
    sim.run_to_end();
}

#[test]
fn equal_contacts_ring_together_and_keep_the_routes_headers() {
    let mut edits = HeaderEdits::new();
    edits.set("X-Trunk", "7").unwrap();
    let route = Route {
        edits: Some(Box::new(edits)),
        ..plans::route(TO_BOB, 0)
    };
    let mut sim = Sim::always(settings(Redirects::Follow), plans::plan(vec![route]));
    sim.callee(BOB, Script::redirects(&[TO_DAVE, "<sip:carol@192.0.2.30>"]));
    sim.callee(CAROL, Script::rings());
    sim.callee(DAVE, Script::answers(100));
    let invite = call(&mut sim, secs(1));
    for phone in [CAROL, DAVE] {
        let text = &sim.first(address(phone), "INVITE").text;
        assert_eq!(field(text, "X-Trunk"), Some("7"), "{phone}");
    }
    assert_eq!(sim.labels(address(CAROL)), ["INVITE", "CANCEL", "ACK"]);
    acknowledge(&mut sim, &invite);
    sim.run_to_end();
}

#[test]
fn contacts_that_lead_nowhere_leave_the_response_as_it_is() {
    let contacts = ["<mailto:bob@example.com>", "<tel:+4930>", "*"];
    let mut sim = moved(Redirects::Follow, &contacts);
    let invite = call(&mut sim, secs(1));
    assert_eq!(sim.labels(alice())[..2], ["100", "302"]);
    acknowledge_failure(&mut sim, &invite, "302");
    sim.run_to_end();
}

#[test]
fn a_secure_request_is_not_led_to_what_is_less_secure() {
    let mut sim = moved(Redirects::Follow, &[TO_DAVE]);
    let invite = Request::new("INVITE", "sips:bob@example.com", alice(), "c1");
    sim.send(alice(), invite.text());
    sim.run_for(ms(500));
    assert!(sim.seen(address(DAVE)).is_empty());
    sim.run_to_end();
}

#[test]
fn a_cancelled_call_follows_nothing() {
    let mut sim = Sim::always(settings(Redirects::Follow), plans::serial(&[TO_BOB]));
    let script = Script::responds(&[(0, 180), (200, 302)]).with(&format!("Contact: {TO_DAVE}"));
    sim.callee(
        BOB,
        Script {
            cancellable: false,
            ..script
        },
    );
    sim.callee(DAVE, Script::answers(0));
    let invite = call(&mut sim, ms(100));
    sim.send(alice(), invite.hop_by_hop("CANCEL", None).text());
    sim.run_for(ms(500));
    assert!(sim.seen(address(DAVE)).is_empty());
    sim.run_to_end();
}

#[test]
fn the_decider_is_asked_again_and_told_where() {
    let mut sim = Sim::new(settings(Redirects::Ask), |_, asked| {
        let hops: &[&str] = match asked.attempt {
            1 => &[TO_BOB, TO_CAROL],
            _ => &["sip:192.0.2.40"],
        };
        let routes = hops
            .iter()
            .zip(0..)
            .map(|(hop, group)| plans::route(hop, group));
        let plan = RoutePlan::new(routes.collect(), Failover::Any, false).unwrap();
        Verdict::After(ms(5), Ok(Plan::Route(plan)))
    });
    sim.callee(BOB, Script::redirects(&[TO_DAVE]));
    let carol = sim.callee(CAROL, Script::answers(0));
    sim.callee(DAVE, Script::answers(100));
    let invite = call(&mut sim, secs(1));
    assert_eq!(sim.asked.len(), 2);
    assert_eq!(sim.asked[1].tried, [302]);
    assert_eq!(sim.asked[1].contacts, ["sip:dave@192.0.2.40"]);
    assert!(sim.seen(carol).is_empty(), "the decider said otherwise");
    assert_eq!(sim.labels(alice()), ["100", "180", "200"]);
    acknowledge(&mut sim, &invite);
    sim.run_to_end();
}

#[test]
fn a_contact_here_is_for_whoever_decides_and_is_not_followed() {
    let mut sim = Sim::always(settings(Redirects::Follow), plans::serial(&[TO_BOB]));
    sim.callee(BOB, Script::redirects(&["<sip:carol@192.0.2.1:5060>"]));
    let invite = call(&mut sim, ms(100));
    assert_eq!(sim.labels(alice()), ["100", "302"]);
    acknowledge_failure(&mut sim, &invite, "302");
    sim.run_to_end();
}

#[test]
fn when_it_was_asked_often_enough_the_routes_that_are_left_follow() {
    let mut settings = settings(Redirects::Ask);
    settings.decision.max_attempts = 2;
    let mut sim = Sim::always(settings, plans::serial(&[TO_BOB, TO_CAROL]));
    let bob = sim.callee(BOB, Script::redirects(&["<tel:+4930>;q=0.2", TO_DAVE]));
    sim.callee(CAROL, Script::answers(0));
    let invite = call(&mut sim, secs(1));
    assert_eq!(sim.asked.len(), 2);
    assert_eq!(sim.asked[1].contacts, ["sip:dave@192.0.2.40", "tel:+4930"]);
    assert_eq!(sim.labels(bob), ["INVITE", "ACK", "INVITE", "ACK"]);
    assert_eq!(sim.labels(alice()), ["100", "180", "200"]);
    acknowledge(&mut sim, &invite);
    sim.run_to_end();
}

#[test]
fn what_a_rule_routed_is_not_taken_to_a_decider() {
    let rule = Rule {
        name: "emergency".into(),
        condition: Condition::default(),
        action: Action::Decide(plans::serial(&[TO_BOB, TO_CAROL]).into()),
    };
    let mut settings = settings(Redirects::Ask);
    settings.rules.before.push(rule);
    let mut sim = silent(settings);
    sim.callee(BOB, Script::redirects(&[TO_DAVE]));
    let carol = sim.callee(CAROL, Script::answers(0));
    let invite = call(&mut sim, secs(1));
    assert!(sim.asked.is_empty());
    assert_eq!(sim.labels(carol), ["INVITE"]);
    acknowledge(&mut sim, &invite);
    sim.run_to_end();
}

#[test]
fn a_305_names_a_proxy_and_is_not_followed() {
    let mut sim = Sim::always(settings(Redirects::Follow), plans::serial(&[TO_BOB]));
    let script = Script::refuses(305).with(&format!("Contact: {TO_DAVE}"));
    sim.callee(BOB, script);
    let dave = sim.callee(DAVE, Script::answers(0));
    call(&mut sim, ms(100));
    assert!(sim.seen(dave).is_empty());
    assert_eq!(sim.labels(alice()), ["100", "305"]);
    sim.run_to_end();
}
