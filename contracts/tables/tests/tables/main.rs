//! Tables as their users see them: pushed in every format, found by key, changed, stored.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod faults;
mod formats;
mod lookups;
mod manifests;
mod patches;
mod stored;

use sigbox_tables::{Builder, Faults, Format, Kind, Limits, Table, read};

fn pushed(kind: Kind, format: Format, text: &str) -> Result<Table, Faults> {
    let mut builder = Builder::new(kind, Limits::default());
    read(format, text.as_bytes(), &mut builder).unwrap();
    builder.finish()
}

fn prefixes(csv: &str) -> Table {
    pushed(Kind::Prefixes, Format::Csv, csv).unwrap()
}

/// The table as it is stored.
fn lines(table: &Table) -> Vec<String> {
    let line = |row: sigbox_tables::Row<'_>| {
        let mut line = Vec::new();
        row.write(&mut line);
        String::from_utf8(line).unwrap()
    };
    table.rows().map(line).collect()
}
