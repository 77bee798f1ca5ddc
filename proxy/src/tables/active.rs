//! Which versions count now that did not before.

use sigbox_tables::Version;

use super::Tables;

/// Another version of a table counts than before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Active {
    /// Its name.
    pub table: Box<str>,
    /// The version; `None` when none does any more.
    pub version: Option<Version>,
    /// The revision of all tables that made it so.
    pub revision: u64,
}

impl Tables {
    /// What counts in here and did not `before`, table by table.
    pub fn since(&self, before: &Self) -> Vec<Active> {
        let mut changes = Vec::new();
        for (name, table) in self.iter() {
            if before
                .get(name)
                .is_some_and(|old| old.version == table.version)
            {
                continue;
            }
            let entry = self.manifest.tables.get(name);
            let mut versions = entry.iter().flat_map(|entry| &entry.versions);
            changes.push(Active {
                table: name.into(),
                version: versions
                    .find(|version| version.number == table.version)
                    .cloned(),
                revision: self.manifest.revision,
            });
        }
        for (name, _) in before.iter().filter(|(name, _)| self.get(name).is_none()) {
            changes.push(Active {
                table: name.into(),
                version: None,
                revision: self.manifest.revision,
            });
        }
        changes
    }
}
