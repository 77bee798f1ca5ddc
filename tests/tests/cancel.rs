//! CANCEL after the call was forwarded: FAULTS T1, T2, T15, and D13 in passing.

use anyhow::Result;
use e2e::{Answer, Phone, Setup, Stage};

/// RFC 3261 §9.1, §16.10
#[test]
fn t1_cancel_is_held_until_the_callee_shows_a_sign_of_life() -> Result<()> {
    let (alice, bob) = (Phone::new("alice")?, Phone::new("bob")?);
    let sigbox = Setup::routing_to(&bob).start()?;
    let call = alice.call(sigbox.sip(), &sigbox.uri("bob"))?;
    let invite = bob.expect_request("INVITE")?;
    call.cancel()?;
    assert_eq!(alice.expect(200)?.method(), "CANCEL");
    bob.expect_quiet(sigbox.sip())?;

    bob.reply(&invite, 180, "Ringing")?;
    bob.stop_ringing(&invite)?;
    let terminated = loop {
        let message = alice.receive()?;
        if message.status() != Some(180) {
            break message.must_be_status(487)?;
        }
    };
    call.acknowledge(&terminated)?;
    sigbox.wait_until_idle()
}

#[test]
fn t2_an_answer_that_crosses_the_cancel_wins() -> Result<()> {
    let (alice, bob) = (Phone::new("alice")?, Phone::new("bob")?);
    let sigbox = Setup::routing_to(&bob).start()?;
    let call = alice.call(sigbox.sip(), &sigbox.uri("bob"))?;
    let invite = bob.ring(&call)?;
    call.cancel()?;
    let cancel = bob.expect_request("CANCEL")?;
    bob.reply(&invite, 200, "OK")?;
    bob.reply(&cancel, 481, "Call/Transaction Does Not Exist")?;
    let [_, answered] = alice.expect_each([(200, "CANCEL"), (200, "INVITE")])?;
    let mut dialog = call.dialog(&answered)?;
    dialog.acknowledge()?;
    bob.expect_request("ACK")?;
    dialog.hang_up(&bob)?;
    alice.expect_quiet(sigbox.sip())?;
    sigbox.wait_until_idle()
}

/// RFC 3261 §16.7 step 6
#[test]
fn t2_a_refusal_that_crosses_the_cancel_is_forwarded_once() -> Result<()> {
    for (status, reason, upstream) in [(486, "Busy Here", 486), (503, "Service Unavailable", 500)] {
        let (alice, bob) = (Phone::new("alice")?, Phone::new("bob")?);
        let sigbox = Setup::routing_to(&bob).start()?;
        let call = alice.call(sigbox.sip(), &sigbox.uri("bob"))?;
        let invite = bob.ring(&call)?;
        call.cancel()?;
        let cancel = bob.expect_request("CANCEL")?;
        bob.reply(&invite, status, reason)?;
        bob.reply(&cancel, 200, "OK")?;
        let [_, refused] = alice.expect_each([(200, "CANCEL"), (upstream, "INVITE")])?;
        call.acknowledge(&refused)?;
        assert_eq!(bob.expect_request("ACK")?.branch(), invite.branch());
        alice.expect_quiet(sigbox.sip())?;
        sigbox.wait_until_idle()?;
    }
    Ok(())
}

#[test]
fn d13_a_cancelled_call_does_not_move_on_to_the_next_route() -> Result<()> {
    let (alice, bob, carol) = (
        Phone::new("alice")?,
        Phone::new("bob")?,
        Phone::new("carol")?,
    );
    let stage = Stage::always(Answer::serial(&[bob.hop(), carol.hop()]))?;
    let call = alice.call(stage.sigbox.sip(), &stage.sigbox.uri("bob"))?;
    let invite = bob.ring(&call)?;
    call.cancel()?;
    bob.stop_ringing(&invite)?;
    let [_, terminated] = alice.expect_each([(200, "CANCEL"), (487, "INVITE")])?;
    call.acknowledge(&terminated)?;
    carol.expect_quiet(stage.sigbox.sip())?;
    stage.sigbox.wait_until_idle()
}

#[test]
fn t15_a_cancel_is_answered_as_often_as_it_comes() -> Result<()> {
    let (alice, bob) = (Phone::new("alice")?, Phone::new("bob")?);
    let sigbox = Setup::routing_to(&bob).start()?;
    let call = alice.call(sigbox.sip(), &sigbox.uri("bob"))?;
    let invite = bob.ring(&call)?;
    for _ in 0..3 {
        call.cancel()?;
        // The same 200 each time, so it counts as a repeat for `receive`.
        let ok = loop {
            let message = alice.receive_any()?;
            if message.method() == "CANCEL" {
                break message;
            }
        };
        ok.must_be_status(200)?;
    }
    bob.stop_ringing(&invite)?;
    call.expect(487)?;
    bob.expect_quiet(sigbox.sip())
}

/// RFC 3261 §9.2
#[test]
fn t15_a_cancel_for_nothing_is_answered_with_481() -> Result<()> {
    let (alice, bob) = (Phone::new("alice")?, Phone::new("bob")?);
    let sigbox = Setup::routing_to(&bob).set("sip", "t1_ms", "50").start()?;
    let never_sent = alice.request("CANCEL", &sigbox.uri("bob"));
    alice.send(sigbox.sip(), never_sent.to_string())?;
    alice.expect(481)?;

    let call = alice.call(sigbox.sip(), &sigbox.uri("bob"))?;
    bob.reply(&bob.expect_request("INVITE")?, 200, "OK")?;
    call.establish()?;
    bob.expect_request("ACK")?;
    // Answered, and still there to absorb retransmissions (RFC 6026 §7.1): 200, but there is nothing left to cancel.
    call.cancel()?;
    assert_eq!(alice.expect(200)?.method(), "CANCEL");
    bob.expect_quiet(sigbox.sip())?;
    // 64 times T1 later it is gone.
    sigbox.wait_for_count("sigbox_transactions_lingering", &[], 0)?;
    call.cancel()?;
    alice.expect(481)?;
    bob.expect_quiet(sigbox.sip())
}
