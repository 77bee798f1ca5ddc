//! What a caller does while the call waits for its decision: FAULTS D6, D8.

use anyhow::Result;
use e2e::{Answer, FakeDecider, Phone, Stage};

#[test]
fn d6_cancel_while_suspended_is_answered_at_once() -> Result<()> {
    let (alice, bob) = (Phone::new("alice")?, Phone::new("bob")?);
    let stage = Stage::silent()?;
    let sigbox = &stage.sigbox;
    let decider = &stage.decider;

    let call = alice.call(sigbox.sip(), &sigbox.uri("bob"))?;
    let query = decider.next_query()?;
    call.cancel()?;
    let [_, terminated] = alice.expect_each([(200, "CANCEL"), (487, "INVITE")])?;
    call.acknowledge(&terminated)?;
    let event = decider.next_event("cancelled")?;
    assert_eq!(event["id"], query.json["id"]);
    assert_eq!(event["call_id"], call.invite().call_id.as_str());

    decider.answer(&query, Answer::route_to(&bob.hop()))?;
    sigbox.wait_for_count("sigbox_answers_ignored_total", &[], 1)?;
    bob.expect_quiet(sigbox.sip())?;
    alice.expect_quiet(sigbox.sip())?;
    sigbox.wait_until_idle()
}

#[test]
fn d8_retransmissions_are_absorbed_while_suspended() -> Result<()> {
    let (alice, bob) = (Phone::new("alice")?, Phone::new("bob")?);
    let stage = Stage::silent()?;
    let sigbox = &stage.sigbox;
    let decider = &stage.decider;

    let call = alice.call(sigbox.sip(), &sigbox.uri("bob"))?;
    let query = decider.next_query()?;
    for _ in 0..10 {
        call.retransmit()?;
    }
    for _ in 0..11 {
        alice.receive_any()?.must_be_status(100)?;
    }
    decider.answer(&query, Answer::route_to(&bob.hop()))?;
    let invite = bob.expect_request("INVITE")?;
    bob.reply(&invite, 200, "OK")?;
    call.establish()?;
    bob.expect_request("ACK")?;
    assert!(decider.pending().is_empty(), "one query");
    bob.expect_quiet(sigbox.sip())
}

#[test]
fn d8_a_retransmitted_message_is_asked_about_once() -> Result<()> {
    let (alice, bob) = (Phone::new("alice")?, Phone::new("bob")?);
    let stage = Stage::silent()?;
    let sigbox = &stage.sigbox;
    let decider = &stage.decider;

    let mut message = alice
        .request("MESSAGE", &sigbox.uri("bob"))
        .header("Content-Type: text/plain");
    message.body = "hello".to_owned();
    for _ in 0..10 {
        alice.send(sigbox.sip(), message.to_string())?;
    }
    let query = decider.next_query()?;
    assert_eq!(query.subject, "sigbox.v1.query.default.message");
    decider.answer(&query, Answer::route_to(&bob.hop()))?;
    let received = bob.expect_request("MESSAGE")?;
    assert_eq!(received.body, b"hello");
    bob.reply(&received, 200, "OK")?;
    alice.expect(200)?;
    assert!(decider.pending().is_empty(), "one query");
    sigbox.wait_until_idle()
}

#[test]
fn an_extension_keeps_a_call_waiting_past_its_budget() -> Result<()> {
    let (alice, bob) = (Phone::new("alice")?, Phone::new("bob")?);
    let stage = Stage::with(
        |setup| setup.budget_ms(500),
        |_| Answer::Json(serde_json::json!({ "action": "extend", "extend_ms": 9_000 })),
    )?;
    let sigbox = &stage.sigbox;
    let decider = &stage.decider;

    let call = alice.call(sigbox.sip(), &sigbox.uri("bob"))?;
    let query = decider.next_query()?;
    sigbox.wait_for_count("sigbox_decision_extensions_total", &[], 1)?;
    // A call that is not extended has the same budget: when it has fallen back, the extended one is past its own.
    decider.leave()?;
    let silent = FakeDecider::silent(&stage.nats.url())?;
    let carol = Phone::new("carol")?;
    carol.call(sigbox.sip(), &sigbox.uri("bob"))?.expect(480)?;
    silent.next_query()?;
    decider.answer(&query, Answer::route_to(&bob.hop()))?;
    bob.reply(&bob.expect_request("INVITE")?, 486, "Busy Here")?;
    call.expect(486)?;
    Ok(())
}
