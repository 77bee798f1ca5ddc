//! T11: Max-Forwards in every form.

use sigbox_core::{Counter, Settings};
use sigbox_testkit::{Script, Sim, field, plans};

use crate::world::*;

fn forwarded(max_forwards: &str) -> (Sim, Option<String>) {
    let mut sim = Sim::always(Settings::default(), plans::serial(&[TO_BOB]));
    let bob = sim.callee(BOB, Script::rings());
    let text = invite()
        .text()
        .replace("Max-Forwards: 70\r\n", max_forwards);
    sim.send(alice(), text);
    sim.run_for(ms(10));
    let sent = sim
        .seen(bob)
        .first()
        .map(|seen| field(&seen.text, "Max-Forwards").unwrap().to_owned());
    (sim, sent)
}

/// RFC 3261 §16.3 step 3
#[test]
fn t11_zero_is_483() {
    let (sim, sent) = forwarded("Max-Forwards: 0\r\n");
    assert_eq!((sent, sim.labels(alice())), (None, vec!["483".to_owned()]));
    assert_eq!(sim.count(Counter::RejectMaxForwards), 1);
    assert!(sim.asked.is_empty());
}

/// RFC 3261 §16.6 step 3
#[test]
fn t11_none_becomes_70() {
    assert_eq!(forwarded("").1.as_deref(), Some("70"));
}

#[test]
fn t11_256_is_400() {
    let (sim, sent) = forwarded("Max-Forwards: 256\r\n");
    assert_eq!((sent, sim.labels(alice())), (None, vec!["400".to_owned()]));
}

/// RFC 3261 §16.6 step 3
#[test]
fn t11_leading_zeros_are_read_as_a_number() {
    assert_eq!(forwarded("Max-Forwards: 0068\r\n").1.as_deref(), Some("67"));
}
