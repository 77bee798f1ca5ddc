//! The program under the proxy: calls on the wire, with a database that is there, that dies and that comes back.

use std::process::Command;

use anyhow::{Result, ensure};
use e2e::samples::wait_until_ready;
use e2e::{NatsServer, Phone, Postgres, Process, Setup, Sigbox, poll, sample_file};
use tempfile::TempDir;

struct Scene {
    alice: Phone,
    carrier: Phone,
    decider: Process,
    sigbox: Sigbox,
    _nats: NatsServer,
}

fn program(database: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_portability-sql"));
    for variable in ["SIGBOX_LOG", "SIGBOX_PREFIX", "SIGBOX_TENANT", "GATEWAYS"] {
        command.env_remove(variable);
    }
    command.env("DATABASE_URL", database);
    command
}

/// Imports the sample of carrier-rust.
fn import(database: &str) -> Result<()> {
    let file = sample_file("deciders/carrier-rust/ported.csv")?;
    let mut import = Process::spawn("import", program(database).arg("import").arg(file))?;
    ensure!(import.wait()?.success(), "{:?}", import.lines());
    Ok(())
}

impl Scene {
    fn with(database: &str, on_failure: &str) -> Result<Self> {
        let nats = NatsServer::start()?;
        let carrier = Phone::new("carrier")?;
        // What nobody decides goes to the carrier as it is.
        let sigbox = Setup::new(&nats.url())
            .set("nats.breaker", "enabled", "false")
            .fall_back_to(&carrier.hop())
            .start_connected()?;
        let mut command = program(database);
        command
            .arg("run")
            .env("NATS_URL", nats.url())
            .env("NEXT_HOP", carrier.hop())
            .env("ON_FAILURE", on_failure)
            .env("QUERY_TIMEOUT_MS", "1000");
        let decider = Process::spawn("portability-sql", &mut command)?;
        wait_until_ready(&decider)?;
        Ok(Self {
            alice: Phone::new("alice")?,
            carrier,
            decider,
            sigbox,
            _nats: nats,
        })
    }

    /// The user of the Request-URI at the carrier, which is busy.
    fn arrives_as(&self, user: &str) -> Result<String> {
        let uri = self.sigbox.uri(user);
        let call = self.alice.call(self.sigbox.sip(), &uri)?;
        let invite = self.carrier.expect_request("INVITE")?;
        self.carrier.reply(&invite, 486, "Busy Here")?;
        self.carrier.expect_request("ACK")?;
        call.expect(486)?;
        let arrived = invite.request_uri();
        let user = arrived
            .strip_prefix("sip:")
            .and_then(|rest| rest.split('@').next());
        Ok(user.unwrap_or(arrived).to_owned())
    }

    /// How many calls local rules have decided because the decider answered with an error.
    fn expect_fallbacks(&self, count: u32) -> Result<()> {
        let error = [("cause", "service_error")];
        self.sigbox
            .wait_for_count("sigbox_fallbacks_total", &error, count)
    }

    /// Sees that something is said, which may come after a call was answered, and only once.
    fn is_said_once(&self, text: &str) -> Result<()> {
        let times = poll::until(text, || {
            let lines = self.decider.lines();
            let times = lines.iter().filter(|line| line.contains(text)).count();
            Ok((times > 0).then_some(times))
        })?;
        ensure!(times == 1, "{text} was said {times} times");
        Ok(())
    }
}

#[test]
fn a_ported_number_arrives_with_its_routing_number_from_a_sqlite_file() -> Result<()> {
    let folder = TempDir::new()?;
    let database = format!("sqlite:{}", folder.path().join("ported.db").display());
    import(&database)?;
    let mut scene = Scene::with(&database, "error")?;
    ensure!(scene.arrives_as("+493012345")? == "+493012345;npdi;rn=+49199123");
    ensure!(scene.arrives_as("+493012346")? == "+493012346;npdi");
    ensure!(scene.arrives_as("+493099999")? == "+493099999");
    ensure!(scene.decider.terminate()?.success());
    Ok(())
}

#[test]
fn while_postgresql_is_dead_local_rules_decide() -> Result<()> {
    let mut postgres = Postgres::start()?;
    import(&postgres.url())?;
    let scene = Scene::with(&postgres.url(), "error")?;
    ensure!(scene.arrives_as("+493012345")? == "+493012345;npdi;rn=+49199123");

    postgres.stop()?;
    for number in ["+498912345", "+498912346", "+498912347"] {
        ensure!(scene.arrives_as(number)? == number, "by the fallback rule");
    }
    scene.expect_fallbacks(3)?;
    scene.is_said_once("the database does not answer")?;
    let known = scene.arrives_as("+493012345")?;
    ensure!(
        known == "+493012345;npdi;rn=+49199123",
        "remembered: {known}"
    );
    scene.expect_fallbacks(3)?;

    postgres.restart()?;
    poll::until("a number to be looked up again", || {
        let arrived = scene.arrives_as("+498912345")?;
        Ok((arrived == "+498912345;npdi;rn=+49199777").then_some(()))
    })?;
    scene.is_said_once("the database answers again")
}

#[test]
fn without_a_database_calls_go_on_as_they_are_when_that_is_wanted() -> Result<()> {
    let scene = Scene::with("sqlite:/nowhere/ported.db", "route")?;
    ensure!(scene.arrives_as("+493012345")? == "+493012345");
    scene.sigbox.wait_for_log("who has decided", |record| {
        (record["message"] == "decided" && record["outcome"] == "Decided").then_some(())
    })?;
    Ok(())
}

#[test]
fn a_setting_that_cannot_be_is_said_at_the_start() -> Result<()> {
    for (variable, value, said) in [
        (
            "DATABASE_URL",
            "mysql://localhost/x",
            "begins with sqlite: or postgres:",
        ),
        ("NEXT_HOP", "192.0.2.1", "/routes/0/dst_uri"),
        ("ON_FAILURE", "panic", "possible values: error, route"),
    ] {
        let mut command = program("sqlite:ported.db");
        command
            .arg("run")
            .env("NEXT_HOP", "sip:192.0.2.1")
            .env("RUST_BACKTRACE", "0")
            .env(variable, value);
        let mut refused = Process::spawn("portability-sql", &mut command)?;
        ensure!(!refused.wait()?.success());
        let lines = refused.lines().join("\n");
        ensure!(lines.contains(said), "{variable}: {lines}");
    }
    Ok(())
}
