//! Several phones ring at once: FAULTS T3, T4.

use anyhow::Result;
use e2e::{Call, FakeDecider, Message, NatsServer, Phone, Setup, Sigbox};

/// Bob's and Carol's phones, both ringing for Alice.
struct Ringing<'p> {
    call: Call<'p>,
    at_bob: Message,
    at_carol: Message,
    sigbox: Sigbox,
    _decider: FakeDecider,
    _nats: NatsServer,
}

fn ring<'p>(alice: &'p Phone, bob: &Phone, carol: &Phone) -> Result<Ringing<'p>> {
    let nats = NatsServer::start()?;
    let hops = [bob.hop(), carol.hop()];
    let decider = FakeDecider::start(&nats.url(), move |_| e2e::Answer::parallel(&hops))?;
    let sigbox = Setup::new(&nats.url()).start_connected()?;
    let call = alice.call(sigbox.sip(), &sigbox.uri("bob"))?;
    let (at_bob, at_carol) = (
        bob.expect_request("INVITE")?,
        carol.expect_request("INVITE")?,
    );
    bob.reply(&at_bob, 180, "Ringing")?;
    call.expect(180)?;
    carol.reply(&at_carol, 180, "Ringing")?;
    call.expect(180)?;
    Ok(Ringing {
        call,
        at_bob,
        at_carol,
        sigbox,
        _decider: decider,
        _nats: nats,
    })
}

/// RFC 3261 §16.7 step 5
#[test]
fn t4_a_6xx_ends_the_ringing_everywhere() -> Result<()> {
    let (alice, bob, carol) = (
        Phone::new("alice")?,
        Phone::new("bob")?,
        Phone::new("carol")?,
    );
    let scene = ring(&alice, &bob, &carol)?;
    carol.reply(&scene.at_carol, 603, "Decline")?;
    carol.expect_request("ACK")?;
    bob.stop_ringing(&scene.at_bob)?;
    scene.call.expect(603)?;
    alice.expect_quiet(scene.sigbox.sip())?;
    scene.sigbox.wait_until_idle()
}

#[test]
fn t4_an_answer_that_races_a_6xx_reaches_the_caller() -> Result<()> {
    let (alice, bob, carol) = (
        Phone::new("alice")?,
        Phone::new("bob")?,
        Phone::new("carol")?,
    );
    let scene = ring(&alice, &bob, &carol)?;
    carol.reply(&scene.at_carol, 603, "Decline")?;
    let cancel = bob.expect_request("CANCEL")?;
    bob.reply(&scene.at_bob, 200, "OK")?;
    bob.reply(&cancel, 481, "Call/Transaction Does Not Exist")?;
    let mut dialog = scene.call.establish()?;
    bob.expect_request("ACK")?;
    dialog.hang_up(&bob)?;
    alice.expect_quiet(scene.sigbox.sip())?;
    scene.sigbox.wait_until_idle()
}

/// RFC 3261 §16.7 step 5
#[test]
fn t3_two_answers_both_reach_the_caller() -> Result<()> {
    let (alice, bob, carol) = (
        Phone::new("alice")?,
        Phone::new("bob")?,
        Phone::new("carol")?,
    );
    let scene = ring(&alice, &bob, &carol)?;
    carol.reply(&scene.at_carol, 200, "OK")?;
    let first = scene.call.expect(200)?;
    bob.expect_request("CANCEL")?;
    bob.reply(&scene.at_bob, 200, "OK")?;
    let second = scene.call.expect(200)?;
    assert_ne!(first.tag("To"), second.tag("To"));
    for (answer, phone) in [(first, &carol), (second, &bob)] {
        let mut dialog = scene.call.dialog(&answer)?;
        dialog.acknowledge()?;
        phone.expect_request("ACK")?;
        dialog.hang_up(phone)?;
    }
    Ok(())
}
