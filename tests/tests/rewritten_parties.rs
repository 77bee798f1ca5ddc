//! A call whose From and To the decider rewrote: re-INVITE and BYE from both sides, each end with one consistent dialog.

use anyhow::{Result, ensure};
use e2e::{Answer, Dialog, Message, Phone, Stage};
use serde_json::json;

/// Display name, URI and tag of From and To as they stand in a message.
fn parties(message: &Message) -> Result<[String; 2]> {
    Ok([
        message.required("From")?.to_owned(),
        message.required("To")?.to_owned(),
    ])
}

/// One side asks within the dialog and the other answers; what each gets names the parties as that side knows them.
fn exchange(
    method: &str,
    asking: (&mut Dialog<'_>, &Phone),
    answering: (&Dialog<'_>, &Phone),
) -> Result<()> {
    let ((dialog, asker), (other, answerer)) = (asking, answering);
    let own = [dialog.local.clone(), dialog.remote.clone()];
    let theirs = [other.remote.clone(), other.local.clone()];
    dialog.ask(method)?;
    let request = answerer.expect_request(method)?;
    ensure!(parties(&request)? == theirs, "{request} for {theirs:?}");
    answerer.reply(&request, 200, "OK")?;
    let ok = asker.expect(200)?;
    ensure!(parties(&ok)? == own, "{ok} for {own:?}");
    if method == "INVITE" {
        dialog.acknowledge()?;
        let ack = answerer.expect_request("ACK")?;
        ensure!(parties(&ack)? == theirs, "{ack} for {theirs:?}");
    }
    Ok(())
}

#[test]
fn both_ends_see_one_dialog_whoever_asks_and_hangs_up() -> Result<()> {
    for caller_hangs_up in [true, false] {
        let (alice, bob) = (Phone::new("alice")?, Phone::new("bob")?);
        let stage = Stage::always(Answer::Json(json!({
            "version": "1.0",
            "action": "route",
            "routes": [{
                "dst_uri": bob.hop(),
                "headers": {
                    "from": { "display": "Office", "uri": "sip:100@pbx.example" },
                    "to": { "uri": "sip:+4930123@carrier.example" },
                },
            }],
        })))?;
        let sigbox = &stage.sigbox;
        let call = alice.call(sigbox.sip(), &sigbox.uri("bob"))?;
        let invite = bob.ring(&call)?;
        let [from, to] = parties(&invite)?;
        ensure!(
            from.starts_with("\"Office\" <sip:100@pbx.example>;tag="),
            "{from}"
        );
        ensure!(to == "<sip:+4930123@carrier.example>", "{to}");
        bob.reply(&invite, 200, "OK")?;
        let mut at_alice = call.establish()?;
        ensure!(at_alice.local == call.invite().from);
        ensure!(at_alice.remote.starts_with(&call.invite().to));
        let ack = bob.expect_request("ACK")?;
        let mut at_bob = bob.answered(&invite)?;
        ensure!(parties(&ack)? == [at_bob.remote.clone(), at_bob.local.clone()]);

        exchange("INVITE", (&mut at_alice, &alice), (&at_bob, &bob))?;
        exchange("INVITE", (&mut at_bob, &bob), (&at_alice, &alice))?;
        exchange("INFO", (&mut at_bob, &bob), (&at_alice, &alice))?;
        if caller_hangs_up {
            exchange("BYE", (&mut at_alice, &alice), (&at_bob, &bob))?;
        } else {
            exchange("BYE", (&mut at_bob, &bob), (&at_alice, &alice))?;
        }
        ensure!(
            stage.decider.pending().len() == 1,
            "nobody is asked within the dialog"
        );
        sigbox.wait_until_idle()?;
    }
    Ok(())
}
