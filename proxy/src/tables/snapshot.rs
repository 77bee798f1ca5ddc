//! Making a snapshot: versions loaded, and what their rows mean read.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use sigbox_core::{GatewaySets, Instant};
use sigbox_tables::file::Digest;
use sigbox_tables::{Manifest, Table};
use tracing::{error, warn};

use super::Tables;
use super::compiled::Compiled;
use super::store::{Store, StoreError};
use super::{gateways, schedules};
use crate::config::Config;

/// A snapshot for `manifest`: what has not changed comes from `before`, what was just read from `fresh`, the rest from
/// the store.
pub(super) fn build(
    store: &Store,
    config: Arc<Config>,
    before: &Tables,
    manifest: Manifest,
    fresh: &HashMap<Digest, Arc<Table>>,
    now: Instant,
) -> Result<Tables, StoreError> {
    let mut sources = BTreeMap::new();
    for (name, entry) in &manifest.tables {
        let Some(active) = entry.active() else {
            continue;
        };
        let (number, sha256) = (active.number, active.sha256);
        let same = before
            .get(name)
            .filter(|old| old.version == number && old.sha256 == sha256);
        let source = match (same, fresh.get(&sha256)) {
            (Some(same), _) => Source::Old(same.clone()),
            (None, Some(table)) => Source::New(number, sha256, table.clone()),
            (None, None) => Source::New(number, sha256, Arc::new(store.load(entry.kind, sha256)?)),
        };
        sources.insert(name.as_str().into(), source);
    }
    let mut tables = compile(sources, config, before, false, now);
    tables.manifest = manifest;
    Ok(tables)
}

/// Where a table of a snapshot comes from.
pub(super) enum Source {
    /// It was in the one before.
    Old(Arc<Compiled>),
    /// Its number, name and rows.
    New(u64, Digest, Arc<Table>),
}

impl Source {
    fn table(&self) -> &Table {
        match self {
            Self::Old(compiled) => &compiled.table,
            Self::New(.., table) => table,
        }
    }
}

/// Reads what rows mean: gateway sets first, which the others may name. `sources` are in the order of their names, and
/// so are the rows of which the last counts.
pub(super) fn compile(
    sources: BTreeMap<Box<str>, Source>,
    config: Arc<Config>,
    before: &Tables,
    is_other_config: bool,
    now: Instant,
) -> Tables {
    let sets = gateways::combined(
        &config,
        sources.values().map(Source::table),
        Some(before.gateways()),
        now,
    );
    let names = |sets: &GatewaySets| {
        sets.iter()
            .map(|set| set.name().to_owned())
            .collect::<Vec<_>>()
    };
    let is_other = is_other_config || names(&sets) != names(before.gateways());
    let mut effective = Config::clone(&config);
    Arc::make_mut(&mut effective.settings).gateways = sets;
    let schedules = schedules::of(sources.values().map(Source::table));
    let by_name = sources.into_iter().map(|(name, source)| {
        let table = match source {
            Source::Old(old) if !is_other => old,
            Source::Old(old) => Arc::new(old.again(&effective)),
            Source::New(number, sha256, table) => {
                Arc::new(Compiled::new(number, sha256, table, &effective))
            }
        };
        report_wrong(&name, &table);
        (name, table)
    });
    Tables {
        manifest: Manifest::new(),
        by_name: by_name.collect(),
        schedules,
        config: Arc::new(effective),
        entry: before.entry,
    }
}

/// What a node begins with: what counted last, and where that cannot be loaded the newest version that can.
pub(super) fn last_good(
    store: &Store,
    config: Arc<Config>,
    mut manifest: Manifest,
    now: Instant,
) -> Tables {
    let mut sources = BTreeMap::new();
    for (name, entry) in &mut manifest.tables {
        let Some(active) = entry.active else { continue };
        let others = entry
            .versions
            .iter()
            .rev()
            .filter(|version| version.number != active);
        let loaded = entry.active().into_iter().chain(others).find_map(|version| {
            let loaded = store.load(entry.kind, version.sha256);
            let loaded = loaded.inspect_err(|error| {
                error!(table = %name, version = version.number, %error, "a version of a table cannot be loaded");
            });
            Some((version.number, version.sha256, Arc::new(loaded.ok()?)))
        });
        entry.active = loaded.as_ref().map(|(number, ..)| *number);
        if let Some((number, sha256, table)) = loaded {
            sources.insert(name.as_str().into(), Source::New(number, sha256, table));
        }
    }
    let nothing = Tables {
        manifest: Manifest::new(),
        by_name: BTreeMap::new(),
        schedules: HashMap::new(),
        config: config.clone(),
        entry: 0,
    };
    let mut tables = compile(sources, config, &nothing, false, now);
    tables.manifest = manifest;
    tables
}

/// Says what rows of a table cannot be carried out any more, the first of them.
fn report_wrong(name: &str, table: &Compiled) {
    let wrong = table.wrong().count();
    if let Some((number, why)) = table.wrong().next() {
        let row = table.table.rows().find(|row| row.value_number() == number);
        let key = row.map(|row| row.key().into_owned()).unwrap_or_default();
        warn!(
            table = name,
            wrong, key, why, "rows of a table cannot be carried out any more"
        );
    }
}
