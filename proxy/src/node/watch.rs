//! Noticing that the configuration file has changed.
//!
//! The folder is watched, not the file: editors and deployments put a new file in its place. What
//! happens there is only a reason to look; what counts is whether the text is another.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::Notify;
use tokio::time::{Instant, timeout};

/// How long it must be quiet before the file is read: whoever writes it writes it whole.
const QUIET: Duration = Duration::from_millis(200);

/// After this it is read although it is not quiet.
const LONGEST: Duration = Duration::from_secs(2);

/// A file that is looked at when something happens around it.
pub(super) struct Watch {
    path: PathBuf,
    happened: Arc<Notify>,
    /// When the first thing happened that was not looked at yet.
    since: Option<Instant>,
    /// The text that was read last.
    seen: Option<Vec<u8>>,
    /// Dropping it ends the watching.
    _watcher: RecommendedWatcher,
}

impl Watch {
    /// Watches from now on.
    ///
    /// # Errors
    /// When the system does not tell what happens in the file's folder.
    pub(super) fn start(path: &Path) -> notify::Result<Self> {
        let happened = Arc::new(Notify::new());
        let tell = happened.clone();
        let mut watcher =
            notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
                // Something was missed, too, is a reason to look; that somebody reads it is none.
                if !event.is_ok_and(|event| matches!(event.kind, EventKind::Access(_))) {
                    tell.notify_one();
                }
            })?;
        let folder = match path.parent() {
            Some(folder) if folder != Path::new("") => folder,
            _ => Path::new("."),
        };
        watcher.watch(folder, RecursiveMode::NonRecursive)?;
        Ok(Self {
            path: path.to_owned(),
            happened,
            since: None,
            seen: std::fs::read(path).ok(),
            _watcher: watcher,
        })
    }

    /// Somebody reads the file for another reason.
    pub(super) fn note(&mut self) {
        self.seen = std::fs::read(&self.path).ok().or(self.seen.take());
    }

    /// Returns once the file has another text. May be dropped and called again.
    pub(super) async fn changed(&mut self) {
        loop {
            let since = match self.since {
                Some(since) => since,
                None => {
                    self.happened.notified().await;
                    *self.since.insert(Instant::now())
                }
            };
            while since.elapsed() < LONGEST
                && timeout(QUIET, self.happened.notified()).await.is_ok()
            {}
            self.since = None;
            // A file that is not there just now will be.
            let Ok(text) = std::fs::read(&self.path) else {
                continue;
            };
            if self.seen.as_ref() != Some(&text) {
                self.seen = Some(text);
                return;
            }
        }
    }
}
