//! What is odd about a version that counts, or is to: for whoever pushes it, and for the log.

use std::collections::BTreeSet;

use sigbox_tables::{Kind, Table, known_fields};
use tracing::warn;

use super::compiled::Survey;
use super::{Tables, Unrouted, compiled, gateways, schedules, usage};
use crate::config::Config;
use crate::config::suggest::{any_of, closest, closest_of_own_words};

/// Of one sort, so many are listed.
const MOST: usize = 5;

/// What whoever pushes `table` as `name` should know before it counts. `now` is what counts, `file` the configuration
/// without it.
pub(super) fn of_push(name: &str, table: &Table, now: &Tables, file: &Config) -> Vec<String> {
    let survey = compiled::survey(table, &now.config);
    let problems = survey.problems.iter();
    let mut warnings: Vec<_> = problems
        .map(|why| format!("rows route nothing until this is mended: {why}"))
        .collect();
    let rules = usage::rules_of(&file.settings.rules, name);
    warnings.extend(columns(table, &survey, &rules));
    warnings.extend(conflicts(name, table, now, file));
    let unnamed = schedules::unnamed(table, &now.config);
    warnings.extend(listed(unnamed.into_iter().map(|name| {
        format!("no rule can name {name:?}: the file has no `[[schedule]]` of that name")
    })));
    warnings
}

/// What the fields of rows, and that there are none, mean to the rules that look calls up there.
fn columns(table: &Table, survey: &Survey, rules: &[Box<str>]) -> Vec<String> {
    let kind = table.kind();
    let looks = format!("and {} looks calls up here", usage::named(rules));
    if table.is_empty() {
        return vec![match rules {
            [] => "the table is empty".to_owned(),
            _ => format!("the table is empty, {looks}"),
        }];
    }
    if !kind.routes() && !rules.is_empty() {
        return vec![format!("no row of kind {kind} routes a call, {looks}")];
    }
    let known: BTreeSet<_> = known_fields(kind).collect();
    let candidates = || known.iter().copied();
    if kind.routes() && !survey.routes && !rules.is_empty() {
        let others = survey.unknown.iter().map(String::as_str);
        // A likelier slip than a word of its own.
        let slip = others
            .clone()
            .find_map(|column| closest(column, candidates()));
        let help = match slip {
            Some(slip) => format!("did you mean {slip}?"),
            None => {
                let fields = ["gateways", "dst_uri", "uri", "routes", "action"];
                format!("a row that routes has {}", any_of(fields))
            }
        };
        let known = survey.known.iter().map(String::as_str);
        let columns = kind.key_fields().iter().copied().chain(known).chain(others);
        let columns = columns.collect::<Vec<_>>().join(", ");
        return vec![format!(
            "no row says where to route, {looks}; its columns are {columns}: {help}"
        )];
    }
    let slips = survey.unknown.iter().filter_map(|column| {
        let close = closest_of_own_words(column, candidates())?;
        Some(format!(
            "{column} has no meaning here and is kept as an attribute: did you mean {close}?"
        ))
    });
    listed(slips)
}

/// What the version takes the place of, in the file or in other tables, or they of it.
pub(super) fn conflicts(name: &str, table: &Table, others: &Tables, file: &Config) -> Vec<String> {
    let mut warnings = listed(gateways::instead(table, file));
    if matches!(table.kind(), Kind::Gateways | Kind::Schedules) {
        warnings.extend(listed(twice(name, table, others)));
    }
    warnings
}

/// Into the log: what the version takes the place of, or what takes its place.
pub(super) fn log_conflicts(table: &str, rows: &Table, tables: &Tables, file: &Config) {
    for warning in conflicts(table, rows, tables, file) {
        warn!(table, "{warning}");
    }
}

/// Into the log: the rules that look calls up where none is routed.
pub(super) fn log_unrouted(unrouted: Vec<Unrouted>) {
    for Unrouted {
        table,
        rules,
        detail,
        ..
    } in unrouted
    {
        let rules = usage::named(&rules);
        warn!(%table, "{detail}: what {rules} would look up there goes on to the next rule");
    }
}

/// Rows that another table of the kind has too: of all that have one, the last by name counts.
fn twice(name: &str, table: &Table, others: &Tables) -> impl Iterator<Item = String> {
    let others: Vec<_> = others
        .iter()
        .filter(|(other, compiled)| *other != name && compiled.table.kind() == table.kind())
        .collect();
    table.rows().filter_map(move |row| {
        let key = row.key();
        let holders = others
            .iter()
            .filter(|(_, other)| other.table.get(&key).is_some());
        let last = holders.map(|(other, _)| *other).next_back()?;
        let what = format!("{key:?} is in table {last} too");
        Some(match last > name {
            true => format!("{what}, and counts there: its name comes after {name}"),
            false => format!("{what}, and counts here: {name} comes after {last}"),
        })
    })
}

/// The first of them, and how many more there are.
fn listed(warnings: impl IntoIterator<Item = String>) -> Vec<String> {
    let mut all = warnings.into_iter();
    let mut listed: Vec<_> = all.by_ref().take(MOST).collect();
    let more = all.count();
    if more > 0
        && let Some(last) = listed.last_mut()
    {
        *last += &format!("; and {more} more like this");
    }
    listed
}
