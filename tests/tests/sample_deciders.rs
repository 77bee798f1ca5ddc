//! The sample deciders as programs, under the proxy: the same calls, decided by Rust and by Node.

use std::fs;
use std::path::Path;

use anyhow::Result;
use e2e::{NatsServer, Phone, Process, Setup, Sigbox, samples};
use tempfile::TempDir;

struct Scene {
    first: Phone,
    second: Phone,
    alice: Phone,
    sigbox: Sigbox,
    decider: Process,
    _files: TempDir,
    _nats: NatsServer,
}

fn scene(start: impl FnOnce(&str, &Path) -> Result<Process>) -> Result<Scene> {
    let nats = NatsServer::start()?;
    let files = TempDir::new()?;
    let (first, second) = (Phone::new("first")?, Phone::new("second")?);
    let rates = files.path().join("rates.csv");
    fs::write(
        &rates,
        format!(
            "prefix,carrier,uri,timeout_ms,cost,mode\n\
             49,a,{first},2000,0.010,serial\n49,b,{second},2000,0.020,serial\n49900,blocked,,,,reject:403\n\
             desk,one,{first},9000,0,parallel\ndesk,two,{second},9000,0,parallel\n\
             moved,new,sip:new@192.0.2.1,,,redirect\nsilent,nobody,,,,silent\n",
            first = first.hop(),
            second = second.hop(),
        ),
    )?;
    let decider = start(&nats.url(), &rates)?;
    let setup = Setup::new(&nats.url())
        .set("nats.breaker", "enabled", "false")
        .budget_ms(2_000);
    let sigbox = setup.fall_back_to_status(480).start_connected()?;
    Ok(Scene {
        first,
        second,
        alice: Phone::new("alice")?,
        sigbox,
        decider,
        _files: files,
        _nats: nats,
    })
}

impl Scene {
    /// The status of a call that is not put through.
    fn refusal(&self, user: &str) -> Result<u16> {
        let call = self.alice.call(self.sigbox.sip(), &self.sigbox.uri(user))?;
        loop {
            let response = self.alice.receive()?;
            match response.status() {
                Some(status) if status >= 300 => {
                    call.acknowledge(&response)?;
                    return Ok(status);
                }
                _ => {}
            }
        }
    }

    fn play(mut self) -> Result<()> {
        // The cheaper carrier is out of order, the other one answers.
        let call = self
            .alice
            .call(self.sigbox.sip(), &self.sigbox.uri("+4930123"))?;
        let refused = self.first.expect_request("INVITE")?;
        self.first.reply(&refused, 503, "Service Unavailable")?;
        self.first.expect_request("ACK")?;
        let invite = self.second.expect_request("INVITE")?;
        self.second.reply(&invite, 200, "OK")?;
        let mut dialog = call.establish()?;
        self.second.expect_request("ACK")?;
        dialog.hang_up(&self.second)?;

        // Two desks ring, one answers.
        let call = self
            .alice
            .call(self.sigbox.sip(), &self.sigbox.uri("desk"))?;
        let (one, two) = (
            self.first.expect_request("INVITE")?,
            self.second.expect_request("INVITE")?,
        );
        self.second.reply(&two, 180, "Ringing")?;
        call.expect(180)?;
        self.first.reply(&one, 200, "OK")?;
        call.establish()?;
        self.first.expect_request("ACK")?;
        self.second.stop_ringing(&two)?;

        assert_eq!(self.refusal("moved")?, 302);
        assert_eq!(self.refusal("0000")?, 404);
        assert_eq!(
            self.refusal("silent")?,
            480,
            "nobody answers, local rules decide"
        );

        let status = self.decider.terminate()?;
        assert!(
            status.success(),
            "{status}:\n{}",
            self.decider.lines().join("\n")
        );
        assert_eq!(self.refusal("49900")?, 480, "the decider has left");
        self.sigbox
            .wait_for_count("sigbox_fallbacks_total", &[("cause", "timeout")], 1)
    }
}

#[test]
fn the_rust_decider_routes_calls() -> Result<()> {
    scene(samples::rust)?.play()
}

#[test]
fn the_node_decider_routes_calls() -> Result<()> {
    scene(samples::javascript)?.play()
}
