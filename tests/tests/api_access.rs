//! Who may use the HTTP API.

use anyhow::{Context, Result, ensure};
use e2e::http::Request;
use e2e::{Setup, Sigbox};
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
    let token = |name: &str, secret: &str, scopes: &str| -> Result<String> {
        let sha256 = sha256(secret)?;
        Ok(format!(
            "[[admin.token]]\nname = {name:?}\nsha256 = \"{sha256}\"\nscopes = {scopes}\n"
        ))
    };
    let setup = setup(&data)
        .rules(&token("reader", "r-secret", "[\"read\"]")?)
        .rules(&token("pusher", "p-secret", "[\"read\", \"tables\"]")?);
    let sigbox = setup.start()?;
    let tables = |method: &str, path: &str| sigbox.http(method, &format!("/api/v1/tables{path}"));
    let with =
        |request: Request, token: &str| request.header("Authorization", &format!("Bearer {token}"));
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
