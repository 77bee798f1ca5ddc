//! A real nats-server on a free port.

use std::env;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use tempfile::TempDir;

use crate::artifact::repository;
use crate::process::Process;

/// A nats-server on 127.0.0.1, without JetStream unless it is asked for.
///
/// Which release: `$NATS_SERVER_BIN`, or what `scripts/bootstrap` left in `.local/bin`; with `SIGBOX_TEST_NATS=2.9`
/// the oldest supported one.
#[derive(Debug)]
pub struct NatsServer {
    binary: PathBuf,
    process: Process,
    port: u16,
    /// Where JetStream keeps its streams.
    store: Option<TempDir>,
}

impl NatsServer {
    /// Starts the server and returns once it accepts clients.
    pub fn start() -> Result<Self> {
        let binary = match env::var("SIGBOX_TEST_NATS").as_deref() {
            Ok("2.9") => oldest_supported()?,
            _ => current(),
        };
        Self::start_binary(binary)
    }

    /// Starts the oldest supported release (2.9), whatever the environment says; `None` where it is not installed.
    pub fn start_oldest() -> Result<Option<Self>> {
        oldest_supported().ok().map(Self::start_binary).transpose()
    }

    /// Starts a server with JetStream, of the current release: tables want 2.10.
    pub fn start_jetstream() -> Result<Self> {
        Self::start_with(current(), Some(TempDir::new()?))
    }

    /// As [`NatsServer::start_jetstream`], with the permissions of the contract; the passwords are the user's names.
    pub fn start_guarded_jetstream() -> Result<Self> {
        let store = TempDir::new()?;
        let contract = repository().join("contracts/nats/permissions.conf");
        let text = std::fs::read_to_string(contract)?
            .replace("# jetstream: enabled", "jetstream: enabled")
            .replace("$SIGBOX_PROXY_PASSWORD", "proxy")
            .replace("$SIGBOX_DECIDER_PASSWORD", "decider")
            .replace("$SIGBOX_OBSERVER_PASSWORD", "observer");
        let file = store.path().join("nats.conf");
        std::fs::write(&file, text)?;
        Self::start_with(current(), Some(store))
    }

    /// As [`NatsServer::start_jetstream`], with messages of at most `bytes`.
    pub fn start_jetstream_with_max_payload(bytes: usize) -> Result<Self> {
        let store = TempDir::new()?;
        let file = store.path().join("nats.conf");
        std::fs::write(&file, format!("max_payload: {bytes}\n"))?;
        Self::start_with(current(), Some(store))
    }

    fn start_binary(binary: PathBuf) -> Result<Self> {
        Self::start_with(binary, None)
    }

    fn start_with(binary: PathBuf, store: Option<TempDir>) -> Result<Self> {
        let (process, port) = launch(&binary, "-1", store.as_ref())?;
        Ok(Self {
            binary,
            process,
            port,
            store,
        })
    }

    /// The server's TCP port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// `nats://127.0.0.1:PORT`
    pub fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port)
    }

    /// Freezes the server: its connections stay open and nothing answers any more.
    pub fn pause(&self) -> Result<()> {
        self.process.freeze()
    }

    /// Lets a paused server go on.
    pub fn resume(&self) -> Result<()> {
        self.process.thaw()
    }

    /// Ends the server at once; its clients see their connections close.
    pub fn stop(&mut self) -> Result<()> {
        self.process.kill()
    }

    /// Starts a stopped server again on the port that it had.
    pub fn restart(&mut self) -> Result<()> {
        self.stop()?;
        (self.process, _) = launch(&self.binary, &self.port.to_string(), self.store.as_ref())?;
        Ok(())
    }
}

/// The nats-server that tests use unless they ask for another.
pub fn current() -> PathBuf {
    env::var_os("NATS_SERVER_BIN").map_or_else(
        || repository().join(".local/bin/nats-server"),
        PathBuf::from,
    )
}

fn oldest_supported() -> Result<PathBuf> {
    let binary = repository().join(".local/bin/nats-server-2.9");
    ensure!(
        binary.exists(),
        "{} is missing: run scripts/bootstrap test",
        binary.display()
    );
    Ok(binary)
}

fn launch(binary: &PathBuf, port: &str, store: Option<&TempDir>) -> Result<(Process, u16)> {
    let mut command = Command::new(binary);
    command.args(["--addr", "127.0.0.1", "--port", port]);
    if let Some(store) = store {
        command
            .arg("--jetstream")
            .arg("--store_dir")
            .arg(store.path());
        let configuration = store.path().join("nats.conf");
        if configuration.exists() {
            command.arg("-c").arg(configuration);
        }
    }
    let process =
        Process::spawn("nats-server", &mut command).context("run scripts/bootstrap test")?;
    let listening = "Listening for client connections on 127.0.0.1:";
    let port = process.wait_for_line("its port", |line| {
        line.split_once(listening)?.1.trim().parse().ok()
    })?;
    process.wait_for_line("that it is ready", |line| {
        line.contains("Server is ready").then_some(())
    })?;
    Ok((process, port))
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader};
    use std::net::TcpStream;

    use super::*;

    /// The first thing that a server says to a client: `INFO {"version":"2.15.1",..}`.
    fn greeting(server: &NatsServer) -> Result<serde_json::Value> {
        let mut line = String::new();
        let stream = TcpStream::connect(("127.0.0.1", server.port()))?;
        stream.set_read_timeout(Some(crate::PATIENCE))?;
        BufReader::new(stream).read_line(&mut line)?;
        Ok(serde_json::from_str(
            line.strip_prefix("INFO ").context("an INFO line")?,
        )?)
    }

    #[test]
    fn a_server_restarts_on_its_port() -> Result<()> {
        let mut server = NatsServer::start()?;
        let before = greeting(&server)?;
        assert_eq!(before["jetstream"], serde_json::Value::Null);
        server.stop()?;
        assert!(TcpStream::connect(("127.0.0.1", server.port())).is_err());
        server.restart()?;
        assert_ne!(greeting(&server)?["server_id"], before["server_id"]);
        Ok(())
    }

    #[test]
    fn the_oldest_supported_release_is_what_it_says() -> Result<()> {
        let Some(server) = NatsServer::start_oldest()? else {
            eprintln!("nats-server 2.9 is not installed: nothing to look at");
            return Ok(());
        };
        assert!(
            greeting(&server)?["version"]
                .as_str()
                .is_some_and(|version| version.starts_with("2.9."))
        );
        Ok(())
    }
}
