//! What phones agree on between them is nothing to the proxy: reliable provisional responses, UPDATE, REFER, events.

use sigbox_core::Settings;
use sigbox_testkit::{Request, Script, Sim, field, plans, response_to};

use crate::world::*;

/// A response of `status` with more header lines.
fn response(request: &str, status: u16, phone: std::net::SocketAddr, lines: &str) -> String {
    let length = "Content-Length: ";
    response_to(request, status, "b", phone).replace(length, &format!("{lines}{length}"))
}

/// RFC 3262
#[test]
fn a_reliable_provisional_response_and_its_prack_pass() {
    let mut sim = Sim::always(Settings::default(), plans::serial(&[TO_BOB]));
    let bob = sim.callee(BOB, Script::dead());
    let invite = invite().with("Supported: 100rel").with("Require: 100rel");
    sim.send(alice(), invite.text());
    sim.run_for(ms(10));
    let heard = sim.first(bob, "INVITE").text.clone();
    assert_eq!(field(&heard, "Require"), Some("100rel"));
    let reliable = "Require: 100rel\r\nRSeq: 813520\r\n";
    sim.send(bob, response(&heard, 183, bob, reliable));
    sim.run_for(ms(10));
    let progress = sim.first(alice(), "183").text.clone();
    assert!(progress.contains(reliable), "{progress}");
    let prack = invite
        .in_dialog("PRACK", &progress, 2)
        .with("RAck: 813520 1 INVITE");
    sim.send(alice(), prack.text());
    sim.run_for(ms(10));
    let prack = &sim.first(bob, "PRACK").text;
    assert_eq!(field(prack, "RAck"), Some("813520 1 INVITE"));
    assert_eq!(sim.asked.len(), 1);
}

/// RFC 3311, RFC 3515, RFC 6665
#[test]
fn update_refer_and_events_pass_and_make_a_dialog_where_they_can() {
    let mut sim = Sim::always(Settings::default(), plans::serial(&[TO_BOB]));
    let bob = sim.callee(BOB, Script::answers(0));
    for (call, (method, lines, records)) in [
        ("UPDATE", "Session-Expires: 1800", false),
        ("REFER", "Refer-To: <sip:carol@example.net>", true),
        ("SUBSCRIBE", "Event: presence", true),
        ("NOTIFY", "Subscription-State: active;expires=60", true),
        ("PUBLISH", "Event: presence", false),
    ]
    .into_iter()
    .enumerate()
    {
        let call = format!("c{call}");
        let uri = "sip:bob@example.com";
        let request = Request::new(method, uri, alice(), &call).with(lines);
        sim.send(alice(), request.text());
        sim.run_for(ms(20));
        let (name, value) = lines.split_once(": ").unwrap();
        if method == "UPDATE" {
            // Outside a dialog there is none.
            assert_eq!(sim.seen(alice()).last().unwrap().label(), "481");
            continue;
        }
        let heard = sim.first(bob, method).text.clone();
        assert_eq!(field(&heard, name), Some(value), "{method}");
        assert_eq!(field(&heard, "Record-Route").is_some(), records, "{method}");
        assert_eq!(sim.seen(alice()).last().unwrap().label(), "200");
    }
    sim.run_to_end();
}
