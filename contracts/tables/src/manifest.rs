use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::file::Digest;
use crate::kind::Kind;

/// Which tables there are, which versions of each are kept, and which one counts. One document, changed as a whole, so
/// that a release of several tables is one change.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Manifest {
    /// Version of this document.
    #[serde(default)]
    pub version: String,
    /// Grows by one with every change.
    pub revision: u64,
    /// By name.
    #[serde(default)]
    pub tables: BTreeMap<String, Entry>,
}

/// One table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Entry {
    /// What it is for; never changes.
    pub kind: Kind,
    /// The version that counts; none when nothing was activated yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub active: Option<u64>,
    /// The revision that made it count.
    #[serde(default)]
    pub activated_in: u64,
    /// Versions that counted before that one, the last of them last, each once: what a roll back goes through. None that
    /// never counted is among them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub counted: Vec<u64>,
    /// The number of the newest version ever.
    pub newest: u64,
    /// Those kept, in order.
    pub versions: Vec<Version>,
}

/// One version of a table. Never changes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Version {
    /// From 1; never used again.
    pub number: u64,
    /// What is in it.
    #[schemars(with = "String")]
    pub sha256: Digest,
    /// Rows.
    pub rows: u64,
    /// Bytes of its rows as NDJSON.
    pub bytes: u64,
    /// When it was pushed, Unix milliseconds.
    pub at_ms: u64,
    /// Who pushed it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// What they said about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
}

/// Why a change cannot be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ManifestError {
    /// There is no such table.
    #[error("there is no table {0}")]
    NoTable(String),
    /// The table has no such version, or no longer.
    #[error("table {table} has no version {number}")]
    NoVersion {
        /// Its name.
        table: String,
        /// The version asked for.
        number: u64,
    },
    /// The table is of another kind.
    #[error("table {table} is of kind {is}, not {asked}")]
    OtherKind {
        /// Its name.
        table: String,
        /// Its kind.
        is: Kind,
        /// The kind asked for.
        asked: Kind,
    },
}

impl Manifest {
    /// A manifest without tables.
    pub fn new() -> Self {
        Self {
            version: sigbox_contracts::VERSION.to_owned(),
            ..Self::default()
        }
    }

    /// The table called `name`.
    ///
    /// # Errors
    /// [`ManifestError::NoTable`]
    pub fn table(&self, name: &str) -> Result<&Entry, ManifestError> {
        let entry = self.tables.get(name);
        entry.ok_or_else(|| ManifestError::NoTable(name.to_owned()))
    }

    /// How many rows these versions of tables have, together with those that count in their place; none of what is not there.
    pub fn rows(&self, versions: &[(String, u64)]) -> usize {
        let rows = versions.iter().filter_map(|(name, number)| {
            let entry = self.tables.get(name)?;
            let active = entry.active().map_or(0, |version| version.rows);
            let version = entry.version(name, *number).ok()?;
            Some(active.saturating_add(version.rows))
        });
        let rows = rows.fold(0_u64, u64::saturating_add);
        usize::try_from(rows).unwrap_or(usize::MAX)
    }

    /// Adds a version of `name`, which is a new table when there is none, and forgets old ones over `keep`, but never
    /// the one that counts. Returns its number.
    ///
    /// # Errors
    /// [`ManifestError::OtherKind`]
    pub fn add(
        &mut self,
        name: &str,
        kind: Kind,
        mut version: Version,
        keep: usize,
    ) -> Result<u64, ManifestError> {
        let entry = self.tables.entry(name.to_owned()).or_insert(Entry {
            kind,
            active: None,
            activated_in: 0,
            counted: Vec::new(),
            newest: 0,
            versions: Vec::new(),
        });
        if entry.kind != kind {
            return Err(ManifestError::OtherKind {
                table: name.to_owned(),
                is: entry.kind,
                asked: kind,
            });
        }
        entry.newest += 1;
        version.number = entry.newest;
        entry.versions.push(version);
        while entry.versions.len() > keep.max(2) {
            let active = entry.active;
            let oldest = entry
                .versions
                .iter()
                .position(|version| Some(version.number) != active);
            match oldest {
                Some(at) => {
                    let gone = entry.versions.remove(at).number;
                    entry.counted.retain(|number| *number != gone);
                }
                None => break,
            }
        }
        Ok(entry.newest)
    }

    /// Makes version `number` of `name` count, in the revision that comes next. False when it does already.
    ///
    /// # Errors
    /// [`ManifestError`]
    pub fn activate(&mut self, name: &str, number: u64) -> Result<bool, ManifestError> {
        let next = self.revision + 1;
        self.table(name)?.version(name, number)?;
        let Some(entry) = self.tables.get_mut(name) else {
            return Ok(false);
        };
        if entry.active == Some(number) {
            return Ok(false);
        }
        // Whoever goes back goes back from there the next time.
        match entry.counted.iter().position(|counted| *counted == number) {
            Some(at) => entry.counted.truncate(at),
            None => entry.counted.extend(entry.active),
        }
        entry.active = Some(number);
        entry.activated_in = next;
        Ok(true)
    }

    /// Every version that is kept.
    pub fn digests(&self) -> impl Iterator<Item = Digest> + '_ {
        let versions = self.tables.values().flat_map(|entry| &entry.versions);
        versions.map(|version| version.sha256)
    }
}

impl Entry {
    /// The version that counts.
    pub fn active(&self) -> Option<&Version> {
        let number = self.active?;
        self.versions
            .iter()
            .find(|version| version.number == number)
    }

    /// Version `number` of this table, which is called `name`.
    ///
    /// # Errors
    /// [`ManifestError::NoVersion`]
    pub fn version(&self, name: &str, number: u64) -> Result<&Version, ManifestError> {
        let version = self
            .versions
            .iter()
            .find(|version| version.number == number);
        version.ok_or_else(|| ManifestError::NoVersion {
            table: name.to_owned(),
            number,
        })
    }
}
