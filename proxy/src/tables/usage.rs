//! Which rules look calls up in which tables, and whether these say anything about them.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use sigbox_core::{Action, Rules};
use sigbox_tables::{Kind, Table};

use super::Tables;
use crate::config::Config;
use crate::config::suggest::closest;

/// A table that rules look calls up in, and that routes none.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Unrouted {
    /// The table's name.
    pub table: Box<str>,
    /// The rules that name it, in their order.
    pub rules: Vec<Box<str>>,
    /// Why it routes none.
    pub reason: Reason,
    /// That in a sentence.
    pub detail: String,
}

/// Why a table routes nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// There is none of that name.
    NoTable,
    /// None of its versions counts.
    NotActive,
    /// It is of a kind of which rows route nothing.
    OtherKind,
    /// It has no rows.
    Empty,
    /// None of its rows says where to route.
    NoRoutes,
}

/// The rules that look calls up in `table`.
pub(super) fn rules_of(rules: &Rules, table: &str) -> Vec<Box<str>> {
    let mut all = by_table(rules);
    all.remove(table).unwrap_or_default()
}

/// The rules that need what `tables` have as `name`: that look calls up in it, or in a table of which rows lead to a
/// gateway set that only `name` has.
pub(super) fn needing(name: &str, tables: &Tables, file: &Config) -> Vec<Box<str>> {
    let rules = &file.settings.rules;
    let Some(table) = tables.get(name) else {
        return Vec::new();
    };
    if table.table.kind() != Kind::Gateways {
        return rules_of(rules, name);
    }
    let sets = |table: &Table| -> BTreeSet<Box<str>> {
        let keys = table.rows().map(|row| row.key().into_owned());
        keys.filter_map(|key| Some(key.split_once('/')?.0.into()))
            .collect()
    };
    let mut lost = sets(&table.table);
    lost.retain(|set| file.settings.gateways.set(set).is_none());
    for (other, table) in tables.iter() {
        if other != name && table.table.kind() == Kind::Gateways {
            let kept = sets(&table.table);
            lost.retain(|set| !kept.contains(set));
        }
    }
    let mut by_table = by_table(rules);
    by_table.retain(|table, _| tables.get(table).is_some_and(|table| table.leads_to(&lost)));
    by_table.into_values().flatten().collect()
}

/// The names of rules by the table that they look calls up in.
fn by_table(rules: &Rules) -> BTreeMap<&str, Vec<Box<str>>> {
    let mut tables: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for rule in rules.before.iter().chain(&rules.fallback) {
        if let Action::Table(lookup) = rule.action.unlimited() {
            let names = tables.entry(&*lookup.table).or_default();
            names.push(Box::from(&*rule.name));
        }
    }
    tables
}

/// `rule "a"`, or `rules "a", "b"`.
pub(super) fn named(rules: &[Box<str>]) -> String {
    let names: Vec<_> = rules.iter().map(|rule| format!("{rule:?}")).collect();
    let word = if names.len() == 1 { "rule" } else { "rules" };
    format!("{word} {}", names.join(", "))
}

impl Tables {
    /// The tables that rules look calls up in and that route none of them, by name: those calls go on to the next rule.
    pub fn unrouted(&self) -> Vec<Unrouted> {
        let used = by_table(&self.config.settings.rules);
        let used = used.into_iter();
        used.filter_map(|(table, rules)| {
            let (reason, detail) = self.lack(table)?;
            Some(Unrouted {
                table: table.into(),
                rules,
                reason,
                detail,
            })
        })
        .collect()
    }

    /// Why `name` routes nothing, if it does not.
    fn lack(&self, name: &str) -> Option<(Reason, String)> {
        let Some(table) = self.get(name) else {
            if self.manifest.tables.contains_key(name) {
                let detail = format!("no version of table {name} counts");
                return Some((Reason::NotActive, detail));
            }
            let known = self.manifest.tables.keys().map(String::as_str);
            let help = closest(name, known)
                .map(|close| format!("; did you mean {close}?"))
                .unwrap_or_default();
            let detail = format!("there is no table {name}{help}");
            return Some((Reason::NoTable, detail));
        };
        let kind = table.table.kind();
        if !kind.routes() {
            let detail = format!("table {name} is of kind {kind}, of which no row routes a call");
            return Some((Reason::OtherKind, detail));
        }
        if table.table.is_empty() {
            return Some((Reason::Empty, format!("table {name} is empty")));
        }
        (!table.routes()).then(|| {
            let detail = format!("no row of table {name} says where to route");
            (Reason::NoRoutes, detail)
        })
    }
}
