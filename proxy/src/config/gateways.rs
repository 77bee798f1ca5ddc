//! `[[gateways]]`: gateway sets.

use std::ops::Range;
use std::sync::Arc;

use sigbox_contracts::Slug;
use sigbox_core::{
    Algorithm, GatewayDefinition, GatewaySets, HashOn, Instant, ListenerId, Probing, SetDefinition,
    Settings, StatusMatch, Target,
};
use toml::de::DeValue;

use super::diagnostic::Diagnostic;
use super::reader::Section;
use super::value::Value;
use super::{Listen, condition, listen};
use crate::decision::leads_here;

/// What sets are read against.
pub(super) struct Around<'a> {
    pub(super) listen: &'a [Listen],
    /// Without sets: our sockets and names.
    pub(super) settings: &'a Settings,
    /// The sets that run, whose gateways keep what is known about them.
    pub(super) running: Option<&'a GatewaySets>,
}

/// All sets. One that is wrong, which has been reported, still has its name, so that rules that name it are not wrong
/// as well.
pub(super) fn read(root: &Section<'_>, around: &Around<'_>) -> Arc<GatewaySets> {
    let mut sets: Vec<(SetDefinition, Range<usize>)> = Vec::new();
    for section in tables(root, "gateways", "gateways") {
        let Some(name) = name(&section) else {
            continue;
        };
        let at = section.value("name").map(|value| value.span());
        let at = at.unwrap_or_default();
        if let Some((_, first)) = sets.iter().find(|(set, _)| set.name == name) {
            twice(root, "gateway sets", &at, first);
            continue;
        }
        let set = one(&section, &name, around).unwrap_or_else(|| unreadable(&name));
        sets.push((set, at));
    }
    let sets = sets.into_iter().map(|(set, _)| set).collect();
    // Of a reload, whoever takes the sets over says when they came.
    match GatewaySets::build(around.running, sets, Instant::ZERO) {
        Ok(sets) => Arc::new(sets),
        Err(error) => {
            let at = root.value("gateways").map(|value| value.span());
            let message = error.to_string();
            root.faults.push(Diagnostic::error(at, message));
            Arc::default()
        }
    }
}

/// The tables of a list of tables, or of one that stands for a list.
fn tables<'a>(within: &Section<'a>, key: &str, name: &'static str) -> Vec<Section<'a>> {
    let Some(value) = within.value(key) else {
        return Vec::new();
    };
    let entries = value.one_or_many(|entry| {
        let entry = Value {
            key: within.path(key),
            ..entry
        };
        Some(Section::of(name, entry))
    });
    entries.unwrap_or_default()
}

fn twice(root: &Section<'_>, what: &str, again: &Range<usize>, first: &Range<usize>) {
    root.faults.push(
        Diagnostic::error(Some(again.clone()), format!("two {what} have one name"))
            .label("again")
            .related(first.clone(), "first here"),
    );
}

fn unreadable(name: &str) -> SetDefinition {
    let uri = Target::parse("sip:unreadable.invalid");
    let gateways = uri
        .iter()
        .map(|uri| GatewayDefinition::new("none", uri.clone()));
    SetDefinition::new(name, Algorithm::RoundRobin, gateways.collect())
}

/// The value of a key that must be there.
fn needed<'a>(section: &Section<'a>, key: &str, of: &str) -> Option<Value<'a>> {
    let value = section.value(key);
    if value.is_none() {
        let at = section.span.map(|(start, end)| start..end);
        let found = Diagnostic::error(at, format!("{of} must have `{key}`"));
        section.faults.push(found.label(format!("no `{key}`")));
    }
    value
}

fn name(section: &Section<'_>) -> Option<Box<str>> {
    let help = Some("letters a to z, digits, `_` and `-`");
    needed(section, "name", "a gateway set")?.parsed("a slug", help, |text| {
        let slug = Slug::new(text).map_err(|error| error.to_string())?;
        Ok(slug.as_str().into())
    })
}

fn one(section: &Section<'_>, name: &str, around: &Around<'_>) -> Option<SetDefinition> {
    section.refuse_unknown(&["gateway", "probe"]);
    let mut gateways: Vec<(GatewayDefinition, Range<usize>)> = Vec::new();
    let mut is_sound = true;
    let listed = tables(section, "gateway", "gateways.gateway");
    for table in &listed {
        let Some((gateway, at)) = gateway(table, around) else {
            is_sound = false;
            continue;
        };
        match gateways.iter().find(|(other, _)| other.id == gateway.id) {
            Some((_, first)) => {
                twice(section, "gateways of a set", &at, first);
                is_sound = false;
            }
            None => gateways.push((gateway, at)),
        }
    }
    if listed.is_empty() {
        let at = section.span.map(|(start, end)| start..end);
        section.faults.push(
            Diagnostic::error(at, format!("gateway set `{name}` has no gateways"))
                .label("no `gateway`")
                .help("gateway = [{ id = \"gw1\", uri = \"sip:192.0.2.20:5060\" }]"),
        );
        is_sound = false;
    }
    let algorithm = algorithm(section);
    let probing = probing(section);
    let gateways: Vec<_> = gateways.into_iter().map(|(gateway, _)| gateway).collect();
    let set = SetDefinition {
        max_tries: section.number("max_tries").unwrap_or_default(),
        failure_statuses: section.list("failure_statuses", status),
        inactive_after: section.number("inactive_after").unwrap_or_default(),
        active_after: section.number("active_after").unwrap_or_default(),
        recover: section.duration("recover_s").unwrap_or_default(),
        max_retry_after: section.duration("max_retry_after_s").unwrap_or_default(),
        probing: probing.ok()?,
        overload_control: section.flag("overload_control"),
        max_call: section.duration("max_call_s").unwrap_or_default(),
        ..SetDefinition::new(name, algorithm?, gateways)
    };
    warn(section, &set, around);
    is_sound.then_some(set)
}

/// What can run, but hardly as it was meant.
fn warn(section: &Section<'_>, set: &SetDefinition, around: &Around<'_>) {
    let at = || section.value("algorithm").map(|value| value.span());
    if set.algorithm == Algorithm::Latency && set.probing.is_none() {
        section.faults.push(
            Diagnostic::warning(
                at(),
                "a gateway that was slow once gets no request that would show it quick again",
            )
            .label("measures requests alone")
            .help("add `probe = {}`: probes measure, too"),
        );
    }
    let is_limited = set.gateways.iter().any(|gateway| gateway.max_calls > 0);
    if (set.algorithm == Algorithm::LeastCalls || is_limited) && !around.settings.record_route {
        section.faults.push(
            Diagnostic::warning(at(), "calls are counted until `max_call_s` is over: with `record_route = false` no BYE comes by")
                .label("counts calls"),
        );
    }
}

fn algorithm(section: &Section<'_>) -> Option<Algorithm> {
    let choices = [
        ("hash", 0),
        ("round_robin", 1),
        ("random", 2),
        ("weight", 3),
        ("priority", 4),
        ("least_calls", 5),
        ("latency", 6),
        ("parallel", 7),
    ];
    let chosen = section.read("algorithm", |value| value.choice(&choices));
    let hash_on = section.read("hash_on", |value| {
        let help = "such as \"call_id\", \"from\" or \"header:X-Account\"";
        value.parsed(
            "`call_id`, `from`, `to`, `request_uri` or `header:NAME`",
            Some(help),
            hash_on,
        )
    });
    if let Some(value) = section.value("hash_on")
        && chosen.is_some_and(|chosen| chosen != 0)
    {
        return value.fault(
            format!(
                "`{}` only has a meaning with `algorithm = \"hash\"`",
                value.key
            ),
            "has no effect here",
            None,
        );
    }
    Some(match chosen? {
        0 => Algorithm::Hash(hash_on?),
        1 => Algorithm::RoundRobin,
        2 => Algorithm::Random,
        3 => Algorithm::Weight,
        4 => Algorithm::Priority,
        5 => Algorithm::LeastCalls,
        6 => Algorithm::Latency,
        _ => Algorithm::Parallel,
    })
}

fn hash_on(text: &str) -> Result<HashOn, String> {
    match text {
        "call_id" => Ok(HashOn::CallId),
        "from" => Ok(HashOn::From),
        "to" => Ok(HashOn::To),
        "request_uri" => Ok(HashOn::RequestUri),
        _ => match text.strip_prefix("header:") {
            Some(name) => condition::header_name(name).map(HashOn::Header),
            None => Err("none of them".to_owned()),
        },
    }
}

/// `503` or `"5xx"`.
fn status(value: Value<'_>) -> Option<StatusMatch> {
    if let DeValue::Integer(_) = value.value.get_ref() {
        let status = value.number("a status", 200, 699)?;
        return Some(StatusMatch::Status(u16::try_from(status).ok()?));
    }
    value.parsed("a status such as 503 or \"5xx\"", None, |text| {
        let class = text.strip_suffix("xx").and_then(|digit| digit.parse().ok());
        match class {
            Some(class @ 2..=6) => Ok(StatusMatch::Class(class)),
            _ => Err("neither".to_owned()),
        }
    })
}

/// `Err` when there is something wrong with it.
fn probing(set: &Section<'_>) -> Result<Option<Probing>, ()> {
    if set.value("probe").is_none() {
        return Ok(None);
    }
    let probe = set.table("probe", "gateways.probe");
    probe.refuse_unknown(&[]);
    let from = match probe.value("from") {
        None => None,
        Some(value) => Some(value.parsed("a sip URI", None, uri).ok_or(())?),
    };
    Ok(Some(Probing {
        interval: probe.duration("interval_ms").ok_or(())?,
        timeout: probe.duration("timeout_ms").ok_or(())?,
        accept: probe.list("accept", status),
        from,
    }))
}

fn uri(text: &str) -> Result<Target, String> {
    let target = Target::parse(text).map_err(|error| error.to_string())?;
    match target.hop() {
        Some(_) => Ok(target),
        None => Err("names no host".to_owned()),
    }
}

/// A URI that leads elsewhere.
fn next_hop(value: &Value<'_>, around: &Around<'_>) -> Option<Target> {
    let help = Some("such as \"sip:192.0.2.20:5060\"");
    let parsed = value.parsed("a sip or sips URI", help, uri)?;
    match parsed.hop() {
        Some(hop) if leads_here(parsed.text(), hop, around.settings) => value.fault(
            format!("`{}` leads to this proxy itself", value.key),
            "one of our own addresses",
            None,
        ),
        _ => Some(parsed),
    }
}

/// The gateway, and where its id stands.
fn gateway(table: &Section<'_>, around: &Around<'_>) -> Option<(GatewayDefinition, Range<usize>)> {
    table.refuse_unknown(&[]);
    let id = needed(table, "id", "a gateway").and_then(|value| {
        let help = Some("1 to 63 letters, digits, `.`, `_` and `-`");
        value.parsed("an id", help, |text| {
            let may = |b: u8| b.is_ascii_alphanumeric() || b"._-".contains(&b);
            let is_id = (1..=63).contains(&text.len()) && text.bytes().all(may);
            let id = is_id.then(|| Box::<str>::from(text));
            id.ok_or("not one".to_owned())
        })
    });
    let uri = needed(table, "uri", "a gateway").and_then(|value| next_hop(&value, around));
    // Outside is whether it is sound, inside whether it is there.
    let listener = table.value("socket").map_or(Some(None), |value| {
        let help = format!("listened on: {}", listen::names(around.listen));
        let found = value.parsed("one of our listen addresses", Some(&help), |text| {
            listen::find(text, around.listen)
        })?;
        Some(Some(ListenerId(u16::try_from(found).ok()?)))
    });
    let prefix = table.read("prefix", |value| {
        value.parsed("what may stand in a number", None, |text| {
            let may = |b: u8| b.is_ascii_alphanumeric() || b"+*-.".contains(&b);
            match text.len() <= 63 && text.bytes().all(may) {
                true => Ok(Box::<str>::from(text)),
                false => Err("more than digits, letters, `+`, `*`, `-` and `.`".to_owned()),
            }
        })
    });
    let attributes = table.read("attributes", |value| value.text().map(Box::<str>::from));
    let at = table.value("id").map(|value| value.span());
    let gateway = GatewayDefinition {
        weight: table.number("weight").unwrap_or_default(),
        priority: table.number("priority").unwrap_or_default(),
        max_calls: table.number("max_calls").unwrap_or_default(),
        enabled: table.flag("enabled"),
        listener: listener?,
        strip: table.number("strip").unwrap_or_default(),
        prefix: prefix?,
        attributes: attributes.unwrap_or_default(),
        ..GatewayDefinition::new(&id?, uri?)
    };
    Some((gateway, at.unwrap_or_default()))
}
