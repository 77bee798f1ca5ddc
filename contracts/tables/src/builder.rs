use crate::check::{self, Key};
use crate::fault::{Code, Faults};
use crate::keys::{Keys, NumberKeys, TextKeys};
use crate::kind::Kind;
use crate::number::Number;
use crate::row::{Fields, canonical};
use crate::table::Table;
use crate::values::Interner;

/// How much a table may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Rows.
    pub max_rows: usize,
    /// Bytes of one row as it is written.
    pub max_row_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_rows: 20_000_000,
            max_row_bytes: 64 * 1024,
        }
    }
}

/// Whoever takes the rows has more to say about each distinct one: a JSON pointer and a sentence when it is wrong.
pub type Check<'c> = dyn FnMut(&Fields) -> Result<(), (String, String)> + 'c;

/// Makes a [`Table`] from rows in any order. Goes on after a fault, to find the others.
pub struct Builder<'c> {
    kind: Kind,
    limits: Limits,
    check: Option<&'c mut Check<'c>>,
    entries: Entries,
    values: Interner,
    /// Whether each value is right; a wrong one is reported for every row that has it.
    wrong: ahash::HashMap<u32, check::Wrong>,
    faults: Faults,
    scratch: Vec<u8>,
}

enum Entries {
    Numbers(Vec<Entry<Number>>),
    Texts(Vec<Entry<Box<str>>>),
}

struct Entry<K> {
    key: K,
    value: u32,
    line: u32,
}

impl<'c> Builder<'c> {
    /// An empty one.
    pub fn new(kind: Kind, limits: Limits) -> Self {
        Self {
            kind,
            limits,
            check: None,
            entries: match kind.is_numeric() {
                true => Entries::Numbers(Vec::new()),
                false => Entries::Texts(Vec::new()),
            },
            values: Interner::default(),
            wrong: ahash::HashMap::default(),
            faults: Faults::default(),
            scratch: Vec::new(),
        }
    }

    /// Has `check` look at every distinct row without its key.
    #[must_use]
    pub fn checked(mut self, check: &'c mut Check<'c>) -> Self {
        self.check = Some(check);
        self
    }

    /// What the rows are.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// How much it takes.
    pub fn limits(&self) -> Limits {
        self.limits
    }

    /// Takes one row that stands on `line`.
    pub fn push(&mut self, line: u64, mut row: Fields) {
        match check::take_key(self.kind, &mut row) {
            Ok(key) => self.push_value(line, key, &row),
            Err(wrong) => self.wrong(line, &wrong),
        }
    }

    pub(crate) fn push_value(&mut self, line: u64, key: Key, row: &Fields) {
        let mut value = std::mem::take(&mut self.scratch);
        value.clear();
        canonical(row, &mut value);
        self.push_written(line, key, &value, Some(row));
        self.scratch = value;
    }

    /// Takes a row whose value is written canonically.
    pub(crate) fn push_written(&mut self, line: u64, key: Key, value: &[u8], row: Option<&Fields>) {
        if value.len() > self.limits.max_row_bytes {
            let detail = format!(
                "the row has {} bytes; {} may be",
                value.len(),
                self.limits.max_row_bytes
            );
            return self.fault(line, "", Code::TooLarge, &detail);
        }
        let Ok((number, is_new)) = self.values.intern(value) else {
            let detail = "the rows are longer than 4 GiB together";
            return self.fault(line, "", Code::TooLarge, detail);
        };
        if is_new {
            let parsed;
            let row = match row {
                Some(row) => row,
                None => {
                    parsed = serde_json::from_slice(value).unwrap_or_default();
                    &parsed
                }
            };
            let mut verdict = check::check(self.kind, row);
            if let (Ok(()), Some(check)) = (&verdict, &mut self.check) {
                verdict = check(row).map_err(|(pointer, detail)| (pointer, Code::BadRoute, detail));
            }
            if let Err(wrong) = verdict {
                self.wrong.insert(number, wrong);
            }
        }
        if let Some(wrong) = self.wrong.get(&number) {
            let wrong = wrong.clone();
            return self.wrong(line, &wrong);
        }
        let line = u32::try_from(line).unwrap_or(u32::MAX);
        let rows = match (&mut self.entries, key) {
            (Entries::Numbers(entries), Key::Number(key)) => {
                entries.push(Entry {
                    key,
                    value: number,
                    line,
                });
                entries.len()
            }
            (Entries::Texts(entries), Key::Text(key)) => {
                entries.push(Entry {
                    key,
                    value: number,
                    line,
                });
                entries.len()
            }
            // Keys are made for the kind.
            _ => 0,
        };
        if rows == self.limits.max_rows.saturating_add(1) {
            let detail = format!("more than {} rows", self.limits.max_rows);
            self.fault(u64::from(line), "", Code::TooLarge, &detail);
        }
    }

    /// Whether reading on is of no use: there are more rows than may be.
    pub(crate) fn is_full(&self) -> bool {
        let rows = match &self.entries {
            Entries::Numbers(entries) => entries.len(),
            Entries::Texts(entries) => entries.len(),
        };
        rows > self.limits.max_rows
    }

    pub(crate) fn fault(&mut self, line: u64, pointer: &str, code: Code, detail: &str) {
        self.faults.add(line, pointer, code, detail);
    }

    pub(crate) fn wrong(&mut self, line: u64, (pointer, code, detail): &check::Wrong) {
        self.faults.add(line, pointer.as_str(), *code, detail);
    }

    /// The table.
    ///
    /// # Errors
    /// What is wrong with the rows.
    pub fn finish(self) -> Result<Table, Faults> {
        let (kind, mut faults) = (self.kind, self.faults);
        let field = kind.key_fields().join("/");
        let (keys, value_of) = match self.entries {
            Entries::Numbers(mut entries) => {
                sort(&mut entries, &field, &mut faults);
                let value_of = entries.iter().map(|entry| entry.value).collect();
                let numbers: Vec<_> = entries.iter().map(|entry| entry.key).collect();
                drop(entries);
                let keys = NumberKeys::new(numbers, kind == Kind::Prefixes);
                (Some(Keys::Numbers(keys)), value_of)
            }
            Entries::Texts(mut entries) => {
                sort(&mut entries, &field, &mut faults);
                let value_of = entries.iter().map(|entry| entry.value).collect();
                let keys = TextKeys::new(entries.iter().map(|entry| &*entry.key));
                (keys.map(Keys::Texts), value_of)
            }
        };
        let Some(keys) = keys.filter(|_| faults.is_empty()) else {
            if faults.is_empty() {
                faults.add(
                    0,
                    "",
                    Code::TooLarge,
                    "the keys are longer than 4 GiB together",
                );
            }
            return Err(faults);
        };
        Ok(Table {
            kind,
            keys,
            value_of,
            values: self.values.finish(),
        })
    }
}

/// Sorts by key and finds keys that are there twice.
fn sort<K: Ord + std::fmt::Display>(entries: &mut [Entry<K>], field: &str, faults: &mut Faults) {
    entries.sort_unstable_by(|a, b| a.key.cmp(&b.key).then(a.line.cmp(&b.line)));
    for pair in entries.windows(2) {
        if let [first, second] = pair
            && first.key == second.key
        {
            let detail = format!("{field} {} is on line {} already", second.key, first.line);
            let pointer = format!("/{field}");
            faults.add(u64::from(second.line), pointer, Code::DuplicateKey, &detail);
        }
    }
}

impl std::fmt::Debug for Builder<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Builder")
            .field("kind", &self.kind)
            .field("faults", &self.faults)
            .finish_non_exhaustive()
    }
}
