//! What a request has where a condition wants something, in words.

use std::sync::Arc;

use crate::rules::{Condition, Facts, Part};
use crate::schedule::Schedule;

/// A schedule at the time a request is held against.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HoursSeen {
    /// Its name.
    pub name: Arc<str>,
    /// Whether it is open.
    pub is_open: bool,
    /// The holiday it is closed for.
    pub holiday: Option<String>,
}

impl HoursSeen {
    /// Those that `condition` names, in `any` and `not` as well, each once.
    pub(super) fn of(condition: &Condition, unix_s: i64) -> Vec<Self> {
        let mut all = Vec::new();
        Self::add(condition, unix_s, &mut all);
        all
    }

    fn add(condition: &Condition, unix_s: i64, all: &mut Vec<Self>) {
        for hours in &condition.schedules {
            let seen = Self::at(hours, unix_s);
            if !all.contains(&seen) {
                all.push(seen);
            }
        }
        for inner in condition.any.iter().chain(&condition.not) {
            Self::add(inner, unix_s, all);
        }
    }

    fn at(hours: &Schedule, unix_s: i64) -> Self {
        let is_open = hours.is_open(unix_s);
        let holiday = hours.holiday(unix_s).filter(|_| !is_open);
        Self {
            name: hours.name.clone(),
            is_open,
            holiday: holiday.map(str::to_owned),
        }
    }
}

impl std::fmt::Display for HoursSeen {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (self.is_open, &self.holiday) {
            (true, _) => write!(f, "{} is open", self.name),
            (false, None) => write!(f, "{} is closed", self.name),
            (false, Some(day)) => write!(f, "{} is closed: {day}", self.name),
        }
    }
}

/// What the request has where the condition wants something else.
pub(super) fn found(condition: &Condition, part: Part, facts: &Facts<'_>) -> String {
    let text =
        |bytes: Option<&[u8]>| String::from_utf8_lossy(bytes.unwrap_or_default()).into_owned();
    let host = |uri: Option<&sigbox_wire::Uri<'_>>| {
        let host = uri.and_then(|uri| uri.host);
        host.map_or_else(String::new, |host| host.to_string())
    };
    let (from, to) = (facts.from(), facts.to());
    match part {
        Part::Cause => facts
            .cause
            .map_or_else(String::new, |cause| cause.label().to_owned()),
        Part::Method => text(Some(facts.request.method().as_bytes())),
        Part::Source => facts.source().to_string(),
        Part::Listener => format!("listener {}", facts.flow.listener.0 + 1),
        Part::User => text(facts.uri().and_then(|uri| uri.user)),
        Part::Domain => host(facts.uri()),
        Part::FromUser => text(from.and_then(|from| from.uri.user)),
        Part::FromDomain => host(from.map(|from| &from.uri)),
        Part::From => text(from.map(|from| from.text)),
        Part::ToUser => text(to.and_then(|to| to.uri.user)),
        Part::ToDomain => host(to.map(|to| &to.uri)),
        Part::To => text(to.map(|to| to.text)),
        Part::Header(at) => {
            let Some(header) = condition.headers.get(at) else {
                return String::new();
            };
            let mut values = facts.request.named(header.name.as_bytes());
            let first = values.next().map(|found| found.value);
            format!(
                "{}: {}",
                header.name,
                first.map_or_else(|| "absent".to_owned(), |value| text(Some(value)))
            )
        }
        Part::Schedule => hours(condition, facts, |_| true),
        Part::Any => {
            let each = condition.any.iter().map(|inner| lacking(inner, facts));
            format!("none of them holds: {}", joined(each))
        }
        Part::Not(at) => {
            let held = condition.not.get(at).map(|inner| holding(inner, facts));
            format!("the one at {} holds: {}", at + 1, held.unwrap_or_default())
        }
    }
}

/// The first thing that keeps `condition` from holding.
fn lacking(condition: &Condition, facts: &Facts<'_>) -> String {
    match condition.unmet(facts) {
        Some(part) => said(condition, part, facts),
        None => holding(condition, facts),
    }
}

/// What a request has of all that `condition`, which holds, asks for.
fn holding(condition: &Condition, facts: &Facts<'_>) -> String {
    let Condition { from, to, .. } = condition;
    let asked = [
        (Part::Cause, !condition.causes.is_empty()),
        (Part::Method, !condition.methods.is_empty()),
        (Part::Source, !condition.sources.is_empty()),
        (Part::Listener, !condition.listeners.is_empty()),
        (Part::User, !condition.users.is_empty()),
        (Part::Domain, !condition.domains.is_empty()),
        (Part::FromUser, !from.users.is_empty()),
        (Part::FromDomain, !from.domains.is_empty()),
        (Part::From, !from.whole.is_empty()),
        (Part::ToUser, !to.users.is_empty()),
        (Part::ToDomain, !to.domains.is_empty()),
        (Part::To, !to.whole.is_empty()),
    ];
    let asked = asked.iter().filter(|(_, is_asked)| *is_asked);
    let headers = (0..condition.headers.len()).map(Part::Header);
    let parts = asked.map(|(part, _)| *part).chain(headers);
    let mut words: Vec<_> = parts.map(|part| said(condition, part, facts)).collect();
    if !condition.schedules.is_empty() {
        words.push(hours(condition, facts, |seen| seen.is_open));
    }
    let any = condition.any.iter().find(|inner| inner.holds(facts));
    words.extend(any.map(|inner| holding(inner, facts)));
    words.extend(condition.not.iter().map(|inner| lacking(inner, facts)));
    match words.is_empty() {
        true => "it asks for nothing".to_owned(),
        false => joined(words.into_iter()),
    }
}

fn said(condition: &Condition, part: Part, facts: &Facts<'_>) -> String {
    let found = found(condition, part, facts);
    match part {
        Part::Header(_) | Part::Schedule | Part::Any | Part::Not(_) | Part::Listener => found,
        _ => format!("{} is {found:?}", part.key()),
    }
}

fn hours(condition: &Condition, facts: &Facts<'_>, wanted: impl Fn(&HoursSeen) -> bool) -> String {
    let all = condition.schedules.iter();
    let seen = all.map(|hours| HoursSeen::at(hours, facts.unix_s));
    joined(seen.filter(wanted).map(|seen| seen.to_string()))
}

fn joined(words: impl Iterator<Item = String>) -> String {
    words.collect::<Vec<_>>().join(", ")
}
