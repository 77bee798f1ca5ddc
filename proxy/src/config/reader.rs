//! One table of the file and the keys it may hold.

use std::cell::RefCell;
use std::ops::Range;
use std::time::Duration;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::diagnostic::Diagnostic;
use super::keys::{self, Holds, KEYS, Key};
use super::suggest::{any_of, closest};
use super::value::Value;

/// Where faults are put while a file is read; reading goes on after each.
#[derive(Debug, Default)]
pub(super) struct Faults(RefCell<Vec<Diagnostic>>);

impl Faults {
    pub(super) fn push(&self, found: Diagnostic) {
        self.0.borrow_mut().push(found);
    }

    pub(super) fn into_inner(self) -> Vec<Diagnostic> {
        self.0.into_inner()
    }
}

/// One table.
pub(super) struct Section<'a> {
    /// As in [`Key::section`](super::Key::section).
    pub(super) name: &'static str,
    /// As it is called in messages: `fallback`, though its section is `rule`.
    pub(super) shown: String,
    table: Option<&'a DeTable<'a>>,
    /// The table's own place, when it has one.
    pub(super) span: Option<(usize, usize)>,
    pub(super) faults: &'a Faults,
}

impl<'a> Section<'a> {
    /// The top of the file.
    pub(super) fn root(table: &'a DeTable<'a>, faults: &'a Faults) -> Self {
        Self {
            name: "",
            shown: String::new(),
            table: Some(table),
            span: None,
            faults,
        }
    }

    /// `value` as the table of section `name`; an empty one when it is something else.
    pub(super) fn of(name: &'static str, value: Value<'a>) -> Self {
        let span = value.span();
        Self {
            name,
            table: value.table(&format!("`{}` must be a table", value.key)),
            span: Some((span.start, span.end)),
            faults: value.faults,
            shown: value.key,
        }
    }

    /// The table `key` within this one, read as section `name`; an empty one when it is absent.
    pub(super) fn table(&self, key: &str, name: &'static str) -> Self {
        match self.value(key) {
            Some(value) => Self::of(name, value),
            None => Self {
                name,
                shown: name.to_owned(),
                table: None,
                span: None,
                faults: self.faults,
            },
        }
    }

    /// What the file says for `key`, if anything.
    pub(super) fn value(&self, key: &str) -> Option<Value<'a>> {
        let (_, value) = self.table?.get_key_value(key)?;
        Some(Value {
            key: self.path(key),
            value,
            faults: self.faults,
        })
    }

    /// The place of `key` in the table `table` within this one.
    pub(super) fn inner_span(&self, table: &str, key: &str) -> Option<Range<usize>> {
        let DeValue::Table(table) = self.table?.get(table)?.get_ref() else {
            return None;
        };
        table.get(key).map(Spanned::span)
    }

    /// Every key of the file with its place and value, in no order.
    pub(super) fn entries(
        &self,
    ) -> impl Iterator<Item = (&'a str, Range<usize>, &'a Spanned<DeValue<'a>>)> + use<'a> {
        let entries = self.table.into_iter().flatten();
        entries.map(|(key, value)| (&**key.get_ref(), key.span(), value))
    }

    /// Reads `key`, or its default when the file is silent. `None` when there is no default, and
    /// when what is there is wrong, which `read` has reported then.
    pub(super) fn read<T>(
        &self,
        key: &'static str,
        read: impl Fn(Value<'_>) -> Option<T>,
    ) -> Option<T> {
        if let Some(value) = self.value(key) {
            return read(value);
        }
        let default = self.key(key)?.default;
        let value = DeValue::parse(default)
            .ok()
            .filter(|_| !default.is_empty())?;
        read(Value {
            key: self.path(key),
            value: &value,
            faults: self.faults,
        })
    }

    fn key(&self, name: &str) -> Option<&'static Key> {
        keys::of(self.name).find(|known| known.name == name)
    }

    /// A [`Holds::Flag`].
    pub(super) fn flag(&self, key: &'static str) -> bool {
        self.read(key, |value| value.boolean()).unwrap_or_default()
    }

    /// A [`Holds::Millis`] or [`Holds::Seconds`].
    pub(super) fn duration(&self, key: &'static str) -> Option<Duration> {
        match self.key(key)?.holds {
            Holds::Millis(low, high) => self
                .read(key, |value| {
                    value.number("a number of milliseconds", low, high)
                })
                .map(Duration::from_millis),
            Holds::Seconds(low, high) => self
                .read(key, |value| value.number("a number of seconds", low, high))
                .map(Duration::from_secs),
            _ => None,
        }
    }

    /// A [`Holds::Number`] or [`Holds::Bytes`].
    pub(super) fn number<T: TryFrom<u64>>(&self, key: &'static str) -> Option<T> {
        let (unit, low, high) = match self.key(key)?.holds {
            Holds::Number(low, high) => ("a number", low, high),
            Holds::Bytes(low, high) => ("a number of bytes", low, high),
            _ => return None,
        };
        self.read(key, |value| value.number(unit, low, high))?
            .try_into()
            .ok()
    }

    /// A [`Holds::Share`] or [`Holds::Rate`].
    pub(super) fn share(&self, key: &'static str) -> f64 {
        match self.key(key).map(|key| key.holds) {
            Some(Holds::Share(low, high) | Holds::Rate(low, high)) => self
                .read(key, |value| value.fraction(low, high))
                .unwrap_or_default(),
            _ => 0.0,
        }
    }

    /// A list of [`Holds::Text`], or one text that stands for a list.
    pub(super) fn list<T>(
        &self,
        key: &'static str,
        read: impl Fn(Value<'_>) -> Option<T>,
    ) -> Vec<T> {
        self.read(key, |value| value.one_or_many(&read))
            .unwrap_or_default()
    }

    /// `decision.budget_ms`
    pub(super) fn path(&self, key: &str) -> String {
        match self.shown.as_str() {
            "" => key.to_owned(),
            section => format!("{section}.{key}"),
        }
    }

    /// Reports every key of the table that neither [`KEYS`] nor `others` knows.
    pub(super) fn refuse_unknown(&self, others: &[&'static str]) {
        let known: Vec<_> = keys::of(self.name)
            .map(|key| key.name)
            .chain(others.iter().copied())
            .collect();
        for (key, span, _) in self.entries() {
            if known.contains(&key) {
                continue;
            }
            let here = match self.shown.as_str() {
                "" => "at the top of the file".to_owned(),
                section => format!("in `{section}`"),
            };
            let elsewhere = KEYS
                .iter()
                .find(|known| known.name == key && !known.section.is_empty());
            let help = match (closest(key, known.iter().copied()), elsewhere) {
                (Some(close), _) => format!("did you mean `{close}`?"),
                (None, Some(other)) => format!("`{key}` belongs in {}", other.table()),
                (None, None) => format!("known here: {}", any_of(known.iter().copied())),
            };
            self.faults.push(
                Diagnostic::error(Some(span), format!("unknown key `{key}` {here}"))
                    .label("not known")
                    .help(help),
            );
        }
    }
}
