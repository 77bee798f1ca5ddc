//! Changing some rows of a table: the others stay, and the result is a version like any other.

use std::collections::BTreeMap;
use std::io::{self, Read};

use serde::Deserialize;

use crate::builder::Builder;
use crate::check::{self, Key};
use crate::fault::Code;
use crate::kind::Kind;
use crate::read::lines;
use crate::row::Fields;
use crate::strict::{self, StrictFields};
use crate::table::Table;

/// One line of a patch.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Operation {
    op: Op,
    /// Which row; may be left out when the row has it.
    key: Option<String>,
    row: Option<StrictFields>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Op {
    Upsert,
    Delete,
}

/// What becomes of single rows: the last operation on a key counts.
#[derive(Debug, Default)]
pub struct Patch {
    rows: BTreeMap<Key, (u64, Option<Fields>)>,
}

impl Patch {
    /// Reads NDJSON of `{"op": "upsert"|"delete", "key": …, "row": {…}}`. Faults go to `builder`.
    ///
    /// # Errors
    /// When the input cannot be read on.
    pub fn read(input: impl Read, builder: &mut Builder<'_>) -> io::Result<Self> {
        let mut patch = Self::default();
        let kind = builder.kind();
        lines(
            input,
            builder.limits().max_row_bytes + 1024,
            |line, text| {
                let read =
                    text.map_err(|detail| (String::new(), Code::TooLarge, detail.to_owned()));
                if let Err(wrong) = read.and_then(|text| patch.add(kind, line, text)) {
                    builder.wrong(line, &wrong);
                }
                patch.rows.len() <= builder.limits().max_rows
            },
        )?;
        Ok(patch)
    }

    /// One row to be as it is given; `None` removes it.
    ///
    /// # Errors
    /// Pointer, code and sentence, when `key` cannot be one, or `row` has another.
    pub fn one(kind: Kind, key: &str, row: Option<Fields>) -> Result<Self, (String, Code, String)> {
        let mut patch = Self::default();
        let op = if row.is_some() {
            Op::Upsert
        } else {
            Op::Delete
        };
        patch.put(
            kind,
            1,
            Operation {
                op,
                key: Some(key.to_owned()),
                row: row.map(StrictFields),
            },
        )?;
        Ok(patch)
    }

    fn add(&mut self, kind: Kind, line: u64, text: &[u8]) -> Result<(), check::Wrong> {
        let operation = serde_json::from_slice(text).map_err(|error| {
            let (code, detail) = strict::fault(&error);
            (String::new(), code, detail)
        })?;
        self.put(kind, line, operation)
    }

    fn put(&mut self, kind: Kind, line: u64, operation: Operation) -> Result<(), check::Wrong> {
        let wrong = |pointer: &str, detail: &str| {
            Err((pointer.to_owned(), Code::BadOperation, detail.to_owned()))
        };
        let named = operation.key.as_deref();
        let named = named.map(|key| check::parse_key(kind, key)).transpose()?;
        let (key, row) = match (operation.op, operation.row, named) {
            (Op::Upsert, Some(StrictFields(mut row)), named) => {
                let fields = kind.key_fields();
                let has_key = fields.iter().any(|field| row.contains_key(*field));
                let key = match (named, has_key) {
                    (Some(key), false) => key,
                    (named, _) => {
                        let own = check::take_key(kind, &mut row).map_err(
                            |(pointer, code, detail)| (format!("/row{pointer}"), code, detail),
                        )?;
                        if named.is_some_and(|named| named != own) {
                            return wrong("/key", "the row has another key");
                        }
                        own
                    }
                };
                (key, Some(row))
            }
            (Op::Upsert, None, _) => return wrong("/row", "an upsert needs a row"),
            (Op::Delete, None, Some(key)) => (key, None),
            (Op::Delete, Some(_), _) => return wrong("/row", "a delete has no row"),
            (Op::Delete, None, None) => return wrong("/key", "a delete needs a key"),
        };
        self.rows.insert(key, (line, row));
        Ok(())
    }
}

/// Puts the rows of `table`, as `patch` changes them, into `builder`.
pub fn apply(table: Option<&Table>, patch: Patch, builder: &mut Builder<'_>) {
    let mut changed = patch.rows;
    for row in table.into_iter().flat_map(Table::rows) {
        let key = row.packed_key();
        match changed.remove(&key) {
            // Line 0: it is not in the upload.
            None => builder.push_written(0, key, row.value(), None),
            Some((line, Some(fields))) => builder.push_value(line, key, &fields),
            Some((_, None)) => {}
        }
    }
    for (key, (line, row)) in changed {
        match row {
            Some(fields) => builder.push_value(line, key, &fields),
            None => {
                let detail = format!("there is no row {key} to delete");
                builder.fault(line, "/key", Code::BadOperation, &detail);
            }
        }
    }
}
