//! Challenges of several branches reach the caller together (RFC 3261 §16.7 step 7).

use sigbox_core::Settings;
use sigbox_testkit::{Script, Sim, fields, plans};

use crate::world::*;

const OF_BOB: &str = "Digest realm=\"bob\", nonce=\"1\"";
const OF_CAROL: &str = "Digest realm=\"carol\", nonce=\"2\"";

fn challenged(carol: Script) -> (Sim, String) {
    let plan = plans::parallel(&[TO_BOB, TO_CAROL]);
    let mut sim = Sim::always(Settings::default(), plan);
    let bob = Script::refuses(401).with(&format!("WWW-Authenticate: {OF_BOB}"));
    sim.callee(BOB, bob);
    sim.callee(CAROL, carol);
    let invite = call(&mut sim, ms(200));
    let last = sim.seen(alice()).last().unwrap().clone();
    acknowledge_failure(&mut sim, &invite, &last.label());
    (sim, last.text)
}

#[test]
fn t5_challenges_of_401_and_407_are_merged() {
    let carol = Script::responds(&[(50, 407)]).with(&format!("Proxy-Authenticate: {OF_CAROL}"));
    let (mut sim, text) = challenged(carol);
    assert!(text.starts_with("SIP/2.0 401 "), "{text}");
    assert_eq!(
        fields(&text, "WWW-Authenticate").collect::<Vec<_>>(),
        [OF_BOB]
    );
    assert_eq!(
        fields(&text, "Proxy-Authenticate").collect::<Vec<_>>(),
        [OF_CAROL]
    );
    assert!(text.ends_with("\r\nContent-Length: 0\r\n\r\n") || text.ends_with("\r\n\r\n"));
    sim.run_to_end();
}

#[test]
fn t5_two_of_the_same_kind_stand_side_by_side() {
    let carol = Script::refuses(401).with(&format!("WWW-Authenticate: {OF_CAROL}"));
    let (mut sim, text) = challenged(carol);
    let all: Vec<_> = fields(&text, "WWW-Authenticate").collect();
    assert_eq!(all, [OF_BOB, OF_CAROL]);
    sim.run_to_end();
}

#[test]
fn t5_another_response_gets_no_challenge() {
    let (mut sim, text) = challenged(Script::responds(&[(10, 603)]));
    assert!(text.starts_with("SIP/2.0 603 "), "{text}");
    assert_eq!(fields(&text, "WWW-Authenticate").count(), 0);
    sim.run_to_end();
}
