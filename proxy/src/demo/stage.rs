//! The whole system, up and running on loopback.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::{Result, anyhow, ensure};
use serde_json::Value;
use tokio::process::Command;

use super::admin::Admin;
use super::cast::Cast;
use super::finder::Programs;
use super::nats::{NatsServer, all_serve};
use super::patience::until;
use super::program::Program;
use crate::phone::{Listener, Trace};

/// Everything that runs. Dropping it kills the programs; [`Stage::close`] ends them in order.
#[derive(Debug)]
pub(super) struct Stage {
    pub(super) trace: Trace,
    pub(super) listener: Listener,
    pub(super) nats: NatsServer,
    pub(super) sip: SocketAddr,
    pub(super) admin: Admin,
    pub(super) folder: PathBuf,
    sigbox: Program,
    deciders: Vec<(&'static str, Program)>,
    _cast: Cast,
}

/// The service name of the Rust sample.
pub(super) const RUST: &str = "lcr-rust";
/// The service name of the Node sample.
pub(super) const NODE: &str = "lcr-node";

impl Stage {
    /// Starts everything and returns once a call can be placed. Files and logs go to `folder`.
    pub(super) async fn open(programs: &Programs, folder: &Path) -> Result<Self> {
        let trace = Trace::new();
        let cast = Cast::start(&trace)?;
        let nats = NatsServer::start(&programs.nats_server, folder).await?;
        let listener = Listener::connect(&nats.url(), "sigbox").await?;
        let mut deciders = Vec::new();
        if let Some(rust) = &programs.rust {
            let command = decider(
                Command::new(rust),
                "rust",
                &cast.rust_rates(),
                &nats,
                folder,
            )?;
            deciders.push((RUST, Program::start(RUST, command, folder)?));
        }
        if let Some([program, arguments @ ..]) = programs.node.as_deref() {
            let mut command = Command::new(program);
            command.args(arguments);
            let command = decider(command, "node", &cast.node_rates(), &nats, folder)?;
            deciders.push((NODE, Program::start(NODE, command, folder)?));
        }
        let config = folder.join("sigbox.toml");
        fs::write(&config, cast.sigbox_config(&nats.url()))?;
        let mut command = Command::new(&programs.sigbox);
        command
            .arg("run")
            .arg("-c")
            .arg(&config)
            .args(["--log-format", "json"])
            .env_remove("SIGBOX_LOG");
        let mut sigbox = Program::start("sigbox", command, folder)?;
        let sip = sigbox
            .line("listen for SIP", |line| listening(line, "udp"))
            .await?;
        let admin = Admin(
            sigbox
                .line("listen for HTTP", |line| listening(line, "http"))
                .await?,
        );
        let mut stage = Self {
            trace,
            listener,
            nats,
            sip,
            admin,
            folder: folder.to_path_buf(),
            sigbox,
            deciders,
            _cast: cast,
        };
        match stage.connected().await {
            Ok(()) => Ok(stage),
            Err(error) => Err(stage.with_logs(&error)),
        }
    }

    /// Stops the nats-server and waits until sigbox has noticed.
    pub(super) async fn stop_nats(&mut self) -> Result<()> {
        self.nats.stop().await?;
        let admin = self.admin;
        until("sigbox to notice that NATS is gone", async || {
            Ok(admin.is_disconnected().await?.then_some(()))
        })
        .await
    }

    /// Starts the nats-server again and waits until everybody is back.
    pub(super) async fn restart_nats(&mut self) -> Result<()> {
        self.nats.restart().await?;
        self.listener = Listener::connect(&self.nats.url(), "sigbox").await?;
        self.connected().await
    }

    /// Waits until the deciders serve and sigbox has its connections.
    async fn connected(&mut self) -> Result<()> {
        let names: Vec<&str> = self.deciders().collect();
        let (client, admin) = (self.listener.client().clone(), self.admin);
        until(
            &format!("the deciders {} to serve", names.join(" and ")),
            async || {
                self.still_runs()?;
                Ok(all_serve(&client, &names).await?.then_some(()))
            },
        )
        .await?;
        until("sigbox to connect to NATS", async || {
            self.still_runs()?;
            Ok(admin.is_connected().await?.then_some(()))
        })
        .await
    }

    /// The service names of the deciders that run.
    pub(super) fn deciders(&self) -> impl Iterator<Item = &'static str> + '_ {
        self.deciders.iter().map(|(name, _)| *name)
    }

    /// Fails when one of the programs has ended.
    pub(super) fn still_runs(&mut self) -> Result<()> {
        let deciders = self.deciders.iter_mut().map(|(_, program)| program);
        for program in deciders
            .chain([&mut self.sigbox])
            .chain(self.nats.program())
        {
            program.still_runs()?;
        }
        Ok(())
    }

    /// `error` with the ends of all logs.
    pub(super) fn with_logs(&mut self, error: &anyhow::Error) -> anyhow::Error {
        anyhow!("{error:#}\n{}", self.logs())
    }

    /// The ends of all logs.
    pub(super) fn logs(&mut self) -> String {
        let mut text = self.sigbox.tail();
        for (_, program) in &self.deciders {
            text.push_str(&program.tail());
        }
        if let Some(nats) = self.nats.program() {
            text.push_str(&nats.tail());
        }
        text
    }

    /// Ends everything: who asks before who answers, NATS last.
    ///
    /// # Errors
    /// When a program does not end, or sigbox or a decider ends with an error.
    pub(super) async fn close(mut self) -> Result<()> {
        let programs = std::iter::once(("sigbox", &mut self.sigbox));
        for (name, program) in programs.chain(
            self.deciders
                .iter_mut()
                .map(|(name, program)| (*name, program)),
        ) {
            let status = program.terminate().await?;
            ensure!(
                status.success(),
                "{name} answered SIGTERM with {status}\n{}",
                program.tail()
            );
        }
        self.nats.stop().await
    }
}

/// A sample decider with its tenant and its rates.
fn decider(
    mut command: Command,
    tenant: &str,
    rates: &str,
    nats: &NatsServer,
    folder: &Path,
) -> Result<Command> {
    let path = folder.join(format!("rates-{tenant}.csv"));
    fs::write(&path, rates)?;
    command
        .env("NATS_URL", nats.url())
        .env("SIGBOX_TENANT", tenant)
        .env("RATES", path)
        .env_remove("SIGBOX_PREFIX")
        .env_remove("NATS_CREDS");
    Ok(command)
}

/// The address in sigbox's log line about a listener.
fn listening(line: &str, transport: &str) -> Option<SocketAddr> {
    let line: Value = serde_json::from_str(line).ok()?;
    let text = |field: &str| line.get(field).and_then(Value::as_str);
    let wanted = text("message") == Some("listening") && text("transport") == Some(transport);
    wanted.then(|| text("address")?.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::listening;

    #[test]
    fn the_port_is_read_from_the_log() {
        let line = r#"{"level":"INFO","message":"listening","transport":"udp","address":"127.0.0.1:41234","target":"x"}"#;
        assert_eq!(
            listening(line, "udp").map(|address| address.port()),
            Some(41234)
        );
        assert_eq!(listening(line, "http"), None);
        assert_eq!(listening("listening udp 127.0.0.1:1", "udp"), None);
    }
}
