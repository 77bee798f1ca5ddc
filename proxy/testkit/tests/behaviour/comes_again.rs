//! T12, D9: a request that comes again, but not as a retransmission.

use sigbox_core::{Counter, Settings};
use sigbox_testkit::{Request, Script, Sim, field, plans};

use crate::world::*;

const OTHER: &str = "192.0.2.50:5060";

/// What another proxy makes of a request that it sends on, without its first line.
fn passed_on(request: &str, uri: &str) -> String {
    let (_, headers) = request.split_once("\r\n").unwrap();
    format!("INVITE {uri} SIP/2.0\r\nVia: SIP/2.0/UDP {OTHER};branch=z9hG4bK-other\r\n{headers}")
}

/// A call that is routed to another proxy, which sends it back for `uri`.
fn sent_back(uri: &str) -> Sim {
    let mut sim = Sim::always(Settings::default(), plans::serial(&["sip:192.0.2.50"]));
    let other = sim.callee(OTHER, Script::responds(&[]));
    call(&mut sim, ms(20));
    let sent = sim.first(other, "INVITE").text.clone();
    assert!(sent.starts_with("INVITE sip:+4930123@example.com "));
    sim.send(other, passed_on(&sent, uri));
    sim.run_for(ms(20));
    sim
}

/// RFC 3261 §16.3 step 4, RFC 5393 §4.2
#[test]
fn t12_a_request_that_comes_back_as_it_went_is_a_loop() {
    let sim = sent_back("sip:+4930123@example.com");
    assert_eq!(sim.labels(OTHER.parse().unwrap()), ["INVITE", "482"]);
    assert_eq!(sim.count(Counter::RejectLoop), 1);
    assert_eq!(sim.asked.len(), 1);
}

/// RFC 3261 §16.3 step 4, RFC 5393 §4.2
#[test]
fn t12_a_request_that_comes_back_for_somebody_else_is_a_spiral() {
    let sim = sent_back("sip:+4930999@example.com");
    let labels = sim.labels(OTHER.parse().unwrap());
    assert_eq!(labels[..3], ["INVITE", "100", "INVITE"], "{labels:?}");
    assert_eq!(sim.count(Counter::RejectLoop), 0);
    assert_eq!(sim.asked.len(), 2);
}

/// RFC 3261 §16.6 step 8, RFC 5393 §4.2
#[test]
fn t12_a_loop_is_told_by_what_routing_depends_on() {
    let mut sim = Sim::always(Settings::default(), plans::serial(&["sip:192.0.2.50"]));
    let other = sim.callee(OTHER, Script::responds(&[]));
    call(&mut sim, ms(20));
    let sent = sim.first(other, "INVITE").text.clone();
    let back = passed_on(&sent, "sip:+4930123@example.com").replacen(
        "\r\nFrom:",
        "\r\nRoute: <sip:192.0.2.77;lr>\r\nFrom:",
        1,
    );
    sim.send(other, back);
    sim.run_for(ms(20));
    assert_eq!(sim.count(Counter::RejectLoop), 0);
}

#[test]
fn t12_a_made_up_via_is_no_loop() {
    let mut sim = Sim::always(Settings::default(), plans::serial(&["sip:192.0.2.50"]));
    let other = sim.callee(OTHER, Script::responds(&[]));
    call(&mut sim, ms(20));
    let sent = sim.first(other, "INVITE").text.clone();
    let via = field(&sent, "Via").unwrap();
    let (start, seal) = via.split_at(via.len() - 1);
    let digit = if seal == "0" { "1" } else { "0" };
    let forged =
        passed_on(&sent, "sip:+4930123@example.com").replacen(via, &format!("{start}{digit}"), 1);
    sim.send(other, forged);
    sim.run_for(ms(20));
    assert_eq!(sim.count(Counter::RejectLoop), 0);
}

/// Alice's INVITE by a second path: another proxy's Via, or her own second attempt.
fn by_another_path(request: &Request) -> String {
    let mut second = request.clone();
    second.branch = "z9hG4bK-second-path".into();
    second.text()
}

/// RFC 3261 §8.2.2.2
#[test]
fn d9_the_same_request_by_two_paths_is_asked_about_once() {
    let mut sim = silent(falling_back_to(plans::reject(480)));
    let first = call(&mut sim, ms(5));
    sim.send(alice(), by_another_path(&first));
    sim.run_for(ms(5));
    assert_eq!(sim.asked.len(), 1);
    assert_eq!(sim.labels(alice()), ["100", "482"]);
    assert_eq!(sim.count(Counter::RejectMerged), 1);
    sim.run_to_end();
    // The first is decided as if nothing had been.
    assert_eq!(sim.first(alice(), "480").status(), 480);
}

#[test]
fn d9_a_fork_to_two_users_here_is_not_the_same_request() {
    let mut sim = silent(falling_back_to(plans::reject(480)));
    let first = call(&mut sim, ms(5));
    let mut second = first.clone();
    second.branch = "z9hG4bK-second-path".into();
    second.uri = "sip:+4930999@example.com".into();
    sim.send(alice(), second.text());
    sim.run_for(ms(5));
    assert_eq!(sim.asked.len(), 2);
    assert_eq!(sim.count(Counter::RejectMerged), 0);
    sim.run_to_end();
}

#[test]
fn d9_when_nobody_thinks_any_more_the_other_path_is_a_request_like_any() {
    let mut sim = Sim::always(Settings::default(), plans::serial(&[TO_BOB]));
    sim.callee(BOB, Script::rings());
    let first = call(&mut sim, ms(50));
    sim.send(alice(), by_another_path(&first));
    sim.run_for(ms(50));
    assert_eq!(sim.asked.len(), 2);
    assert_eq!(sim.count(Counter::RejectMerged), 0);
}
