//! Messages that are not whole do not end what is.

use sigbox_core::{Counter, Settings};
use sigbox_testkit::{Script, Sim, field, plans, response_to};

use crate::world::*;

#[test]
fn a_malformed_message_with_the_branch_of_a_live_call_does_not_end_it() {
    let mut sim = Sim::always(Settings::default(), plans::serial(&[TO_BOB]));
    sim.callee(BOB, Script::answers(500));
    let invite = call(&mut sim, ms(50));
    let again = invite.text().replace("Call-ID: c1@", "Call-ID: c1 @");
    sim.send(alice(), again);
    sim.run_for(secs(1));
    assert_eq!(sim.labels(alice()), ["100", "180", "200"]);
    sim.run_to_end();
}

#[test]
fn t8_a_response_without_to_is_not_relayed() {
    let mut sim = Sim::always(Settings::default(), plans::serial(&[TO_BOB]));
    let bob = sim.callee(BOB, Script::dead());
    call(&mut sim, ms(50));
    let good = response_to(&sim.first(bob, "INVITE").text, 486, "b", bob);
    let to = format!("To: {}\r\n", field(&good, "To").unwrap());
    sim.send(bob, good.replace(&to, ""));
    sim.run_for(ms(10));
    assert_eq!(sim.labels(alice()), ["100"]);
    sim.run_to_end();
}

/// RFC 3261 §16.3 step 1, §21.5.6
#[test]
fn p1_another_version_of_sip_is_505() {
    let mut sim = Sim::always(Settings::default(), plans::serial(&[TO_BOB]));
    let text = invite().text();
    sim.send(alice(), text.replacen(" SIP/2.0\r\n", " SIP/7.0\r\n", 1));
    sim.run_for(ms(50));
    assert_eq!(sim.labels(alice()), ["505"]);
    assert_eq!(sim.count(Counter::RejectVersion), 1);
    sim.run_to_end();
}
