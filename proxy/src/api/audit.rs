//! Who changed what, and who was refused.
//!
//! Every change is written down. Refusals anybody can cause who reaches the port, so only so many of them are; the
//! rest is counted, and how many they were is written down, too.

mod file;
mod refusals;

use std::collections::VecDeque;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde::Serialize;
use tokio::sync::broadcast;

use self::file::LogFile;
use self::refusals::Refusals;
use crate::metrics::Metrics;
use crate::tables::now_ms;

/// Entries kept in memory, for `GET /api/v1/audit`: so many changes, and so many refusals.
const KEPT: usize = 1000;

/// How often it is looked whether there is something to say about refusals.
const SWEEP: Duration = Duration::from_secs(1);

/// One entry.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Record {
    /// Unix milliseconds.
    pub at_ms: u64,
    /// The name of the token or client; absent when nobody could be told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// What was asked for.
    pub what: String,
    /// What came of it.
    pub outcome: String,
    /// The table, when it was about one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub table: Option<String>,
    /// The revision of all tables after it, when it changed one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revision: Option<u64>,
    #[serde(skip)]
    is_refusal: bool,
}

impl Record {
    /// Somebody did something.
    pub fn done(by: &str, what: impl Into<String>, outcome: impl Into<String>) -> Self {
        Self {
            at_ms: now_ms(),
            by: Some(by.to_owned()),
            what: what.into(),
            outcome: outcome.into(),
            table: None,
            revision: None,
            is_refusal: false,
        }
    }

    /// Somebody was not let in.
    pub fn refused(what: impl Into<String>, why: &str) -> Self {
        Self {
            by: None,
            ..Self::not_done("", what, why)
        }
    }

    /// Somebody was let in, and what they wanted was not done.
    pub fn not_done(by: &str, what: impl Into<String>, why: &str) -> Self {
        Self {
            is_refusal: true,
            ..Self::done(by, what, format!("refused: {why}"))
        }
    }

    /// So many refusals were not written down.
    fn left_out(count: u64) -> Self {
        let outcome = format!("{count} more refusals in the last seconds are not written down");
        Self {
            by: None,
            is_refusal: true,
            ..Self::done("", "refusals", outcome)
        }
    }
}

/// The log: in memory, in `audit.ndjson` of the data folder, and among the node's log lines.
#[derive(Debug)]
pub struct Audit {
    kept: Mutex<Kept>,
    feed: broadcast::Sender<Record>,
    metrics: Arc<Metrics>,
}

#[derive(Debug)]
struct Kept {
    changes: VecDeque<Record>,
    refused: VecDeque<Record>,
    refusals: Refusals,
    file: Option<LogFile>,
}

impl Audit {
    /// A log that is also written into `dir`.
    ///
    /// # Errors
    /// When the file cannot be opened.
    pub fn open(dir: Option<&Path>, metrics: Arc<Metrics>) -> std::io::Result<Self> {
        let (feed, _) = broadcast::channel(256);
        Ok(Self {
            kept: Mutex::new(Kept {
                changes: VecDeque::new(),
                refused: VecDeque::new(),
                refusals: Refusals::new(Instant::now()),
                file: dir.map(LogFile::open).transpose()?,
            }),
            feed,
            metrics,
        })
    }

    /// Writes one down, unless it is one refusal too many.
    pub fn add(&self, record: Record) {
        self.add_at(Instant::now(), record);
    }

    fn add_at(&self, now: Instant, record: Record) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        self.say_what_was_left_out(&mut kept, now);
        if record.is_refusal && !kept.refusals.takes() {
            self.metrics.audit_left_out();
            return;
        }
        self.write(&mut kept, record);
    }

    fn say_what_was_left_out(&self, kept: &mut Kept, now: Instant) {
        if let Some(count) = kept.refusals.ended(now) {
            self.write(kept, Record::left_out(count));
        }
    }

    fn write(&self, kept: &mut Kept, record: Record) {
        let (by, what, outcome) = (
            record.by.as_deref().unwrap_or("-"),
            &record.what,
            &record.outcome,
        );
        tracing::info!(target: "sigbox::audit", by, what, outcome, "audit");
        if let (Some(file), Ok(mut line)) = (&mut kept.file, serde_json::to_vec(&record)) {
            line.push(b'\n');
            if let Err(error) = file.write(&line) {
                tracing::error!(%error, "the audit log cannot be written");
            }
        }
        let ring = match record.is_refusal {
            true => &mut kept.refused,
            false => &mut kept.changes,
        };
        if ring.len() == KEPT {
            ring.pop_front();
        }
        ring.push_back(record.clone());
        // Nobody may be listening.
        let _ = self.feed.send(record);
    }

    /// The latest, oldest first.
    pub fn latest(&self) -> Vec<Record> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let mut all: Vec<_> = kept.changes.iter().chain(&kept.refused).cloned().collect();
        drop(kept);
        all.sort_by_key(|record| record.at_ms);
        all
    }

    /// Sees every entry from now on.
    pub fn follow(&self) -> broadcast::Receiver<Record> {
        self.feed.subscribe()
    }

    /// Says how many refusals were left out when nothing else happens; for good.
    pub async fn sweep(self: Arc<Self>) {
        let mut seconds = tokio::time::interval(SWEEP);
        loop {
            seconds.tick().await;
            let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
            self.say_what_was_left_out(&mut kept, Instant::now());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_of_refusals_hides_no_change_and_is_counted() {
        let metrics = Arc::new(Metrics::new("edge-1"));
        let dir = tempfile::tempdir().unwrap();
        let audit = Audit::open(Some(dir.path()), metrics.clone()).unwrap();
        let start = Instant::now();
        let add = |seconds, record| audit.add_at(start + Duration::from_secs(seconds), record);
        add(0, Record::done("ops", "push", "active"));
        for _ in 0..5_000 {
            add(1, Record::refused("GET /", "401"));
        }
        add(2, Record::done("ops", "push", "active"));
        add(11, Record::refused("GET /", "401"));
        let latest = audit.latest();
        let told: Vec<_> = latest
            .iter()
            .filter(|record| record.what == "refusals")
            .collect();
        assert_eq!(told.len(), 1);
        assert!(
            told[0].outcome.starts_with("4900 more refusals"),
            "{told:?}"
        );
        let pushes = latest.iter().filter(|record| record.what == "push");
        assert_eq!(pushes.count(), 2);
        assert_eq!(latest.len(), 2 + 100 + 1 + 1);
        let file = std::fs::read_to_string(dir.path().join("audit.ndjson")).unwrap();
        assert_eq!(file.lines().count(), latest.len());
        let text = metrics.render().unwrap();
        assert!(
            text.contains("\nsigbox_audit_left_out_total 4900\n"),
            "{text}"
        );
    }
}
