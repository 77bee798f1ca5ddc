//! What is different between two versions of a table.

use std::cmp::Ordering;

use crate::table::{Row, Table};

/// One difference.
#[derive(Clone, Copy, Debug)]
pub enum Change<'t> {
    /// Only in the newer one.
    Added(Row<'t>),
    /// Only in the older one.
    Removed(Row<'t>),
    /// In both, with other fields: before and after.
    Changed(Row<'t>, Row<'t>),
}

/// How many there are of each.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    serde::Serialize,
    serde::Deserialize,
    schemars::JsonSchema,
)]
pub struct Counts {
    /// Rows that were not there.
    pub added: u64,
    /// Rows that are not there any more.
    pub removed: u64,
    /// Rows with other fields.
    pub changed: u64,
}

/// Every difference in the order of keys; the tables are of one kind.
pub fn changes<'t>(old: &'t Table, new: &'t Table) -> impl Iterator<Item = Change<'t>> {
    let (mut before, mut after) = (0, 0);
    std::iter::from_fn(move || {
        loop {
            let order = match (before < old.len(), after < new.len()) {
                (false, false) => return None,
                (true, false) => Ordering::Less,
                (false, true) => Ordering::Greater,
                (true, true) => old.compare(before, new, after),
            };
            let (old_row, new_row) = (old.row(before), new.row(after));
            match order {
                Ordering::Less => {
                    before += 1;
                    return Some(Change::Removed(old_row));
                }
                Ordering::Greater => {
                    after += 1;
                    return Some(Change::Added(new_row));
                }
                Ordering::Equal => {
                    before += 1;
                    after += 1;
                    if old_row.value() != new_row.value() {
                        return Some(Change::Changed(old_row, new_row));
                    }
                }
            }
        }
    })
}

/// How many differences there are; all rows are new when there was no table.
pub fn count(old: Option<&Table>, new: &Table) -> Counts {
    let mut counts = Counts::default();
    let Some(old) = old.filter(|old| old.kind() == new.kind()) else {
        counts.added = new.len() as u64;
        counts.removed = old.map_or(0, Table::len) as u64;
        return counts;
    };
    for change in changes(old, new) {
        match change {
            Change::Added(_) => counts.added += 1,
            Change::Removed(_) => counts.removed += 1,
            Change::Changed(..) => counts.changed += 1,
        }
    }
    counts
}
