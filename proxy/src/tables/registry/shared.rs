//! Tables that a node shares with others: what they have is taken over, and what they have lost is given to them.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError};

use sigbox_tables::Entry;
use sigbox_tables::file::Digest;
use tracing::{debug, error, info};

use super::Registry;
use crate::background;
use crate::tables::snapshot::build;
use crate::tables::{ChangeError, Replica, Tables};

impl Registry {
    /// Takes over what the others have; what this node has becomes theirs when they have nothing.
    ///
    /// # Errors
    /// [`ChangeError`]
    pub async fn join(self: &Arc<Self>) -> Result<(), ChangeError> {
        self.catch_up_as(true).await
    }

    /// Takes over what others have changed.
    ///
    /// # Errors
    /// [`ChangeError`]; what runs goes on running.
    pub async fn catch_up(self: &Arc<Self>) -> Result<(), ChangeError> {
        self.catch_up_as(false).await
    }

    async fn catch_up_as(self: &Arc<Self>, is_new: bool) -> Result<(), ChangeError> {
        let turn = self.clone();
        let _turn = turn.turn.lock().await;
        let rows = self.rows_of_others().await;
        let registry = self.clone();
        let done = background::run(rows, move || {
            let result = registry.catch_up_now(is_new, std::iter::empty());
            let why = result.as_ref().err().map(ToString::to_string);
            *registry
                .behind
                .lock()
                .unwrap_or_else(PoisonError::into_inner) = why;
            result
        });
        done.await?
    }

    /// Rows of the versions that count for the others and not here yet; as many as can be when that cannot be known.
    async fn rows_of_others(self: &Arc<Self>) -> usize {
        let registry = self.clone();
        let rows = background::run(0, move || {
            let manifest = registry.replica.as_ref()?.manifest().ok()??.0;
            let here = registry.tables();
            let active = manifest.tables.values().filter_map(Entry::active);
            let new = active.filter(|version| {
                let mut tables = here.iter();
                !tables.any(|(_, table)| table.sha256 == version.sha256)
            });
            Some(new.map(|version| version.rows).sum::<u64>())
        });
        let rows = rows.await.ok().flatten().unwrap_or(u64::MAX);
        usize::try_from(rows).unwrap_or(usize::MAX)
    }

    /// Puts versions that count, and that the object store has lost, there again. It loses one when two nodes change
    /// tables in the same instant, and one drops the version that the other has just found to be there.
    pub(in crate::tables) async fn mend(self: &Arc<Self>) {
        let registry = self.clone();
        let mended = background::run(usize::MAX, move || {
            let Some(replica) = &registry.replica else {
                return Ok(());
            };
            let tables = registry.tables();
            let active = tables.manifest.tables.values().filter_map(Entry::active);
            let mut held = active.filter(|version| registry.store.has(version.sha256));
            held.try_for_each(|version| replica.upload(&registry.store, version.sha256))
        });
        match mended.await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => debug!(%error, "cannot see whether the others can have all versions"),
            Err(error) => error!(%error, "looking after versions failed"),
        }
    }

    /// Why this node does not run with what the others have.
    pub fn behind(&self) -> Option<String> {
        self.behind
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// `spared` are versions on their way into the manifest.
    pub(super) fn catch_up_now(
        &self,
        is_new: bool,
        spared: impl Iterator<Item = Digest>,
    ) -> Result<(), ChangeError> {
        let Some(replica) = &self.replica else {
            return Ok(());
        };
        let before = self.tables();
        let Some((manifest, entry)) = replica.manifest()? else {
            return self.found(replica, &before);
        };
        // An answer may be older than what is known; a bucket that was made anew begins with small numbers again.
        if entry == before.entry || entry < before.entry && !is_new {
            return Ok(());
        }
        for active in manifest.tables.values().filter_map(Entry::active) {
            if !self.store.has(active.sha256) {
                replica.download(&self.store, active.sha256)?;
            }
        }
        let mut tables = build(
            &self.store,
            self.config(),
            &before,
            manifest,
            &HashMap::new(),
            self.clock.now(),
        )?;
        tables.entry = entry;
        if tables.manifest != before.manifest {
            self.store.write_manifest(&tables.manifest, spared)?;
        }
        // Whoever joins has all of it said afterwards.
        let told = match is_new {
            true => tables.unrouted(),
            false => before.unrouted(),
        };
        self.take(tables, &told);
        Ok(())
    }

    /// Gives the others what this node has, when they have nothing.
    fn found(&self, replica: &Replica, before: &Tables) -> Result<(), ChangeError> {
        if before.manifest.tables.is_empty() {
            return Ok(());
        }
        for sha256 in before
            .manifest
            .digests()
            .filter(|sha256| self.store.has(*sha256))
        {
            replica.upload(&self.store, sha256)?;
        }
        let entry = replica.replace(&before.manifest, 0)?;
        info!(
            revision = before.manifest.revision,
            "the tables of this node are those of all now"
        );
        let tables = Tables {
            manifest: before.manifest.clone(),
            by_name: before.by_name.clone(),
            schedules: before.schedules.clone(),
            config: before.config.clone(),
            entry,
        };
        self.take(tables, &before.unrouted());
        Ok(())
    }
}
