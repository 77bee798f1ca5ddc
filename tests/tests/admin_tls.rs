//! The admin server over TLS.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result, ensure};
use e2e::https::{Authority, Issued, Tls, healthz, shown, status};
use e2e::{Metrics, PATIENCE, Setup, Sigbox, poll};
use rustix::process::Signal;
use tempfile::TempDir;

/// A node whose admin server has a certificate, and all it takes to speak with it.
struct World {
    dir: TempDir,
    authority: Authority,
    server: Issued,
}

impl World {
    fn new() -> Result<Self> {
        let authority = Authority::new()?;
        let server = authority.server(|_| {})?;
        let dir = TempDir::new()?;
        server.write(dir.path(), "admin")?;
        authority.write(dir.path(), "ca")?;
        Ok(Self {
            dir,
            authority,
            server,
        })
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// `more` is what stands in the table besides.
    fn setup(&self, more: &str) -> Setup {
        let (cert, key) = (self.path("admin.pem"), self.path("admin.key"));
        Setup::new("nats://127.0.0.1:1")
            .set(
                "admin",
                "tls",
                &format!("{{ cert = {cert:?}, key = {key:?}{more} }}"),
            )
            .fall_back_to_status(404)
    }

    /// Clients of `ca.pem` may connect.
    fn asking(&self, auth: &str) -> Setup {
        let ca = self.path("ca.pem");
        self.setup(&format!(", client_ca = {ca:?}, client_auth = {auth:?}"))
    }

    fn tls(&self, shown: Option<&Issued>) -> Result<Tls> {
        Tls::new(&self.authority, shown)
    }

    /// Waits until so many handshakes have failed for that reason.
    fn wait_for_failures(
        &self,
        sigbox: &Sigbox,
        tls: &Tls,
        reason: &str,
        count: f64,
    ) -> Result<()> {
        poll::until(&format!("{count} handshakes that failed: {reason}"), || {
            let metrics = scrape(sigbox, tls)?;
            let failed = metrics.sum(
                "sigbox_admin_handshakes_failed_total",
                &[("reason", reason)],
            );
            Ok((failed == count).then_some(()))
        })
    }
}

fn scrape(sigbox: &Sigbox, tls: &Tls) -> Result<Metrics> {
    let response = sigbox.http("GET", "/metrics").send_over(tls)?;
    ensure!(response.status == 200);
    Metrics::parse(&response.text())
}

fn client(name: &str, known_by: &str, scopes: &str) -> String {
    format!("[[admin.client]]\nname = {name:?}\n{known_by}\nscopes = {scopes}\n")
}

#[test]
fn https_is_answered_and_plain_http_is_not() -> Result<()> {
    let world = World::new()?;
    let sigbox = world.setup("").start()?;
    let tls = world.tls(None)?;
    let tables = sigbox.http("GET", "/api/v1/tables");
    tables.send_over(&tls)?.expect(200)?;
    let mut plain = TcpStream::connect_timeout(&sigbox.admin(), PATIENCE)?;
    // It may be ended before all of it is written.
    let _ = plain.write_all(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n");
    let mut answer = Vec::new();
    // Ended at once: less than the time a handshake may take.
    plain.set_read_timeout(Some(Duration::from_secs(4)))?;
    let ended = plain.read_to_end(&mut answer);
    ensure!(
        ended.is_ok() || ended.is_err_and(|error| error.raw_os_error().is_some()),
        "it was not ended"
    );
    ensure!(!answer.starts_with(b"HTTP"), "{answer:?}");
    world.wait_for_failures(&sigbox, &tls, "not_tls", 1.0)?;
    let log = sigbox.log().join("\n");
    ensure!(log.contains("\"transport\":\"https\""));
    Ok(())
}

/// P8 for the admin server.
#[test]
fn p8_without_a_good_certificate_there_is_no_connection_when_it_is_required() -> Result<()> {
    let world = World::new()?;
    let sigbox = world
        .asking("required")
        .rules(&client("ops", "cn = \"ops\"", "[\"read\"]"))
        .start()?;
    let ops = world.tls(Some(&world.authority.issue("ops", |_| {})?))?;
    let healthz = || sigbox.http("GET", "/healthz");
    ensure!(healthz().send_over(&ops)?.status == 200);
    ensure!(healthz().send_over(&world.tls(None)?).is_err());
    world.wait_for_failures(&sigbox, &ops, "no_certificate", 1.0)?;
    let stranger = Authority::new()?.issue("ops", |_| {})?;
    ensure!(healthz().send_over(&world.tls(Some(&stranger))?).is_err());
    world.wait_for_failures(&sigbox, &ops, "bad_certificate", 1.0)?;
    let expired = world.authority.issue("ops", |params| {
        params.not_after = (SystemTime::now() - Duration::from_secs(3600)).into();
    })?;
    ensure!(healthz().send_over(&world.tls(Some(&expired))?).is_err());
    world.wait_for_failures(&sigbox, &ops, "bad_certificate", 2.0)
}

#[test]
fn certificates_are_good_for_their_scopes_beside_tokens() -> Result<()> {
    let world = World::new()?;
    // SHA-256 of `secret`.
    let token = "[[admin.token]]\nname = \"robot\"\nsha256 = \"2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b\"\n";
    let sigbox = world
        .asking("optional")
        .rules(token)
        .rules(&client(
            "reader",
            "dns = \"Reader.example.com\"",
            "[\"read\"]",
        ))
        .rules(&client(
            "pusher",
            "uri = \"spiffe://example.com/pusher\"",
            "[\"read\", \"tables\"]",
        ))
        .start()?;
    let named = |name: SanName| -> Result<Tls> {
        let issued = world.authority.issue("somebody", |params| {
            params.subject_alt_names = vec![name.0];
        })?;
        world.tls(Some(&issued))
    };
    let reader = named(SanName::dns("reader.example.com")?)?;
    let pusher = named(SanName::uri("spiffe://example.com/pusher")?)?;
    let stranger = named(SanName::uri("spiffe://example.com/pusher/2")?)?;
    let nobody = world.tls(None)?;
    let list = || sigbox.http("GET", "/api/v1/tables");
    let push = || {
        let put = sigbox.http("PUT", "/api/v1/tables/rates?kind=prefixes");
        put.body("text/csv", "prefix\n49\n")
    };
    list().send_over(&reader)?.expect(200)?;
    push().send_over(&reader)?.expect(403)?;
    push().send_over(&pusher)?.expect(201)?;
    list().send_over(&stranger)?.expect(403)?;
    list().send_over(&nobody)?.expect(401)?;
    let bearer = |token: &str| list().header("Authorization", &format!("Bearer {token}"));
    bearer("secret").send_over(&nobody)?.expect(200)?;
    // Who shows a token is whose token it is.
    bearer("wrong").send_over(&reader)?.expect(401)?;
    // A page in a browser that has the certificate.
    push()
        .header("Origin", "https://evil.example")
        .send_over(&pusher)?
        .expect(403)?;
    ensure!(sigbox.http("GET", "/healthz").send_over(&nobody)?.status == 200);
    let audit = sigbox.http("GET", "/api/v1/audit");
    let audit = audit.send_over(&reader)?.expect(200)?;
    let records = audit["records"].as_array().context("records")?;
    let seen: Vec<_> = records
        .iter()
        .map(|record| {
            let outcome = record["outcome"].as_str().unwrap_or_default();
            (record["by"].as_str(), outcome)
        })
        .collect();
    let [scope, pushed, unknown, anybody, wrong, page] = seen.as_slice() else {
        anyhow::bail!("{audit}");
    };
    ensure!(
        scope
            .1
            .contains("certificate of reader is not good for `tables`"),
        "{audit}"
    );
    ensure!(pushed.0 == Some("pusher"), "{audit}");
    ensure!(
        unknown.1.contains("spiffe://example.com/pusher/2"),
        "{audit}"
    );
    ensure!(anybody.1.contains("or a client certificate"), "{audit}");
    ensure!(wrong.1.contains("nobody has this token"), "{audit}");
    ensure!(page.1.contains("other origins"), "{audit}");
    Ok(())
}

struct SanName(rcgen::SanType);

impl SanName {
    fn dns(name: &str) -> Result<Self> {
        Ok(Self(rcgen::SanType::DnsName(name.try_into()?)))
    }

    fn uri(uri: &str) -> Result<Self> {
        Ok(Self(rcgen::SanType::URI(uri.try_into()?)))
    }
}

/// P8 for the admin server.
#[test]
fn p8_a_reload_takes_new_certificates_and_keeps_the_last_good_ones() -> Result<()> {
    let world = World::new()?;
    let sigbox = world.setup("").start()?;
    let tls = world.tls(None)?;
    let mut old = tls.connect(sigbox.admin())?;
    healthz(&mut old)?;
    ensure!(shown(&old)? == *world.server.der());
    let renewed = world.authority.server(|_| {})?;
    renewed.write(world.dir.path(), "admin")?;
    sigbox.signal(Signal::HUP)?;
    wait_until_shown(&sigbox, &tls, &renewed)?;
    healthz(&mut old).context("the old connection")?;
    // A certificate without its key.
    world.server.write(world.dir.path(), "other")?;
    std::fs::copy(world.path("other.key"), world.path("admin.key"))?;
    let reload = sigbox.http("POST", "/api/v1/reload").send_over(&tls)?;
    let problem = reload.expect(422)?;
    let detail = problem["detail"].as_str().unwrap_or_default();
    ensure!(
        detail.contains("does not belong to the certificate in"),
        "{problem}"
    );
    let mut stream = tls.connect(sigbox.admin())?;
    healthz(&mut stream)?;
    ensure!(shown(&stream)? == *renewed.der());
    sigbox.wait_for_log("what is wrong with the pair", |record| {
        let message = record["message"].as_str()?;
        message
            .contains("`admin.tls.key` cannot be used")
            .then_some(())
    })
}

#[test]
fn a_client_that_is_taken_out_is_refused_on_the_connection_it_has() -> Result<()> {
    let world = World::new()?;
    let (ops, reader) = (
        client("ops", "cn = \"ops\"", "[\"read\", \"admin\"]"),
        client("reader", "cn = \"reader\"", "[\"read\"]"),
    );
    let asking = world.asking("required").set("runtime", "watch", "true");
    let sigbox = asking.clone().rules(&ops).rules(&reader).start()?;
    let of = |name: &str| world.tls(Some(&world.authority.issue(name, |_| {})?));
    let (ops_tls, reader_tls) = (of("ops")?, of("reader")?);
    let mut connection = reader_tls.connect(sigbox.admin())?;
    ensure!(status(&mut connection, "/api/v1/tables")? == 200);
    sigbox.rewrite(&asking.clone().rules(&ops).to_toml())?;
    poll::until("that the reader is nobody any more", || {
        Ok((status(&mut connection, "/api/v1/tables")? == 403).then_some(()))
    })?;
    // The connection is still a good one for what needs no name.
    ensure!(status(&mut connection, "/healthz")? == 200);
    let list = sigbox.http("GET", "/api/v1/tables");
    list.send_over(&ops_tls)?.expect(200).map(drop)
}

/// Whether a certificate is asked for is settled at the start.
#[test]
fn clients_that_nobody_can_be_before_a_restart_are_refused() -> Result<()> {
    let world = World::new()?;
    // SHA-256 of `secret`.
    let token = "[[admin.token]]\nname = \"robot\"\nsha256 = \"2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b\"\nscopes = [\"admin\"]\n";
    let sigbox = world.setup("").rules(token).start()?;
    let nobody = world.tls(None)?;
    let reload = |setup: &Setup| {
        sigbox.rewrite(&setup.to_toml())?;
        let reload = sigbox.http("POST", "/api/v1/reload");
        let reload = reload.header("Authorization", "Bearer secret");
        reload.send_over(&nobody)
    };
    let clients = world.asking("required");
    let clients = clients.rules(&client("ops", "cn = \"ops\"", "[\"read\"]"));
    let problem = reload(&clients)?.expect(422)?;
    let detail = problem["detail"].as_str().unwrap_or_default();
    ensure!(detail.contains("nobody could use its API"), "{problem}");
    reload(&clients.rules(token))?.expect(200).map(drop)
}

#[test]
fn certificates_are_watched_with_the_configuration_file() -> Result<()> {
    let world = World::new()?;
    let sigbox = world.setup("").set("runtime", "watch", "true").start()?;
    let tls = world.tls(None)?;
    let renewed = world.authority.server(|_| {})?;
    renewed.write(world.dir.path(), "admin")?;
    wait_until_shown(&sigbox, &tls, &renewed)
}

fn wait_until_shown(sigbox: &Sigbox, tls: &Tls, issued: &Issued) -> Result<()> {
    poll::until("the new certificate", || {
        let mut stream = tls.connect(sigbox.admin())?;
        healthz(&mut stream)?;
        Ok((shown(&stream)? == *issued.der()).then_some(()))
    })
}

/// O10, P8: as many as there may be begin a handshake and do not go on.
#[test]
fn o10_half_handshakes_give_their_places_back() -> Result<()> {
    let world = World::new()?;
    let sigbox = world.setup("").start()?;
    let tls = world.tls(None)?;
    let silent = || -> Result<TcpStream> {
        let mut stream = TcpStream::connect_timeout(&sigbox.admin(), PATIENCE)?;
        // The head of a record that does not come (RFC 8446 §5.1).
        stream.write_all(&[22, 3, 1, 1, 0])?;
        Ok(stream)
    };
    let one = silent()?;
    // Nobody waits for it.
    let metrics = scrape(&sigbox, &tls)?;
    let timeouts = "sigbox_admin_handshakes_failed_total";
    ensure!(metrics.sum(timeouts, &[("reason", "timeout")]) == 0.0);
    let others = (1..64).map(|_| silent()).collect::<Result<Vec<_>>>()?;
    // This one gets a place when one of them has lost it.
    let metrics = scrape(&sigbox, &tls)?;
    ensure!(metrics.sum(timeouts, &[("reason", "timeout")]) >= 1.0);
    world.wait_for_failures(&sigbox, &tls, "timeout", 64.0)?;
    drop((one, others));
    Ok(())
}

/// D14 has "TLS expired" for NATS; this is the node's own.
#[test]
fn a_certificate_that_expires_soon_is_said_and_measured() -> Result<()> {
    let world = World::new()?;
    let end = SystemTime::now() + Duration::from_secs(5 * 24 * 3600 + 60);
    let server = world
        .authority
        .server(|params| params.not_after = end.into())?;
    server.write(world.dir.path(), "admin")?;
    let sigbox = world.setup("").start()?;
    let days = sigbox.wait_for_log("a warning", |record| {
        (record["message"] == "a certificate expires soon").then(|| record["days"].as_u64())
    })?;
    ensure!(days == Some(5), "{days:?}");
    let metrics = scrape(&sigbox, &world.tls(None)?)?;
    let shown = metrics.sum(
        "sigbox_certificate_expiry_timestamp_seconds",
        &[("used_by", "admin"), ("file", "cert")],
    );
    let end = end.duration_since(SystemTime::UNIX_EPOCH)?.as_secs_f64();
    ensure!((shown - end).abs() <= 1.0, "{shown} {end}");
    Ok(())
}

/// What `sigbox tables --admin https://…` says.
fn tables(sigbox: &Sigbox, ca: Option<&Path>, shown: Option<&Path>) -> Result<(bool, String)> {
    let mut command = Command::new(Sigbox::binary()?);
    command
        .args(["tables", "--admin", &format!("https://{}", sigbox.admin())])
        .env_remove("SSL_CERT_DIR")
        .env_remove("SSL_CERT_FILE");
    if let Some(ca) = ca {
        command.arg("--ca").arg(ca);
    }
    if let Some(shown) = shown {
        command.arg("--cert").arg(shown.with_extension("pem"));
        command.arg("--key").arg(shown.with_extension("key"));
    }
    let output = command.output()?;
    let said = [output.stdout, output.stderr].concat();
    Ok((
        output.status.success(),
        String::from_utf8_lossy(&said).into_owned(),
    ))
}

#[test]
fn commands_speak_https_and_say_what_is_wrong() -> Result<()> {
    let world = World::new()?;
    let sigbox = world
        .asking("required")
        .rules(&client("ops", "cn = \"ops\"", "[\"read\"]"))
        .start()?;
    let ca = world.path("ca.pem");
    let ops = world.path("ops");
    world
        .authority
        .issue("ops", |_| {})?
        .write(world.dir.path(), "ops")?;
    let (done, said) = tables(&sigbox, Some(&ca), Some(&ops))?;
    ensure!(done, "{said}");
    let fails = |ca: Option<&Path>, shown: Option<&Path>, why: &str| -> Result<()> {
        let (done, said) = tables(&sigbox, ca, shown)?;
        ensure!(!done && said.contains(why), "{said}");
        Ok(())
    };
    fails(None, Some(&ops), "no authority that is believed")?;
    fails(
        Some(&ca),
        None,
        "wants a client certificate: --cert and --key",
    )?;
    std::fs::copy(world.path("admin.key"), world.path("odd.key"))?;
    std::fs::copy(world.path("ops.pem"), world.path("odd.pem"))?;
    let (odd_key, odd_cert) = (world.path("odd.key"), world.path("odd.pem"));
    let mismatch = format!(
        "the key in {} does not belong to the certificate in {}",
        odd_key.display(),
        odd_cert.display()
    );
    fails(Some(&ca), Some(&world.path("odd")), &mismatch)?;
    Ok(())
}

#[test]
fn commands_say_what_is_wrong_with_a_nodes_certificate() -> Result<()> {
    let check = |change: fn(&mut rcgen::CertificateParams), why: &str| -> Result<()> {
        let world = World::new()?;
        let server = world.authority.server(change)?;
        server.write(world.dir.path(), "admin")?;
        let sigbox = world.setup("").start()?;
        let (done, said) = tables(&sigbox, Some(&world.path("ca.pem")), None)?;
        ensure!(!done && said.contains(why), "{said}");
        Ok(())
    };
    check(
        |params| params.not_after = (SystemTime::now() - Duration::from_secs(3600)).into(),
        "its certificate has expired",
    )?;
    check(
        |params| params.subject_alt_names = vec![rcgen::SanType::IpAddress([192, 0, 2, 1].into())],
        "its certificate is for another name",
    )
}

#[test]
fn a_node_that_speaks_http_is_not_reached_by_https() -> Result<()> {
    let sigbox = Setup::new("nats://127.0.0.1:1")
        .fall_back_to_status(404)
        .start()?;
    let world = World::new()?;
    let (done, said) = tables(&sigbox, Some(&world.path("ca.pem")), None)?;
    ensure!(!done && said.contains("does not speak TLS"), "{said}");
    Ok(())
}
