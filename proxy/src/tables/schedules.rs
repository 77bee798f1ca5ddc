//! Schedules of the configuration with those of pushed tables in their place.

use std::collections::HashMap;
use std::fmt::Display;
use std::str::FromStr;
use std::sync::Arc;

use jiff::tz::TimeZone;
use serde_json::Value;
use sigbox_core::{Days, Rules, Schedule};
use sigbox_tables::{Fields, Kind, Table};

use crate::config::Config;

/// A pointer and a sentence.
type Wrong = (String, String);

/// By name.
pub(super) type Schedules = HashMap<Box<str>, Arc<Schedule>>;

/// All that `tables` have; of two with one name the last counts, in the order of tables.
pub(super) fn of<'t>(tables: impl Iterator<Item = &'t Table>) -> Schedules {
    let mut schedules = Schedules::new();
    for table in tables.filter(|table| table.kind() == Kind::Schedules) {
        for row in table.rows() {
            let name = row.key();
            match definition(&name, &row.fields()) {
                Ok(schedule) => {
                    schedules.insert(name.as_ref().into(), Arc::new(schedule));
                }
                Err((_, detail)) => {
                    tracing::error!(%name, detail, "a pushed schedule cannot be used any more");
                }
            }
        }
    }
    schedules
}

/// The rules of `config` with `pushed` hours in place of those of the file.
pub(super) fn rules(config: &Config, pushed: &Schedules) -> Rules {
    let own = config.schedules.iter();
    let instead: Vec<_> = own
        .filter_map(|own| Some((own, pushed.get(&*own.name)?)))
        .collect();
    // What a rule says itself, with `time`, is no schedule that anybody named.
    config.settings.rules.rescheduled(&|schedule| {
        let mut found = instead.iter();
        let found = found.find(|(own, _)| Arc::ptr_eq(own, schedule));
        found.map(|(_, pushed)| Arc::clone(pushed))
    })
}

/// Names in `table` that no rule can use, as the file has no `[[schedule]]` of that name.
pub(super) fn unnamed(table: &Table, config: &Config) -> Vec<String> {
    if table.kind() != Kind::Schedules {
        return Vec::new();
    }
    let names = table.rows().map(|row| row.key().into_owned());
    names
        .filter(|name| config.schedule(name).is_none())
        .collect()
}

/// The schedule of a row, whose fields are the keys of a `[[schedule]]`.
pub(super) fn definition(name: &str, row: &Fields) -> Result<Schedule, Wrong> {
    let known = ["time_zone", "weekly", "dates", "holidays", "exceptions"];
    let others = |field: &&String| !known.contains(&field.as_str()) && *field != "name";
    if let Some(field) = row.keys().find(others) {
        let detail = format!("{field:?} is no field of a schedule: {}", known.join(", "));
        return Err((format!("/{field}"), detail));
    }
    let zone = row
        .get("time_zone")
        .and_then(Value::as_str)
        .unwrap_or("UTC");
    let zone = TimeZone::get(zone).map_err(|_| {
        let detail = format!("{zone:?} is not a time zone such as \"Europe/Berlin\"");
        ("/time_zone".to_owned(), detail)
    })?;
    let schedule = Schedule {
        name: name.into(),
        zone,
        weekly: hours(row, "weekly")?,
        dates: hours(row, "dates")?,
        holidays: holidays(row)?,
        exceptions: hours(row, "exceptions")?,
    };
    Ok(schedule)
}

fn hours<T: FromStr<Err: Display>>(row: &Fields, field: &str) -> Result<Vec<T>, Wrong> {
    match row.get(field) {
        None => Ok(Vec::new()),
        Some(value) => texts(value, &format!("/{field}")),
    }
}

/// `{"New Year": "01-01", "Easter": ["2026-04-03", "2026-04-06"]}`
fn holidays(row: &Fields) -> Result<Vec<(Box<str>, Days)>, Wrong> {
    let mut holidays = Vec::new();
    let named = row.get("holidays").and_then(Value::as_object);
    for (name, value) in named.into_iter().flatten() {
        let days = texts(value, &format!("/holidays/{name}"))?;
        holidays.extend(days.into_iter().map(|days| (name.as_str().into(), days)));
    }
    Ok(holidays)
}

/// One text, or a list of them.
fn texts<T: FromStr<Err: Display>>(value: &Value, pointer: &str) -> Result<Vec<T>, Wrong> {
    let (list, is_list) = match value {
        Value::Array(list) => (list.as_slice(), true),
        one => (std::slice::from_ref(one), false),
    };
    let read = |(at, value): (usize, &Value)| {
        let pointer = match is_list {
            true => format!("{pointer}/{at}"),
            false => pointer.to_owned(),
        };
        let Some(text) = value.as_str() else {
            return Err((pointer, format!("{value} is not text")));
        };
        text.parse().map_err(|error: T::Err| {
            let detail = format!("{text:?}: {error}");
            (pointer, detail)
        })
    };
    list.iter().enumerate().map(read).collect()
}

impl Config {
    /// The `[[schedule]]` of that name.
    fn schedule(&self, name: &str) -> Option<&Arc<Schedule>> {
        self.schedules
            .iter()
            .find(|schedule| *schedule.name == *name)
    }
}
