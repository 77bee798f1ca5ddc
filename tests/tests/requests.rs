//! Requests that the proxy answers or drops by itself: FAULTS T9, T11.

use anyhow::Result;
use e2e::{Phone, Setup};

#[test]
fn t9_a_stray_ack_is_never_answered() -> Result<()> {
    let (alice, bob) = (Phone::new("alice")?, Phone::new("bob")?);
    let sigbox = Setup::routing_to(&bob).start()?;
    for _ in 0..200 {
        alice.send(
            sigbox.sip(),
            alice.request("ACK", &sigbox.uri("bob")).to_string(),
        )?;
    }
    sigbox.wait_for_count(
        "sigbox_messages_dropped_total",
        &[("reason", "stray_ack")],
        200,
    )?;
    assert_eq!(sigbox.metrics()?.sum("sigbox_transactions", &[]), 0.0);
    alice.expect_quiet(sigbox.sip())?;
    bob.expect_quiet(sigbox.sip())
}

/// RFC 3261 §17.2.1, §17.2.3
#[test]
fn t9_an_ack_of_another_branch_does_not_end_the_retransmissions() -> Result<()> {
    let (alice, bob) = (Phone::new("alice")?, Phone::new("bob")?);
    let sigbox = Setup::routing_to(&bob).start()?;
    let call = alice.call(sigbox.sip(), &sigbox.uri("bob"))?;
    bob.reply(&bob.expect_request("INVITE")?, 486, "Busy Here")?;
    let busy = alice.expect(486)?;
    let mut wrong = alice.request("ACK", &sigbox.uri("bob"));
    wrong.call_id.clone_from(&call.invite().call_id);
    alice.send(sigbox.sip(), wrong.to_string())?;
    // Not acknowledged, so it comes again (Timer G).
    assert_eq!(alice.receive_any()?.raw, busy.raw);
    call.acknowledge(&busy)?;
    sigbox.wait_until_idle()
}

/// RFC 3261 §16.3 step 3, §16.6 step 3
#[test]
fn t11_max_forwards_is_read_checked_and_counted_down() -> Result<()> {
    let (alice, bob) = (Phone::new("alice")?, Phone::new("bob")?);
    let sigbox = Setup::routing_to(&bob).start()?;
    for (sent, status, forwarded) in [
        (Some("0"), 483, None),
        (Some("256"), 400, None),
        (None, 200, Some("70")),
        (Some("0068"), 200, Some("67")),
    ] {
        let mut message = alice.request("MESSAGE", &sigbox.uri("bob"));
        message.max_forwards = sent.map(str::to_owned);
        alice.send(sigbox.sip(), message.to_string())?;
        if forwarded.is_some() {
            let received = bob.expect_request("MESSAGE")?;
            assert_eq!(received.header("Max-Forwards"), forwarded, "sent {sent:?}");
            bob.reply(&received, 200, "OK")?;
        }
        alice.expect(status)?;
    }
    bob.expect_quiet(sigbox.sip())
}

#[test]
fn options_to_the_proxy_is_answered_by_the_proxy() -> Result<()> {
    let alice = Phone::new("alice")?;
    let sigbox = Setup::new("nats://127.0.0.1:1").start()?;
    alice.options(sigbox.sip())?;
    let ok = alice.expect(200)?;
    assert!(ok.tag("To").is_some());
    assert!(
        ok.header("Allow")
            .is_some_and(|allow| allow.contains("INVITE")),
        "{ok}"
    );
    Ok(())
}

/// RFC 3261 §16.3 step 5
#[test]
fn an_extension_that_the_proxy_must_know_is_refused_by_name() -> Result<()> {
    let (alice, bob) = (Phone::new("alice")?, Phone::new("bob")?);
    let sigbox = Setup::routing_to(&bob).start()?;
    let call = alice.call_with(sigbox.sip(), &sigbox.uri("bob"), &["Proxy-Require: magic"])?;
    let refused = call.expect(420)?;
    assert_eq!(refused.header("Unsupported"), Some("magic"));
    bob.expect_quiet(sigbox.sip())
}
