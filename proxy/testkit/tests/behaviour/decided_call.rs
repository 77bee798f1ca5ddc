//! A decider says where a call goes, and the whole call goes there.

use sigbox_core::{Counter, Settings};
use sigbox_testkit::{Script, Sim, plans};

use crate::world::*;

/// RFC 3261 §16.2, §16.7 step 9, §16.11, §16.12
#[test]
fn a_whole_call() {
    let mut sim = Sim::always(Settings::default(), plans::serial(&[TO_BOB]));
    let bob = sim.callee(BOB, Script::answers(500));
    let mut invite = invite();
    invite.body = "v=0\r\nthe body passes byte-exact \u{1F4DE}\r\n".into();
    sim.send(alice(), invite.text());
    sim.run_for(secs(1));
    assert_eq!(sim.labels(alice()), ["100", "180", "200"]);
    acknowledge(&mut sim, &invite);
    let answer = sim.first(alice(), "200").text.clone();
    sim.send(alice(), invite.in_dialog("BYE", &answer, 2).text());
    sim.run_for(secs(1));
    assert_eq!(sim.labels(bob), ["INVITE", "ACK", "BYE"]);
    assert_eq!(sim.labels(alice()), ["100", "180", "200", "200"]);
    assert_eq!(sim.asked.len(), 1);
    assert_eq!(sim.count(Counter::Decided), 1);
    sim.run_to_end();
}

/// RFC 3261 §16.6 steps 1, 4 and 8, §18.1.1
#[test]
fn the_forwarded_request_is_the_received_one_but_for_what_a_proxy_must_change() {
    let mut sim = Sim::always(Settings::default(), plans::serial(&[TO_BOB]));
    let bob = sim.callee(BOB, Script::rings());
    let invite = invite()
        .with("X-Odd:   spaced   out\t")
        .with("Subject: a,\r\n b");
    sim.send(alice(), invite.text());
    sim.run_for(ms(10));
    let sent = sim.first(bob, "INVITE").text.clone();
    let branch = sent
        .split("branch=")
        .nth(1)
        .unwrap()
        .split("\r\n")
        .next()
        .unwrap();
    let expected = invite
        .text()
        .replacen(
            "Via: ",
            &format!(
                "Via: SIP/2.0/UDP 192.0.2.1:5060;branch={branch}\r\n\
                 Record-Route: <sip:192.0.2.1:5060;lr>\r\nMax-Breadth: 60\r\nVia: "
            ),
            1,
        )
        .replace("Max-Forwards: 70", "Max-Forwards: 69");
    assert_eq!(sent, expected);
}

/// RFC 3261 §17.1.1.2
#[test]
fn the_callee_hears_the_same_bytes_when_the_request_is_sent_again() {
    let mut sim = Sim::always(Settings::default(), plans::serial(&[TO_BOB]));
    let bob = sim.callee(BOB, Script::dead());
    call(&mut sim, secs(4));
    let times: Vec<_> = sim.seen(bob).iter().map(|seen| seen.at_ms).collect();
    // Timer A: T1, then doubling.
    assert_eq!(times, [2, 502, 1502, 3502]);
    assert!(
        sim.seen(bob)
            .iter()
            .all(|seen| seen.text == sim.seen(bob)[0].text)
    );
    sim.run_to_end();
}

#[test]
fn the_query_shows_the_request_and_the_budget() {
    let mut sim = Sim::always(Settings::default(), plans::serial(&[TO_BOB]));
    sim.callee(BOB, Script::rings());
    call(&mut sim, ms(10));
    let asked = &sim.asked[0];
    assert_eq!((asked.method.as_str(), asked.attempt), ("INVITE", 1));
    assert_eq!(asked.uri, "sip:+4930123@example.com");
    assert_eq!(asked.budget, ms(200));
    assert_eq!(asked.tenant, "default");
}

/// RFC 3261 §18.2.2, RFC 3581 §4
#[test]
fn responses_go_to_the_source_port_only_when_rport_asks_for_it() {
    for (via, port) in [
        ("SIP/2.0/UDP 192.0.2.10:5099", 5099),
        ("SIP/2.0/UDP 10.0.0.1:5099;rport", 6000),
    ] {
        let mut sim = Sim::always(Settings::default(), plans::reject(404));
        let source = "192.0.2.10:6000".parse().unwrap();
        let mut invite = invite();
        invite.sent_by = via.into();
        sim.send(source, invite.text());
        sim.run_for(ms(10));
        let answered = format!("192.0.2.10:{port}").parse().unwrap();
        assert_eq!(sim.labels(answered), ["100", "404"], "{via}");
    }
}
