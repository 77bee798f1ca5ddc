//! The tables that were pushed to the proxies.

use std::collections::BTreeMap;
use std::fmt;
use std::io::Cursor;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use async_nats::Client;
use async_nats::jetstream::{self, kv, object_store::ObjectStore};
use futures_util::StreamExt as _;
use serde::de::DeserializeOwned;
use sigbox_contracts::Prefix;
use sigbox_tables::file::{self, Digest};
use sigbox_tables::replicated::{self, Applied, HEARTBEAT_S, MANIFEST, Role};
use sigbox_tables::{Builder, Entry, Fields, Format, Kind, Limits, Manifest, Table, read};
use tokio::io::AsyncReadExt as _;
use tokio::sync::watch;
use tracing::{debug, info, warn};

/// Between two attempts to reach what is not there.
const PAUSE: Duration = Duration::from_secs(2);

/// What is pushed to the proxies, for handlers: give it to [`Decider::follow`](crate::Decider::follow) and keep a copy,
/// which is a pointer.
///
/// [`Tables::now`] is a snapshot: whoever looks into several tables of one snapshot sees all of a release or nothing of
/// it. The version stands in [`Found::reason`].
#[derive(Clone, Debug)]
pub struct Tables(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    current: RwLock<Snapshot>,
    revision: watch::Sender<u64>,
}

/// What counts at one moment.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    tables: Arc<BTreeMap<String, Version>>,
}

#[derive(Clone, Debug)]
struct Version {
    number: u64,
    sha256: Option<Digest>,
    table: Arc<Table>,
}

/// One table of a [`Snapshot`]; empty when there is none of that name.
#[derive(Clone, Copy, Debug)]
pub struct TableView<'s> {
    name: &'s str,
    version: Option<&'s Version>,
}

/// A row that was found.
#[derive(Clone, Debug, PartialEq)]
pub struct Found {
    /// Its fields, the key among them.
    pub row: Fields,
    /// Where it was found, for [`Answer::because`](crate::Answer::because): `rates v3: prefix 4930`.
    pub reason: String,
}

impl Default for Tables {
    fn default() -> Self {
        Self::new()
    }
}

impl Tables {
    /// Nothing yet.
    pub fn new() -> Self {
        Self(Arc::new(Shared {
            current: RwLock::default(),
            revision: watch::Sender::new(0),
        }))
    }

    /// What counts now. Keep it for one call, not for the next.
    pub fn now(&self) -> Snapshot {
        let current = self.0.current.read();
        current.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Grows with every change; 0 until something was read.
    pub fn revision(&self) -> u64 {
        *self.0.revision.borrow()
    }

    /// Resolves once `revision` is there, for programs that must not answer before.
    pub async fn until(&self, revision: u64) {
        let mut revisions = self.0.revision.subscribe();
        // It is held here.
        let _ = revisions.wait_for(|now| *now >= revision).await;
    }

    /// For tests: this table counts from now on. `rows` is CSV whose first line has the names of the fields.
    ///
    /// # Errors
    /// What is wrong with the rows.
    pub fn set_csv(&self, name: &str, kind: Kind, rows: &str) -> Result<(), sigbox_tables::Faults> {
        let mut builder = Builder::new(kind, Limits::default());
        // A text in memory can be read to its end.
        let _ = read(Format::Csv, rows.as_bytes(), &mut builder);
        let table = Arc::new(builder.finish()?);
        let mut tables = BTreeMap::clone(&self.now().tables);
        let number = tables.get(name).map_or(1, |version| version.number + 1);
        let version = Version {
            number,
            sha256: None,
            table,
        };
        tables.insert(name.to_owned(), version);
        self.take(tables, self.revision() + 1);
        Ok(())
    }

    fn take(&self, tables: BTreeMap<String, Version>, revision: u64) {
        let snapshot = Snapshot {
            tables: Arc::new(tables),
        };
        *self
            .0
            .current
            .write()
            .unwrap_or_else(PoisonError::into_inner) = snapshot;
        self.0.revision.send_replace(revision);
    }

    /// Follows what counts, for good. `name` is this instance, as the proxies list it.
    pub(crate) async fn follow(self, client: Client, prefix: Prefix, name: String) {
        let bucket = replicated::bucket(&prefix);
        let mut is_reported = false;
        loop {
            if let Err(error) = self.session(&client, &bucket, &name).await {
                // Tables may be pushed later than deciders start.
                match is_reported {
                    true => debug!(bucket, error, "no tables yet"),
                    false => warn!(bucket, error, "no tables yet"),
                }
                is_reported = true;
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    async fn session(&self, client: &Client, bucket: &str, name: &str) -> Result<(), String> {
        let context = jetstream::new(client.clone());
        let kv = context.get_key_value(bucket).await.map_err(text)?;
        let objects = context.get_object_store(bucket).await.map_err(text)?;
        let mut changes = kv.watch_with_history(MANIFEST).await.map_err(text)?;
        let mut beat = tokio::time::interval(Duration::from_secs(HEARTBEAT_S));
        loop {
            tokio::select! {
                change = changes.next() => {
                    let change = change.ok_or("the watch ended")?.map_err(text)?;
                    if change.operation != kv::Operation::Put {
                        continue;
                    }
                    let manifest = serde_json::from_slice(&change.value).map_err(text)?;
                    self.apply(&manifest, &objects).await?;
                }
                _ = beat.tick() => {}
            }
            self.say(&kv, name).await;
        }
    }

    /// Tells the proxies what this decider runs with.
    async fn say(&self, kv: &kv::Store, name: &str) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let applied = Applied {
            revision: self.revision(),
            at_ms: u64::try_from(now.unwrap_or_default().as_millis()).unwrap_or(u64::MAX),
            error: None,
        };
        let Ok(text) = serde_json::to_vec(&applied) else {
            return;
        };
        if let Err(error) = kv.put(Role::Decider.key(name), text.into()).await {
            debug!(%error, "cannot say what is applied");
        }
    }

    /// All of a manifest, or nothing of it.
    async fn apply(&self, manifest: &Manifest, objects: &ObjectStore) -> Result<(), String> {
        let before = self.now();
        let mut tables = BTreeMap::new();
        for (name, entry) in &manifest.tables {
            let Some(active) = entry.active() else {
                continue;
            };
            let known = before.tables.get(name);
            let known = known.filter(|known| known.sha256 == Some(active.sha256));
            let table = match known {
                Some(known) => known.table.clone(),
                None => {
                    let table = load(objects, entry, active.sha256).await?;
                    info!(
                        table = name,
                        version = active.number,
                        rows = table.len(),
                        "table active"
                    );
                    Arc::new(table)
                }
            };
            let version = Version {
                number: active.number,
                sha256: Some(active.sha256),
                table,
            };
            tables.insert(name.clone(), version);
        }
        self.take(tables, manifest.revision);
        Ok(())
    }
}

async fn load(objects: &ObjectStore, entry: &Entry, sha256: Digest) -> Result<Table, String> {
    let mut object = objects.get(sha256.to_string()).await.map_err(text)?;
    let mut packed = Vec::new();
    object.read_to_end(&mut packed).await.map_err(text)?;
    let kind = entry.kind;
    // Millions of rows take seconds, in which calls go on.
    let loaded = tokio::task::spawn_blocking(move || file::load(kind, sha256, Cursor::new(packed)));
    loaded.await.map_err(text)?.map_err(text)
}

fn text(error: impl fmt::Display) -> String {
    error.to_string()
}

impl Snapshot {
    /// The table called `name`; an empty one when there is none.
    pub fn table<'s>(&'s self, name: &'s str) -> TableView<'s> {
        TableView {
            name,
            version: self.tables.get(name),
        }
    }
}

impl TableView<'_> {
    /// How many rows it has.
    pub fn len(&self) -> usize {
        self.version.map_or(0, |version| version.table.len())
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The row with the longest prefix of `number`; in a table that is not of prefixes the row with this key.
    pub fn longest_prefix(&self, number: &str) -> Option<Found> {
        let version = self.version?;
        Some(self.found(version, version.table.longest_prefix(number)?))
    }

    /// The row with this key: a number in any spelling, or the text; of gateways `set/id`.
    pub fn get(&self, key: &str) -> Option<Found> {
        let version = self.version?;
        Some(self.found(version, version.table.get(key)?))
    }

    fn found(&self, version: &Version, row: sigbox_tables::Row<'_>) -> Found {
        let fields = version.table.kind().key_fields().join("/");
        Found {
            row: row.fields(),
            reason: format!("{} v{}: {fields} {}", self.name, version.number, row.key()),
        }
    }
}

impl Found {
    /// The text of a field; a number as it is written.
    pub fn text(&self, field: &str) -> Option<String> {
        match self.row.get(field)? {
            serde_json::Value::String(text) => Some(text.clone()),
            serde_json::Value::Number(number) => Some(number.to_string()),
            _ => None,
        }
    }

    /// The number in a field, also when it is written as text, as in CSV.
    pub fn number(&self, field: &str) -> Option<f64> {
        self.text(field)?.parse().ok()
    }

    /// The row as a type of one's own.
    ///
    /// # Errors
    /// When it does not have the fields.
    pub fn read<T: DeserializeOwned>(&self) -> Result<T, serde_json::Error> {
        serde_json::from_value(self.row.clone().into())
    }
}
