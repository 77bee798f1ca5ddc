//! Certificates: reading them from files, giving them anew to a server that runs, and whom they name.
//!
//! Nothing in here knows which server it is for. TLS 1.2 (RFC 5246) and 1.3 (RFC 8446), by rustls with ring.

mod files;
mod handshake;
mod identity;

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use arc_swap::ArcSwap;
use rustls::ServerConfig;
use rustls::crypto::CryptoProvider;

pub use files::{
    ClientAuth, Clients, Expiry, Fault, Files, Loaded, Part, TlsError, certificates, certified,
};
pub use handshake::{HANDSHAKE_FAILURES, failure};
pub use identity::Identity;

/// A certificate that is good for less than this is worth a warning.
pub const EXPIRES_SOON: Duration = Duration::from_secs(14 * 24 * 3600);

/// How often a server's certificates are looked at.
const REMINDER: Duration = Duration::from_secs(24 * 3600);

/// What does the cryptography.
pub fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

/// The certificates of a running server; connections there are keep what they were made with.
#[derive(Debug)]
pub struct Certificates {
    /// What the server is called in the log and in metrics.
    used_by: &'static str,
    files: Files,
    protocols: &'static [&'static [u8]],
    current: ArcSwap<Loaded>,
}

impl Certificates {
    /// Reads `files`, for the server called `used_by`, which offers `protocols` (ALPN, RFC 7301).
    ///
    /// # Errors
    /// Which file cannot be used, and why.
    pub fn open(
        used_by: &'static str,
        files: Files,
        protocols: &'static [&'static [u8]],
    ) -> Result<Self, TlsError> {
        let loaded = files.load(protocols)?;
        Ok(Self {
            used_by,
            files,
            protocols,
            current: ArcSwap::from_pointee(loaded),
        })
    }

    /// Reads the files again; connections that begin from now on get what is in them.
    ///
    /// # Errors
    /// Which file cannot be used, and why. What was in use stays in use.
    pub fn reload(&self) -> Result<(), TlsError> {
        let loaded = self.files.load(self.protocols)?;
        self.current.store(Arc::new(loaded));
        Ok(())
    }

    /// What a connection is made with now.
    pub fn server(&self) -> Arc<ServerConfig> {
        self.current.load().server.clone()
    }

    /// Until when they are good.
    pub fn expiries(&self) -> Vec<Expiry> {
        self.current.load().expiries.clone()
    }

    /// What the server is called.
    pub fn used_by(&self) -> &'static str {
        self.used_by
    }

    /// Says in the log which of them are not good for long.
    pub fn warn(&self) {
        let now = unix_seconds();
        for expiry in &self.current.load().expiries {
            let (used_by, file) = (self.used_by, expiry.path.display());
            let left = expiry.at.checked_sub(now);
            match left.filter(|left| *left > 0) {
                Some(left) if left >= EXPIRES_SOON.as_secs() => {}
                Some(left) => {
                    let days = left / (24 * 3600);
                    tracing::warn!(used_by, %file, days, "a certificate expires soon");
                }
                None => tracing::error!(used_by, %file, "a certificate has expired"),
            }
        }
    }

    /// Does that every day, beginning now.
    pub async fn remind(self: Arc<Self>) {
        let mut days = tokio::time::interval(REMINDER);
        loop {
            days.tick().await;
            self.warn();
        }
    }
}

fn unix_seconds() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.unwrap_or_default().as_secs()
}
