//! What whoever pushes a table is told about it, and what rules are told about tables.

use std::io::Write;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use e2e::{Setup, Sigbox, poll};
use serde_json::{Value, json};
use tempfile::TempDir;

/// A proxy whose rule `rates` looks calls up in the table of that name.
fn setup(data: &TempDir) -> Setup {
    // Nobody listens on port 1.
    Setup::new("nats://127.0.0.1:1")
        .set("data", "dir", &format!("{:?}", data.path()))
        .rules("[[rule]]\nname = \"rates\"\naction = \"table\"\ntable = \"rates\"\n")
        .fall_back_to_status(404)
}

fn push(sigbox: &Sigbox, table: &str, kind: &str, rows: &Value) -> Result<Value> {
    let path = format!("/api/v1/tables/{table}?kind={kind}");
    let request = sigbox.http("PUT", &path);
    let answer = request.body("application/json", rows.to_string()).send()?;
    ensure!(answer.status < 300, "{}", answer.text());
    answer.json()
}

fn warnings(changed: &Value) -> Vec<&str> {
    let all = changed["warnings"].as_array();
    all.into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect()
}

/// Waits for a warning with that in its message.
fn wait_for_warning(sigbox: &Sigbox, part: &str) -> Result<()> {
    sigbox.wait_for_log(part, |record| {
        let said = record["message"]
            .as_str()
            .is_some_and(|text| text.contains(part));
        (said && record["level"] == "WARN").then_some(())
    })
}

#[test]
fn rows_that_route_nothing_are_questioned_where_a_rule_looks() -> Result<()> {
    let data = TempDir::new()?;
    let setup = setup(&data).rules("[[rule]]\naction = \"table\"\ntable = \"names\"\n");
    let sigbox = setup.start()?;
    let told = |table: &str, kind: &str, rows: Value| {
        let changed = push(&sigbox, table, kind, &rows)?;
        anyhow::Ok(warnings(&changed).join("\n"))
    };
    let misspelled = json!([{"prefix": "49", "gatway": "de", "rate": "0.01"}]);
    assert_eq!(
        told("rates", "prefixes", misspelled.clone())?,
        "no row says where to route, and rule \"rates\" looks calls up here; \
         its columns are prefix, gatway, rate: did you mean gateways?"
    );
    let attributes = json!([{"prefix": "49", "carrier": "a"}]);
    assert_eq!(
        told("rates", "prefixes", attributes.clone())?,
        "no row says where to route, and rule \"rates\" looks calls up here; its columns are prefix, carrier: \
         a row that routes has `gateways`, `dst_uri`, `uri`, `routes` or `action`"
    );
    assert_eq!(
        told("rates", "prefixes", json!([]))?,
        "the table is empty, and rule \"rates\" looks calls up here"
    );
    let routed =
        json!([{"prefix": "49", "dst_uri": "sip:192.0.2.1"}, {"prefix": "1", "rate": "1"}]);
    assert_eq!(told("rates", "prefixes", routed)?, "");
    // A slip beside what routes.
    let slip =
        json!([{"prefix": "49", "dst_uri": "sip:192.0.2.1"}, {"prefix": "1", "gatway": "de"}]);
    let said = "gatway has no meaning here and is kept as an attribute: did you mean gateways?";
    assert_eq!(told("rates", "prefixes", slip)?, said);
    // Where no rule looks, anything may be in a row; a slip is one nevertheless.
    assert_eq!(told("deck", "prefixes", attributes)?, "");
    assert_eq!(told("deck", "prefixes", misspelled)?, said);
    assert_eq!(told("deck", "prefixes", json!([]))?, "the table is empty");
    let anything = json!([{"key": "a", "gatway": "de"}]);
    assert_eq!(told("anything", "kv", anything.clone())?, "");
    assert_eq!(
        told("names", "kv", anything)?,
        "no row of kind kv routes a call, and rule \"rule-2\" looks calls up here"
    );
    let gateway =
        json!([{"set": "de", "id": "a", "uri": "sip:192.0.2.1", "wieght": 3, "site": "fra"}]);
    assert_eq!(
        told("gw", "gateways", gateway)?,
        "wieght has no meaning here and is kept as an attribute: did you mean weight?"
    );
    Ok(())
}

/// What a terminal shows, and gets as an answer.
fn in_terminal(sigbox: &Sigbox, command: &str, answer: &str) -> Result<String> {
    let binary = Sigbox::binary()?;
    let line = format!("{} {command} --admin {}", binary.display(), sigbox.admin());
    let mut terminal = Command::new("script")
        .args(["-qec", &line, "/dev/null"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .context("script, of bsdutils")?;
    let mut input = terminal.stdin.take().context("stdin")?;
    input.write_all(answer.as_bytes())?;
    // Its end would be the terminal's.
    let output = terminal.wait_with_output()?;
    drop(input);
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

#[test]
fn the_terminal_shows_warnings_right_above_its_question_and_means_no() -> Result<()> {
    let data = TempDir::new()?;
    let sigbox = setup(&data).start()?;
    push(
        &sigbox,
        "rates",
        "prefixes",
        &json!([{"prefix": "49", "dst_uri": "sip:192.0.2.1"}]),
    )?;
    let file = data.path().join("rates.csv");
    std::fs::write(&file, "prefix,gatway\n49,de\n")?;
    let command = format!("push rates {}", file.display());
    let shown = in_terminal(&sigbox, &command, "\n")?;
    let lines: Vec<_> = shown.lines().map(str::trim_end).collect();
    let question = lines.iter().position(|line| line.contains("[y/N]"));
    let question = question.with_context(|| shown.clone())?;
    ensure!(
        lines[question - 1].starts_with("warning: no row says where to route")
            && lines[question].starts_with("Make version 2 count nevertheless?")
            && lines[question].ends_with("version 2 is kept and does not count")
            || lines[question + 1].starts_with("version 2 is kept and does not count"),
        "{shown}"
    );
    let active = || -> Result<Value> {
        let table = sigbox
            .http("GET", "/api/v1/tables/rates")
            .send()?
            .expect(200)?;
        Ok(table["active"]["number"].clone())
    };
    ensure!(active()? == 1, "nothing was agreed to");
    // An empty table, and somebody who means it.
    std::fs::write(&file, "prefix,gatway\n")?;
    let shown = in_terminal(&sigbox, &command, "y\n")?;
    ensure!(shown.contains("warning: the table is empty"), "{shown}");
    ensure!(active()? == 3, "{shown}");
    Ok(())
}

#[test]
fn rules_that_look_into_a_table_that_is_not_there_are_named() -> Result<()> {
    let data = TempDir::new()?;
    let rule = "[[rule]]\nname = \"old\"\naction = \"table\"\ntable = \"rate\"\n";
    let sigbox = setup(&data).rules(rule).start()?;
    wait_for_warning(
        &sigbox,
        "there is no table rate: what rule \"old\" would look up there",
    )?;
    wait_for_warning(
        &sigbox,
        "there is no table rates: what rule \"rates\" would",
    )?;
    let unrouted = || -> Result<Value> {
        let status = sigbox.http("GET", "/api/v1/status").send()?.expect(200)?;
        Ok(status["unrouted"].clone())
    };
    push(
        &sigbox,
        "rates",
        "prefixes",
        &json!([{"prefix": "49", "dst_uri": "sip:192.0.2.1"}]),
    )?;
    let old = json!({"table": "rate", "rules": ["old"], "reason": "no_table",
        "detail": "there is no table rate; did you mean rates?"});
    assert_eq!(unrouted()?, json!([old]));
    let stored = sigbox.http("PUT", "/api/v1/tables/rate?kind=prefixes&activate=false");
    let stored = stored.body("text/csv", "prefix,rate\n49,1\n").send()?;
    stored.expect(201)?;
    assert_eq!(unrouted()?[0]["reason"], "not_active");
    let activate = |version: u64| {
        let path = format!("/api/v1/tables/rate/versions/{version}/activate");
        sigbox.http("POST", &path).send()?.expect(200)
    };
    activate(1)?;
    assert_eq!(unrouted()?[0]["reason"], "no_routes");
    wait_for_warning(
        &sigbox,
        "no row of table rate says where to route: what rule \"old\"",
    )?;
    push(&sigbox, "rate", "prefixes", &json!([]))?;
    assert_eq!(unrouted()?[0]["reason"], "empty");
    // A reload says it again.
    let empty =
        "table rate is empty: what rule \"old\" would look up there goes on to the next rule";
    let said = || {
        sigbox
            .log()
            .iter()
            .filter(|line| line.contains("table rate is empty"))
            .count()
    };
    wait_for_warning(&sigbox, empty)?;
    ensure!(said() == 1, "{}", said());
    sigbox.http("POST", "/api/v1/reload").send()?.expect(200)?;
    poll::until("the warning of the reload", || {
        Ok((said() == 2).then_some(()))
    })
}

#[test]
fn a_table_that_rules_need_is_not_removed_by_accident() -> Result<()> {
    let data = TempDir::new()?;
    let rule =
        "[[rule]]\nname = \"again\"\nmethod = \"INVITE\"\naction = \"table\"\ntable = \"rates\"\n";
    let sigbox = setup(&data).rules(rule).start()?;
    let remove = |path: &str| {
        sigbox
            .http("DELETE", &format!("/api/v1/tables/{path}"))
            .send()
    };
    let rows = json!([{"prefix": "49", "dst_uri": "sip:192.0.2.1"}]);
    for table in ["rates", "other"] {
        push(&sigbox, table, "prefixes", &rows)?;
    }
    remove("other")?.expect(200)?;
    let refused = remove("rates")?.expect(409)?;
    ensure!(
        refused["type"] == "urn:sigbox:problem:in-use"
            && refused["rules"] == json!(["rates", "again"])
            && refused["detail"].to_string().contains("?force=true"),
        "{refused}"
    );
    let lookup = "/api/v1/tables/rates/lookup?number=4930";
    ensure!(sigbox.http("GET", lookup).send()?.expect(200)?["action"] == "route");
    // Gateways that rows lead to, as long as they are nowhere else.
    let gateway = json!([{"set": "de", "id": "a", "uri": "sip:192.0.2.1"}]);
    push(&sigbox, "gw", "gateways", &gateway)?;
    push(
        &sigbox,
        "rates",
        "prefixes",
        &json!([{"prefix": "49", "gateways": "de"}]),
    )?;
    let refused = remove("gw")?.expect(409)?;
    ensure!(refused["rules"] == json!(["rates", "again"]), "{refused}");
    push(&sigbox, "gw2", "gateways", &gateway)?;
    remove("gw")?.expect(200)?;
    let removed = remove("rates?force=true")?.expect(200)?;
    ensure!(removed["state"] == "removed", "{removed}");
    wait_for_warning(
        &sigbox,
        "there is no table rates: what rules \"rates\", \"again\"",
    )
}

#[test]
fn a_pushed_gateway_that_takes_the_place_of_one_of_the_file_is_said_to() -> Result<()> {
    let data = TempDir::new()?;
    let mut sigbox = setup(&data).rules(SET).start()?;
    let since = |sigbox: &Sigbox, at: usize| -> Result<u64> {
        let set = sigbox
            .http("GET", "/api/v1/gateways/de")
            .send()?
            .expect(200)?;
        set["gateways"][at]["since"].as_u64().context("since")
    };
    let started = since(&sigbox, 0)?;
    let now_ms = || -> Result<u64> {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?;
        Ok(u64::try_from(now.as_millis())?)
    };
    // The clock of gateways has its own start: what comes later is later by any clock.
    poll::until("some milliseconds after the start", || {
        Ok((now_ms()? > started + 20).then_some(()))
    })?;
    let before = now_ms()?;
    let rows = json!([
        {"set": "de", "id": "a", "uri": "sip:192.0.2.7"},
        {"set": "de", "id": "c", "uri": "sip:192.0.2.8"},
    ]);
    let said = "gateway a of set de takes the place of that of the file, sip:192.0.2.1";
    let changed = push(&sigbox, "gw", "gateways", &rows)?;
    assert_eq!(warnings(&changed), [said]);
    wait_for_warning(&sigbox, said)?;
    ensure!(since(&sigbox, 0)? + 5 >= before && since(&sigbox, 2)? + 5 >= before);
    ensure!(since(&sigbox, 1)? == started, "it was there");
    // Another table with the same row: the last by name counts.
    let row = |uri: &str| json!([{"set": "de", "id": "c", "uri": uri}]);
    let changed = push(&sigbox, "zz", "gateways", &row("sip:192.0.2.9"))?;
    assert_eq!(
        warnings(&changed),
        ["\"de/c\" is in table gw too, and counts here: zz comes after gw"]
    );
    let changed = push(&sigbox, "aa", "gateways", &row("sip:192.0.2.10"))?;
    assert_eq!(
        warnings(&changed),
        ["\"de/c\" is in table zz too, and counts there: its name comes after aa"]
    );
    let set = sigbox
        .http("GET", "/api/v1/gateways/de")
        .send()?
        .expect(200)?;
    ensure!(set["gateways"][2]["uri"] == "sip:192.0.2.9", "{set}");
    sigbox.terminate()?;
    // It is said at the start as well.
    let sigbox = setup(&data).rules(SET).start()?;
    wait_for_warning(&sigbox, said)
}

/// Two gateways of the file.
const SET: &str = "[[gateways]]
name = \"de\"
gateway = [{ id = \"a\", uri = \"sip:192.0.2.1\" }, { id = \"b\", uri = \"sip:192.0.2.2\" }]
";

#[test]
fn of_two_tables_with_one_schedule_the_last_by_name_counts() -> Result<()> {
    let data = TempDir::new()?;
    let sigbox = Setup::new("nats://127.0.0.1:1")
        .set("data", "dir", &format!("{:?}", data.path()))
        .rules("[[schedule]]\nname = \"office\"\nweekly = \"mon-sun 00:00-24:00\"\n")
        .rules(
            "[[rule]]\nname = \"open\"\nschedule = \"office\"\naction = \"reject\"\nstatus = 410\n",
        )
        .rules("[[rule]]\nname = \"closed\"\naction = \"reject\"\nstatus = 411\n")
        .start()?;
    let decides = || -> Result<Value> {
        let asked = json!({"request_uri": "sip:a@b.example", "source": "192.0.2.1"});
        let (status, explained) = sigbox.ask("POST", "/api/v1/explain", &asked)?;
        ensure!(status == 200, "{explained}");
        Ok(explained["verdict"]["by"].clone())
    };
    let closed = json!([{"name": "office", "weekly": []}]);
    let open = json!([{"name": "office", "weekly": "mon-sun 00:00-24:00"}]);
    assert_eq!(
        warnings(&push(&sigbox, "m", "schedules", &closed)?),
        [""; 0]
    );
    assert_eq!(decides()?, "closed");
    let first = push(&sigbox, "a", "schedules", &open)?;
    assert_eq!(
        warnings(&first),
        ["\"office\" is in table m too, and counts there: its name comes after a"]
    );
    assert_eq!(decides()?, "closed");
    let last = push(&sigbox, "z", "schedules", &open)?;
    assert_eq!(
        warnings(&last),
        ["\"office\" is in table m too, and counts here: z comes after m"]
    );
    assert_eq!(decides()?, "open");
    Ok(())
}

#[test]
fn a_lookup_says_what_its_kind_is_for_and_takes_a_plus_sign_as_it_comes() -> Result<()> {
    let data = TempDir::new()?;
    let sigbox = setup(&data).start()?;
    let rows = json!([{"prefix": "49", "dst_uri": "sip:192.0.2.1"}, {"prefix": "44", "rate": "1"}]);
    push(&sigbox, "rates", "prefixes", &rows)?;
    let gateway = json!([{"set": "de", "id": "a", "uri": "sip:192.0.2.1"}]);
    push(&sigbox, "gw", "gateways", &gateway)?;
    push(&sigbox, "hours", "schedules", &json!([{"name": "office"}]))?;
    push(&sigbox, "names", "kv", &json!([{"key": " 1"}]))?;
    let get = |path: &str| sigbox.http("GET", &format!("/api/v1/tables/{path}")).send();
    for number in ["+4930", "%2B4930", "%204930", "4930"] {
        let found = get(&format!("rates/lookup?number={number}"))?.expect(200)?;
        ensure!(
            found["match"]["prefix"] == "49" && found["kind"] == "prefixes",
            "{number}: {found}"
        );
        ensure!(found["asked"] != " 4930", "{found}");
    }
    let after = get("rates/rows?after=+44")?.text();
    ensure!(after.starts_with("{\"prefix\":\"49\""), "{after}");
    // A space is one where keys are text.
    let text = get("names/lookup?key=+1")?.expect(200)?;
    ensure!(text["match"]["key"] == " 1", "{text}");
    let refused = get("gw/lookup?number=de")?.expect(400)?;
    ensure!(
        refused["detail"]
            == "\"de\" is no key of gw, a table of gateways: its rows are found by ?key=set/id",
        "{refused}"
    );
    let shown = |table: &str, key: &str| -> Result<String> {
        let output = Command::new(Sigbox::binary()?)
            .args(["lookup", table, key, "--admin", &sigbox.admin().to_string()])
            .output()?;
        let text = String::from_utf8(output.stdout)?;
        Ok(text.lines().last().unwrap_or_default().to_owned())
    };
    assert_eq!(
        shown("gw", "de/a")?,
        "a gateway of the set de; sigbox gateways shows how it stands"
    );
    assert_eq!(
        shown("hours", "office")?,
        "hours for the rules that name the schedule \"office\""
    );
    assert_eq!(shown("names", " 1")?, "for deciders: no rule looks here");
    assert_eq!(
        shown("rates", "+4930")?,
        "a rule with this table would route"
    );
    assert_eq!(
        shown("rates", "+4430")?,
        "it says nothing about routing: a rule with this table would leave the call to the next rule"
    );
    Ok(())
}
