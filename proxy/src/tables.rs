//! Pushed tables: what a node runs with, where it keeps them, how they change.
//!
//! [`Tables`] is a snapshot of everything that counts at one moment; a change makes a new one, away from the shards,
//! and hands it to all of them as a whole. [`Registry`] makes the changes, [`Store`] keeps the versions on disk,
//! [`Replica`] shares them with other nodes and with deciders.

mod compiled;
mod registry;
mod replica;
mod store;

use std::collections::BTreeMap;
use std::sync::Arc;

use sigbox_tables::Manifest;

pub use compiled::{Compiled, Found};
pub(crate) use registry::now_ms;
pub use registry::{Asked, Change, ChangeError, Changed, Precondition, Pushed, Registry, etag_of};
pub use replica::{Replica, ReplicaError};
pub use store::{Store, StoreError};

/// The tables that count at one moment. Immutable.
#[derive(Debug, Default)]
pub struct Tables {
    /// Which versions there are; those that count are the ones in here.
    pub manifest: Manifest,
    by_name: BTreeMap<Box<str>, Arc<Compiled>>,
    /// The entry of the key-value bucket that the manifest came from; 0 when it came from the local disk.
    entry: u64,
}

impl Tables {
    /// The version of `name` that counts.
    pub fn get(&self, name: &str) -> Option<&Arc<Compiled>> {
        self.by_name.get(name)
    }

    /// All that count, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Arc<Compiled>)> {
        self.by_name.iter().map(|(name, table)| (&**name, table))
    }
}
