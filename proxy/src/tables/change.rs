//! What is asked of the tables, and what comes of it.

use std::io;
use std::sync::Arc;

use serde::Serialize;
use sigbox_tables::diff::{self, Counts};
use sigbox_tables::{Entry, Faults, Fields, Kind, ManifestError, Table};

use super::replica::ReplicaError;
use super::store::{Incoming, StoreError};
use crate::background::Died;

/// What must hold for a change to be made (RFC 9110 §13.1).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Precondition {
    /// Nothing.
    #[default]
    None,
    /// The table's entity tag is one of these.
    Match(Vec<String>),
    /// There is no such table yet.
    Absent,
}

/// What is asked for with a push.
#[derive(Clone, Debug)]
pub struct Asked {
    /// The table.
    pub name: String,
    /// What must hold.
    pub precondition: Precondition,
    /// Whether the new version counts at once.
    pub activate: bool,
    /// Only say what would happen.
    pub dry_run: bool,
    /// With `dry_run`: how many of the rows that are different to list.
    pub changes: usize,
    /// Who asks.
    pub by: Option<String>,
    /// What they say about it.
    pub comment: Option<String>,
}

/// A version that was read and found right.
#[derive(Debug)]
pub struct Pushed {
    pub(super) table: Arc<Table>,
    pub(super) incoming: Incoming,
}

/// What a change does to a manifest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// These versions count from now on.
    Activate(Vec<(String, u64)>),
    /// The table is gone.
    Remove {
        /// Its name.
        name: String,
        /// Even if rules need it.
        is_forced: bool,
    },
}

/// What became of a change of one table.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Changed {
    /// The table.
    pub table: String,
    /// What it is for.
    pub kind: Kind,
    /// `active`: the version counts now. `stored`: it is kept and does not count. `unchanged`: there is nothing new in
    /// it. `checked`: nothing was done, it was a dry run. `removed`: the table is gone.
    pub state: &'static str,
    /// The version this is about; for a dry run the one it would be.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<u64>,
    /// Entity tag of the table from now on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub etag: Option<String>,
    /// The version that counted before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub previous: Option<u64>,
    /// The revision of all tables from now on.
    pub revision: u64,
    /// What is different from the version that counted before.
    pub rows: RowCounts,
    /// Some of the rows that are different, in the order of keys, for a dry run that was asked for them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub changes: Vec<RowChange>,
    /// What is odd but was done.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
}

/// One row that is different between two versions.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RowChange {
    /// `added`, `removed` or `changed`.
    pub change: &'static str,
    /// What it was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before: Option<Fields>,
    /// What it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<Fields>,
}

impl RowChange {
    /// The first `limit` rows that are different, in the order of keys; all rows are new when there was no version.
    pub fn first(old: Option<&Table>, new: &Table, limit: usize) -> Vec<Self> {
        let of = |change: diff::Change<'_>| {
            let (change, before, after) = match change {
                diff::Change::Added(row) => ("added", None, Some(row)),
                diff::Change::Removed(row) => ("removed", Some(row), None),
                diff::Change::Changed(before, after) => ("changed", Some(before), Some(after)),
            };
            Self {
                change,
                before: before.map(|row| row.fields()),
                after: after.map(|row| row.fields()),
            }
        };
        match old {
            Some(old) => diff::changes(old, new).take(limit).map(of).collect(),
            None => new
                .rows()
                .take(limit)
                .map(|row| of(diff::Change::Added(row)))
                .collect(),
        }
    }
}

/// How many rows there are, and how many are different.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct RowCounts {
    /// Rows of the version.
    pub total: u64,
    /// See [`Counts`].
    #[serde(flatten)]
    pub counts: Counts,
}

/// Why a change was not made. Everything is as it was.
#[derive(Debug, thiserror::Error)]
pub enum ChangeError {
    /// There is no such table or version, or it is of another kind.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// What was pushed is wrong.
    #[error(transparent)]
    Faults(#[from] Faults),
    /// The table is not what the precondition says; its entity tag, if there is one.
    #[error("the precondition does not hold; the table is at {}", .0.as_deref().unwrap_or("no version"))]
    Precondition(Option<String>),
    /// Rules need a table that is to be removed.
    #[error(
        "table {table} is needed by {}: they would find nothing in it any more; ?force=true removes it nevertheless",
        super::usage::named(rules)
    )]
    InUse {
        /// The table.
        table: String,
        /// The rules, in their order.
        rules: Vec<Box<str>>,
    },
    /// The upload cannot be read on.
    #[error("the upload cannot be read: {0}")]
    Input(io::Error),
    /// It cannot be kept.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The other nodes cannot be told, or were faster.
    #[error(transparent)]
    Replica(#[from] ReplicaError),
    /// Work on it has ended abnormally.
    #[error("the change was given up: {0}")]
    Died(#[from] Died),
}

/// The entity tag of a table: the version that counts.
pub fn etag_of(entry: &Entry) -> Option<String> {
    let active = entry.active()?;
    let sha256 = active.sha256.to_string();
    Some(format!(
        "\"{}-{}\"",
        active.number,
        sha256.get(..16).unwrap_or_default()
    ))
}

pub(super) fn unchanged(name: &str, entry: &Entry, revision: u64) -> Changed {
    Changed {
        table: name.to_owned(),
        kind: entry.kind,
        state: "unchanged",
        version: entry.active,
        etag: etag_of(entry),
        previous: entry.active,
        revision,
        rows: RowCounts::default(),
        changes: Vec::new(),
        warnings: Vec::new(),
    }
}

pub(super) fn holds(precondition: &Precondition, entry: Option<&Entry>) -> Result<(), ChangeError> {
    let etag = entry.and_then(etag_of);
    let holds = match precondition {
        Precondition::None => true,
        Precondition::Absent => entry.is_none(),
        Precondition::Match(tags) => tags.iter().any(|tag| match tag.as_str() {
            "*" => entry.is_some(),
            tag => Some(tag) == etag.as_deref(),
        }),
    };
    match holds {
        true => Ok(()),
        false => Err(ChangeError::Precondition(etag)),
    }
}
