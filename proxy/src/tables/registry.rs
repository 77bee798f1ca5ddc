//! Changes of tables: one at a time, each as a whole or not at all.
//!
//! Reading a push, building its index and writing it down happen outside the turn, side by side. In the turn the
//! manifest is changed, written, and the new snapshot handed to the shards.

mod shared;

use std::collections::HashMap;
use std::io::Read;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use arc_swap::ArcSwap;
use sigbox_tables::diff;
use sigbox_tables::file::Digest;
use sigbox_tables::{
    Builder, Format, Kind, Manifest, ManifestError, Patch, Table, Version, apply, read,
};
use tokio::sync::{Mutex, watch};
use tracing::{error, info};

use super::change::{
    Asked, Change, ChangeError, Changed, Precondition, Pushed, RowChange, RowCounts, etag_of,
    holds, unchanged,
};
use super::replica::{Replica, ReplicaError};
use super::snapshot::{Source, build, compile, last_good};
use super::store::{Store, StoreError};
use super::{Active, Tables, Unrouted, compiled, usage, warnings};
use crate::background;
use crate::config::Config;
use crate::shard::Clock;

/// Makes changes and knows what counts.
pub struct Registry {
    store: Store,
    current: ArcSwap<Tables>,
    config: ArcSwap<Config>,
    /// Who may change the manifest.
    turn: Mutex<()>,
    revision: watch::Sender<u64>,
    tell: Box<dyn Fn(Arc<Tables>, Vec<Active>) + Send + Sync>,
    /// The time of the shards.
    clock: Clock,
    /// Where the manifest of all nodes is; `None` for a node by itself.
    replica: Option<Arc<Replica>>,
    /// Why what the others have could not be taken over.
    behind: std::sync::Mutex<Option<String>>,
}

/// How often a change is tried again when somebody else was faster.
const ATTEMPTS: usize = 8;

impl Registry {
    /// Loads what is in `store`. `tell` is given every snapshot but the first one, and what counts
    /// in it that did not before.
    ///
    /// # Errors
    /// [`StoreError`] when the manifest cannot be read. A version that cannot be loaded is replaced by the newest that
    /// can, and that is said in the log: a proxy with an older table is better than none.
    pub fn open(
        store: Store,
        config: Arc<Config>,
        replica: Option<Arc<Replica>>,
        clock: Clock,
        tell: impl Fn(Arc<Tables>, Vec<Active>) + Send + Sync + 'static,
    ) -> Result<Self, StoreError> {
        let manifest = store.manifest()?.unwrap_or_else(Manifest::new);
        let tables = last_good(&store, config.clone(), manifest, clock.now());
        for (name, table) in tables.iter() {
            info!(
                table = name,
                version = table.version,
                rows = table.table.len(),
                "table loaded"
            );
        }
        for (name, table) in tables.iter() {
            warnings::log_conflicts(name, &table.table, &tables, &config);
        }
        // What is not here may be with the others.
        if replica.is_none() {
            warnings::log_unrouted(tables.unrouted());
        }
        let (revision, _) = watch::channel(tables.manifest.revision);
        Ok(Self {
            store,
            current: ArcSwap::from_pointee(tables),
            config: ArcSwap::new(config),
            turn: Mutex::new(()),
            revision,
            tell: Box::new(tell),
            clock,
            replica,
            behind: std::sync::Mutex::default(),
        })
    }

    /// What counts now.
    pub fn tables(&self) -> Arc<Tables> {
        self.current.load_full()
    }

    /// What it runs with.
    pub fn config(&self) -> Arc<Config> {
        self.config.load_full()
    }

    /// How many rows of a table count.
    pub fn rows(&self, name: &str) -> usize {
        let tables = self.tables();
        tables.get(name).map_or(0, |active| active.table.len())
    }

    /// Where it shares tables with others; `None` for a node by itself.
    pub fn replica(&self) -> Option<&Arc<Replica>> {
        self.replica.as_ref()
    }

    /// Whether what is pushed is gone with the process.
    pub fn is_temporary(&self) -> bool {
        self.store.is_temporary()
    }

    /// Says in the log which rules look calls up where none is routed.
    pub fn report_unrouted(&self) {
        warnings::log_unrouted(self.tables().unrouted());
    }

    /// Sees every revision that counts.
    pub fn revisions(&self) -> watch::Receiver<u64> {
        self.revision.subscribe()
    }

    /// Reads a push of the whole table. Blocks.
    ///
    /// # Errors
    /// [`ChangeError`]
    pub fn read(
        &self,
        kind: Kind,
        format: Format,
        input: impl Read,
    ) -> Result<Pushed, ChangeError> {
        self.receive(kind, |builder| {
            read(format, input, builder).map_err(ChangeError::Input)
        })
    }

    /// Reads changes of rows of a table, and applies them to the version that counts. Blocks. The entity tag it was
    /// applied to comes with it.
    ///
    /// # Errors
    /// [`ChangeError`]
    pub fn read_patch(
        &self,
        name: &str,
        patch: impl FnOnce(&mut Builder<'_>) -> Result<Patch, ChangeError>,
    ) -> Result<(Pushed, String), ChangeError> {
        let tables = self.tables();
        let entry = tables.manifest.table(name)?;
        let old = tables.get(name);
        let pushed = self.receive(entry.kind, |builder| {
            let patch = patch(builder)?;
            apply(old.map(|old| &*old.table), patch, builder);
            Ok(())
        })?;
        Ok((pushed, etag_of(entry).unwrap_or_default()))
    }

    fn receive(
        &self,
        kind: Kind,
        fill: impl FnOnce(&mut Builder<'_>) -> Result<(), ChangeError>,
    ) -> Result<Pushed, ChangeError> {
        let config = self.tables().config.clone();
        let mut check = |row: &_| compiled::check(kind, row, &config);
        let mut builder = Builder::new(kind, config.tables.limits).checked(&mut check);
        fill(&mut builder)?;
        let table = Arc::new(builder.finish()?);
        let incoming = self.store.receive(&table)?;
        Ok(Pushed { table, incoming })
    }

    /// A version that is kept. Blocks when it does not count.
    ///
    /// # Errors
    /// [`ChangeError`]
    pub fn version(&self, name: &str, number: u64) -> Result<Arc<Table>, ChangeError> {
        let tables = self.tables();
        if let Some(active) = tables.get(name).filter(|active| active.version == number) {
            return Ok(active.table.clone());
        }
        let entry = tables.manifest.table(name)?;
        let version = entry.version(name, number)?;
        Ok(Arc::new(self.store.load(entry.kind, version.sha256)?))
    }

    /// Adds a version of a table, which is new when there is none of that name.
    ///
    /// # Errors
    /// [`ChangeError`]
    pub async fn push(
        self: &Arc<Self>,
        asked: Asked,
        pushed: Pushed,
    ) -> Result<Changed, ChangeError> {
        let turn = self.clone();
        let _turn = turn.turn.lock().await;
        let registry = self.clone();
        let rows = pushed.table.len().saturating_add(self.rows(&asked.name));
        background::run(rows, move || registry.push_now(&asked, pushed)).await?
    }

    fn push_now(&self, asked: &Asked, pushed: Pushed) -> Result<Changed, ChangeError> {
        let Pushed { table, incoming } = pushed;
        let (sha256, bytes) = (incoming.sha256, incoming.bytes);
        let fresh = HashMap::from([(sha256, table.clone())]);
        let mut incoming = Some(incoming);
        for _ in 0..ATTEMPTS {
            let before = self.tables();
            let (mut changed, manifest) = self.pushed(asked, &before, &table, sha256, bytes)?;
            if !asked.dry_run
                && let Some(incoming) = incoming.take()
            {
                self.store.keep(incoming)?;
            }
            let Some(manifest) = manifest else {
                return Ok(changed);
            };
            if self.commit(&before, manifest, &fresh)? {
                self.complete(&mut changed);
                return Ok(changed);
            }
        }
        Err(ReplicaError::Conflict.into())
    }

    /// What a push does to what counts now; without a manifest there is nothing to do.
    fn pushed(
        &self,
        asked: &Asked,
        before: &Tables,
        table: &Table,
        sha256: Digest,
        bytes: u64,
    ) -> Result<(Changed, Option<Manifest>), ChangeError> {
        let entry = before.manifest.tables.get(&asked.name);
        holds(&asked.precondition, entry)?;
        let (name, kind) = (asked.name.as_str(), table.kind());
        if let Some(entry) = entry.filter(|entry| entry.kind != kind) {
            let (table, is, asked) = (name.to_owned(), entry.kind, kind);
            return Err(ManifestError::OtherKind { table, is, asked }.into());
        }
        let active = before.get(name);
        let mut changed = Changed {
            table: name.to_owned(),
            kind,
            state: "checked",
            version: Some(entry.map_or(1, |entry| entry.newest + 1)),
            etag: entry.and_then(etag_of),
            previous: entry.and_then(|entry| entry.active),
            revision: before.manifest.revision,
            rows: RowCounts {
                total: table.len() as u64,
                counts: diff::count(active.map(|active| &*active.table), table),
            },
            changes: Vec::new(),
            warnings: self.warnings(name, table, before),
        };
        if asked.dry_run {
            let old = active.map(|active| &*active.table);
            changed.changes = RowChange::first(old, table, asked.changes);
            return Ok((changed, None));
        }
        if let Some(active) = active.filter(|active| active.sha256 == sha256) {
            changed.state = "unchanged";
            changed.version = Some(active.version);
            return Ok((changed, None));
        }
        let mut manifest = before.manifest.clone();
        let version = Version {
            number: 0,
            sha256,
            rows: changed.rows.total,
            bytes,
            at_ms: now_ms(),
            by: asked.by.clone(),
            comment: asked.comment.clone(),
        };
        let keep = self.config.load().tables.versions;
        let number = manifest.add(name, kind, version, keep)?;
        changed.version = Some(number);
        changed.state = "stored";
        if asked.activate {
            manifest.activate(name, number)?;
            changed.state = "active";
        }
        Ok((changed, Some(manifest)))
    }

    /// Changes which versions count.
    ///
    /// # Errors
    /// [`ChangeError`]
    pub async fn change(
        self: &Arc<Self>,
        change: Change,
        precondition: Precondition,
    ) -> Result<Vec<Changed>, ChangeError> {
        let turn = self.clone();
        let _turn = turn.turn.lock().await;
        let registry = self.clone();
        let rows = match &change {
            Change::Remove { .. } => 0,
            Change::Activate(versions) => self.tables().manifest.rows(versions),
        };
        background::run(rows, move || registry.change_now(&change, &precondition)).await?
    }

    fn change_now(
        &self,
        change: &Change,
        precondition: &Precondition,
    ) -> Result<Vec<Changed>, ChangeError> {
        for _ in 0..ATTEMPTS {
            let before = self.tables();
            let (mut changes, manifest) = self.changed(change, precondition, &before)?;
            if manifest == before.manifest {
                return Ok(changes);
            }
            if self.commit(&before, manifest, &HashMap::new())? {
                changes
                    .iter_mut()
                    .for_each(|changed| self.complete(changed));
                return Ok(changes);
            }
        }
        Err(ReplicaError::Conflict.into())
    }

    /// What a change does to what counts now.
    fn changed(
        &self,
        change: &Change,
        precondition: &Precondition,
        before: &Tables,
    ) -> Result<(Vec<Changed>, Manifest), ChangeError> {
        let mut manifest = before.manifest.clone();
        let mut changes = Vec::new();
        match change {
            Change::Remove { name, is_forced } => {
                let entry = before.manifest.table(name)?;
                holds(precondition, Some(entry))?;
                let rules = usage::needing(name, before, &self.config.load());
                if !is_forced && !rules.is_empty() {
                    let table = name.clone();
                    return Err(ChangeError::InUse { table, rules });
                }
                manifest.tables.remove(name);
                let mut removed = unchanged(name, entry, before.manifest.revision);
                removed.state = "removed";
                removed.rows.counts.removed =
                    before.get(name).map_or(0, |old| old.table.len() as u64);
                changes.push(removed);
            }
            Change::Activate(versions) => {
                for (name, number) in versions {
                    let entry = before.manifest.table(name)?;
                    holds(precondition, Some(entry))?;
                    let mut changed = unchanged(name, entry, before.manifest.revision);
                    changed.version = Some(*number);
                    let table = self.version(name, *number)?;
                    changed.rows.total = table.len() as u64;
                    if manifest.activate(name, *number)? {
                        changed.state = "active";
                        let old = before.get(name).map(|old| &*old.table);
                        changed.rows.counts = diff::count(old, &table);
                        changed.warnings = self.warnings(name, &table, before);
                    }
                    changes.push(changed);
                }
            }
        }
        Ok((changes, manifest))
    }

    /// Makes `manifest` count, for all nodes: builds what is new of it, writes it, and hands it to the shards. False
    /// when somebody else was faster; what they made of it counts then.
    fn commit(
        &self,
        before: &Tables,
        mut manifest: Manifest,
        fresh: &HashMap<Digest, Arc<Table>>,
    ) -> Result<bool, ChangeError> {
        manifest.revision += 1;
        let mut tables = build(
            &self.store,
            self.config(),
            before,
            manifest,
            fresh,
            self.clock.now(),
        )?;
        if let Some(replica) = &self.replica {
            for sha256 in tables.manifest.digests() {
                if !before.manifest.digests().any(|known| known == sha256) {
                    replica.upload(&self.store, sha256)?;
                }
            }
            match replica.replace(&tables.manifest, before.entry) {
                Ok(entry) => tables.entry = entry,
                Err(ReplicaError::Conflict) => {
                    self.catch_up_now(false, fresh.keys().copied())?;
                    return Ok(false);
                }
                Err(error) => return Err(error.into()),
            }
            let kept: Vec<_> = tables.manifest.digests().collect();
            let gone = before
                .manifest
                .digests()
                .filter(|sha256| !kept.contains(sha256));
            replica.forget(gone);
        }
        self.store
            .write_manifest(&tables.manifest, std::iter::empty())?;
        self.take(tables, &before.unrouted());
        Ok(true)
    }

    /// `told` was said about them before.
    fn take(&self, tables: Tables, told: &[Unrouted]) {
        let tables = Arc::new(tables);
        let before = self.current.swap(tables.clone());
        let changes = tables.since(&before);
        for change in &changes {
            let table = &*change.table;
            let revision = change.revision;
            match &change.version {
                Some(version) => {
                    let (version, rows) = (version.number, version.rows);
                    info!(table, version, rows, revision, "table active");
                    if let Some(active) = tables.get(table) {
                        warnings::log_conflicts(table, &active.table, &tables, &self.config.load());
                    }
                }
                None => info!(table, revision, "table not active any more"),
            }
        }
        let mut unrouted = tables.unrouted();
        unrouted.retain(|table| !told.contains(table));
        warnings::log_unrouted(unrouted);
        (self.tell)(tables.clone(), changes);
        background::free(before);
        self.revision.send_replace(tables.manifest.revision);
    }

    /// Takes over a new configuration: what rows mean depends on it.
    pub async fn reconfigure(self: &Arc<Self>, config: Arc<Config>) {
        let turn = self.clone();
        let _turn = turn.turn.lock().await;
        let registry = self.clone();
        let rows = self
            .tables()
            .iter()
            .map(|(_, table)| table.table.len())
            .sum();
        let done = background::run(rows, move || {
            registry.config.store(config.clone());
            let before = registry.tables();
            let tables = before
                .iter()
                .map(|(name, old)| (name.into(), Source::Old(old.clone())));
            let mut tables = compile(
                tables.collect(),
                config,
                &before,
                true,
                registry.clock.now(),
            );
            tables.manifest = before.manifest.clone();
            tables.entry = before.entry;
            let config = registry.config();
            for (name, table) in tables.iter() {
                warnings::log_conflicts(name, &table.table, &tables, &config);
            }
            registry.take(tables, &[]);
        });
        if let Err(error) = done.await {
            error!(%error, "the tables could not be read against the new configuration");
        }
    }

    fn warnings(&self, name: &str, table: &Table, before: &Tables) -> Vec<String> {
        let mut warnings = warnings::of_push(name, table, before, &self.config.load());
        if self.is_temporary() && self.replica.is_none() {
            let text = "`data.dir` is not set: the table is lost when the proxy stops";
            warnings.push(text.to_owned());
        }
        warnings
    }

    /// What only is known when it has happened.
    fn complete(&self, changed: &mut Changed) {
        let tables = self.tables();
        changed.revision = tables.manifest.revision;
        changed.etag = tables.manifest.tables.get(&changed.table).and_then(etag_of);
    }
}

impl std::fmt::Debug for Registry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Registry")
            .field("store", &self.store)
            .finish_non_exhaustive()
    }
}

/// Unix milliseconds.
pub(crate) fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    u64::try_from(since.unwrap_or(Duration::ZERO).as_millis()).unwrap_or(u64::MAX)
}
