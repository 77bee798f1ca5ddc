//! Looking at what was decided, and by whom.

use std::process::Command;

use anyhow::{Context, Result, ensure};
use e2e::{Answer, FakeDecider, NatsServer, Phone, Setup, Sigbox, poll};
use futures_util::StreamExt as _;
use serde_json::{Value, json};

fn get(sigbox: &Sigbox, path: &str) -> Result<Value> {
    let request = sigbox.http("GET", &format!("/api/v1{path}"));
    request.send()?.expect(200)
}

fn command(sigbox: &Sigbox, args: &[&str]) -> Result<String> {
    let mut command = Command::new(Sigbox::binary()?);
    let output = command
        .args(args)
        .args(["--admin", &sigbox.admin().to_string()])
        .output()?;
    ensure!(output.status.success(), "{output:?}");
    Ok(String::from_utf8(output.stdout)?)
}

#[test]
fn the_last_decisions_are_shown_with_the_call_that_is_under_way() -> Result<()> {
    let nats = NatsServer::start()?;
    let (alice, bob) = (Phone::new("alice")?, Phone::new("bob")?);
    let hop = bob.hop();
    let decider = FakeDecider::start(&nats.url(), move |_| {
        Answer::Json(json!({
            "action": "route",
            "routes": [{ "dst_uri": hop }],
            "reasons": ["because of a test"],
        }))
    })?;
    // Nothing is published.
    let sigbox = Setup::new(&nats.url())
        .set("events", "publish", "[]")
        .set("runtime", "shards", "2")
        .fall_back_to_status(480)
        .start_connected()?;
    let call = alice.call(sigbox.sip(), &sigbox.uri("bob"))?;
    let invite = bob.expect_request("INVITE")?;
    let call_id = invite.header("Call-ID").context("a Call-ID")?.to_owned();

    let seen = get(&sigbox, &format!("/calls/{call_id}"))?;
    ensure!(seen["records"][0]["outcome"] == "decided", "{seen}");
    let underway = &seen["underway"][0];
    ensure!(
        underway["method"] == "INVITE" && underway["phase"] == "forwarding",
        "{seen}"
    );
    ensure!(underway["id"] == seen["records"][0]["id"], "{seen}");
    let branch = &underway["branches"][0];
    ensure!(
        branch["target"] == bob.address().to_string().as_str(),
        "{seen}"
    );

    bob.reply(&invite, 486, "Busy Here")?;
    call.expect(486)?;
    bob.expect_request("ACK")?;
    decider.leave()?;
    let call = alice.call(sigbox.sip(), &sigbox.uri("bob"))?;
    call.expect(480)?;
    // A response leaves before its record is kept.
    let latest = poll::until("two records", || {
        let latest = get(&sigbox, "/decisions?limit=10")?;
        let count = latest["records"].as_array().map(Vec::len);
        Ok((count == Some(2)).then_some(latest))
    })?;
    let records = latest["records"].as_array().context("records")?;
    ensure!(records[0]["cause"] == "no_responders", "{latest}");
    ensure!(
        records[1]["reasons"] == json!(["because of a test"]),
        "{latest}"
    );
    let one = get(&sigbox, &format!("/decisions?call_id={call_id}"))?;
    ensure!(one["records"].as_array().map(Vec::len) == Some(1), "{one}");
    let shown = command(&sigbox, &["decisions", "--call-id", &call_id])?;
    ensure!(
        shown.lines().count() == 2 && shown.contains("because of a test"),
        "{shown}"
    );
    Ok(())
}

#[test]
fn decisions_are_not_kept_when_none_are_wanted() -> Result<()> {
    let sigbox = Setup::new("nats://127.0.0.1:1")
        .set("admin", "decisions", "0")
        .fall_back_to_status(480)
        .start()?;
    let alice = Phone::new("alice")?;
    alice.call(sigbox.sip(), &sigbox.uri("bob"))?.expect(480)?;
    let latest = get(&sigbox, "/decisions")?;
    ensure!(latest == json!({ "kept": 0, "records": [] }), "{latest}");
    Ok(())
}

/// A service as NATS describes them (ADR-32), by hand, and one that is no decider.
async fn describe_itself(url: &str, ready: std::sync::mpsc::Sender<()>) -> Result<()> {
    let client = async_nats::connect(url).await?;
    let mut asked = client.subscribe("$SRV.STATS").await?;
    client.flush().await?;
    ready.send(())?;
    let stats = |name: &str, queue_group: &str, subject: &str| {
        json!({
            "type": "io.nats.micro.v1.stats_response",
            "name": name,
            "id": name,
            "version": "1.2.3",
            "metadata": {},
            "started": "2026-01-01T00:00:00Z",
            "endpoints": [{
                "name": "ask",
                "subject": subject,
                "queue_group": queue_group,
                "num_requests": 3,
                "num_errors": 1,
                "last_error": "500:odd",
                "processing_time": 6_000_000,
                "average_processing_time": 2_000_000,
            }],
        })
    };
    while let Some(message) = asked.next().await {
        let reply = message.reply.context("a reply subject")?;
        for document in [
            stats("lcr", "deciders", "sigbox.v1.query.*.invite"),
            stats("other", "q", "elsewhere"),
        ] {
            let text = document.to_string();
            client.publish(reply.clone(), text.into()).await?;
        }
        client.flush().await?;
    }
    Ok(())
}

#[test]
fn deciders_are_found_and_what_they_answered_is_counted() -> Result<()> {
    let nats = NatsServer::start()?;
    let (ready, is_ready) = std::sync::mpsc::channel();
    let url = nats.url();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        runtime.block_on(describe_itself(&url, ready))
    });
    is_ready
        .recv_timeout(e2e::PATIENCE)
        .context("the service")?;
    let sigbox = Setup::new(&nats.url())
        .fall_back_to_status(480)
        .start_connected()?;
    let found = get(&sigbox, "/deciders")?;
    let services = found["services"].as_array().context("services")?;
    ensure!(
        services.len() == 1 && services[0]["name"] == "lcr",
        "{found}"
    );
    ensure!(services[0]["endpoints"][0]["average_ms"] == 2.0, "{found}");
    ensure!(found["subjects"] == json!([]), "{found}");
    let decider = FakeDecider::start(&nats.url(), |_| {
        Answer::Json(json!({ "action": "reject", "status": 404 }))
    })?;
    let alice = Phone::new("alice")?;
    alice.call(sigbox.sip(), &sigbox.uri("bob"))?.expect(404)?;
    drop(decider);
    let failing = FakeDecider::start(&nats.url(), |_| Answer::Bytes(b"odd".to_vec()))?;
    alice.call(sigbox.sip(), &sigbox.uri("bob"))?.expect(480)?;
    drop(failing);
    let found = get(&sigbox, "/deciders")?;
    let subject = &found["subjects"][0];
    ensure!(
        subject["subject"] == "sigbox.v1.query.default.invite",
        "{found}"
    );
    ensure!(
        subject["answered"] == 1 && subject["failed"] == 1 && subject["open"] == 0,
        "{found}"
    );
    ensure!(
        subject["breaker"] == "closed" && subject["last_failure"] != "",
        "{found}"
    );
    let shown = command(&sigbox, &["deciders"])?;
    ensure!(
        shown.contains("lcr") && shown.contains("sigbox.v1.query.default.invite"),
        "{shown}"
    );
    Ok(())
}

#[test]
fn without_nats_nobody_is_found_and_that_is_said() -> Result<()> {
    let sigbox = Setup::new("nats://127.0.0.1:1")
        .fall_back_to_status(480)
        .start()?;
    let found = get(&sigbox, "/deciders")?;
    ensure!(
        found["services"] == json!([]) && found["error"].is_string(),
        "{found}"
    );
    Ok(())
}
