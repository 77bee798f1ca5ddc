//! Gateway sets of the real program: failover, probes, reload, and an operator's switch.

use anyhow::{Context, Result};
use e2e::{Answer, FakeDecider, Gateway, NatsServer, Phone, Setup, Sigbox};
use rustix::process::Signal;
use serde_json::{Value, json};

/// The set `carriers` of these gateways, `gw1` first, and a decider's or rule's way to it; `more` are further keys.
fn carriers(gateways: &[&Gateway], more: &str) -> String {
    let gateways: Vec<String> = gateways
        .iter()
        .enumerate()
        .map(|(at, gateway)| {
            let (number, uri) = (at + 1, gateway.uri());
            format!("{{ id = \"gw{number}\", uri = {uri:?}, priority = {number} }}")
        })
        .collect();
    let gateways = gateways.join(", ");
    format!(
        "[[gateways]]\nname = \"carriers\"\nalgorithm = \"priority\"\n{more}\ngateway = [{gateways}]\n\
         [[rule]]\naction = \"gateways\"\nset = \"carriers\"\n"
    )
}

const PROBED: &str =
    "probe = { interval_ms = 200, timeout_ms = 1000 }\ninactive_after = 2\nactive_after = 1";

fn setup(nats: &NatsServer) -> Setup {
    Setup::new(&nats.url())
        .set(
            "events",
            "publish",
            "[\"decision\", \"transaction\", \"node\", \"gateway\"]",
        )
        // On a slow machine nothing is to be sent twice, as what arrives is counted.
        .set("sip", "t1_ms", "2000")
}

/// A call that is answered, acknowledged and hung up.
fn call(alice: &Phone, sigbox: &Sigbox) -> Result<()> {
    let call = alice.call(sigbox.sip(), &sigbox.uri("+4930123"))?;
    let mut dialog = call.establish()?;
    dialog.ask("BYE")?;
    alice.expect(200)?;
    Ok(())
}

fn state_is(sigbox: &Sigbox, gateway: &str, state: &str) -> Result<()> {
    let labels = [("set", "carriers"), ("gateway", gateway), ("state", state)];
    sigbox.wait_for_count("sigbox_gateway_state", &labels, 1)
}

/// The event that says so; on a slow machine a probe of another gateway may have failed meanwhile.
fn next_state(observer: &FakeDecider, gateway: &str, state: &str) -> Result<Value> {
    loop {
        let event = observer.next_event("gateway")?;
        if event["gateway"] == gateway && event["state"] == state {
            return Ok(event);
        }
    }
}

fn gateway_of(sigbox: &Sigbox, id: &str) -> Result<Value> {
    let (status, body) = sigbox.get("/api/v1/gateways/carriers")?;
    anyhow::ensure!(status == 200, "{status} {body}");
    let set: Value = serde_json::from_str(&body)?;
    let gateways = set["gateways"].as_array().context("gateways")?;
    let found = gateways.iter().find(|gateway| gateway["id"] == id);
    Ok(found.context("the gateway")?.clone())
}

#[test]
fn a_call_goes_on_to_the_gateway_that_works() -> Result<()> {
    let nats = NatsServer::start()?;
    let alice = Phone::new("alice")?;
    let [first, second, third] = [503, 200, 200].map(Gateway::answering);
    let (first, second, third) = (first?, second?, third?);
    second.set_alive(false);
    let route =
        json!({ "version": "1.0", "routes": [{ "gateways": "carriers", "fr_timer": 1_000 }] });
    let decider = FakeDecider::start(&nats.url(), move |_| Answer::Json(route.clone()))?;
    let sets = carriers(&[&first, &second, &third], "")
        .replace("[[rule]]\naction = \"gateways\"\nset = \"carriers\"\n", "");
    let sigbox = setup(&nats).rules(&sets).start_connected()?;

    call(&alice, &sigbox)?;
    decider.next_query()?;
    assert_eq!([&first, &third].map(Gateway::invites), [1, 1]);
    let metrics = sigbox.metrics()?;
    let failed = |gateway: &str, reason: &str| {
        let labels = [("gateway", gateway), ("reason", reason)];
        metrics.sum("sigbox_gateway_failures_total", &labels)
    };
    assert_eq!(failed("gw1", "status"), 1.0);
    assert_eq!(failed("gw2", "timeout"), 1.0);
    assert_eq!(
        metrics.sum("sigbox_gateway_requests_total", &[("set", "carriers")]),
        3.0
    );
    assert_eq!(gateway_of(&sigbox, "gw1")?["state"], "trying");
    assert_eq!(gateway_of(&sigbox, "gw1")?["last_failure"]["status"], 503);
    let events = [
        decider.next_event("gateway")?,
        decider.next_event("gateway")?,
    ];
    assert_eq!(
        events.map(|event| format!(
            "{} {} {}",
            event["gateway"], event["state"], event["reason"]
        )),
        [
            "\"gw1\" \"trying\" \"status\"".to_owned(),
            "\"gw2\" \"trying\" \"timeout\"".to_owned()
        ]
    );
    let transaction = decider.next_event("transaction")?;
    let branches = transaction["branches"].as_array().context("branches")?;
    let tried: Vec<_> = branches
        .iter()
        .map(|branch| (branch["gateway"].as_str(), branch["status"].as_u64()))
        .collect();
    let expected = [
        ("carriers/gw1", 503),
        ("carriers/gw2", 408),
        ("carriers/gw3", 200),
    ];
    assert_eq!(
        tried,
        expected.map(|(gateway, status)| (Some(gateway), Some(status)))
    );
    sigbox.wait_until_idle()
}

#[test]
fn a_probe_finds_a_gateway_down_and_up_again() -> Result<()> {
    let nats = NatsServer::start()?;
    let alice = Phone::new("alice")?;
    let (first, second) = (Gateway::answering(200)?, Gateway::answering(200)?);
    let observer = FakeDecider::observer(&nats.url())?;
    let sigbox = setup(&nats)
        .rules(&carriers(&[&first, &second], PROBED))
        .start_connected()?;
    e2e::poll::until("probes", || {
        Ok((first.probes() > 0 && second.probes() > 0).then_some(()))
    })?;
    first.set_alive(false);
    state_is(&sigbox, "gw1", "inactive")?;
    next_state(&observer, "gw1", "trying")?;
    let inactive = next_state(&observer, "gw1", "inactive")?;
    assert_eq!(inactive["set"], "carriers");
    assert_eq!(
        (&inactive["reason"], &inactive["probe"]),
        (&json!("timeout"), &json!(true))
    );
    sigbox.wait_for_log("that it is inactive", |line| {
        (line["message"] == "gateway changed" && line["to"] == "inactive").then_some(())
    })?;
    assert!(gateway_of(&sigbox, "gw2")?["latency_ms"].is_number());

    call(&alice, &sigbox)?;
    assert_eq!([&first, &second].map(Gateway::invites), [0, 1]);
    assert!(
        sigbox
            .metrics()?
            .sum("sigbox_gateways_skipped_total", &[("reason", "inactive")])
            >= 1.0
    );

    first.set_alive(true);
    state_is(&sigbox, "gw1", "active")?;
    next_state(&observer, "gw1", "active")?;
    call(&alice, &sigbox)?;
    assert_eq!([&first, &second].map(Gateway::invites), [1, 1]);
    Ok(())
}

#[test]
fn a_reload_while_probing_keeps_what_is_known() -> Result<()> {
    let nats = NatsServer::start()?;
    let (first, second) = (Gateway::answering(200)?, Gateway::answering(200)?);
    first.set_alive(false);
    let setup = setup(&nats);
    let mut sigbox = setup
        .clone()
        .rules(&carriers(&[&first, &second], PROBED))
        .start_connected()?;
    state_is(&sigbox, "gw1", "inactive")?;
    let since = gateway_of(&sigbox, "gw1")?["since"].clone();

    let more = format!("max_tries = 1\n{PROBED}");
    let changed = setup.clone().rules(&carriers(&[&first, &second], &more));
    sigbox.rewrite(&changed.to_toml())?;
    sigbox.signal(Signal::HUP)?;
    sigbox.wait_for_count("sigbox_reloads_total", &[("result", "applied")], 1)?;
    let gateway = gateway_of(&sigbox, "gw1")?;
    assert_eq!(
        (&gateway["state"], &gateway["since"]),
        (&json!("inactive"), &since)
    );
    let probes = second.probes();
    e2e::poll::until("more probes", || {
        Ok((second.probes() > probes + 1).then_some(()))
    })?;

    // What is gone from the file is gone from everywhere.
    sigbox.rewrite(&setup.fall_back_to_status(480).to_toml())?;
    sigbox.signal(Signal::HUP)?;
    sigbox.wait_for_count("sigbox_reloads_total", &[("result", "applied")], 2)?;
    assert_eq!(sigbox.get("/api/v1/gateways/carriers")?.0, 404);
    assert_eq!(sigbox.get("/api/v1/gateways")?.1, r#"{"sets":[]}"#);
    assert!(sigbox.terminate()?.success());
    Ok(())
}

#[test]
fn an_operator_drains_a_gateway_and_brings_it_back() -> Result<()> {
    let nats = NatsServer::start()?;
    let alice = Phone::new("alice")?;
    let (first, second) = (Gateway::answering(200)?, Gateway::answering(200)?);
    let observer = FakeDecider::observer(&nats.url())?;
    let more = "failure_statuses = 503";
    let sigbox = setup(&nats)
        .rules(
            &carriers(&[&first, &second], more)
                .replace("priority = 2", "priority = 2, max_calls = 9"),
        )
        .start_connected()?;
    let put = |path: &str, state: &str| {
        let path = format!("/api/v1/gateways/{path}");
        sigbox.put(&path, &json!({ "state": state }))
    };
    // A call that is up stays up.
    let up = alice.call(sigbox.sip(), &sigbox.uri("+4930123"))?;
    let mut dialog = up.establish()?;
    assert_eq!(gateway_of(&sigbox, "gw1")?["calls"], 1);
    let (status, body) = put("carriers/gw1", "disabled")?;
    assert_eq!(status, 200, "{body}");
    assert_eq!(serde_json::from_str::<Value>(&body)?["state"], "disabled");
    let event = observer.next_event("gateway")?;
    assert_eq!(
        (&event["state"], &event["reason"]),
        (&json!("disabled"), &json!("operator"))
    );
    state_is(&sigbox, "gw1", "disabled")?;
    call(&alice, &sigbox)?;
    assert_eq!([&first, &second].map(Gateway::invites), [1, 1]);
    assert_eq!(gateway_of(&sigbox, "gw1")?["calls"], 1);
    dialog.ask("BYE")?;
    alice.expect(200)?;
    assert_eq!(gateway_of(&sigbox, "gw1")?["calls"], 0);

    assert_eq!(put("carriers/gw1", "active")?.0, 200);
    call(&alice, &sigbox)?;
    assert_eq!([&first, &second].map(Gateway::invites), [2, 1]);

    assert_eq!(put("carriers/gw9", "disabled")?.0, 404);
    assert_eq!(put("others/gw1", "disabled")?.0, 404);
    let (status, body) = put("carriers/gw1", "asleep")?;
    assert_eq!(status, 422, "{body}");
    assert_eq!(serde_json::from_str::<Value>(&body)?["status"], 422);
    sigbox.wait_until_idle()
}

#[test]
fn all_shards_share_what_is_known_about_a_gateway() -> Result<()> {
    let nats = NatsServer::start()?;
    let alice = Phone::new("alice")?;
    let (first, second) = (Gateway::answering(200)?, Gateway::answering(200)?);
    let sets = carriers(&[&first, &second], "")
        .replace("priority = ", "max_calls = 2, priority = ")
        .replace("\"priority\"", "\"round_robin\"");
    let sigbox = setup(&nats)
        .set("runtime", "shards", "4")
        .rules(&sets)
        .start_connected()?;
    let shards =
        || -> Result<f64> { Ok(sigbox.metrics()?.sum("sigbox_shard_handoffs_total", &[])) };
    // Call-IDs lead to all shards; each call goes to the next gateway, until both are full.
    let mut up = Vec::new();
    for _ in 0..4 {
        let call = alice.call(sigbox.sip(), &sigbox.uri("+4930123"))?;
        up.push(call.establish()?);
    }
    assert_eq!([&first, &second].map(Gateway::invites), [2, 2]);
    let call_while_full = || -> Result<()> {
        alice
            .call(sigbox.sip(), &sigbox.uri("+4930123"))?
            .expect(503)?;
        Ok(())
    };
    for _ in 0..8 {
        call_while_full()?;
    }
    assert!(shards()? > 0.0, "one shard alone did all of it");
    let mut dialog = up.pop().context("a call")?;
    dialog.ask("BYE")?;
    alice.expect(200)?;
    call(&alice, &sigbox)?;
    Ok(())
}
