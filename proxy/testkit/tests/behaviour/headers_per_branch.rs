//! D17: each branch carries its own headers.

use sigbox_core::{HeaderEdits, Party, Route, Settings, Target};
use sigbox_testkit::{Script, Sim, field, plans};

use crate::world::*;

fn route(hop: &str, carrier: &str) -> Route {
    let mut edits = HeaderEdits::new();
    edits.add("X-Carrier", carrier).unwrap();
    edits
        .set(
            "P-Asserted-Identity",
            &format!("<sip:{carrier}@example.com>"),
        )
        .unwrap();
    edits.remove("X-Internal").unwrap();
    Route {
        uri: Some(Target::parse(&format!("sip:{carrier}@example.net")).unwrap()),
        edits: Some(Box::new(edits)),
        ..plans::route(hop, 0)
    }
}

/// RFC 3261 §16.6 steps 2 and 5
#[test]
fn d17_parallel_branches_do_not_leak_into_each_other() {
    let plan = plans::plan(vec![route(TO_BOB, "one"), route(TO_CAROL, "two")]);
    let mut sim = Sim::always(Settings::default(), plan);
    let bob = sim.callee(BOB, Script::rings());
    let carol = sim.callee(CAROL, Script::rings());
    let invite = invite()
        .with("P-Asserted-Identity: <sip:forged@evil.example>")
        .with("x-internal: secret")
        .with("X-INTERNAL : secret");
    sim.send(alice(), invite.text());
    sim.run_for(ms(10));
    for (phone, own, other) in [(bob, "one", "two"), (carol, "two", "one")] {
        let text = &sim.first(phone, "INVITE").text;
        assert!(text.starts_with(&format!("INVITE sip:{own}@example.net SIP/2.0\r\n")));
        assert_eq!(field(text, "X-Carrier"), Some(own));
        assert_eq!(
            field(text, "P-Asserted-Identity"),
            Some(format!("<sip:{own}@example.com>").as_str())
        );
        assert!(
            !text.contains("secret") && !text.contains("forged") && !text.contains(other),
            "{text}"
        );
    }
}

#[test]
fn a_rewritten_from_and_to_come_back_as_the_callers_own() {
    let mut edits = HeaderEdits::new();
    let party = |display: &str, uri: &str| Party {
        display: Some(display.into()),
        uri: Some(uri.into()),
    };
    edits
        .from(party("Main \"Office\"", "sip:+49301@example.net"))
        .unwrap();
    edits.to(party("", "sip:+4930123@carrier.example")).unwrap();
    let route = Route {
        edits: Some(Box::new(edits)),
        ..plans::route(TO_BOB, 0)
    };
    let mut sim = Sim::always(Settings::default(), plans::plan(vec![route]));
    let bob = sim.callee(BOB, Script::answers(100));
    let invite = call(&mut sim, secs(1));
    let sent = &sim.first(bob, "INVITE").text;
    assert_eq!(
        field(sent, "From"),
        Some("\"Main \\\"Office\\\"\" <sip:+49301@example.net>;tag=a-c1")
    );
    assert_eq!(field(sent, "To"), Some("<sip:+4930123@carrier.example>"));
    for label in ["180", "200"] {
        let text = &sim.first(alice(), label).text;
        assert_eq!(field(text, "From"), Some(invite.from.as_str()));
        assert_eq!(
            field(text, "To"),
            Some(format!("{};tag=tag-of-192.0.2.20", invite.to).as_str())
        );
    }
    sim.run_to_end();
}
