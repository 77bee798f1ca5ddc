//! Lists of tables: `[[rule]]`, `[[limit]]`, `[[schedule]]`.

use std::ops::Range;

use toml::de::DeValue;

use super::reader::Section;
use super::value::Value;

/// The tables of `[[key]]`, read as section `name`, each with its place.
pub(super) fn of<'a>(
    root: &Section<'a>,
    key: &str,
    name: &'static str,
) -> Vec<(Section<'a>, Range<usize>)> {
    let Some(value) = root.value(key) else {
        return Vec::new();
    };
    let DeValue::Array(items) = value.value.get_ref() else {
        value.fault::<()>(
            format!("`{key}` must be a list of tables"),
            "one table",
            Some(format!("write `[[{key}]]` with two brackets")),
        );
        return Vec::new();
    };
    let sections = items.iter().map(|item| {
        let value = Value {
            key: key.to_owned(),
            value: item,
            faults: root.faults,
        };
        (Section::of(name, value), item.span())
    });
    sections.collect()
}

/// The names of the tables of `[[key]]`, sound or not: what refers to one that is not sound needs no
/// report of its own.
pub(super) fn names(root: &Section<'_>, key: &str) -> Vec<String> {
    let Some(value) = root.value(key) else {
        return Vec::new();
    };
    let DeValue::Array(items) = value.value.get_ref() else {
        return Vec::new();
    };
    let names = items.iter().filter_map(|item| match item.get_ref() {
        DeValue::Table(table) => table.get("name")?.get_ref().as_str().map(str::to_owned),
        _ => None,
    });
    names.collect()
}

/// The name of a table that others refer to; must be there, and be new.
pub(super) fn name<T>(
    section: &Section<'_>,
    taken: &[T],
    is: impl Fn(&T, &str) -> bool,
) -> Option<String> {
    let Some(value) = section.value("name") else {
        let at = section.span.map(|(start, end)| start..end);
        section.faults.push(
            super::Diagnostic::error(at, format!("this `[[{}]]` has no name", section.shown))
                .label("no `name`")
                .help("rules refer to it by its name"),
        );
        return None;
    };
    let text = value.text()?;
    if text.is_empty() || text.chars().any(char::is_control) {
        return value.fault(
            format!("`{}` must be a name", value.key),
            "not a name",
            None,
        );
    }
    if taken.iter().any(|other| is(other, text)) {
        return value.fault(
            format!("there is another `[[{}]]` of that name", section.shown),
            "taken",
            None,
        );
    }
    Some(text.to_owned())
}
