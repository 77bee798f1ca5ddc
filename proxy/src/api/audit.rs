//! Who changed what, and who was refused.

use std::collections::VecDeque;
use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use serde::Serialize;
use tokio::sync::broadcast;

use crate::tables::now_ms;

/// Entries kept in memory, for `GET /api/v1/audit`.
const KEPT: usize = 1000;

/// One entry.
#[derive(Clone, Debug, Serialize)]
pub struct Record {
    /// Unix milliseconds.
    pub at_ms: u64,
    /// The name of the token; absent when nobody could be told.
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
        }
    }

    /// Somebody was not let in.
    pub fn refused(what: impl Into<String>, why: &str) -> Self {
        Self {
            by: None,
            ..Self::done("", what, format!("refused: {why}"))
        }
    }
}

/// The log: in memory, in `audit.ndjson` of the data folder, and among the node's log lines.
#[derive(Debug)]
pub struct Audit {
    kept: Mutex<Kept>,
    feed: broadcast::Sender<Record>,
}

#[derive(Debug)]
struct Kept {
    records: VecDeque<Record>,
    file: Option<File>,
}

impl Audit {
    /// A log that is also written into `dir`.
    ///
    /// # Errors
    /// When the file cannot be opened.
    pub fn open(dir: Option<&Path>) -> std::io::Result<Self> {
        let open = |dir: &Path| {
            std::fs::create_dir_all(dir)?;
            File::options()
                .create(true)
                .append(true)
                .open(dir.join("audit.ndjson"))
        };
        let (feed, _) = broadcast::channel(256);
        Ok(Self {
            kept: Mutex::new(Kept {
                records: VecDeque::new(),
                file: dir.map(open).transpose()?,
            }),
            feed,
        })
    }

    /// Writes one down.
    pub fn add(&self, record: Record) {
        let (by, what, outcome) = (
            record.by.as_deref().unwrap_or("-"),
            &record.what,
            &record.outcome,
        );
        tracing::info!(target: "sigbox::audit", by, what, outcome, "audit");
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if let (Some(file), Ok(mut line)) = (&mut kept.file, serde_json::to_vec(&record)) {
            line.push(b'\n');
            if let Err(error) = file.write_all(&line) {
                tracing::error!(%error, "the audit log cannot be written");
            }
        }
        if kept.records.len() == KEPT {
            kept.records.pop_front();
        }
        kept.records.push_back(record.clone());
        drop(kept);
        // Nobody may be listening.
        let _ = self.feed.send(record);
    }

    /// The latest, oldest first.
    pub fn latest(&self) -> Vec<Record> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.records.iter().cloned().collect()
    }

    /// Sees every entry from now on.
    pub fn follow(&self) -> broadcast::Receiver<Record> {
        self.feed.subscribe()
    }
}
