//! Sources that nothing is taken from: by rule, by limit, over HTTP.

use anyhow::{Context, Result, ensure};
use e2e::{Phone, Setup, Sigbox};
use serde_json::{Value, json};

/// Nobody is protected here: everybody in these tests is on loopback.
fn setup() -> Setup {
    Setup::new("nats://127.0.0.1:1")
        .set("limits", "never_ban", "[]")
        .set("decision", "ask", "[]")
        .fall_back_to_status(480)
}

fn dropped(sigbox: &Sigbox) -> Result<f64> {
    let banned = [("reason", "banned")];
    Ok(sigbox.metrics()?.sum("sigbox_udp_dropped_total", &banned))
}

fn bans(sigbox: &Sigbox) -> Result<Vec<Value>> {
    let (status, body) = sigbox.ask("GET", "/api/v1/bans", &Value::Null)?;
    ensure!(status == 200, "{status}: {body}");
    body["bans"].as_array().cloned().context("a list")
}

#[test]
fn a_ban_over_http_drops_everything_until_it_is_released() -> Result<()> {
    let alice = Phone::new("alice")?;
    let sigbox = setup().start()?;
    alice.call(sigbox.sip(), &sigbox.uri("bob"))?.expect(480)?;
    // Her ACK has arrived.
    sigbox.wait_until_idle()?;

    let wanted = json!({"source": "127.0.0.1", "seconds": 3600, "reason": "a test"});
    let (status, ban) = sigbox.ask("POST", "/api/v1/bans", &wanted)?;
    ensure!(
        status == 201 && ban["source"] == "127.0.0.1",
        "{status}: {ban}"
    );
    let listed = bans(&sigbox)?;
    ensure!(
        listed.len() == 1 && listed[0]["reason"] == "a test",
        "{listed:?}"
    );
    alice.options(sigbox.sip())?;
    sigbox.wait_for_count("sigbox_udp_dropped_total", &[("reason", "banned")], 1)?;

    let (status, _) = sigbox.ask("DELETE", "/api/v1/bans/127.0.0.1", &Value::Null)?;
    ensure!(status == 204, "{status}");
    let (status, _) = sigbox.ask("DELETE", "/api/v1/bans/127.0.0.1", &Value::Null)?;
    ensure!(status == 404, "{status}");
    // Nothing was heard of the first OPTIONS.
    let options = alice.options(sigbox.sip())?;
    let answer = alice.expect(200)?;
    ensure!(answer.branch() == Some(options.branch()), "{answer}");
    ensure!(bans(&sigbox)?.is_empty() && dropped(&sigbox)? == 1.0);
    Ok(())
}

#[test]
fn a_ban_ends_by_itself() -> Result<()> {
    let alice = Phone::new("alice")?;
    let sigbox = setup().start()?;
    let wanted = json!({"source": "127.0.0.0/8", "seconds": 1});
    let (status, ban) = sigbox.ask("POST", "/api/v1/bans", &wanted)?;
    ensure!(
        status == 201 && ban["source"] == "127.0.0.0/8",
        "{status}: {ban}"
    );
    alice.options(sigbox.sip())?;
    sigbox.wait_for_count("sigbox_udp_dropped_total", &[("reason", "banned")], 1)?;
    sigbox.wait_for_count("sigbox_bans", &[], 0)?;
    alice.options(sigbox.sip())?;
    alice.expect(200)?;
    Ok(())
}

#[test]
fn what_is_protected_is_banned_by_force_only() -> Result<()> {
    let bob = Phone::new("bob")?;
    let sigbox = Setup::routing_to(&bob).start()?;
    let mut wanted = json!({"source": "127.0.0.1", "seconds": 60});
    let (status, problem) = sigbox.ask("POST", "/api/v1/bans", &wanted)?;
    ensure!(status == 409, "{status}: {problem}");
    ensure!(
        problem["detail"]
            .as_str()
            .is_some_and(|text| text.contains("never_ban")),
        "{problem}"
    );
    wanted["force"] = json!(true);
    let (status, ban) = sigbox.ask("POST", "/api/v1/bans", &wanted)?;
    ensure!(status == 201, "{status}: {ban}");
    for nonsense in [
        json!({"source": "everybody", "seconds": 60}),
        json!({"source": "192.0.2.1", "seconds": 0}),
        json!({"source": "192.0.2.1"}),
        json!({"source": "192.0.2.1", "seconds": 60, "until": 1}),
    ] {
        let (status, problem) = sigbox.ask("POST", "/api/v1/bans", &nonsense)?;
        ensure!(status == 422, "{status}: {problem}");
    }
    Ok(())
}

#[test]
fn a_scanner_is_banned_by_its_first_request() -> Result<()> {
    let scanner = Phone::new("scanner")?;
    let rule = "[[rule]]\nname = \"scanners\"\nheader = { \"User-Agent\" = \"re:friendly-scanner\" }\n\
                action = \"ban\"\nseconds = 3600";
    let sigbox = setup().rules(rule).start()?;
    let register = scanner
        .request("REGISTER", &sigbox.uri("100"))
        .header("User-Agent: friendly-scanner");
    scanner.send(sigbox.sip(), register.to_string())?;
    sigbox.wait_for_count("sigbox_bans", &[], 1)?;
    let listed = bans(&sigbox)?;
    ensure!(
        listed[0]["reason"] == "scanners" && listed[0]["by"] == "rule",
        "{listed:?}"
    );
    // Without its name it is no better.
    scanner.options(sigbox.sip())?;
    sigbox.wait_for_count("sigbox_udp_dropped_total", &[("reason", "banned")], 1)?;
    sigbox.ask("DELETE", "/api/v1/bans/127.0.0.1", &Value::Null)?;
    // The first thing it ever hears.
    scanner.options(sigbox.sip())?;
    scanner.expect(200)?;
    Ok(())
}

#[test]
fn who_stays_over_a_limit_is_banned_and_the_call_under_way_with_it() -> Result<()> {
    let (alice, bob) = (Phone::new("alice")?, Phone::new("bob")?);
    let limit = "[[limit]]\nname = \"calls\"\nalgorithm = \"tail_drop\"\ncount = 1\ninterval_ms = 86400000\n\
                 apply = \"all\"\nban_after = 2\nban_s = 3600";
    // Somebody else routes: whoever a rule routes to would be protected.
    let nats = e2e::NatsServer::start()?;
    let _decider = e2e::FakeDecider::routing_to(&nats.url(), &bob)?;
    let sigbox = Setup::new(&nats.url())
        .set("limits", "never_ban", "[]")
        .rules(limit)
        .fall_back_to_status(480)
        .start_connected()?;
    let call = alice.call(sigbox.sip(), &sigbox.uri("bob"))?;
    let invite = bob.ring(&call)?;
    bob.reply(&invite, 200, "OK")?;
    let mut dialog = call.establish()?;
    bob.expect_request("ACK")?;
    for _ in 0..2 {
        let refusal = alice.call(sigbox.sip(), &sigbox.uri("bob"))?.expect(503)?;
        ensure!(refusal.header("Retry-After").is_some(), "{refusal}");
    }
    sigbox.wait_for_count("sigbox_bans", &[], 1)?;
    let before = dropped(&sigbox)?;
    dialog.ask("BYE")?;
    sigbox.wait_for_metrics("the BYE to be dropped", |metrics| {
        metrics.sum("sigbox_udp_dropped_total", &[("reason", "banned")]) > before
    })?;
    let (_, limits) = sigbox.ask("GET", "/api/v1/limits", &Value::Null)?;
    let limit = &limits["limits"][0];
    ensure!(limit["passed"] == 1 && limit["limited"] == 2, "{limits}");
    let metrics = sigbox.metrics()?;
    let labels = [("limit", "calls"), ("action", "reject")];
    ensure!(
        metrics.sum("sigbox_limit_limited_total", &labels) == 2.0,
        "{metrics}"
    );
    ensure!(
        metrics.sum("sigbox_limit_passed_total", &[("limit", "calls")]) == 1.0,
        "{metrics}"
    );
    Ok(())
}
