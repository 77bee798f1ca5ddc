//! Noticing that the configuration file, or one that it names, has changed.
//!
//! The folders are watched, not the files: editors and deployments put a new file in its place. What
//! happens there is only a reason to look; what counts is whether a text is another.

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

/// Files that are looked at when something happens around them.
pub(super) struct Watch {
    files: Vec<File>,
    happened: Arc<Notify>,
    /// When the first thing happened that was not looked at yet.
    since: Option<Instant>,
    /// Dropping it ends the watching.
    _watcher: RecommendedWatcher,
}

/// One of them.
struct File {
    path: PathBuf,
    /// The text that was read last.
    seen: Option<Vec<u8>>,
}

impl File {
    fn new(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
            seen: std::fs::read(path).ok(),
        }
    }

    fn folder(&self) -> &Path {
        match self.path.parent() {
            Some(folder) if folder != Path::new("") => folder,
            _ => Path::new("."),
        }
    }

    /// Something when its text is another than before. A file that is not there just now will be.
    fn look(&mut self) -> Option<()> {
        let text = std::fs::read(&self.path).ok()?;
        (self.seen.as_ref() != Some(&text)).then(|| self.seen = Some(text))
    }
}

impl Watch {
    /// Watches from now on.
    ///
    /// # Errors
    /// When the system does not tell what happens in a file's folder.
    pub(super) fn start<'a>(paths: impl Iterator<Item = &'a Path>) -> notify::Result<Self> {
        let happened = Arc::new(Notify::new());
        let tell = happened.clone();
        let mut watcher =
            notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
                // Something was missed, too, is a reason to look; that somebody reads it is none.
                if !event.is_ok_and(|event| matches!(event.kind, EventKind::Access(_))) {
                    tell.notify_one();
                }
            })?;
        let files: Vec<_> = paths.map(File::new).collect();
        let mut folders: Vec<_> = files.iter().map(File::folder).collect();
        folders.sort_unstable();
        folders.dedup();
        for folder in folders {
            watcher.watch(folder, RecursiveMode::NonRecursive)?;
        }
        Ok(Self {
            files,
            happened,
            since: None,
            _watcher: watcher,
        })
    }

    /// Somebody reads the files for another reason.
    pub(super) fn note(&mut self) {
        self.look();
    }

    /// Whether one of them has another text than before.
    fn look(&mut self) -> bool {
        // All of them are looked at.
        let changed = self.files.iter_mut().filter_map(File::look);
        changed.count() > 0
    }

    /// Returns once a file has another text. May be dropped and called again.
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
            if self.look() {
                return;
            }
        }
    }
}
