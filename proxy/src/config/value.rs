//! One value of the file, read as what its key wants.

use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::diagnostic::Diagnostic;
use super::reader::Faults;
use super::suggest::{any_of, closest};

/// A value and the key it stands for.
pub(super) struct Value<'a> {
    /// `decision.budget_ms`
    pub(super) key: String,
    pub(super) value: &'a Spanned<DeValue<'a>>,
    pub(super) faults: &'a Faults,
}

impl<'a> Value<'a> {
    pub(super) fn span(&self) -> Range<usize> {
        self.value.span()
    }

    /// Reports a fault of this value; `None`, to be returned.
    pub(super) fn fault<T>(&self, message: String, label: &str, help: Option<String>) -> Option<T> {
        let mut found = Diagnostic::error(Some(self.span()), message).label(label);
        found.help = help;
        self.faults.push(found);
        None
    }

    /// The same once more.
    pub(super) fn again(&self) -> Self {
        Self {
            key: self.key.clone(),
            value: self.value,
            faults: self.faults,
        }
    }

    pub(super) fn is_text(&self, wanted: &str) -> bool {
        matches!(self.value.get_ref(), DeValue::String(text) if text == wanted)
    }

    pub(super) fn is_empty_list(&self) -> bool {
        matches!(self.value.get_ref(), DeValue::Array(items) if items.is_empty())
    }

    pub(super) fn is_table(&self) -> bool {
        matches!(self.value.get_ref(), DeValue::Table(_))
    }

    fn found(&self) -> &'static str {
        match self.value.get_ref() {
            DeValue::String(_) => "found a string",
            DeValue::Integer(_) => "found a whole number",
            DeValue::Float(_) => "found a number with a fraction",
            DeValue::Boolean(_) => "found a boolean",
            DeValue::Datetime(_) => "found a date",
            DeValue::Array(_) => "found a list",
            DeValue::Table(_) => "found a table",
        }
    }

    /// A string's content when it would have been right without its quotes.
    fn unquoted(&self, right: impl Fn(&str) -> bool) -> Option<String> {
        let DeValue::String(text) = self.value.get_ref() else {
            return None;
        };
        right(text).then(|| format!("write {text} without quotes"))
    }

    pub(super) fn boolean(&self) -> Option<bool> {
        match self.value.get_ref() {
            DeValue::Boolean(value) => Some(*value),
            _ => self.fault(
                format!("`{}` must be true or false", self.key),
                self.found(),
                self.unquoted(|text| matches!(text, "true" | "false")),
            ),
        }
    }

    /// A whole number of `unit` from `low` to `high`.
    pub(super) fn number(&self, unit: &str, low: u64, high: u64) -> Option<u64> {
        let wanted = format!("`{}` must be {unit} from {low} to {high}", self.key);
        let DeValue::Integer(integer) = self.value.get_ref() else {
            let help = self.unquoted(|text| text.parse::<u64>().is_ok());
            return self.fault(wanted, self.found(), help);
        };
        match u64::from_str_radix(integer.as_str(), integer.radix()) {
            Ok(value) if (low..=high).contains(&value) => Some(value),
            Ok(value) if value > high => self.fault(wanted, "too large", None),
            Ok(_) => self.fault(wanted, "too small", None),
            Err(_) => self.fault(wanted, "out of range", None),
        }
    }

    /// A number from `low` to `high`, with or without a fraction.
    pub(super) fn fraction(&self, low: f64, high: f64) -> Option<f64> {
        let wanted = format!("`{}` must be a number from {low} to {high}", self.key);
        let value = match self.value.get_ref() {
            DeValue::Float(value) => value.as_str().parse().ok(),
            DeValue::Integer(value) => value.as_str().parse().ok(),
            _ => {
                let help = self.unquoted(|text| text.parse::<f64>().is_ok());
                return self.fault(wanted, self.found(), help);
            }
        };
        match value {
            Some(value) if (low..=high).contains(&value) => Some(value),
            _ => self.fault(wanted, "out of range", None),
        }
    }

    pub(super) fn text(&self) -> Option<&'a str> {
        match self.value.get_ref() {
            DeValue::String(text) => Some(text),
            DeValue::Integer(_) | DeValue::Float(_) | DeValue::Boolean(_) => self.fault(
                format!("`{}` must be text", self.key),
                self.found(),
                Some("put it in quotes".to_owned()),
            ),
            _ => self.fault(format!("`{}` must be text", self.key), self.found(), None),
        }
    }

    /// Text that `parse` accepts; its error is the label under the text.
    pub(super) fn parsed<T>(
        &self,
        wanted: &str,
        help: Option<&str>,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<T> {
        let text = self.text()?;
        match parse(text) {
            Ok(value) => Some(value),
            Err(reason) => self.fault(
                format!("`{}` must be {wanted}", self.key),
                &reason,
                help.map(str::to_owned),
            ),
        }
    }

    /// One of a few names.
    pub(super) fn choice<T: Copy>(&self, choices: &[(&'static str, T)]) -> Option<T> {
        let text = self.text()?;
        if let Some((_, value)) = choices.iter().find(|(name, _)| *name == text) {
            return Some(*value);
        }
        let names = || choices.iter().map(|(name, _)| *name);
        let help = closest(text, names()).map(|close| format!("did you mean `{close}`?"));
        self.fault(
            format!("`{}` must be {}", self.key, any_of(names())),
            "not one of them",
            help,
        )
    }

    /// A list, or one value that stands for a list of one. What is wrong is left out, after
    /// `read` has reported it, so that the other entries are read, too.
    pub(super) fn one_or_many<T>(&self, read: impl Fn(Value<'a>) -> Option<T>) -> Option<Vec<T>> {
        let item = |value| Value {
            key: self.key.clone(),
            value,
            faults: self.faults,
        };
        Some(match self.value.get_ref() {
            DeValue::Array(items) => items.iter().filter_map(|entry| read(item(entry))).collect(),
            _ => read(item(self.value)).into_iter().collect(),
        })
    }

    /// The table; reports `message` when it is something else.
    pub(super) fn table(&self, message: &str) -> Option<&'a DeTable<'a>> {
        match self.value.get_ref() {
            DeValue::Table(table) => Some(table),
            _ => self.fault(message.to_owned(), self.found(), None),
        }
    }
}
