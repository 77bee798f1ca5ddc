//! Calls routed by pushed tables.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use e2e::{Phone, Setup, Sigbox};
use serde_json::{Value, json};

/// A proxy that asks nobody: the table `rates` says where calls go, and without it they are refused.
fn setup() -> Setup {
    // Nobody listens on port 1.
    Setup::new("nats://127.0.0.1:1")
        .rules("[[rule]]\naction = \"table\"\ntable = \"rates\"\n[[rule]]\naction = \"reject\"\nstatus = 404\n")
}

fn csv(rows: &[(&str, &Phone)]) -> String {
    let rows = rows
        .iter()
        .map(|(prefix, phone)| format!("{prefix},{}\n", phone.hop()));
    std::iter::once("prefix,dst_uri\n".to_owned())
        .chain(rows)
        .collect()
}

fn push(sigbox: &Sigbox, csv: &str) -> Result<()> {
    sigbox.push_csv("rates", "prefixes", csv).map(drop)
}

/// Calls `number` and sees that it rings at `phone`, and there alone.
fn rings(alice: &Phone, sigbox: &Sigbox, number: &str, phone: &Phone) -> Result<()> {
    let call = alice.call(sigbox.sip(), &sigbox.uri(number))?;
    let invite = phone.expect_request("INVITE")?;
    ensure!(
        invite.request_uri() == sigbox.uri(number),
        "{}",
        invite.request_uri()
    );
    phone.reply(&invite, 200, "OK")?;
    let mut dialog = call.establish()?;
    phone.expect_request("ACK")?;
    dialog.hang_up(phone)
}

#[test]
fn the_longest_prefix_routes_the_call_and_a_push_changes_that_at_once() -> Result<()> {
    let (alice, germany, berlin) = (
        Phone::new("alice")?,
        Phone::new("de")?,
        Phone::new("berlin")?,
    );
    let sigbox = setup().start()?;
    let refused = alice.call(sigbox.sip(), &sigbox.uri("+4930123"))?;
    refused.expect(404)?;
    push(&sigbox, &csv(&[("49", &germany), ("4930", &berlin)]))?;
    rings(&alice, &sigbox, "+4930123", &berlin)?;
    rings(&alice, &sigbox, "+4989123", &germany)?;
    alice
        .call(sigbox.sip(), &sigbox.uri("+44123"))?
        .expect(404)?;
    push(&sigbox, &csv(&[("49", &berlin)]))?;
    rings(&alice, &sigbox, "+4989123", &berlin)?;
    // What is wrong changes nothing.
    let wrong = format!(
        "prefix,dst_uri\n49,{}\n4930,sip:{}\n",
        germany.hop(),
        sigbox.sip()
    );
    let refused = sigbox
        .http("PUT", "/api/v1/tables/rates")
        .body("text/csv", wrong)
        .send()?
        .expect(422)?;
    ensure!(
        refused["errors"][0]["line"] == 3 && refused["errors"][0]["pointer"] == "/dst_uri",
        "{refused}"
    );
    ensure!(refused["errors"][0]["code"] == "bad_route", "{refused}");
    rings(&alice, &sigbox, "+4989123", &berlin)?;
    sigbox
        .http("POST", "/api/v1/tables/rates/versions/1/activate")
        .send()?
        .expect(200)?;
    rings(&alice, &sigbox, "+4989123", &germany)?;
    let metrics = sigbox.metrics()?;
    ensure!(
        metrics.sum("sigbox_table_lookups_total", &[("result", "route")]) == 5.0,
        "{metrics}"
    );
    ensure!(metrics.sum("sigbox_table_lookups_total", &[("result", "no_row")]) == 1.0);
    ensure!(metrics.sum("sigbox_table_lookups_total", &[("result", "no_table")]) == 1.0);
    Ok(())
}

#[test]
fn a_row_may_refuse_rewrite_and_leave_to_the_next_rule() -> Result<()> {
    let (alice, bob) = (Phone::new("alice")?, Phone::new("bob")?);
    let sigbox = setup().start()?;
    let rows = [
        json!({"prefix": "49900", "action": "reject", "status": 403, "reason": "Premium"}),
        json!({"prefix": "4930", "uri": "sip:{number};rn=x@127.0.0.1", "dst_uri": bob.hop()}),
        json!({"prefix": "44", "carrier": "for deciders only"}),
    ];
    let lines: String = rows.iter().map(|row| format!("{row}\n")).collect();
    let push = sigbox.http("PUT", "/api/v1/tables/rates?kind=prefixes");
    push.body("application/x-ndjson", lines)
        .send()?
        .expect(201)?;
    let premium = alice
        .call(sigbox.sip(), &sigbox.uri("+49900123"))?
        .expect(403)?;
    ensure!(premium.start.ends_with("403 Premium"), "{premium}");
    alice
        .call(sigbox.sip(), &sigbox.uri("+44123"))?
        .expect(404)?;
    let call = alice.call(sigbox.sip(), &sigbox.uri("+4930123"))?;
    let invite = bob.expect_request("INVITE")?;
    ensure!(
        invite.request_uri() == "sip:4930123;rn=x@127.0.0.1",
        "{}",
        invite.request_uri()
    );
    bob.reply(&invite, 486, "Busy Here")?;
    call.expect(486).map(drop)
}

#[test]
fn pushed_gateways_carry_calls_and_explanations_say_why() -> Result<()> {
    let (alice, one, two) = (Phone::new("alice")?, Phone::new("one")?, Phone::new("two")?);
    let sigbox = setup().start()?;
    let put = |table: &str, kind: &str, csv: String| {
        let path = format!("/api/v1/tables/{table}?kind={kind}");
        sigbox.http("PUT", &path).body("text/csv", csv).send()
    };
    // The set comes later: a row that names it routes nothing until then.
    let early = put(
        "rates",
        "prefixes",
        "prefix,gateways\n49,carriers\n".to_owned(),
    )?
    .expect(201)?;
    ensure!(
        early["warnings"][0]
            .as_str()
            .is_some_and(|text| text.contains("carriers")),
        "{early}"
    );
    alice
        .call(sigbox.sip(), &sigbox.uri("+4930"))?
        .expect(404)?;
    put(
        "gw",
        "gateways",
        format!("set,id,uri\ncarriers,one,{}\n", one.hop()),
    )?
    .expect(201)?;
    rings(&alice, &sigbox, "+4930", &one)?;
    put(
        "gw",
        "gateways",
        format!("set,id,uri\ncarriers,two,{}\n", two.hop()),
    )?
    .expect(200)?;
    rings(&alice, &sigbox, "+4930", &two)?;
    let sets = sigbox
        .http("GET", "/api/v1/gateways/carriers")
        .send()?
        .expect(200)?;
    ensure!(sets["gateways"][0]["id"] == "two", "{sets}");
    let (status, explained) = sigbox.ask(
        "POST",
        "/api/v1/explain",
        &json!({
            "request_uri": "sip:+44123@example.com", "source": "192.0.2.1",
        }),
    )?;
    ensure!(
        status == 200 && explained["rules"][0]["result"] == "not_found",
        "{explained}"
    );
    ensure!(
        explained["rules"][0]["found"] == "+44123: no row",
        "{explained}"
    );
    let wrong = put(
        "gw",
        "gateways",
        format!(
            "set,id,uri,weight\na,b,sip:{},1\na,c,sip:192.0.2.1,70000\n",
            sigbox.sip()
        ),
    )?;
    let wrong = wrong.expect(422)?;
    ensure!(
        wrong["errors"][0]["pointer"] == "/uri" && wrong["errors"][1]["pointer"] == "/weight",
        "{wrong}"
    );
    Ok(())
}

/// Two releases: in one the first table has a row for the number and the second has none, in the other it is the other way
/// round. A call that saw one table of each release would find a row in neither, and be answered 503.
#[test]
fn a_release_of_two_tables_is_never_seen_in_part() -> Result<()> {
    let sigbox = Setup::new("nats://127.0.0.1:1")
        .rules("[[rule]]\nuser_prefix = \"1\"\naction = \"table\"\ntable = \"first\"\n")
        .rules("[[rule]]\naction = \"table\"\ntable = \"second\"\n")
        .start()?;
    let put = |table: &str, csv: &str| {
        let path = format!("/api/v1/tables/{table}?kind=prefixes&activate=false");
        sigbox
            .http("PUT", &path)
            .body("text/csv", csv)
            .send()?
            .json()
    };
    put("first", "prefix,action,status\n1,reject,410\n")?;
    put("first", "prefix,action,status\n7,reject,410\n")?;
    put("second", "prefix,action,status\n7,reject,411\n")?;
    put("second", "prefix,action,status\n1,reject,411\n")?;
    let release = |number: u64| {
        let text = format!("{{\"activate\":{{\"first\":{number},\"second\":{number}}}}}");
        sigbox
            .http("POST", "/api/v1/releases")
            .body("application/json", text)
            .send()?
            .expect(200)
    };
    release(1)?;
    let done = AtomicBool::new(false);
    let seen = thread::scope(|scope| {
        let start = Instant::now();
        let callers: Vec<_> = (0..PHONES)
            .map(|phone| {
                let first = start + EVERY / PHONES * phone;
                let sigbox = &sigbox;
                scope.spawn(move || refusals(sigbox, first))
            })
            .collect();
        let releases = scope.spawn(|| {
            let mut turns = 2..;
            while !done.load(Ordering::Relaxed) {
                release(turns.next().unwrap_or_default() % 2 + 1)?;
            }
            anyhow::Ok(turns.start)
        });
        let mut seen = [0; 2];
        let mut result = Ok(());
        for caller in callers {
            match caller.join() {
                Ok(Ok(counts)) => (0..2).for_each(|at| seen[at] += counts[at]),
                Ok(Err(error)) => result = Err(error),
                Err(_) => result = Err(anyhow::anyhow!("a caller panicked")),
            }
        }
        done.store(true, Ordering::Relaxed);
        let releases = releases.join().map_err(|_| anyhow::anyhow!("panicked"))??;
        let took = start.elapsed();
        eprintln!("{seen:?} calls and {releases} releases in {took:.1?}");
        ensure!(
            releases > 20,
            "too few releases to see anything: {releases}"
        );
        result.map(|()| seen)
    })?;
    ensure!(seen.iter().sum::<u32>() == PHONES * CALLS, "{seen:?}");
    ensure!(
        seen.iter().all(|count| *count > 20),
        "too few of one: {seen:?}"
    );
    Ok(())
}

/// 500 calls a second for four seconds.
const PHONES: u32 = 4;
const CALLS: u32 = 500;
const EVERY: Duration = Duration::from_millis(8);

/// Calls that one of two tables refuses, each with a status of its own: how many each did.
fn refusals(sigbox: &Sigbox, first: Instant) -> Result<[u32; 2]> {
    let alice = Phone::new("alice")?;
    let mut seen = [0; 2];
    for call in 0..CALLS {
        thread::sleep((first + EVERY * call).saturating_duration_since(Instant::now()));
        let answer = alice.call(sigbox.sip(), &sigbox.uri("1"))?.expect_final()?;
        match answer.status() {
            Some(410) => seen[0] += 1,
            Some(411) => seen[1] += 1,
            // 503: neither table had it.
            other => anyhow::bail!("a mix of releases: {other:?}"),
        }
    }
    Ok(seen)
}

#[test]
fn pushed_hours_take_the_place_of_those_of_the_file() -> Result<()> {
    let sigbox = Setup::new("nats://127.0.0.1:1")
        .rules("[[schedule]]\nname = \"office hours\"\nweekly = \"mon-sun 00:00-24:00\"\n")
        .rules("[[rule]]\nany = [{ schedule = \"office hours\" }]\naction = \"reject\"\nstatus = 410\n")
        .rules("[[rule]]\naction = \"reject\"\nstatus = 411\n")
        .start()?;
    let alice = Phone::new("alice")?;
    let is_refused = |status| {
        let call = alice.call(sigbox.sip(), &sigbox.uri("1"))?;
        call.expect(status).map(drop)
    };
    let push = |rows: Value| {
        sigbox
            .http("PUT", "/api/v1/tables/hours?kind=schedules")
            .body("application/json", rows.to_string())
            .send()
    };
    is_refused(410)?;
    let other = json!([{"name": "shop", "weekly": "sat 10:00-14:00"}]);
    let changed = push(other)?.expect(201)?;
    ensure!(
        changed["warnings"][0].to_string().contains("shop"),
        "{changed}"
    );
    is_refused(410)?;
    let closed = json!([{"name": "office hours", "time_zone": "Europe/Berlin", "dates": "1999-12-31",
        "holidays": {"Christmas": ["12-25..12-26"]}, "exceptions": ["2026-12-24 09:00-12:00"]}]);
    push(closed)?.expect(200)?;
    is_refused(411)?;
    for (field, value, pointer) in [
        ("time_zone", json!("Berlin"), "/time_zone"),
        (
            "weekly",
            json!(["mon 08:00-18:00", "mon 8-18"]),
            "/weekly/1",
        ),
        ("dates", json!(3), "/dates"),
        (
            "holidays",
            json!({"Easter": "2026-13-01"}),
            "/holidays/Easter",
        ),
        ("exceptions", json!("2026-12-24"), "/exceptions"),
        ("weekyl", json!("mon 08:00-18:00"), "/weekyl"),
    ] {
        let problem = push(json!([{"name": "office hours", field: value}]))?.expect(422)?;
        ensure!(problem["errors"][0]["pointer"] == pointer, "{problem}");
    }
    is_refused(411)?;
    // In CSV a list is JSON.
    let csv =
        "name,weekly\noffice hours,\"[\"\"mon-fri 00:00-24:00\"\",\"\"sat-sun 00:00-24:00\"\"]\"\n";
    sigbox.push_csv("hours", "schedules", csv)?;
    is_refused(410)?;
    push(json!([{"name": "office hours", "dates": "1999-12-31"}]))?.expect(200)?;
    is_refused(411)?;
    sigbox
        .http("DELETE", "/api/v1/tables/hours")
        .send()?
        .expect(200)?;
    is_refused(410)
}
