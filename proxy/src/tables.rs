//! Pushed tables: what a node runs with, where it keeps them, how they change.
//!
//! [`Tables`] is a snapshot of everything that counts at one moment; a change makes a new one, away from the shards,
//! and hands it to all of them as a whole. [`Registry`] makes the changes, [`Store`] keeps the versions on disk,
//! [`Replica`] shares them with other nodes and with deciders.

mod active;
mod change;
mod compiled;
mod gateways;
mod registry;
mod replica;
mod schedules;
mod snapshot;
mod store;
mod usage;
mod warnings;

use std::collections::BTreeMap;
use std::sync::Arc;

use sigbox_core::{GatewaySets, RoutingTables, Settings, TableAnswer};
use sigbox_tables::Manifest;

use crate::config::Config;

use schedules::Schedules;

pub use active::Active;
pub use change::{Asked, Change, ChangeError, Changed, Precondition, Pushed, RowChange, etag_of};
pub use compiled::{Compiled, Found};
pub use registry::Registry;
pub(crate) use registry::now_ms;
pub use replica::{Replica, ReplicaError};
pub use store::{Store, StoreError};
pub use usage::{Reason, Unrouted};

/// The tables that count at one moment. Immutable.
#[derive(Debug)]
pub struct Tables {
    /// Which versions there are; those that count are the ones in here.
    pub manifest: Manifest,
    by_name: BTreeMap<Box<str>, Arc<Compiled>>,
    /// What `[[schedule]]`s of the file are replaced by.
    schedules: Schedules,
    /// What rows mean depends on it; its gateway sets are those of the file and of tables.
    config: Arc<Config>,
    /// The entry of the key-value bucket that the manifest came from; 0 when it came from the local disk.
    entry: u64,
}

impl Tables {
    /// Gateway sets of the configuration and of tables.
    pub fn gateways(&self) -> &Arc<GatewaySets> {
        &self.config.settings.gateways
    }

    /// The configuration as it runs: with these tables, and with gateway sets and hours of the file and of tables.
    pub fn config(self: &Arc<Self>) -> Config {
        let settings = self.settings(&self.config);
        Config {
            settings,
            ..Config::clone(&self.config)
        }
    }

    /// The settings of `config` with what tables add to them.
    pub fn settings(self: &Arc<Self>, config: &Config) -> Arc<Settings> {
        let mut settings = config.settings.clone();
        let with_tables = Arc::make_mut(&mut settings);
        if !self.schedules.is_empty() {
            with_tables.rules = schedules::rules(config, &self.schedules);
        }
        with_tables.gateways = self.gateways().clone();
        with_tables.tables = Some(self.clone());
        settings
    }

    /// The version of `name` that counts.
    pub fn get(&self, name: &str) -> Option<&Arc<Compiled>> {
        self.by_name.get(name)
    }

    /// All that count, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Arc<Compiled>)> {
        self.by_name.iter().map(|(name, table)| (&**name, table))
    }
}

impl RoutingTables for Tables {
    fn find(&self, table: &str, key: &str, user: &str) -> TableAnswer {
        let Some(table) = self.get(table) else {
            return TableAnswer::NoTable;
        };
        let Some(row) = table.table.longest_prefix(key) else {
            return TableAnswer::NoRow;
        };
        let number = key.strip_prefix('+').unwrap_or(key);
        match table.found(row.value_number(), number, user, &self.config) {
            Found::Plan(plan) => TableAnswer::Plan(plan),
            Found::Attributes | Found::Wrong(_) => TableAnswer::NoRoute,
        }
    }
}
