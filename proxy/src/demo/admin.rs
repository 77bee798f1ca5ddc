//! What the demo asks sigbox's admin server.

use std::net::SocketAddr;

use anyhow::{Context, Result};
use serde_json::Value;
use sigbox_contracts::event::Cause;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// The admin server's address.
#[derive(Clone, Copy, Debug)]
pub(super) struct Admin(pub(super) SocketAddr);

impl Admin {
    /// Whether every shard runs and has its NATS connection.
    pub(super) async fn is_connected(self) -> Result<bool> {
        let state: Value =
            serde_json::from_str(&self.get("/readyz").await?).context("/readyz is not JSON")?;
        let nats = state.pointer("/nats/connected").and_then(Value::as_u64);
        let shards = state.pointer("/shards/configured").and_then(Value::as_u64);
        Ok(state.get("status").and_then(Value::as_str) == Some("ready")
            && nats.is_some()
            && nats == shards)
    }

    /// Whether no shard has a NATS connection.
    pub(super) async fn is_disconnected(self) -> Result<bool> {
        let state: Value =
            serde_json::from_str(&self.get("/readyz").await?).context("/readyz is not JSON")?;
        Ok(state.pointer("/nats/connected").and_then(Value::as_u64) == Some(0))
    }

    /// How often local rules had to decide, by cause.
    pub(super) async fn fallbacks(self) -> Result<Vec<(Cause, u64)>> {
        let metrics = self.get("/metrics").await?;
        Ok(Cause::ALL
            .iter()
            .map(|cause| {
                (
                    *cause,
                    sample(
                        &metrics,
                        &format!("sigbox_fallbacks_total{{cause=\"{}\"}}", cause.as_str()),
                    ),
                )
            })
            .collect())
    }

    async fn get(self, path: &str) -> Result<String> {
        let mut stream = TcpStream::connect(self.0)
            .await
            .context("sigbox's admin server does not answer")?;
        stream
            .write_all(format!("GET {path} HTTP/1.0\r\nHost: {}\r\n\r\n", self.0).as_bytes())
            .await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        let (_, body) = answer
            .split_once("\r\n\r\n")
            .context("an HTTP answer without a body")?;
        Ok(body.to_owned())
    }
}

/// The value of one sample in Prometheus's text format; 0 when it is not there.
fn sample(metrics: &str, name: &str) -> u64 {
    metrics
        .lines()
        .find_map(|line| {
            line.strip_prefix(name)?
                .split_whitespace()
                .next()?
                .parse::<f64>()
                .ok()
        })
        .map_or(0, |value| value as u64)
}

#[cfg(test)]
mod tests {
    use super::sample;

    #[test]
    fn a_sample_is_read_by_its_whole_name() {
        let metrics = "# TYPE a counter\na_total{cause=\"x\"} 3\na_total{cause=\"xy\"} 4.0\n";
        assert_eq!(sample(metrics, "a_total{cause=\"x\"}"), 3);
        assert_eq!(sample(metrics, "a_total{cause=\"xy\"}"), 4);
        assert_eq!(sample(metrics, "a_total{cause=\"z\"}"), 0);
    }
}
