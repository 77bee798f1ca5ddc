//! Pushing tables over HTTP, to one node.

use std::io::{Read, Write};

use anyhow::{Context, Result, ensure};
use e2e::http::Request;
use e2e::{Setup, Sigbox};
use serde_json::{Value, json};
use tempfile::TempDir;

const RATES: &str = "/api/v1/tables/rates";
const CSV: &str = "text/csv";
const NDJSON: &str = "application/x-ndjson";

fn setup(data: &TempDir) -> Setup {
    // Nobody listens on port 1.
    Setup::new("nats://127.0.0.1:1")
        .set("data", "dir", &format!("{:?}", data.path()))
        .fall_back_to_status(404)
}

fn push(sigbox: &Sigbox, query: &str, csv: &str) -> Request {
    sigbox
        .http("PUT", &format!("{RATES}{query}"))
        .body(CSV, csv)
}

fn rows(sigbox: &Sigbox) -> Result<String> {
    Ok(sigbox.http("GET", &format!("{RATES}/rows")).send()?.text())
}

#[test]
fn what_is_pushed_counts_and_what_is_wrong_changes_nothing() -> Result<()> {
    let data = TempDir::new()?;
    let sigbox = setup(&data).start()?;
    let first = push(
        &sigbox,
        "?kind=prefixes&comment=first",
        "prefix,rate\n49,1\n4930,2\n",
    )
    .send()?;
    let etag = first.header("etag").context("an entity tag")?.to_owned();
    let first = first.expect(201)?;
    ensure!(
        first["version"] == 1 && first["etag"] == etag && first["revision"] == 1,
        "{first}"
    );
    ensure!(
        first["rows"] == json!({"total": 2, "added": 2, "removed": 0, "changed": 0}),
        "{first}"
    );

    let wrong = push(&sigbox, "", "prefix,rate\n49,1\n4x,2\n49,3\n").send()?;
    ensure!(wrong.header("content-type") == Some("application/problem+json"));
    let wrong = wrong.expect(422)?;
    ensure!(
        wrong["errors"][0]["line"] == 3 && wrong["errors"][0]["pointer"] == "/prefix",
        "{wrong}"
    );
    ensure!(
        wrong["errors"][1]["line"] == 4 && wrong["errors"][1]["code"] == "duplicate_key",
        "{wrong}"
    );
    ensure!(wrong["total"] == 2, "{wrong}");

    let again = push(&sigbox, "", "prefix,rate\n4930,2\n49,1\n")
        .send()?
        .expect(200)?;
    ensure!(
        again["state"] == "unchanged" && again["version"] == 1,
        "{again}"
    );
    let dry = push(&sigbox, "?dry_run=true", "prefix,rate\n49,9\n")
        .send()?
        .expect(200)?;
    ensure!(
        dry["state"] == "checked" && dry["rows"]["removed"] == 1 && dry["rows"]["changed"] == 1,
        "{dry}"
    );
    let lookup = sigbox.get(&format!("{RATES}/lookup?number=%2B49301234"))?.1;
    let lookup: Value = serde_json::from_str(&lookup)?;
    ensure!(
        lookup["match"] == json!({"prefix": "4930", "rate": "2"}),
        "{lookup}"
    );
    ensure!(
        lookup["runners_up"] == json!([{"prefix": "49", "rate": "1"}]),
        "{lookup}"
    );

    let audit: Value = serde_json::from_str(&sigbox.get("/api/v1/audit")?.1)?;
    let outcomes: Vec<_> = audit["records"]
        .as_array()
        .context("records")?
        .iter()
        .map(|record| {
            record["outcome"]
                .as_str()
                .unwrap_or_default()
                .split(':')
                .next()
                .unwrap_or_default()
                .to_owned()
        })
        .collect();
    ensure!(outcomes == ["active", "refused"], "{audit}");
    let file = std::fs::read_to_string(data.path().join("audit.ndjson"))?;
    ensure!(file.lines().count() == 2, "{file}");
    Ok(())
}

#[test]
fn rows_are_changed_one_by_one_and_versions_come_back() -> Result<()> {
    let data = TempDir::new()?;
    let sigbox = setup(&data).start()?;
    sigbox.push_csv("rates", "prefixes", "prefix,rate\n49,1\n4930,2\n")?;
    let patch = "{\"op\":\"upsert\",\"row\":{\"prefix\":\"1\",\"rate\":\"3\"}}\n{\"op\":\"delete\",\"key\":\"49\"}\n";
    let patched = sigbox
        .http("PATCH", RATES)
        .body(NDJSON, patch)
        .send()?
        .expect(200)?;
    ensure!(
        patched["version"] == 2 && patched["previous"] == 1,
        "{patched}"
    );
    let refused = sigbox
        .http("PATCH", RATES)
        .body(NDJSON, "{\"op\":\"delete\",\"key\":\"7\"}")
        .send()?;
    refused.expect(422)?;
    let put = sigbox
        .http("PUT", &format!("{RATES}/rows/44"))
        .body("application/json", "{\"rate\":\"4\"}");
    ensure!(put.send()?.expect(200)?["version"] == 3);
    ensure!(
        rows(&sigbox)?
            == "{\"prefix\":\"1\",\"rate\":\"3\"}\n{\"prefix\":\"44\",\"rate\":\"4\"}\n{\"prefix\":\"4930\",\"rate\":\"2\"}\n"
    );
    let row = sigbox
        .http("GET", &format!("{RATES}/rows/%2B44"))
        .send()?
        .expect(200)?;
    ensure!(row == json!({"prefix": "44", "rate": "4"}), "{row}");
    sigbox
        .http("DELETE", &format!("{RATES}/rows/44"))
        .send()?
        .expect(200)?;
    sigbox
        .http("DELETE", &format!("{RATES}/rows/44"))
        .send()?
        .expect(404)?;
    let diff = sigbox
        .http("GET", &format!("{RATES}/diff?from=1&to=4"))
        .send()?
        .expect(200)?;
    ensure!(
        diff["changes"]
            == json!([
                {"change": "added", "after": {"prefix": "1", "rate": "3"}},
                {"change": "removed", "before": {"prefix": "49", "rate": "1"}},
            ]),
        "{diff}"
    );
    let back = sigbox
        .http("POST", &format!("{RATES}/versions/1/activate"))
        .send()?
        .expect(200)?;
    ensure!(back["previous"] == 4 && back["state"] == "active", "{back}");
    ensure!(rows(&sigbox)?.starts_with("{\"prefix\":\"49\""));
    sigbox
        .http("POST", &format!("{RATES}/versions/9/activate"))
        .send()?
        .expect(404)?;
    let after = sigbox
        .http("GET", &format!("{RATES}/rows?after=49&limit=1"))
        .send()?
        .text();
    ensure!(after == "{\"prefix\":\"4930\",\"rate\":\"2\"}\n", "{after}");
    Ok(())
}

#[test]
fn whoever_works_on_an_old_version_is_told() -> Result<()> {
    let data = TempDir::new()?;
    let sigbox = setup(&data).start()?;
    let first = sigbox.push_csv("rates", "prefixes", "prefix\n1\n")?;
    let first = first["etag"].as_str().context("an entity tag")?;
    let second = push(&sigbox, "", "prefix\n2\n")
        .header("If-Match", first)
        .send()?
        .expect(200)?;
    let third = push(&sigbox, "", "prefix\n3\n")
        .header("If-Match", first)
        .send()?
        .expect(412)?;
    ensure!(third["etag"] == second["etag"], "{third}");
    let new = push(&sigbox, "?kind=prefixes", "prefix\n3\n")
        .header("If-None-Match", "*")
        .send()?;
    new.expect(412)?;
    let one = |tag: &str, watch: &str| {
        sigbox
            .http("GET", &format!("{RATES}{watch}"))
            .header("If-None-Match", tag)
            .send()
    };
    ensure!(one(second["etag"].as_str().unwrap_or_default(), "")?.status == 304);
    ensure!(one(first, "")?.status == 200);
    // A watcher hears of the next version when there is one.
    let watching = sigbox
        .http("GET", &format!("{RATES}?watch=30s"))
        .header("If-None-Match", second["etag"].as_str().unwrap_or_default())
        .connect()?;
    push(&sigbox, "", "prefix\n4\n").send()?.expect(200)?;
    let mut heard = String::new();
    (&watching).read_to_string(&mut heard)?;
    ensure!(
        heard.starts_with("HTTP/1.1 200") && heard.contains("\"number\":3"),
        "{heard}"
    );
    Ok(())
}

#[test]
fn several_tables_change_in_one_moment() -> Result<()> {
    let data = TempDir::new()?;
    let sigbox = setup(&data).start()?;
    let stored = push(&sigbox, "?kind=prefixes&activate=false", "prefix\n1\n")
        .send()?
        .expect(201)?;
    ensure!(stored["state"] == "stored", "{stored}");
    sigbox
        .http("GET", &format!("{RATES}/rows"))
        .send()?
        .expect(404)?;
    let other = sigbox.http("PUT", "/api/v1/tables/ported?kind=numbers&activate=false");
    other.body(CSV, "number\n49301\n").send()?.expect(201)?;
    let release = |text: &str| {
        sigbox
            .http("POST", "/api/v1/releases")
            .body("application/json", text)
            .send()
    };
    release("{\"activate\":{\"rates\":1,\"ported\":2}}")?.expect(404)?;
    sigbox
        .http("GET", &format!("{RATES}/rows"))
        .send()?
        .expect(404)?;
    let done = release("{\"activate\":{\"rates\":1,\"ported\":1}}")?.expect(200)?;
    ensure!(
        done["revision"] == 3
            && done["tables"]
                .as_array()
                .is_some_and(|tables| tables.len() == 2),
        "{done}"
    );
    let status = sigbox
        .http("GET", "/api/v1/status?min_version=3")
        .send()?
        .expect(200)?;
    ensure!(status["revision"] == 3, "{status}");
    sigbox
        .http("GET", "/api/v1/status?min_version=4&wait=50ms")
        .send()?
        .expect(409)?;
    release("{\"activate\":{}}")?.expect(400)?;
    Ok(())
}

#[test]
fn every_packing_and_format_is_read() -> Result<()> {
    let data = TempDir::new()?;
    let sigbox = setup(&data).start()?;
    let pack = |program: &str| -> Result<Vec<u8>> {
        let mut child = std::process::Command::new(program)
            .arg("-c")
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::piped())
            .spawn()
            .with_context(|| program.to_owned())?;
        child
            .stdin
            .take()
            .context("its input")?
            .write_all(b"prefix,rate\n49,1\n")?;
        Ok(child.wait_with_output()?.stdout)
    };
    let put = |table: &str| sigbox.http("PUT", &format!("/api/v1/tables/{table}?kind=prefixes"));
    let gzip = put("gzip")
        .body(CSV, pack("gzip")?)
        .header("Content-Encoding", "gzip")
        .send()?
        .expect(201)?;
    let json = put("json")
        .body("application/json", "[{\"rate\":\"1\",\"prefix\":49}]")
        .send()?
        .expect(201)?;
    let lines = put("lines")
        .body(NDJSON, "{\"rate\":\"1\",\"prefix\":\"+49\"}")
        .send()?
        .expect(201)?;
    let tag = |value: &Value| value["etag"].as_str().map(str::to_owned);
    ensure!(
        tag(&gzip) == tag(&json) && tag(&json) == tag(&lines),
        "the same rows are the same version"
    );
    put("bad")
        .body(CSV, "prefix\n1\n")
        .header("Content-Encoding", "gzip")
        .send()?
        .expect(400)?;
    put("bad")
        .body(CSV, "prefix\n1\n")
        .header("Content-Encoding", "br")
        .send()?
        .expect(415)?;
    put("bad")
        .body("text/xml", "<prefix/>")
        .send()?
        .expect(415)?;
    sigbox
        .http("PUT", "/api/v1/tables/bad")
        .body(CSV, "prefix\n")
        .send()?
        .expect(400)?;
    sigbox
        .http("PUT", "/api/v1/tables/Bad?kind=kv")
        .body(CSV, "key\n")
        .send()?
        .expect(400)?;
    sigbox
        .http("PUT", "/api/v1/tables/json?kind=kv")
        .body(CSV, "key\na\n")
        .send()?
        .expect(409)?;
    Ok(())
}

#[test]
fn a_push_over_the_limits_is_refused_while_it_is_read() -> Result<()> {
    let data = TempDir::new()?;
    let setup =
        setup(&data)
            .set("tables", "max_rows", "10")
            .set("tables", "max_upload_bytes", "4096");
    let sigbox = setup.start()?;
    let many: String = std::iter::once("prefix\n".to_owned())
        .chain((100..150).map(|n| format!("{n}\n")))
        .collect();
    let refused = push(&sigbox, "?kind=prefixes", &many).send()?.expect(422)?;
    ensure!(refused["errors"][0]["code"] == "too_large", "{refused}");
    let long = format!("prefix,x\n1,{}\n", "x".repeat(5000));
    push(&sigbox, "?kind=prefixes", &long).send()?.expect(413)?;
    // Nothing was left behind.
    let incoming = data.path().join("tables/incoming");
    ensure!(std::fs::read_dir(incoming)?.count() == 0);
    Ok(())
}

#[test]
fn what_counted_counts_after_a_restart_even_after_kill_9_in_a_push() -> Result<()> {
    let data = TempDir::new()?;
    let mut sigbox = setup(&data).start()?;
    sigbox.push_csv("rates", "prefixes", "prefix,rate\n49,1\n")?;
    // Half a push.
    let path = format!("{RATES}?kind=prefixes");
    let half = sigbox
        .http("PUT", &path)
        .header("Content-Type", CSV)
        .header("Content-Length", "1000000");
    let mut half = half.connect()?;
    half.write_all(b"prefix,rate\n50,1\n")?;
    sigbox.http("GET", "/api/v1/tables").send()?.expect(200)?;
    sigbox.kill()?;
    // As it stands there when the version was being written.
    let incoming = data.path().join("tables/incoming");
    std::fs::write(incoming.join(".tmp123456"), "half a version")?;
    let sigbox = setup(&data).start()?;
    ensure!(rows(&sigbox)? == "{\"prefix\":\"49\",\"rate\":\"1\"}\n");
    ensure!(
        std::fs::read_dir(&incoming)?.next().is_none(),
        "half a version stays"
    );
    // Two processes never share a folder.
    let mut command = std::process::Command::new(Sigbox::binary()?);
    let config = data.path().join("second.toml");
    std::fs::write(&config, setup(&data).to_toml())?;
    let second = command.arg("run").arg("-c").arg(&config).output()?;
    ensure!(second.status.code() == Some(2), "{second:?}");
    let said = String::from_utf8_lossy(&second.stdout).into_owned()
        + &String::from_utf8_lossy(&second.stderr);
    ensure!(said.contains("is used by another process"), "{said}");
    Ok(())
}

#[test]
fn a_damaged_version_is_replaced_by_the_last_that_is_not() -> Result<()> {
    let data = TempDir::new()?;
    let mut sigbox = setup(&data).start()?;
    sigbox.push_csv("rates", "prefixes", "prefix,rate\n49,1\n")?;
    push(&sigbox, "", "prefix,rate\n50,1\n")
        .send()?
        .expect(200)?;
    let entry = sigbox.http("GET", RATES).send()?.expect(200)?;
    let sha256 = entry["active"]["sha256"]
        .as_str()
        .context("a digest")?
        .to_owned();
    sigbox.terminate()?;
    let object = data
        .path()
        .join(format!("tables/objects/{sha256}.ndjson.gz"));
    let mut bytes = std::fs::read(&object)?;
    bytes.truncate(bytes.len() / 2);
    std::fs::write(&object, bytes)?;
    let sigbox = setup(&data).start()?;
    ensure!(
        rows(&sigbox)? == "{\"prefix\":\"49\",\"rate\":\"1\"}\n",
        "the version before"
    );
    let entry = sigbox.http("GET", RATES).send()?.expect(200)?;
    ensure!(entry["active"]["number"] == 1, "and that is said: {entry}");
    sigbox.wait_for_log("what is wrong", |record| {
        (record["message"] == "a version of a table cannot be loaded").then_some(())
    })
}

#[test]
fn a_damaged_manifest_is_replaced_by_the_one_before_it() -> Result<()> {
    let data = TempDir::new()?;
    let mut sigbox = setup(&data).start()?;
    sigbox.push_csv("rates", "prefixes", "prefix,rate\n49,1\n")?;
    push(&sigbox, "", "prefix,rate\n50,1\n")
        .send()?
        .expect(200)?;
    sigbox.terminate()?;
    let tables = data.path().join("tables");
    std::fs::write(tables.join("manifest.json"), "{\"revision\": 2,")?;
    let mut sigbox = setup(&data).start()?;
    ensure!(rows(&sigbox)? == "{\"prefix\":\"49\",\"rate\":\"1\"}\n");
    let objects = || std::fs::read_dir(tables.join("objects")).map(Iterator::count);
    ensure!(objects()? == 2);
    // Without that one either it starts nevertheless, and what could be needed to mend it stays.
    sigbox.terminate()?;
    std::fs::write(tables.join("manifest.json"), "")?;
    std::fs::write(tables.join("manifest.previous.json"), "")?;
    let mut sigbox = setup(&data).start()?;
    sigbox.wait_for_log("that no table counts", |record| {
        let message = record["message"].as_str()?;
        message.contains("no table counts").then_some(())
    })?;
    sigbox.http("GET", RATES).send()?.expect(404)?;
    sigbox.push_csv("rates", "prefixes", "prefix,rate\n51,1\n")?;
    ensure!(objects()? == 3);
    ensure!(tables.join("manifest.damaged.json").exists());
    sigbox.terminate()?;
    let sigbox = setup(&data).start()?;
    ensure!(rows(&sigbox)? == "{\"prefix\":\"51\",\"rate\":\"1\"}\n");
    Ok(())
}

#[test]
fn a_field_that_stands_twice_is_refused_in_every_format() -> Result<()> {
    let data = TempDir::new()?;
    let sigbox = setup(&data).start()?;
    let path = format!("{RATES}?kind=prefixes");
    let twice = "{\"prefix\": \"49\", \"rate\": 1, \"rate\": 2}";
    let list = format!("[{twice}]");
    for (media_type, body) in [
        ("application/x-ndjson", twice),
        ("application/json", &list),
        (CSV, "prefix,rate,rate\n49,1,2\n"),
    ] {
        let refused = sigbox.http("PUT", &path).body(media_type, body);
        let refused = refused.send()?.expect(422)?;
        let code = &refused["errors"][0]["code"];
        ensure!(code == "duplicate_field", "{media_type}: {refused}");
    }
    sigbox.push_csv("rates", "prefixes", "prefix,rate\n49,1\n")?;
    let patch = format!("{{\"op\": \"upsert\", \"row\": {twice}}}");
    let refused = sigbox.http("PATCH", RATES);
    let refused = refused.body("application/x-ndjson", patch).send()?;
    ensure!(refused.expect(422)?["errors"][0]["code"] == "duplicate_field");
    let row = sigbox.http("PUT", &format!("{RATES}/rows/49"));
    let refused = row.body("application/json", twice).send()?.expect(422)?;
    ensure!(
        refused["detail"]
            .as_str()
            .is_some_and(|detail| detail.contains("\"rate\" is there twice"))
    );
    Ok(())
}

#[test]
fn a_path_that_is_not_utf_8_is_a_problem_like_others() -> Result<()> {
    let data = TempDir::new()?;
    let sigbox = setup(&data).start()?;
    for path in [
        "tables/%ff",
        "tables/rates/rows/%ff",
        "calls/%ff",
        "gateways/%ff",
    ] {
        let answer = sigbox.http("GET", &format!("/api/v1/{path}")).send()?;
        ensure!(
            answer.expect(400)?["type"] == "urn:sigbox:problem:bad-request",
            "{path}"
        );
    }
    Ok(())
}

#[test]
fn a_follower_hears_of_every_change() -> Result<()> {
    let data = TempDir::new()?;
    let sigbox = setup(&data).start()?;
    let mut events = sigbox.http("GET", "/api/v1/events").connect()?;
    let mut heard = String::new();
    let mut piece = [0; 4096];
    let mut until = |what: &str| -> Result<()> {
        while !heard.contains(what) {
            let read = events.read(&mut piece)?;
            ensure!(read > 0, "{heard}");
            heard.push_str(&String::from_utf8_lossy(&piece[..read]));
        }
        Ok(())
    };
    until("\r\n\r\n")?;
    sigbox.push_csv("rates", "prefixes", "prefix\n49\n")?;
    until("event: revision\ndata: {\"revision\":1}")?;
    until("event: audit")
}

#[test]
fn a_reload_over_http_says_what_is_wrong() -> Result<()> {
    let data = TempDir::new()?;
    let sigbox = setup(&data).start()?;
    let reload = || sigbox.http("POST", "/api/v1/reload").send();
    reload()?.expect(200)?;
    sigbox.rewrite("[sip]\nlisten = 5\n")?;
    let refused = reload()?.expect(422)?;
    ensure!(
        refused["detail"]
            .as_str()
            .is_some_and(|detail| detail.contains("listen")),
        "{refused}"
    );
    sigbox
        .push_csv("rates", "prefixes", "prefix\n49\n")
        .map(drop)
}

/// The output of a command that asks the node, and whether it succeeded.
fn command(sigbox: &Sigbox, arguments: &[&str]) -> Result<(bool, String)> {
    let output = std::process::Command::new(Sigbox::binary()?)
        .args(arguments)
        .args(["--admin", &sigbox.admin().to_string()])
        .stdin(std::process::Stdio::null())
        .output()?;
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said).into_owned();
    Ok((output.status.success(), said))
}

#[test]
fn rolling_back_goes_to_what_counted_before_and_not_to_what_never_did() -> Result<()> {
    let data = TempDir::new()?;
    let sigbox = setup(&data).start()?;
    sigbox.push_csv("rates", "prefixes", "prefix\n1\n")?;
    sigbox.push_csv("rates", "prefixes", "prefix\n2\n")?;
    push(&sigbox, "?activate=false", "prefix\n3\n")
        .send()?
        .expect(200)?;
    sigbox.push_csv("rates", "prefixes", "prefix\n4\n")?;
    for expected in ["2", "1"] {
        let (done, said) = command(&sigbox, &["rollback", "rates", "--yes"])?;
        ensure!(done, "{said}");
        ensure!(
            rows(&sigbox)? == format!("{{\"prefix\":\"{expected}\"}}\n"),
            "{said}"
        );
    }
    let (done, said) = command(&sigbox, &["rollback", "rates", "--yes"])?;
    ensure!(
        !done && said.contains("no other version of rates has counted"),
        "{said}"
    );
    Ok(())
}

#[test]
fn a_large_push_that_is_refused_at_once_hears_why() -> Result<()> {
    let data = TempDir::new()?;
    let sigbox = setup(&data).start()?;
    let file = data.path().join("large.csv");
    let rows = (0..300_000).map(|row| format!("{row},some text to make it longer\n"));
    let text: String = std::iter::once("prefix,text\n".to_owned())
        .chain(rows)
        .collect();
    std::fs::write(&file, text)?;
    let file = file.to_str().context("a path")?;
    for _ in 0..5 {
        // A new table needs a kind.
        let (done, said) = command(&sigbox, &["push", "rates", file, "--yes"])?;
        ensure!(!done && said.contains("kind"), "{said}");
    }
    Ok(())
}

#[test]
fn a_misspelled_parameter_changes_nothing() -> Result<()> {
    let data = TempDir::new()?;
    let sigbox = setup(&data).start()?;
    let refused = push(&sigbox, "?kind=prefixes&dryrun=true", "prefix\n1\n")
        .send()?
        .expect(400)?;
    ensure!(
        refused["detail"].to_string().contains("dryrun"),
        "{refused}"
    );
    sigbox.http("GET", RATES).send()?.expect(404).map(drop)
}

/// Whoever packs a stream may cut it into frames, each with a checksum.
#[test]
fn every_frame_of_zstd_is_read_and_held_against_its_checksum() -> Result<()> {
    let data = TempDir::new()?;
    let sigbox = setup(&data).start()?;
    let frame_with = |window: &str, text: &str| -> Result<Vec<u8>> {
        let mut zstd = std::process::Command::new("zstd")
            .args(["-q", "--check", "-c", window])
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::piped())
            .spawn()?;
        let mut input = zstd.stdin.take().context("stdin")?;
        input.write_all(text.as_bytes())?;
        drop(input);
        Ok(zstd.wait_with_output()?.stdout)
    };
    let frame = |text: &str| frame_with("--long=21", text);
    let packed = |body: Vec<u8>| {
        let request = sigbox.http("PUT", &format!("{RATES}?kind=prefixes"));
        request
            .header("Content-Encoding", "zstd")
            .body(CSV, body)
            .send()
    };
    let both = [frame("prefix\n1\n")?, frame("2\n")?].concat();
    packed(both.clone())?.expect(201)?;
    ensure!(rows(&sigbox)? == "{\"prefix\":\"1\"}\n{\"prefix\":\"2\"}\n");
    let mut damaged = both.clone();
    *damaged.last_mut().context("a checksum")? ^= 1;
    packed(damaged)?.expect(400)?;
    packed([both, b"rest".to_vec()].concat())?.expect(400)?;
    // A window of 128 MiB is memory that anybody could ask for.
    let large = packed(frame_with("--long=27", "prefix\n7\n")?)?.expect(400)?;
    ensure!(large["detail"].to_string().contains("memory"), "{large}");
    ensure!(rows(&sigbox)? == "{\"prefix\":\"1\"}\n{\"prefix\":\"2\"}\n");
    Ok(())
}

#[test]
fn a_push_mends_a_damaged_version_with_the_same_rows() -> Result<()> {
    let data = TempDir::new()?;
    let mut sigbox = setup(&data).start()?;
    sigbox.push_csv("rates", "prefixes", "prefix\n1\n")?;
    for object in std::fs::read_dir(data.path().join("tables/objects"))? {
        std::fs::write(object?.path(), "damaged")?;
    }
    let again = push(&sigbox, "", "prefix\n1\n").send()?.expect(200)?;
    ensure!(again["state"] == "unchanged", "{again}");
    sigbox.terminate()?;
    let sigbox = setup(&data).start()?;
    ensure!(rows(&sigbox)? == "{\"prefix\":\"1\"}\n");
    Ok(())
}
