use std::borrow::Cow;
use std::cmp::Ordering;

use crate::check::{self, Key};
use crate::keys::Keys;
use crate::kind::Kind;
use crate::number::Number;
use crate::row::{Fields, text};
use crate::values::Values;

/// One version of a table: sorted keys and what stands beside them. Immutable.
#[derive(Clone, Debug)]
pub struct Table {
    pub(crate) kind: Kind,
    pub(crate) keys: Keys,
    /// The number of each row's value.
    pub(crate) value_of: Vec<u32>,
    pub(crate) values: Values,
}

/// One row of a table.
#[derive(Clone, Copy, Debug)]
pub struct Row<'t> {
    table: &'t Table,
    position: usize,
}

impl Table {
    /// What it is for.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// How many rows it has.
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How much memory it takes, in bytes.
    pub fn bytes(&self) -> usize {
        self.keys.bytes() + self.values.bytes() + self.value_of.capacity() * size_of::<u32>()
    }

    /// The row with this key: a number in any spelling, or the text.
    pub fn get(&self, key: &str) -> Option<Row<'_>> {
        let position = match &self.keys {
            Keys::Numbers(keys) => match Number::leading(key.as_bytes()) {
                (number, true) => keys.find(number)?,
                (_, false) => return None,
            },
            Keys::Texts(keys) => keys.find(key)?,
        };
        Some(self.row(position))
    }

    /// The row with the longest prefix of `number`; in a table that is not of prefixes the row with this key. What
    /// follows the digits does not matter to prefixes.
    pub fn longest_prefix(&self, number: &str) -> Option<Row<'_>> {
        self.prefixes_of(number).next()
    }

    /// All rows whose prefix `number` has, the longest first: the match and its runners-up.
    pub fn prefixes_of(&self, number: &str) -> impl Iterator<Item = Row<'_>> {
        let (prefixes, exact) = match (&self.keys, self.kind) {
            (Keys::Numbers(keys), Kind::Prefixes) => {
                let (number, _) = Number::leading(number.as_bytes());
                (Some(keys.prefixes_of(number)), None)
            }
            _ => (None, self.get(number)),
        };
        let prefixes = prefixes.into_iter().flatten();
        prefixes.map(|position| self.row(position)).chain(exact)
    }

    /// All rows, in the order of their keys.
    pub fn rows(&self) -> impl DoubleEndedIterator<Item = Row<'_>> + ExactSizeIterator {
        (0..self.len()).map(|position| self.row(position))
    }

    /// The rows after `key`, which need not be there.
    pub fn rows_after(&self, key: &str) -> impl Iterator<Item = Row<'_>> {
        let wanted = check::parse_key(self.kind, key).ok();
        let (mut low, mut high) = (0, self.len());
        while let Some(wanted) = &wanted
            && low < high
        {
            let middle = low.midpoint(high);
            match self.key_at(middle) <= *wanted {
                true => low = middle + 1,
                false => high = middle,
            }
        }
        (low..self.len()).map(|position| self.row(position))
    }

    /// What rows hold beside their keys, each once; a position is a [`Row::value_number`].
    pub fn distinct_values(&self) -> impl ExactSizeIterator<Item = &[u8]> {
        (0..self.values.len()).map(|number| self.values.get(number as u32))
    }

    pub(crate) fn row(&self, position: usize) -> Row<'_> {
        Row {
            table: self,
            position,
        }
    }

    pub(crate) fn key_at(&self, position: usize) -> Key {
        match &self.keys {
            Keys::Numbers(keys) => Key::Number(keys.at(position)),
            Keys::Texts(keys) => Key::Text(keys.at(position).into()),
        }
    }

    /// How the keys at two positions compare, of tables of one kind.
    pub(crate) fn compare(&self, position: usize, other: &Self, there: usize) -> Ordering {
        match (&self.keys, &other.keys) {
            (Keys::Numbers(a), Keys::Numbers(b)) => a.at(position).cmp(&b.at(there)),
            (Keys::Texts(a), Keys::Texts(b)) => a.at(position).cmp(b.at(there)),
            (Keys::Numbers(_), Keys::Texts(_)) => Ordering::Less,
            (Keys::Texts(_), Keys::Numbers(_)) => Ordering::Greater,
        }
    }
}

impl<'t> Row<'t> {
    /// The key, numbers without a plus sign.
    pub fn key(&self) -> Cow<'t, str> {
        match &self.table.keys {
            Keys::Numbers(keys) => keys.at(self.position).to_string().into(),
            Keys::Texts(keys) => keys.at(self.position).into(),
        }
    }

    pub(crate) fn packed_key(&self) -> Key {
        self.table.key_at(self.position)
    }

    /// Which of [`Table::distinct_values`] it holds.
    pub fn value_number(&self) -> usize {
        let number = self.table.value_of.get(self.position);
        number.copied().unwrap_or_default() as usize
    }

    /// A JSON object: what it holds beside its key.
    pub fn value(&self) -> &'t [u8] {
        self.table.values.get(self.value_number() as u32)
    }

    /// The whole row, in the order in which it is written.
    pub fn fields(&self) -> Fields {
        let mut line = Vec::new();
        self.write(&mut line);
        serde_json::from_slice(&line).unwrap_or_default()
    }

    /// Writes the row as one JSON object: its key, then the rest by name.
    pub fn write(&self, out: &mut Vec<u8>) {
        let key = self.key();
        let fields = self.table.kind.key_fields();
        let parts = key.splitn(fields.len(), '/');
        out.push(b'{');
        for (place, (field, part)) in fields.iter().zip(parts).enumerate() {
            if place > 0 {
                out.push(b',');
            }
            text(field, out);
            out.push(b':');
            text(part, out);
        }
        let value = self.value();
        let members = value.get(1..).unwrap_or_default();
        if members != b"}" {
            out.push(b',');
        }
        out.extend_from_slice(members);
    }
}
