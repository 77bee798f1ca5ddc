//! Who may use the HTTP API.

use std::io::{BufRead as _, BufReader, Read as _};

use anyhow::{Context, Result, ensure};
use e2e::http::Request;
use e2e::{Setup, Sigbox};
use rustix::process::Signal;
use tempfile::TempDir;

// SHA-256 of `reader` and of `pusher`.
const READER: &str = "3d0941964aa3ebdcb00ccef58b1bb399f9f898465e9886d5aec7f31090a0fb30";
const PUSHER: &str = "1ee6a0ff5fcd1fbf1f8b8d1fe8b05bca4f7c5b4ad7ee0f4cdb5f8d4ab8f3a2d5";

fn setup(data: &TempDir) -> Setup {
    Setup::new("nats://127.0.0.1:1")
        .set("data", "dir", &format!("{:?}", data.path()))
        .fall_back_to_status(404)
}

#[test]
fn tokens_are_good_for_their_scopes_and_refusals_are_written_down() -> Result<()> {
    let data = TempDir::new()?;
    let setup = setup(&data)
        .rules(&token("reader", "r-secret", "[\"read\"]")?)
        .rules(&token("pusher", "p-secret", "[\"read\", \"tables\"]")?);
    let sigbox = setup.start()?;
    let tables = |method: &str, path: &str| sigbox.http(method, &format!("/api/v1/tables{path}"));
    let nobody = tables("GET", "").send()?;
    ensure!(
        nobody
            .header("www-authenticate")
            .is_some_and(|value| value.starts_with("Bearer"))
    );
    nobody.expect(401)?;
    with(tables("GET", ""), "wrong").send()?.expect(401)?;
    with(tables("GET", ""), "r-secret").send()?.expect(200)?;
    let push = || tables("PUT", "/rates?kind=prefixes").body("text/csv", "prefix\n49\n");
    with(push(), "r-secret").send()?.expect(403)?;
    let pushed = with(push(), "p-secret").send()?.expect(201)?;
    ensure!(pushed["version"] == 1);
    with(sigbox.http("POST", "/api/v1/reload"), "p-secret")
        .send()?
        .expect(403)?;
    // Those who watch over the process need no token.
    ensure!(sigbox.get("/healthz")?.0 == 200);
    let audit = with(sigbox.http("GET", "/api/v1/audit"), "r-secret")
        .send()?
        .expect(200)?;
    let records = audit["records"].as_array().context("records")?;
    let by: Vec<_> = records.iter().map(|record| record["by"].as_str()).collect();
    let (reader, pusher) = (Some("reader"), Some("pusher"));
    ensure!(by == [None, None, reader, pusher, pusher], "{audit}");
    // Commands show a token, that which simulates too.
    let command = |token: &str| {
        std::process::Command::new(Sigbox::binary()?)
            .args(["simulate", "sip:1@example.com", "--token", token])
            .args(["--admin", &sigbox.admin().to_string()])
            .output()
            .context("sigbox simulate")
    };
    ensure!(command("r-secret")?.status.success());
    let refused = String::from_utf8_lossy(&command("wrong")?.stderr).into_owned();
    ensure!(refused.contains("nobody has this token"), "{refused}");
    ensure!(
        records[2]["outcome"]
            .as_str()
            .is_some_and(|outcome| outcome.contains("reader")),
        "{audit}"
    );
    let log = sigbox.log().join("\n");
    ensure!(!log.contains("secret"), "a token is in the log");
    Ok(())
}

#[test]
fn tokens_follow_a_reload_and_what_waits_ends_with_them() -> Result<()> {
    let data = TempDir::new()?;
    let ops = token("ops", "o-secret", "[\"read\", \"tables\", \"admin\"]")?;
    let reader = token("reader", "r-secret", "[\"read\"]")?;
    let running = setup(&data).rules(&ops).rules(&reader);
    let sigbox = running.start()?;
    let get = |path: &str, token: &str| with(sigbox.http("GET", path), token);
    let reload = || {
        with(sigbox.http("POST", "/api/v1/reload"), "o-secret")
            .send()?
            .expect(200)
    };
    // Both are answered with a head at once, so that they were let in.
    let follow = |token: &str| -> Result<_> {
        let mut events = BufReader::new(get("/api/v1/events", token).connect()?);
        let mut line = String::new();
        events.read_line(&mut line)?;
        ensure!(line.starts_with("HTTP/1.1 200"), "{line}");
        Ok(events)
    };
    let (mut stays, mut ends) = (follow("o-secret")?, follow("r-secret")?);
    let mut waits = get("/api/v1/status?min_version=99&wait=60s", "r-secret").connect()?;
    let push = sigbox.http("PUT", "/api/v1/tables/rates?kind=prefixes");
    let pushed = with(push.body("text/csv", "prefix\n49\n"), "o-secret").send()?;
    let etag = pushed.header("etag").context("an entity tag")?.to_owned();
    let watches = get("/api/v1/tables/rates?watch=60s", "r-secret");
    let mut watches = watches.header("If-None-Match", &etag).connect()?;
    // Whoever is in the file still is not disturbed by a reload.
    reload()?;
    get("/api/v1/tables", "r-secret").send()?.expect(200)?;

    let other = token("robot", "n-secret", "[\"read\"]")?;
    let without = setup(&data).rules(&ops).rules(&other);
    sigbox.rewrite(&without.to_toml())?;
    reload()?;
    let refused = get("/api/v1/tables", "r-secret").send()?.expect(401)?;
    ensure!(refused["detail"] == "nobody has this token", "{refused}");
    get("/api/v1/tables", "n-secret").send()?.expect(200)?;
    let mut rest = String::new();
    ends.read_to_string(&mut rest)
        .context("the events of a token that is gone go on")?;
    ensure!(rest.ends_with("0\r\n\r\n"), "{rest:?}");
    for stream in [&mut waits, &mut watches] {
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        ensure!(answer.starts_with("HTTP/1.1 401"), "{answer}");
    }
    sigbox.wait_for_log("that it is another list", |record| {
        (record["message"] == "who may use the API has changed").then_some(())
    })?;
    // The other one hears of both reloads.
    for _ in 0..2 {
        let mut line = String::new();
        while !line.contains("reloaded") {
            line.clear();
            stays.read_line(&mut line)?;
        }
    }
    Ok(())
}

/// A reload that cannot be taken over leaves everybody what they may.
#[test]
fn a_reload_never_opens_an_api_that_others_reach() -> Result<()> {
    let data = TempDir::new()?;
    let ops = token("ops", "o-secret", "[\"read\", \"admin\"]")?;
    let open = setup(&data).set("admin", "listen", "\"0.0.0.0:0\"");
    let sigbox = open.clone().rules(&ops).start()?;
    let list = |token: &str| with(sigbox.http("GET", "/api/v1/tables"), token).send();
    let refused = |config: &str, why: &str| -> Result<()> {
        sigbox.rewrite(config)?;
        let reload = with(sigbox.http("POST", "/api/v1/reload"), "o-secret");
        let problem = reload.send()?.expect(422)?;
        let detail = problem["detail"].as_str().unwrap_or_default();
        ensure!(detail.contains(why), "{problem}");
        list("o-secret")?.expect(200)?;
        list("wrong")?.expect(401)?;
        Ok(())
    };
    // It would be right for a node that starts with it.
    let local = setup(&data).to_toml();
    refused(&local, "nobody would have to say who they are")?;
    refused(&open.to_toml(), "must be a loopback address")?;
    let empty = open.clone().set("admin", "token", "[]").to_toml();
    refused(&empty, "must be a loopback address")?;
    let broken = open.clone().rules(&ops.replace("sha256", "sha255"));
    refused(&broken.to_toml(), "`sha255`")?;
    // By a signal, too.
    let other = token("other", "n-secret", "[\"read\"]")?;
    sigbox.rewrite(&open.rules(&other).to_toml())?;
    sigbox.signal(Signal::HUP)?;
    sigbox.wait_for_log("that it is another list", |record| {
        (record["message"] == "who may use the API has changed").then_some(())
    })?;
    list("n-secret")?.expect(200)?;
    list("o-secret")?.expect(401)?;
    Ok(())
}

#[test]
fn every_change_is_audited_and_every_refused_one() -> Result<()> {
    let data = TempDir::new()?;
    let sigbox = setup(&data)
        .rules("[[gateways]]\nname = \"de\"\ngateway = [{ id = \"a\", uri = \"sip:192.0.2.1\" }]\n")
        .start()?;
    let send = |method: &str, path: &str, body: &str| {
        let request = sigbox.http(method, &format!("/api/v1{path}"));
        request.body("application/json", body).send()
    };
    send(
        "POST",
        "/bans",
        "{\"source\":\"192.0.2.66\",\"seconds\":60}",
    )?
    .expect(201)?;
    send("DELETE", "/bans/192.0.2.66", "")?.expect(204)?;
    send("PUT", "/gateways/de/a", "{\"state\":\"disabled\"}")?.expect(200)?;
    send("PUT", "/gateways/de/b", "{\"state\":\"disabled\"}")?.expect(404)?;
    send("POST", "/releases", "{\"activate\":{\"rates\":1}}")?.expect(404)?;
    send("DELETE", "/tables/rates", "")?.expect(404)?;
    // Looking is no change, and a method that is not served is none either.
    send("POST", "/explain", "{}")?;
    send("POST", "/tables", "{}")?.expect(405)?;
    let audit = sigbox.http("GET", "/api/v1/audit").send()?.expect(200)?;
    let records = audit["records"].as_array().context("records")?;
    let outcomes: Vec<_> = records
        .iter()
        .map(|record| {
            let outcome = record["outcome"].as_str().unwrap_or_default();
            let outcome = outcome.split(' ').take(2).collect::<Vec<_>>().join(" ");
            format!("{}: {outcome}", record["what"].as_str().unwrap_or_default())
        })
        .collect();
    ensure!(
        outcomes
            == [
                "POST /api/v1/bans: done",
                "DELETE /api/v1/bans/192.0.2.66: done",
                "PUT /api/v1/gateways/de/a: done",
                "PUT /api/v1/gateways/de/b: refused: 404",
                "POST /api/v1/releases: refused: 404",
                "DELETE /api/v1/tables/rates: refused: 404",
            ],
        "{audit}"
    );
    Ok(())
}

/// O10: anybody who reaches the port can be refused as often as they like.
#[test]
fn o10_a_flood_of_refusals_is_counted_and_does_not_fill_the_audit_log() -> Result<()> {
    let data = TempDir::new()?;
    let sigbox = setup(&data).start()?;
    for _ in 0..300 {
        let list = sigbox.http("GET", "/api/v1/tables");
        list.header("Host", "rebound.example").send()?.expect(403)?;
    }
    sigbox.push_csv("rates", "prefixes", "prefix\n49\n")?;
    let metrics = sigbox.metrics()?;
    ensure!(metrics.sum("sigbox_api_refused_total", &[("status", "403")]) == 300.0);
    let left_out = metrics.sum("sigbox_audit_left_out_total", &[]);
    // A slow machine takes longer than a span of ten seconds.
    ensure!((1.0..=200.0).contains(&left_out), "{left_out}");
    let lines = std::fs::read_to_string(data.path().join("audit.ndjson"))?;
    ensure!(lines.contains("push") || lines.contains("rates"), "{lines}");
    sigbox.wait_for_log("how many were left out", |record| {
        let outcome = record["outcome"].as_str()?;
        outcome.contains("more refusals").then_some(())
    })
}

#[test]
fn a_page_in_a_browser_cannot_use_an_open_api() -> Result<()> {
    let data = TempDir::new()?;
    let sigbox = setup(&data).start()?;
    let list = || sigbox.http("GET", "/api/v1/tables");
    list()
        .header("Host", "rebound.example")
        .send()?
        .expect(403)?;
    list()
        .header("Host", "localhost:9090")
        .send()?
        .expect(200)?;
    let reload = || sigbox.http("POST", "/api/v1/reload");
    reload()
        .header("Origin", "https://evil.example")
        .send()?
        .expect(403)?;
    reload().header("Origin", "null").send()?.expect(403)?;
    reload()
        .header("Origin", "http://203.0.113.5")
        .send()?
        .expect(403)?;
    reload()
        .header("Origin", "http://localhost:3000")
        .send()?
        .expect(200)?;
    Ok(())
}

#[test]
fn others_cannot_reach_an_api_without_tokens() -> Result<()> {
    let data = TempDir::new()?;
    let file = data.path().join("sigbox.toml");
    let check = |setup: Setup| -> Result<(bool, String)> {
        std::fs::write(&file, setup.to_toml())?;
        let checked = std::process::Command::new(Sigbox::binary()?)
            .arg("check")
            .arg("-c")
            .arg(&file)
            .output()?;
        let said = String::from_utf8_lossy(&checked.stderr).into_owned();
        Ok((checked.status.success(), said))
    };
    let open = setup(&data).set("admin", "listen", "\"0.0.0.0:0\"");
    let (sound, said) = check(open.clone())?;
    ensure!(
        !sound && said.contains("must be a loopback address"),
        "{said}"
    );
    let token = format!("[[admin.token]]\nname = \"a\"\nsha256 = {READER:?}\n");
    let (sound, said) = check(open.clone().rules(&token))?;
    ensure!(
        sound && said.contains("tokens go over the network in the clear"),
        "{said}"
    );
    let short = token.replace(READER, "abc");
    let (sound, said) = check(open.clone().rules(&short))?;
    ensure!(!sound && said.contains("64 hexadecimal digits"), "{said}");
    let twice = token.clone() + &token.replace(READER, PUSHER);
    let (sound, said) = check(open.rules(&twice))?;
    ensure!(!sound && said.contains("two tokens of `a`"), "{said}");
    Ok(())
}

fn token(name: &str, secret: &str, scopes: &str) -> Result<String> {
    let sha256 = sha256(secret)?;
    Ok(format!(
        "[[admin.token]]\nname = {name:?}\nsha256 = \"{sha256}\"\nscopes = {scopes}\n"
    ))
}

fn with(request: Request, token: &str) -> Request {
    request.header("Authorization", &format!("Bearer {token}"))
}

fn sha256(text: &str) -> Result<String> {
    use std::io::Write as _;
    let mut child = std::process::Command::new("sha256sum")
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()?;
    child
        .stdin
        .take()
        .context("its input")?
        .write_all(text.as_bytes())?;
    let output = String::from_utf8(child.wait_with_output()?.stdout)?;
    Ok(output.split(' ').next().unwrap_or_default().to_owned())
}
