//! What is said about the connections to NATS: one log line per change, a counter per event.

use std::sync::Arc;

use async_nats::{ClientError, Event, ServerError};
use tracing::{debug, info, warn};

use super::connect::Refusal;
use crate::admin::Health;
use crate::metrics::Metrics;

/// One shard's part in it.
#[derive(Debug)]
pub(super) struct Notices {
    shard: u8,
    is_connected: bool,
    health: Arc<Health>,
    metrics: Arc<Metrics>,
    /// The configured servers, for whoever reads that none can be reached.
    servers: String,
    refusal: Refusal,
    /// The last complaint that was logged; the same one again is not.
    complaint: String,
}

impl Notices {
    pub(super) fn new(
        shard: u8,
        servers: &[String],
        refusal: Refusal,
        health: Arc<Health>,
        metrics: Arc<Metrics>,
    ) -> Self {
        Self {
            shard,
            is_connected: false,
            health,
            metrics,
            servers: servers.join(", "),
            refusal,
            complaint: String::new(),
        }
    }

    /// The connection came or went.
    pub(super) fn connection(&mut self, is_connected: bool) {
        self.complaint.clear();
        if is_connected == self.is_connected {
            // Lost and back within one turn.
            return;
        }
        self.is_connected = is_connected;
        let shard = self.shard;
        if is_connected {
            self.health.nats_up();
            info!(shard, "connected to NATS");
        } else {
            self.health.nats_down();
            warn!(shard, "the connection to NATS is lost; local rules decide");
        }
    }

    /// Something the client reports.
    pub(super) fn event(&mut self, event: &Event) {
        let kind = match event {
            Event::Connected => "connected",
            Event::Disconnected => "disconnected",
            Event::LameDuckMode => "lame_duck",
            Event::Draining => "draining",
            Event::Closed => "closed",
            Event::SlowConsumer(_) => "slow_consumer",
            Event::ServerError(ServerError::AuthorizationViolation) => "authorization_violation",
            Event::ServerError(_) => "server_error",
            Event::ClientError(_) => "client_error",
        };
        self.metrics.nats_event(kind);
        match event {
            // The state of the connection is logged where it takes effect.
            Event::Connected | Event::Disconnected => {}
            Event::ClientError(ClientError::Other(kind)) => self.unreachable(kind),
            _ => self.complain(&event.to_string()),
        }
    }

    /// The client refused a query for what it is (its size), not for its own state.
    pub(super) fn publish_failed(&mut self, error: &async_nats::PublishError) {
        self.metrics.nats_event("publish_failed");
        self.complain(&error.to_string());
    }

    /// None of the servers can be reached.
    fn unreachable(&mut self, kind: &str) {
        let (shard, servers, error) = (self.shard, &*self.servers, self.refusal.cause(kind));
        if error == self.complaint {
            debug!(shard, servers, error, "no connection to NATS, again");
        } else {
            warn!(
                shard,
                servers, error, "no connection to NATS; local rules decide, trying again"
            );
            self.complaint = error;
        }
    }

    fn complain(&mut self, complaint: &str) {
        let shard = self.shard;
        if complaint == self.complaint {
            debug!(shard, complaint, "NATS, again");
        } else {
            warn!(shard, complaint, "NATS");
            complaint.clone_into(&mut self.complaint);
        }
    }
}

impl Drop for Notices {
    fn drop(&mut self) {
        if self.is_connected {
            self.health.nats_down();
        }
    }
}
