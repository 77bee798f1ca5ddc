//! What is told on NATS about changes over the HTTP API.

use anyhow::{Result, ensure};
use e2e::{FakeDecider, NatsServer, Setup};

#[test]
fn changes_and_new_versions_of_tables_are_announced() -> Result<()> {
    let nats = NatsServer::start()?;
    let observer = FakeDecider::observer(&nats.url())?;
    let sigbox = Setup::new(&nats.url())
        .set("", "node", "\"edge-7\"")
        .set("events", "publish", "[\"audit\", \"data\"]")
        .fall_back_to_status(404)
        .start_connected()?;
    sigbox.push_csv("rates", "prefixes", "prefix\n49\n4930\n")?;
    // What counts is told before who made it so.
    let data = observer.next_data()?;
    ensure!(
        data["table"] == "rates" && data["node"] == "edge-7",
        "{data}"
    );
    ensure!(data["active"] == 1 && data["rows"] == 2, "{data}");
    let listed = sigbox
        .http("GET", "/api/v1/tables/rates/versions/1")
        .send()?;
    let listed = listed.expect(200)?;
    ensure!(data["sha256"] == listed["sha256"], "{data} {listed}");
    let audit = observer.next_event("audit")?;
    ensure!(
        audit["by"] == "local" && audit["node"] == "edge-7",
        "{audit}"
    );
    ensure!(
        audit["table"] == "rates" && audit["outcome"] == "active",
        "{audit}"
    );
    sigbox.push_csv("rates", "prefixes", "prefix\n49\n")?;
    ensure!(observer.next_data()?["active"] == 2);
    // One that changes nothing is told to nobody; the next thing heard is the removal.
    sigbox
        .http("PUT", "/api/v1/tables/rates?kind=prefixes")
        .body("text/csv", "prefix\n49\n")
        .send()?
        .expect(200)?;
    sigbox.http("DELETE", "/api/v1/tables/rates").send()?;
    let data = observer.next_data()?;
    ensure!(
        data["table"] == "rates" && data.get("active").is_none(),
        "{data}"
    );
    // Who is refused is told, too.
    let reload = sigbox
        .http("POST", "/api/v1/reload")
        .header("Origin", "https://evil.example");
    reload.send()?.expect(403)?;
    loop {
        let audit = observer.next_event("audit")?;
        if audit["what"] == "POST /api/v1/reload" {
            ensure!(audit.get("by").is_none(), "{audit}");
            break;
        }
    }
    Ok(())
}

#[test]
fn without_nats_changes_are_made_and_what_is_not_told_is_counted() -> Result<()> {
    let sigbox = Setup::new("nats://127.0.0.1:1")
        .set("events", "publish", "[\"audit\", \"data\"]")
        .fall_back_to_status(404)
        .start()?;
    sigbox.push_csv("rates", "prefixes", "prefix\n49\n")?;
    sigbox.wait_for_count("sigbox_events_dropped_total", &[], 2)
}
