//! Handshakes that failed, and until when certificates are good.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use super::Metrics;
use crate::tls::{Certificates, HANDSHAKE_FAILURES};

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReasonLabel {
    reason: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct FileLabels {
    used_by: &'static str,
    file: &'static str,
}

/// What is counted about TLS.
#[derive(Debug, Default)]
pub(super) struct TlsMetrics {
    failed: Family<ReasonLabel, Counter>,
    expiry: Family<FileLabels, Gauge>,
}

impl TlsMetrics {
    pub(super) fn register(&self, registry: &mut Registry) {
        // What can be told apart from the start is there from the start.
        for reason in HANDSHAKE_FAILURES {
            drop(self.failed.get_or_create(&ReasonLabel { reason }));
        }
        registry.register(
            "admin_handshakes_failed",
            "TLS handshakes with the admin server that failed, by reason",
            self.failed.clone(),
        );
        registry.register(
            "certificate_expiry_timestamp_seconds",
            "Until when the certificates in a file are good, Unix time in seconds",
            self.expiry.clone(),
        );
    }
}

impl Metrics {
    /// A handshake with the admin server failed, for one of [`HANDSHAKE_FAILURES`].
    pub fn handshake_failed(&self, reason: &'static str) {
        self.tls.failed.get_or_create(&ReasonLabel { reason }).inc();
    }

    /// These certificates are in use now.
    pub fn certificates(&self, certificates: &Certificates) {
        for expiry in certificates.expiries() {
            let labels = FileLabels {
                used_by: certificates.used_by(),
                file: expiry.part.label(),
            };
            let at = i64::try_from(expiry.at).unwrap_or(i64::MAX);
            self.tls.expiry.get_or_create(&labels).set(at);
        }
    }
}
