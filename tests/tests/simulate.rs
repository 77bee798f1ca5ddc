//! What would happen, and why: over HTTP, and in the terminal.

use std::process::Command;

use anyhow::{Context, Result, ensure};
use e2e::{Answer, FakeDecider, NatsServer, Phone, Setup, Sigbox};
use serde_json::{Value, json};

const RULES: &str = r#"
[[limit]]
name = "one a day"
key = "source"
algorithm = "tail_drop"
count = 1
interval_ms = 86400000

[[schedule]]
name = "office"
time_zone = "Europe/Berlin"
weekly = "mon-fri 08:00-18:00"
holidays = { "Christmas" = "12-25" }

[[rule]]
name = "scanners"
header = { "User-Agent" = "re:scanner" }
action = "ban"

[[rule]]
name = "closed"
user_prefix = "+4930"
not = { schedule = "office" }
action = "reject"
status = 480

[[rule]]
name = "office"
user_prefix = "+4930"
limit = "one a day"
action = "reject"
status = 486

[[fallback]]
name = "gone"
cause = "timeout"
action = "reject"
status = 504
"#;

fn about(uri: &str) -> Value {
    json!({"request_uri": uri, "source": "192.0.2.7", "at": "2026-07-13T12:00:00+02:00"})
}

fn explained(sigbox: &Sigbox, path: &str, asked: &Value) -> Result<Value> {
    let (status, body) = sigbox.ask("POST", path, asked)?;
    ensure!(status == 200, "{status}: {body}");
    Ok(body)
}

/// How each rule fared, in order.
fn fared(explanation: &Value) -> Vec<String> {
    let rules = explanation["rules"].as_array().into_iter().flatten();
    rules
        .map(|rule| {
            let text = |key: &str| rule[key].as_str().unwrap_or_default().to_owned();
            format!(
                "{} {} {} {}",
                text("name"),
                text("result"),
                text("condition"),
                text("found")
            )
            .trim_end()
            .to_owned()
        })
        .collect()
}

#[test]
fn an_explanation_says_which_condition_failed_first_and_counts_nothing() -> Result<()> {
    let sigbox = Setup::new("nats://127.0.0.1:1").rules(RULES).start()?;
    let number = "sip:+4930123@example.com";
    for _ in 0..3 {
        let open = explained(&sigbox, "/api/v1/explain", &about(number))?;
        assert_eq!(
            fared(&open),
            [
                "scanners unmet header User-Agent: absent",
                "closed unmet not the one at 1 holds: office is open",
                "office decides"
            ]
        );
        let verdict = &open["verdict"];
        ensure!(
            verdict["action"] == "reject" && verdict["status"] == 486,
            "{open}"
        );
        ensure!(open["rules"][2]["limit"]["over"] == false, "{open}");
    }
    // A Monday evening, and a holiday.
    for at in ["2026-07-13T18:00:00+02:00", "2026-12-25T12:00:00+01:00"] {
        let mut asked = about(number);
        asked["at"] = json!(at);
        let closed = explained(&sigbox, "/api/v1/explain", &asked)?;
        ensure!(closed["verdict"]["by"] == "closed", "{closed}");
        let hours = &closed["rules"][1]["schedules"][0];
        ensure!(
            hours["name"] == "office" && hours["open"] == false,
            "{closed}"
        );
        ensure!(
            hours["holiday"].is_string() == at.contains("-12-25"),
            "{closed}"
        );
        ensure!(closed["rules"][2]["result"] == "not_reached", "{closed}");
    }
    let sip = "INVITE sip:x@example.com SIP/2.0\nVia: SIP/2.0/UDP 192.0.2.7\nFrom: <sip:a@b>;tag=1\n\
               To: <sip:x@example.com>\nCall-ID: 1\nCSeq: 1 INVITE\nUser-Agent: friendly-scanner\n";
    let banned = explained(
        &sigbox,
        "/api/v1/explain",
        &json!({"sip": sip, "source": "192.0.2.7:5060"}),
    )?;
    ensure!(banned["verdict"]["action"] == "ban", "{banned}");
    let mut in_dialog = about(number);
    in_dialog["to"] = json!("<sip:+4930123@example.com>;tag=x");
    in_dialog["method"] = json!("BYE");
    let relayed = explained(&sigbox, "/api/v1/explain", &in_dialog)?;
    ensure!(relayed["verdict"]["action"] == "relay", "{relayed}");
    ensure!(fared(&relayed)[0] == "scanners not_reached", "{relayed}");
    for nonsense in [
        json!({"source": "192.0.2.7"}),
        json!({"method": "BYE", "request_uri": "sip:a@b", "source": "192.0.2.7"}),
        json!({"request_uri": "sip:a@b"}),
        json!({"request_uri": "sip:a@b", "source": "192.0.2.7", "listener": "udp:1.2.3.4:5"}),
        json!({"request_uri": "sip:a b", "source": "192.0.2.7"}),
        json!({"request_uri": "sip:a@b\r\nRoute: <sip:c>", "source": "192.0.2.7"}),
        json!({"sip": "SIP/2.0 200 OK\r\n\r\n", "source": "192.0.2.7"}),
    ] {
        let (status, problem) = sigbox.ask("POST", "/api/v1/explain", &nonsense)?;
        ensure!(status == 422, "{status}: {nonsense} {problem}");
    }
    // Nobody was banned, and nothing was counted.
    let metrics = sigbox.metrics()?;
    ensure!(metrics.sum("sigbox_bans", &[]) == 0.0);
    ensure!(metrics.sum("sigbox_limit_passed_total", &[]) == 0.0);
    ensure!(metrics.sum("sigbox_requests_total", &[]) == 0.0);
    Ok(())
}

#[test]
fn a_simulation_asks_the_deciders_and_sends_no_sip() -> Result<()> {
    let nats = NatsServer::start()?;
    let bob = Phone::new("bob")?;
    let hop = bob.hop();
    let decider = FakeDecider::start(&nats.url(), move |query| {
        match query.json["request_uri"]["user"].as_str() {
            Some("bob") => Answer::Json(json!({
                "action": "route", "routes": [{ "dst_uri": hop }], "reasons": ["it is Bob"],
            })),
            Some("carol") => Answer::Json(json!({ "action": "jump" })),
            _ => Answer::Silence,
        }
    })?;
    let sigbox = Setup::new(&nats.url())
        .budget_ms(300)
        .rules(RULES)
        .start_connected()?;
    let routed = explained(&sigbox, "/api/v1/simulate", &about("sip:bob@example.com"))?;
    let said = &routed["decider"];
    ensure!(
        said["verdict"]["action"] == "route"
            && said["reasons"][0] == "it is Bob"
            && said["subject"] == "sigbox.v1.query.default.invite"
            && routed["fallback"].is_null(),
        "{routed}"
    );
    let query = decider.next_query()?;
    assert_eq!(query.headers["Sigbox-Mode"], "simulate");
    assert_eq!(query.json["source"]["ip"], "192.0.2.7");

    let refused = explained(&sigbox, "/api/v1/simulate", &about("sip:carol@example.com"))?;
    ensure!(
        refused["decider"]["cause"] == "invalid" && refused["fallback"]["cause"] == "invalid",
        "{refused}"
    );
    let silent = explained(&sigbox, "/api/v1/simulate", &about("sip:dave@example.com"))?;
    ensure!(
        silent["decider"]["cause"] == "timeout" && silent["fallback"]["verdict"]["status"] == 504,
        "{silent}"
    );
    // What a rule decides nobody is asked about.
    decider.next_query()?;
    decider.next_query()?;
    let decided = explained(
        &sigbox,
        "/api/v1/simulate",
        &about("sip:+4930123@example.com"),
    )?;
    ensure!(
        decided["decider"].is_null() && decider.pending().is_empty(),
        "{decided}"
    );
    bob.expect_quiet(sigbox.sip())?;
    ensure!(sigbox.metrics()?.sum("sigbox_queries_total", &[]) == 0.0);
    Ok(())
}

#[test]
fn the_terminal_shows_it() -> Result<()> {
    let sigbox = Setup::new("nats://127.0.0.1:1").rules(RULES).start()?;
    let simulate = |args: &[&str]| -> Result<(bool, String, String)> {
        let output = Command::new(Sigbox::binary()?)
            .args(["simulate", "--admin", &sigbox.admin().to_string()])
            .args(args)
            .output()?;
        Ok((
            output.status.success(),
            String::from_utf8(output.stdout)?,
            String::from_utf8(output.stderr)?,
        ))
    };
    let night = "2026-07-13T20:00:00+02:00";
    let (_, shown, _) = simulate(&[
        "--at",
        night,
        "--source",
        "192.0.2.7",
        "sip:+4930123@a.example",
    ])?;
    let lines: Vec<_> = shown.lines().map(str::trim_end).collect();
    assert_eq!(lines[0], "INVITE sip:+4930123@a.example");
    assert_eq!(
        lines[3..],
        [
            "rule      scanners  no: header is \"User-Agent: absent\"",
            "rule      closed    yes: reject with 480 (office is closed)",
            "rule      office    not reached",
            "verdict   reject with 480 (closed)",
        ],
        "{shown}"
    );
    let noon = "2026-07-13T12:00:00+02:00";
    let (_, shown, _) = simulate(&["--at", noon, "--rules-only", "sip:+4930123@a.example"])?;
    ensure!(
        shown.contains("closed    no: not: the one at 1 holds: office is open"),
        "{shown}"
    );
    // Nobody to ask: then the fallback rules, for that reason.
    let (_, shown, _) = simulate(&["sip:bob@a.example"])?;
    ensure!(shown.contains("decider   disconnected"), "{shown}");
    ensure!(
        shown.contains("when nobody decides (disconnected)"),
        "{shown}"
    );
    ensure!(shown.contains("no: cause is \"disconnected\""), "{shown}");
    let (_, shown, _) = simulate(&["--rules-only", "sip:bob@a.example"])?;
    ensure!(
        shown.contains("verdict   reject with 504 (gone)"),
        "{shown}"
    );
    let (_, shown, _) = simulate(&["--json", "--rules-only", "sip:bob@a.example"])?;
    let json: Value = serde_json::from_str(&shown).context("JSON")?;
    assert_eq!(json["verdict"]["action"], "ask");
    let (success, _, error) = simulate(&["--listener", "udp:1.2.3.4:5", "sip:bob@a.example"])?;
    ensure!(
        !success && error.contains("`listener` must be one of udp:127.0.0.1:"),
        "{error}"
    );
    Ok(())
}
