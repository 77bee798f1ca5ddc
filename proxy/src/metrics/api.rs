//! Requests that the API refused.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;

use super::Metrics;

/// The statuses that are counted.
const REFUSALS: [u16; 4] = [401, 403, 404, 405];

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct StatusLabel {
    status: u16,
}

/// What is counted about the API.
#[derive(Debug, Default)]
pub(super) struct ApiMetrics {
    refused: Family<StatusLabel, Counter>,
    left_out: Counter,
}

impl ApiMetrics {
    pub(super) fn register(&self, registry: &mut Registry) {
        for status in REFUSALS {
            drop(self.refused.get_or_create(&StatusLabel { status }));
        }
        registry.register(
            "api_refused",
            "Requests to the API that were refused, by status",
            self.refused.clone(),
        );
        registry.register(
            "audit_left_out",
            "Refusals that the audit log had no room for",
            self.left_out.clone(),
        );
    }
}

impl Metrics {
    /// The API answered with this status; counted when it is a refusal that takes no permission to cause.
    pub fn api_refused(&self, status: u16) {
        if REFUSALS.contains(&status) {
            self.api
                .refused
                .get_or_create(&StatusLabel { status })
                .inc();
        }
    }

    /// The audit log had no room for a refusal.
    pub fn audit_left_out(&self) {
        self.api.left_out.inc();
    }
}
