//! Whether the node can take calls, as its parts report it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use serde::Serialize;

use crate::metrics::Metrics;

/// What the parts of a node report about themselves.
#[derive(Debug)]
pub struct Health {
    metrics: Arc<Metrics>,
    shards: usize,
    running: AtomicUsize,
    nats_connected: AtomicUsize,
    nats_required: bool,
    draining: AtomicBool,
    namesakes: AtomicUsize,
}

impl Health {
    /// A node of `shards` shards, none of which runs yet.
    pub fn new(shards: usize, ready_without_nats: bool, metrics: Arc<Metrics>) -> Self {
        Self {
            metrics,
            shards,
            running: AtomicUsize::new(0),
            nats_connected: AtomicUsize::new(0),
            nats_required: !ready_without_nats,
            draining: AtomicBool::new(false),
            namesakes: AtomicUsize::new(0),
        }
    }

    /// A shard reads its sockets now.
    pub fn shard_started(&self) {
        self.running.fetch_add(1, Ordering::Relaxed);
    }

    /// A shard that had started does not any more.
    pub fn shard_stopped(&self) {
        self.running.fetch_sub(1, Ordering::Relaxed);
    }

    /// A shard's NATS connection is up.
    pub fn nats_up(&self) {
        self.nats_connected.fetch_add(1, Ordering::Relaxed);
        self.metrics.nats_up();
    }

    /// A shard's NATS connection that was up is lost.
    pub fn nats_down(&self) {
        self.nats_connected.fetch_sub(1, Ordering::Relaxed);
        self.metrics.nats_down();
    }

    /// No new calls are taken from now on.
    pub fn drain(&self) {
        self.draining.store(true, Ordering::Relaxed);
    }

    /// So many other nodes on NATS have the name of this one.
    pub fn set_namesakes(&self, count: usize) {
        self.namesakes.store(count, Ordering::Relaxed);
        self.metrics.namesakes(count);
    }

    /// How many other nodes on NATS have the name of this one.
    pub fn namesakes(&self) -> usize {
        self.namesakes.load(Ordering::Relaxed)
    }

    /// The state right now.
    pub fn readiness(&self) -> Readiness {
        let running = self.running.load(Ordering::Relaxed);
        let connected = self.nats_connected.load(Ordering::Relaxed);
        let mut reasons = Vec::new();
        let draining = self.draining.load(Ordering::Relaxed);
        if draining {
            reasons.push("the node is draining".to_owned());
        }
        if running < self.shards {
            reasons.push(format!("{running} of {} shards run", self.shards));
        }
        let mut ready = reasons.is_empty();
        if connected < self.shards {
            ready &= !self.nats_required;
            reasons.push(format!(
                "{connected} of {} shards are connected to NATS",
                self.shards
            ));
        }
        match self.namesakes() {
            0 => {}
            // Calls go their way nevertheless.
            1 => reasons.push("another node on NATS has the name of this one".to_owned()),
            others => reasons.push(format!(
                "{others} other nodes on NATS have the name of this one"
            )),
        }
        Readiness {
            status: match (draining, ready) {
                (true, _) => "draining",
                (_, true) => "ready",
                (_, false) => "not_ready",
            },
            shards: ShardReadiness {
                running,
                configured: self.shards,
            },
            nats: NatsReadiness {
                connected,
                required: self.nats_required,
            },
            reasons,
        }
    }
}

/// The body of `/readyz`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Readiness {
    /// `ready`, `not_ready` or `draining`.
    pub status: &'static str,
    /// The shards.
    pub shards: ShardReadiness,
    /// The connections to NATS.
    pub nats: NatsReadiness,
    /// What is missing, in sentences; may say something although the node is ready.
    pub reasons: Vec<String>,
}

/// Part of [`Readiness`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct ShardReadiness {
    /// How many run.
    pub running: usize,
    /// How many there are to be.
    pub configured: usize,
}

/// Part of [`Readiness`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct NatsReadiness {
    /// How many shards have a connection.
    pub connected: usize,
    /// Whether the node is not ready without.
    pub required: bool,
}

impl Readiness {
    /// Whether new calls are welcome.
    pub fn is_ready(&self) -> bool {
        self.status == "ready"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn health(ready_without_nats: bool) -> Health {
        Health::new(2, ready_without_nats, Arc::new(Metrics::new("edge-1")))
    }

    #[test]
    fn a_node_is_ready_when_all_its_shards_run() {
        let health = health(true);
        health.shard_started();
        assert_eq!(health.readiness().status, "not_ready");
        health.shard_started();
        let readiness = health.readiness();
        assert!(readiness.is_ready());
        assert_eq!(readiness.reasons, ["0 of 2 shards are connected to NATS"]);
        health.shard_stopped();
        assert_eq!(health.readiness().reasons[0], "1 of 2 shards run");
    }

    #[test]
    fn nats_counts_when_it_is_required() {
        let health = health(false);
        health.shard_started();
        health.shard_started();
        assert!(!health.readiness().is_ready());
        health.nats_up();
        health.nats_up();
        assert!(health.readiness().is_ready());
        health.nats_down();
        assert!(!health.readiness().is_ready());
    }

    #[test]
    fn a_node_of_the_same_name_is_said_and_no_reason_not_to_be_ready() {
        let health = health(true);
        health.shard_started();
        health.shard_started();
        health.set_namesakes(1);
        let readiness = health.readiness();
        assert!(readiness.is_ready());
        assert_eq!(
            readiness.reasons[1],
            "another node on NATS has the name of this one"
        );
    }

    #[test]
    fn a_draining_node_is_not_ready() {
        let health = health(true);
        health.shard_started();
        health.shard_started();
        health.drain();
        assert_eq!(health.readiness().status, "draining");
    }
}
