//! `[[schedule]]`, and `time` in a rule.

use std::sync::Arc;

use jiff::tz::TimeZone;
use sigbox_core::{Dated, Days, Exception, Schedule, Weekly};
use toml::de::DeValue;

use super::reader::Section;
use super::suggest::closest;
use super::tables;
use super::value::Value;

/// All of them.
pub(super) fn read(root: &Section<'_>) -> Vec<Arc<Schedule>> {
    let mut schedules: Vec<Arc<Schedule>> = Vec::new();
    for (section, _) in tables::of(root, "schedule", "schedule") {
        section.refuse_unknown(&[]);
        let name = tables::name(&section, &schedules, |other, name| &*other.name == name);
        let zone = section.read("time_zone", time_zone);
        if section.value("weekly").is_none()
            && section.value("dates").is_none()
            && section.value("exceptions").is_none()
        {
            let at = section.span.map(|(start, end)| start..end);
            section.faults.push(
                super::Diagnostic::error(at, "this `[[schedule]]` is never open")
                    .label("no hours")
                    .help("weekly = [\"mon-fri 08:00-18:00\"]"),
            );
        }
        let (weekly, dates) = (
            section.list("weekly", hours::<Weekly>),
            section.list("dates", hours::<Dated>),
        );
        let (holidays, exceptions) = (
            holidays(&section),
            section.list("exceptions", hours::<Exception>),
        );
        if let (Some(name), Some(zone)) = (name, zone) {
            schedules.push(Arc::new(Schedule {
                name: name.into(),
                zone,
                weekly,
                dates,
                holidays,
                exceptions,
            }));
        }
    }
    schedules
}

/// The hours that a rule names and those it says itself.
pub(super) fn of_rule(
    rule: &Section<'_>,
    known: &[Arc<Schedule>],
    names: &[String],
) -> Vec<Arc<Schedule>> {
    let mut schedules = rule.list("schedule", |value| {
        let text = value.text()?;
        let found = known.iter().find(|schedule| &*schedule.name == text);
        if found.is_none() && names.iter().any(|name| name == text) {
            return None;
        }
        let names = || known.iter().map(|schedule| &*schedule.name);
        found.cloned().or_else(|| {
            let help = match closest(text, names()) {
                Some(close) => format!("did you mean \"{close}\"?"),
                None => "write a `[[schedule]]` of that name".to_owned(),
            };
            value.fault(
                format!("there is no schedule `{text}`"),
                "not known",
                Some(help),
            )
        })
    });
    let weekly = rule.list("time", hours::<Weekly>);
    match (rule.value("time"), rule.value("time_zone")) {
        (Some(_), _) => {
            let zone = rule.read("time_zone", time_zone).unwrap_or(TimeZone::UTC);
            schedules.push(Arc::new(Schedule::weekly("time", zone, weekly)));
        }
        (None, Some(zone)) => {
            zone.fault::<()>(
                "`time_zone` only has a meaning with `time`".to_owned(),
                "has no effect here",
                Some("a `[[schedule]]` has a time zone of its own".to_owned()),
            );
        }
        (None, None) => {}
    }
    schedules
}

fn time_zone(value: Value<'_>) -> Option<TimeZone> {
    let help = "a name of the IANA time zone database, such as \"Europe/Berlin\" or \"UTC\"";
    value.parsed("a time zone", Some(help), |text| {
        TimeZone::get(text).map_err(|_| "not a time zone".to_owned())
    })
}

fn hours<T: std::str::FromStr<Err = sigbox_core::HoursError>>(value: Value<'_>) -> Option<T> {
    value.parsed("days and hours", None, |text| {
        text.parse::<T>().map_err(|error| error.to_string())
    })
}

/// `{ "New Year" = "01-01", "Easter" = ["2026-04-03", "2026-04-06"] }`
fn holidays(section: &Section<'_>) -> Vec<(Box<str>, Days)> {
    let Some(table) = section.value("holidays") else {
        return Vec::new();
    };
    let wanted = "`holidays` must be a table such as { \"New Year\" = \"01-01\" }";
    let mut holidays = Vec::new();
    for (name, entry) in table.table(wanted).into_iter().flatten() {
        let items = match entry.get_ref() {
            DeValue::Array(items) => items.iter().collect(),
            _ => vec![entry],
        };
        for value in items {
            let value = Value {
                key: format!("holidays.{}", name.get_ref()),
                value,
                faults: section.faults,
            };
            let help = "such as \"12-25\" for every year, \"2026-04-06\" or \"12-25..12-26\"";
            let days = value.parsed("a date or dates", Some(help), |text| {
                text.parse::<Days>().map_err(|error| error.to_string())
            });
            let name: &str = name.get_ref();
            holidays.extend(days.map(|days| (Box::<str>::from(name), days)));
        }
    }
    holidays
}
