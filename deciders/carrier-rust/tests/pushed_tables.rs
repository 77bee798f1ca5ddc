//! The sample decks, pushed over HTTP to a real node and followed by the programs in Rust and in Node: where calls go, on the
//! wire.

use std::process::Command;

use anyhow::{Context, Result, ensure};
use e2e::artifact::node as node_program;
use e2e::samples::wait_until_ready;
use e2e::{Message, NatsServer, Phone, Process, Setup, Sigbox, poll, repository};
use tempfile::TempDir;

struct Scene {
    alice: Phone,
    atlantic: Phone,
    baltic: Phone,
    bakery: Phone,
    revision: u64,
    decider: Process,
    sigbox: Sigbox,
    _data: TempDir,
    _nats: NatsServer,
}

impl Scene {
    fn with(name: &str, command: &mut Command) -> Result<Self> {
        let nats = NatsServer::start_jetstream()?;
        let data = TempDir::new()?;
        let sigbox = Setup::new(&nats.url())
            .set("data", "dir", &format!("{:?}", data.path()))
            .set("tables", "replicate", "true")
            .fall_back_to_status(480)
            .start_connected()?;
        sigbox.wait_for_log("that tables are replicated", |record| {
            (record["message"] == "tables are replicated").then_some(())
        })?;
        command.env("NATS_URL", nats.url());
        for variable in ["DECKS", "SIGBOX_LOG", "SIGBOX_PREFIX", "SIGBOX_TENANT"] {
            command.env_remove(variable);
        }
        let decider = Process::spawn(name, command)?;
        wait_until_ready(&decider)?;
        Ok(Self {
            alice: Phone::new("alice")?,
            atlantic: Phone::new("atlantic")?,
            baltic: Phone::new("baltic")?,
            bakery: Phone::new("bakery")?,
            revision: 0,
            decider,
            sigbox,
            _data: data,
            _nats: nats,
        })
    }

    /// Pushes a sample file, with the addresses of the phones here in place of its own, and waits for the decider to
    /// have it.
    fn push(&mut self, table: &str, kind: &str, edit: impl Fn(String) -> String) -> Result<()> {
        let file = repository().join(format!("deciders/carrier-rust/{table}.csv"));
        let mut csv = edit(std::fs::read_to_string(file)?);
        for (sample, phone) in [
            ("127.0.0.1:5071", &self.atlantic),
            ("127.0.0.1:5072", &self.baltic),
            ("127.0.0.1:5074", &self.bakery),
        ] {
            csv = csv.replace(sample, &phone.address().to_string());
        }
        self.sigbox.push_csv(table, kind, &csv)?;
        self.revision += 1;
        poll::until("a decider with the table", || {
            let nodes = self
                .sigbox
                .http("GET", "/api/v1/nodes")
                .send()?
                .expect(200)?;
            let members = nodes["members"].as_array().context("members")?;
            let has_it = members
                .iter()
                .any(|member| member["role"] == "decider" && member["revision"] == self.revision);
            Ok(has_it.then_some(()))
        })
    }

    fn push_rates(&mut self) -> Result<()> {
        self.push("rates-a", "prefixes", |csv| csv)?;
        self.push("rates-b", "prefixes", |csv| csv)
    }

    /// A call that `phone` gets first and answers; returns what came there.
    fn call_to(&self, user: &str, phone: &Phone) -> Result<Message> {
        let call = self.alice.call(self.sigbox.sip(), &self.sigbox.uri(user))?;
        let invite = phone.expect_request("INVITE")?;
        phone.reply(&invite, 200, "OK")?;
        let mut dialog = call.establish()?;
        phone.expect_request("ACK")?;
        dialog.hang_up(phone)?;
        Ok(invite)
    }

    /// The status of a call that is not put through.
    fn refusal(&self, user: &str) -> Result<Option<u16>> {
        let uri = self.sigbox.uri(user);
        let call = self.alice.call(self.sigbox.sip(), &uri)?;
        Ok(call.expect_final()?.status())
    }

    /// Before and after decks are pushed, and pushed again; a carrier that fails; what no carrier gets.
    fn play_rates(&mut self) -> Result<()> {
        ensure!(self.refusal("+4930123")? == Some(480), "no rates yet");
        self.push_rates()?;

        let call = self
            .alice
            .call(self.sigbox.sip(), &self.sigbox.uri("+4930123"))?;
        let refused = self.baltic.expect_request("INVITE")?;
        ensure!(refused.header("X-Carrier") == Some("baltic"), "{refused}");
        self.baltic.reply(&refused, 503, "Service Unavailable")?;
        self.baltic.expect_request("ACK")?;
        let invite = self.atlantic.expect_request("INVITE")?;
        ensure!(invite.header("X-Carrier") == Some("atlantic"), "{invite}");
        ensure!(invite.request_uri() == self.sigbox.uri("+4930123"));
        self.atlantic.reply(&invite, 486, "Busy Here")?;
        self.atlantic.expect_request("ACK")?;
        call.expect(486)?;

        self.push("rates-b", "prefixes", |csv| csv.replace("0.008", "0.018"))?;
        let invite = self.call_to("+4930123", &self.atlantic)?;
        ensure!(invite.header("X-Carrier") == Some("atlantic"), "{invite}");

        ensure!(self.refusal("+49900123")? == Some(403), "a blocked prefix");
        ensure!(self.refusal("+33123")? == Some(404), "no rate");
        ensure!(self.refusal("112")? == Some(480), "left to local rules");
        Ok(())
    }

    fn stop(mut self) -> Result<()> {
        let status = self.decider.terminate()?;
        ensure!(status.success(), "{status}: {:?}", self.decider.lines());
        Ok(())
    }
}

fn rust() -> Result<Scene> {
    Scene::with(
        "carrier-rust",
        &mut Command::new(env!("CARGO_BIN_EXE_carrier-rust")),
    )
}

fn node() -> Result<Scene> {
    let program = repository().join("deciders/carrier-node/index.js");
    Scene::with("carrier-node", Command::new(node_program()).arg(program))
}

#[test]
fn calls_go_by_the_cheaper_deck_of_the_last_push_in_rust() -> Result<()> {
    let mut scene = rust()?;
    scene.play_rates()?;
    scene.stop()
}

#[test]
fn calls_go_by_the_cheaper_deck_of_the_last_push_in_node() -> Result<()> {
    let mut scene = node()?;
    scene.play_rates()?;
    scene.stop()
}

#[test]
fn a_ported_number_goes_by_its_routing_number() -> Result<()> {
    let mut scene = rust()?;
    scene.push_rates()?;
    let invite = scene.call_to("+493012345", &scene.baltic)?;
    ensure!(invite.request_uri() == scene.sigbox.uri("+493012345"));

    scene.push("ported", "numbers", |csv| csv)?;
    let invite = scene.call_to("+493012345", &scene.atlantic)?;
    let ported = scene.sigbox.uri("+493012345;npdi;rn=+49199123");
    ensure!(invite.request_uri() == ported, "{invite}");

    // Somebody has looked it up before, and it was not ported then.
    let invite = scene.call_to("+493012345;npdi", &scene.baltic)?;
    let dipped = scene.sigbox.uri("+493012345;npdi");
    ensure!(invite.request_uri() == dipped, "{invite}");
    scene.stop()
}

#[test]
fn a_number_of_ours_rings_where_it_should() -> Result<()> {
    let mut scene = rust()?;
    scene.push_rates()?;
    scene.push("dids", "numbers", |csv| csv)?;
    let invite = scene.call_to("+49305550200", &scene.bakery)?;
    ensure!(invite.request_uri() == scene.sigbox.uri("+49305550200"));
    ensure!(invite.header("X-Customer") == Some("bakery"), "{invite}");
    ensure!(scene.refusal("+49305550900")? == Some(404));
    scene.stop()
}
