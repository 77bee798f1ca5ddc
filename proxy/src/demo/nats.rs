//! The demo's nats-server.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use async_nats::Client;
use futures_util::StreamExt;
use serde_json::Value;
use tokio::process::Command;

use super::program::Program;

/// How long deciders have for one round of answers before they are asked again.
const ROUND: Duration = Duration::from_millis(100);

/// A nats-server on a free port of 127.0.0.1 that can be stopped and started again on that port.
#[derive(Debug)]
pub(super) struct NatsServer {
    binary: PathBuf,
    folder: PathBuf,
    port: u16,
    program: Option<Program>,
}

impl NatsServer {
    /// Starts the server and returns once it takes clients.
    pub(super) async fn start(binary: &Path, folder: &Path) -> Result<Self> {
        let mut server = Self {
            binary: binary.to_path_buf(),
            folder: folder.to_path_buf(),
            port: 0,
            program: None,
        };
        server.launch("-1").await?;
        Ok(server)
    }

    /// `nats://127.0.0.1:PORT`
    pub(super) fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port)
    }

    /// Sends SIGTERM and waits until the server is gone.
    pub(super) async fn stop(&mut self) -> Result<()> {
        match self.program.take() {
            // nats-server exits with 1 on SIGTERM: being gone is all that counts.
            Some(mut program) => program.terminate().await.map(|_| ()),
            None => Ok(()),
        }
    }

    /// Starts the server again on the port it had; stops it first when it runs.
    pub(super) async fn restart(&mut self) -> Result<()> {
        self.stop().await?;
        self.launch(&self.port.to_string()).await
    }

    /// The running program.
    pub(super) fn program(&mut self) -> Option<&mut Program> {
        self.program.as_mut()
    }

    async fn launch(&mut self, port: &str) -> Result<()> {
        let mut command = Command::new(&self.binary);
        command.args(["--addr", "127.0.0.1", "--port", port]);
        let mut program = Program::start("nats-server", command, &self.folder)?;
        let listening = "Listening for client connections on 127.0.0.1:";
        self.port = program
            .line("listen", |line| {
                line.split_once(listening)?.1.trim().parse().ok()
            })
            .await?;
        program
            .line("be ready", |line| {
                line.contains("Server is ready").then_some(())
            })
            .await?;
        self.program = Some(program);
        Ok(())
    }
}

/// Whether every decider of `names` says that it serves queries.
///
/// The answer to `$SRV.INFO` lists a service's endpoints, and travels behind the subscriptions that
/// it lists: a query sent after it finds its decider.
pub(super) async fn all_serve(client: &Client, names: &[&str]) -> Result<bool> {
    let inbox = client.new_inbox();
    let mut answers = client.subscribe(inbox.clone()).await?;
    client
        .publish_with_reply("$SRV.INFO", inbox, Vec::new().into())
        .await
        .context("asking for deciders")?;
    let mut missing = names.to_vec();
    let gather = async {
        while !missing.is_empty()
            && let Some(answer) = answers.next().await
        {
            if let Some(name) = serving(&answer.payload) {
                missing.retain(|wanted| *wanted != name);
            }
        }
    };
    // Whoever was too slow is asked again.
    let _ = tokio::time::timeout(ROUND, gather).await;
    Ok(missing.is_empty())
}

/// The name of a service that has an endpoint for queries.
fn serving(info: &[u8]) -> Option<String> {
    let info: Value = serde_json::from_slice(info).ok()?;
    let serves = info.get("endpoints")?.as_array()?.iter().any(|endpoint| {
        endpoint
            .get("subject")
            .and_then(Value::as_str)
            .is_some_and(|subject| subject.contains(".query."))
    });
    let name = info.get("name")?.as_str()?;
    serves.then(|| name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::serving;

    #[test]
    fn a_service_without_a_query_endpoint_is_not_a_decider_yet() {
        let info = |endpoints: &str| {
            format!(r#"{{"name":"lcr-rust","id":"1","endpoints":[{endpoints}]}}"#)
        };
        assert_eq!(serving(info("").as_bytes()), None);
        let serves = r#"{"name":"invite","subject":"sigbox.v1.query.rust.invite"}"#;
        assert_eq!(
            serving(info(serves).as_bytes()).as_deref(),
            Some("lcr-rust")
        );
        assert_eq!(serving(b"not json"), None);
    }
}
