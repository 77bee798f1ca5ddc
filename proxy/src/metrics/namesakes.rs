//! Other nodes with the name of this one.

use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use super::Metrics;

/// How many there are.
#[derive(Debug, Default)]
pub(super) struct Namesakes(Gauge);

impl Namesakes {
    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register(
            "namesakes",
            "Other nodes on NATS that have the name of this one",
            self.0.clone(),
        );
    }
}

impl Metrics {
    /// So many other nodes have the name of this one.
    pub fn namesakes(&self, count: usize) {
        self.namesakes
            .0
            .set(i64::try_from(count).unwrap_or(i64::MAX));
    }
}
