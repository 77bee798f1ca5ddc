//! Messages that our own headers push over the limits.

use sigbox_core::{HeaderEdits, Route, Settings};
use sigbox_testkit::{plans, response_to};

use crate::bare::{Bare, ruled};
use crate::world::*;

#[test]
fn a_request_at_the_limits_is_still_cancelled_and_acknowledged() {
    let bob = BOB.parse().unwrap();
    // The proxy takes 256 header lines; Via and Record-Route make it more.
    let more: String = (0..248).map(|n| format!("X-{n}: y\r\n")).collect();
    let text = invite()
        .text()
        .replacen("From: ", &format!("{more}From: "), 1);
    let mut bare = Bare::new(ruled(plans::serial(&[TO_BOB])), "192.0.2.1:5060");
    let sent = bare.receive(alice(), &text);
    let forwarded = sent
        .iter()
        .find(|(to, _)| *to == bob)
        .expect("an INVITE")
        .1
        .clone();
    bare.receive(bob, &response_to(&forwarded, 180, "b", bob));
    let sent = bare.receive(alice(), &invite().hop_by_hop("CANCEL", None).text());
    let cancel = &sent.iter().find(|(to, _)| *to == bob).expect("a CANCEL").1;
    assert!(cancel.starts_with("CANCEL "), "{cancel:?}");
    let sent = bare.receive(bob, &response_to(&forwarded, 487, "b", bob));
    let ack = &sent.iter().find(|(to, _)| *to == bob).expect("an ACK").1;
    assert!(ack.starts_with("ACK "), "{ack:?}");
}

#[test]
fn a_long_header_of_a_decider_does_not_lose_the_ack() {
    let bob = BOB.parse().unwrap();
    let mut edits = HeaderEdits::new();
    edits.set("X-Token", &"x".repeat(8_000)).unwrap();
    let route = Route {
        edits: Some(Box::new(edits)),
        ..plans::route(TO_BOB, 0)
    };
    let mut bare = Bare::new(ruled(plans::plan(vec![route])), "192.0.2.1:5060");
    let sent = bare.receive(alice(), &invite().text());
    let forwarded = sent.iter().find(|(to, _)| *to == bob).unwrap().1.clone();
    let sent = bare.receive(bob, &response_to(&forwarded, 486, "b", bob));
    let ack = &sent.iter().find(|(to, _)| *to == bob).unwrap().1;
    assert!(ack.starts_with("ACK "), "{ack:?}");
}

/// RFC 3261 §16.3 step 5
#[test]
fn p6_a_420_is_not_larger_than_what_it_answers() {
    let mut bare = Bare::new(Settings::default(), "192.0.2.1:5060");
    let tokens = vec!["a"; 3_000].join(",");
    let text = invite().with(&format!("Proxy-Require: {tokens}")).text();
    let sent = bare.receive(alice(), &text);
    assert!(sent[0].1.starts_with("SIP/2.0 420"));
    assert!(
        sent[0].1.len() < text.len() + 500,
        "{} bytes answered with {}",
        text.len(),
        sent[0].1.len()
    );
}

/// RFC 3261 §16.7 step 3
#[test]
fn a_response_to_a_request_with_as_many_vias_as_may_be_is_relayed() {
    let bob = BOB.parse().unwrap();
    let hops: String = (1..70)
        .map(|n| format!("Via: SIP/2.0/UDP 198.51.100.{n};branch=z9hG4bK-{n}\r\n"))
        .collect();
    let text = invite()
        .text()
        .replacen("Max-Forwards", &format!("{hops}Max-Forwards"), 1);
    let mut bare = Bare::new(ruled(plans::serial(&[TO_BOB])), "192.0.2.1:5060");
    let sent = bare.receive(alice(), &text);
    let forwarded = sent.iter().find(|(to, _)| *to == bob).unwrap().1.clone();
    assert_eq!(forwarded.matches("\r\nVia: ").count(), 71);
    let sent = bare.receive(bob, &response_to(&forwarded, 180, "b", bob));
    assert!(sent[0].1.starts_with("SIP/2.0 180"));
}
