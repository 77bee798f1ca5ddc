//! Every method outside a dialog may be suspended, and is decided like any other.

use sigbox_core::Settings;
use sigbox_testkit::{Request, Script, Sim, Verdict, plans};

use crate::world::*;

const METHODS: [&str; 9] = [
    "INVITE",
    "REGISTER",
    "MESSAGE",
    "SUBSCRIBE",
    "OPTIONS",
    "PUBLISH",
    "REFER",
    "NOTIFY",
    "NEWMETHOD",
];

fn after_a_while() -> Sim {
    Sim::new(Settings::default(), |_, _| {
        Verdict::After(ms(120), Ok(plans::serial(&[TO_BOB])))
    })
}

#[test]
fn each_is_asked_about_once_and_forwarded_when_decided() {
    for method in METHODS {
        let mut sim = after_a_while();
        let bob = sim.callee(BOB, Script::answers(0));
        let request = Request::new(method, "sip:bob@example.com", alice(), method);
        sim.send(alice(), request.text());
        sim.run_for(ms(50));
        // It comes again while the decider thinks.
        sim.send(alice(), request.text());
        sim.run_for(ms(50));
        assert_eq!((sim.asked.len(), &*sim.asked[0].method), (1, method));
        assert!(
            sim.seen(bob).is_empty(),
            "{method} went before it was decided"
        );
        sim.run_for(ms(100));
        assert_eq!(sim.labels(bob), [method], "{method}");
        let answer = sim.first(alice(), "200").text.clone();
        if method == "INVITE" {
            sim.send(alice(), request.in_dialog("ACK", &answer, 1).text());
        }
        sim.run_to_end();
    }
}

#[test]
fn each_may_be_rejected_or_redirected() {
    for (method, plan, status) in METHODS.iter().flat_map(|method| {
        [
            (method, plans::reject(403), 403),
            (method, plans::redirect(302, &["sip:b@192.0.2.9"]), 302),
        ]
    }) {
        let mut sim = Sim::always(Settings::default(), plan);
        let request = Request::new(method, "sip:bob@example.com", alice(), method);
        sim.send(alice(), request.text());
        sim.run_for(ms(10));
        let last = sim.seen(alice()).last().unwrap();
        assert_eq!(last.status(), status, "{method}");
        sim.run_to_end();
    }
}
