//! NATS is absent, dies, hangs, comes back: FAULTS D3, and D10 in passing.

use anyhow::Result;
use e2e::{Answer, FakeDecider, NatsServer, Phone, Setup, Stage};

#[test]
fn d3_the_proxy_starts_without_nats_and_finds_it_later() -> Result<()> {
    let mut nats = NatsServer::start()?;
    nats.stop()?;
    let (alice, bob) = (Phone::new("alice")?, Phone::new("bob")?);
    let sigbox = Setup::new(&nats.url()).fall_back_to_status(480).start()?;

    alice.call(sigbox.sip(), &sigbox.uri("bob"))?.expect(480)?;
    sigbox.wait_for_count("sigbox_fallbacks_total", &[("cause", "disconnected")], 1)?;

    nats.restart()?;
    let _decider = FakeDecider::routing_to(&nats.url(), &bob)?;
    sigbox.wait_until_connected()?;
    let call = alice.call(sigbox.sip(), &sigbox.uri("bob"))?;
    bob.reply(&bob.expect_request("INVITE")?, 200, "OK")?;
    call.establish()?;
    Ok(())
}

#[test]
fn d3_pending_queries_fail_at_once_when_nats_dies_and_nothing_stale_follows() -> Result<()> {
    let bob = Phone::new("bob")?;
    let callers = [
        Phone::new("alice")?,
        Phone::new("carol")?,
        Phone::new("dave")?,
    ];
    // Longer than this test's patience: the connection's end must end the waiting.
    let mut stage = Stage::silent()?;
    let sigbox = &stage.sigbox;
    let decider = &stage.decider;

    // A call that is up when it happens.
    let held = callers[0].call(sigbox.sip(), &sigbox.uri("bob"))?;
    decider.answer(&decider.next_query()?, Answer::route_to(&bob.hop()))?;
    bob.reply(&bob.expect_request("INVITE")?, 200, "OK")?;
    let mut dialog = held.establish()?;
    bob.expect_request("ACK")?;

    let calls = callers
        .iter()
        .map(|caller| caller.call(sigbox.sip(), &sigbox.uri("bob")))
        .collect::<Result<Vec<_>>>()?;
    for _ in &calls {
        decider.next_query()?;
    }
    stage.nats.stop()?;
    for call in &calls {
        call.expect(480)?;
    }
    sigbox.wait_for_count("sigbox_fallbacks_total", &[("cause", "disconnected")], 3)?;

    // While it is away: new calls fall back at once, the old call goes on.
    callers[1]
        .call(sigbox.sip(), &sigbox.uri("bob"))?
        .expect(480)?;
    dialog.hang_up(&bob)?;

    stage.nats.restart()?;
    decider.reconnected()?;
    sigbox.wait_until_connected()?;
    let call = callers[2].call(sigbox.sip(), &sigbox.uri("after"))?;
    let query = decider.next_query()?;
    assert_eq!(
        query.json["call_id"],
        call.invite().call_id.as_str(),
        "a query of before was sent late"
    );
    decider.answer(&query, Answer::route_to(&bob.hop()))?;
    bob.reply(&bob.expect_request("INVITE")?, 486, "Busy Here")?;
    call.expect(486)?;
    sigbox.wait_until_idle()
}

#[test]
fn d3_a_frozen_nats_costs_each_call_its_budget_and_no_more() -> Result<()> {
    let (alice, bob) = (Phone::new("alice")?, Phone::new("bob")?);
    let stage = Stage::routing_with(&bob, |setup| setup.budget_ms(300))?;
    let sigbox = &stage.sigbox;

    stage.nats.pause()?;
    alice.call(sigbox.sip(), &sigbox.uri("bob"))?.expect(480)?;
    sigbox.wait_for_count("sigbox_fallbacks_total", &[("cause", "timeout")], 1)?;
    stage.nats.resume()?;

    // What was on its way arrives, with a deadline that lets a decider see that it is too late; this one answers all the
    // same, and nothing comes of it.
    let stale = stage.decider.next_query()?;
    assert!(stale.headers.contains_key("Sigbox-Deadline"));
    sigbox.wait_for_count("sigbox_answers_ignored_total", &[], 1)?;
    bob.expect_quiet(sigbox.sip())?;
    let call = alice.call(sigbox.sip(), &sigbox.uri("bob"))?;
    bob.reply(&bob.expect_request("INVITE")?, 200, "OK")?;
    call.establish()?;
    Ok(())
}

#[test]
fn d10_requests_within_a_dialog_need_neither_decider_nor_nats() -> Result<()> {
    let (alice, bob) = (Phone::new("alice")?, Phone::new("bob")?);
    let mut stage = Stage::routing_to(&bob)?;
    let sigbox = &stage.sigbox;
    let call = alice.call(sigbox.sip(), &sigbox.uri("bob"))?;
    bob.reply(&bob.expect_request("INVITE")?, 200, "OK")?;
    let mut dialog = call.establish()?;
    bob.expect_request("ACK")?;
    stage.nats.stop()?;

    for method in ["UPDATE", "PRACK", "INFO", "INVITE"] {
        let request = dialog.ask(method)?;
        let received = bob.expect_request(method)?;
        assert!(
            received.header("Route").is_none(),
            "our own Route is taken off: {received}"
        );
        bob.reply(&received, 200, "OK")?;
        alice.expect(200)?;
        if method == "INVITE" {
            dialog.send(&dialog.request("ACK", request.cseq))?;
            bob.expect_request("ACK")?;
        }
    }
    dialog.hang_up(&bob)?;
    assert_eq!(
        stage.decider.pending().len(),
        1,
        "only the first INVITE was asked about"
    );
    sigbox.wait_until_idle()
}
