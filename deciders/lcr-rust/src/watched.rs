use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result};
use arc_swap::ArcSwap;
use tracing::{error, info};

use crate::rates::Rates;

const EVERY: Duration = Duration::from_secs(1);

/// A file of rates that is read again whenever it changes. One that cannot be read keeps the rates there were.
pub(crate) struct Watched {
    path: PathBuf,
    seen: Option<Stamp>,
    rates: Arc<ArcSwap<Rates>>,
}

/// What tells one version of a file from another. The name is looked at and not the inode: editors and config maps
/// replace files.
type Stamp = (SystemTime, u64);

impl Watched {
    /// Reads the file; it must be right the first time.
    pub(crate) fn open(path: PathBuf) -> Result<Self> {
        let mut watched = Self {
            path,
            seen: None,
            rates: Arc::default(),
        };
        watched.seen = watched.stamp().ok();
        watched.load()?;
        Ok(watched)
    }

    /// The rates as they are at any time.
    pub(crate) fn rates(&self) -> Arc<ArcSwap<Rates>> {
        Arc::clone(&self.rates)
    }

    /// Looks at the file for ever, once a second.
    pub(crate) async fn follow(mut self) {
        loop {
            tokio::time::sleep(EVERY).await;
            self.look();
        }
    }

    /// Reads the file again if it has changed.
    fn look(&mut self) {
        let stamp = self.stamp().ok();
        if stamp == self.seen {
            return;
        }
        // Also when it cannot be read: a mistake is said once, not once a second.
        self.seen = stamp;
        match self.load() {
            Ok(()) => info!(path = %self.path.display(), "rates read again"),
            Err(error) => error!("{error:#}; the rates stay as they were"),
        }
    }

    fn stamp(&self) -> std::io::Result<Stamp> {
        let metadata = fs::metadata(&self.path)?;
        Ok((metadata.modified()?, metadata.len()))
    }

    fn load(&self) -> Result<()> {
        let name = || self.path.display().to_string();
        let text = fs::read_to_string(&self.path).with_context(name)?;
        self.rates
            .store(Arc::new(Rates::parse(&text).with_context(name)?));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: &str = "prefix,carrier,uri,timeout_ms,cost,mode\n";

    #[test]
    fn a_changed_file_counts_and_a_broken_one_does_not() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let write = |rows: &str| fs::write(file.path(), format!("{HEADER}{rows}")).unwrap();
        write("49,a,sip:192.0.2.1,,,\n");
        let mut watched = Watched::open(file.path().to_owned()).unwrap();
        let rates = watched.rates();
        let carrier = || rates.load().exact("49").map(|rows| rows[0].carrier.clone());
        assert_eq!(carrier().as_deref(), Some("a"));

        write("49,second,sip:192.0.2.2,,,\n");
        watched.look();
        assert_eq!(carrier().as_deref(), Some("second"));

        write("49,broken-off,sip:19");
        watched.look();
        assert_eq!(
            carrier().as_deref(),
            Some("second"),
            "the last good rates stay"
        );

        fs::remove_file(file.path()).unwrap();
        watched.look();
        assert_eq!(carrier().as_deref(), Some("second"));

        write("49,back,sip:192.0.2.1,,,\n");
        watched.look();
        assert_eq!(carrier().as_deref(), Some("back"));
    }

    #[test]
    fn a_file_that_is_wrong_from_the_start_is_named() {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), format!("{HEADER}49,a,,,,\n")).unwrap();
        let error = format!("{:#}", Watched::open(file.path().to_owned()).err().unwrap());
        assert!(
            error.starts_with(&file.path().display().to_string()),
            "{error}"
        );
        assert!(error.contains("line 2: mode \"\" needs a uri"), "{error}");
    }
}
