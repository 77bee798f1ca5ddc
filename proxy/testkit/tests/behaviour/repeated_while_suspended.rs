//! D8: the request comes again and again while a decider is thinking.

use sigbox_core::{Counter, Settings};
use sigbox_testkit::Script;
use sigbox_testkit::plans;

use crate::world::*;

/// RFC 3261 §17.2.1
#[test]
fn d8_an_invite_sent_ten_times_is_asked_about_once_and_100_is_repeated() {
    let mut sim = silent(falling_back_to(plans::serial(&[TO_BOB])));
    sim.callee(BOB, Script::answers(0));
    for _ in 0..10 {
        sim.send(alice(), invite().text());
        sim.run_for(ms(15));
    }
    assert_eq!(sim.asked.len(), 1);
    assert_eq!(sim.labels(alice()), vec!["100"; 10]);
    assert_eq!(sim.count(Counter::RetransmissionReceived), 9);
    sim.run_to_end();
}

/// RFC 3261 §17.2.2, RFC 4320 §4.1
#[test]
fn d8_a_message_or_register_is_asked_about_once_and_gets_no_100() {
    for method in ["MESSAGE", "REGISTER"] {
        let mut sim = silent(Settings::default());
        let request = sigbox_testkit::Request::new(method, "sip:example.com", alice(), "m1");
        for _ in 0..10 {
            sim.send(alice(), request.text());
            sim.run_for(ms(10));
        }
        assert_eq!(sim.asked.len(), 1, "{method}");
        assert!(
            sim.seen(alice()).is_empty(),
            "RFC 4320 forbids an early 100 to {method}"
        );
        sim.run_to_end();
    }
}
