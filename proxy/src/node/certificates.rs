//! The admin server's certificates, at the start and on a reload.

use std::sync::Arc;

use tracing::error;

use super::Node;
use crate::admin::PROTOCOLS;
use crate::config::Config;
use crate::metrics::Metrics;
use crate::tls::{Certificates, TlsError};

/// Those of the configuration, if it has any.
pub(super) fn open(
    config: &Config,
    metrics: &Metrics,
) -> Result<Option<Arc<Certificates>>, TlsError> {
    let Some(files) = config.admin.tls.clone() else {
        return Ok(None);
    };
    let certificates = Certificates::open("admin", files, PROTOCOLS)?;
    metrics.certificates(&certificates);
    Ok(Some(Arc::new(certificates)))
}

impl Node {
    /// Reads the certificates again that are in use. They could be used when the configuration was read; when they cannot
    /// any more, the last good ones stay.
    pub(super) fn renew_certificates(&self) {
        let Some(certificates) = &self.certificates else {
            return;
        };
        match certificates.reload() {
            Ok(()) => {
                self.metrics.certificates(certificates);
                certificates.warn();
            }
            Err(error) => {
                error!(%error, "certificates not reloaded; the last good ones stay");
            }
        }
    }
}
