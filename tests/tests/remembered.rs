//! `cached`: the last good decision, when nobody decides.

use anyhow::{Result, ensure};
use e2e::{Answer, FakeDecider, NatsServer, Phone, Setup};
use serde_json::json;

#[test]
fn when_the_decider_dies_its_last_decision_holds_for_as_long_as_it_said() -> Result<()> {
    let nats = NatsServer::start()?;
    let (alice, bob) = (Phone::new("alice")?, Phone::new("bob")?);
    let hop = bob.hop();
    let decider = FakeDecider::start(&nats.url(), move |_| {
        Answer::Json(json!({
            "action": "route",
            "routes": [{ "dst_uri": hop }],
            "cache": { "key": "alice|bob", "ttl_ms": 60_000 },
        }))
    })?;
    let observer = FakeDecider::observer(&nats.url())?;
    let remembered =
        "[[fallback]]\nname = \"last good\"\naction = \"cached\"\nkey = \"{from_user}|{user}\"";
    let sigbox = Setup::new(&nats.url())
        .rules(remembered)
        .fall_back_to_status(480)
        .start_connected()?;

    let busy = |call: e2e::Call<'_>| -> Result<()> {
        bob.reply(&bob.expect_request("INVITE")?, 486, "Busy Here")?;
        call.expect(486)?;
        bob.expect_request("ACK")?;
        Ok(())
    };
    busy(alice.call(sigbox.sip(), &sigbox.uri("bob"))?)?;
    ensure!(observer.next_event("decision")?["outcome"] == "decided");
    decider.leave()?;

    busy(alice.call(sigbox.sip(), &sigbox.uri("bob"))?)?;
    let event = observer.next_event("decision")?;
    ensure!(
        event["outcome"] == "cached"
            && event["cause"] == "no_responders"
            && event["action"] == "route"
            && event["detail"] == "last good",
        "{event}"
    );
    // Somebody else was never decided about.
    alice
        .call(sigbox.sip(), &sigbox.uri("carol"))?
        .expect(480)?;
    let metrics = sigbox.metrics()?;
    ensure!(metrics.sum("sigbox_decision_cache_total", &[("result", "hit")]) == 1.0);
    ensure!(metrics.sum("sigbox_decision_cache_total", &[("result", "miss")]) == 1.0);
    ensure!(metrics.sum("sigbox_decisions_remembered_total", &[]) == 1.0);
    Ok(())
}
