//! When a rule applies.

use std::sync::Arc;

use ipnet::IpNet;
use regex::bytes::Regex;
use sigbox_core::{
    Condition, DomainMatch, FallbackCause, HeaderMatch, ListenerId, Schedule, TextMatch, UriMatch,
};
use toml::de::DeValue;

use super::reader::Section;
use super::suggest::closest;
use super::value::Value;
use super::{Listen, listen, schedule};

/// Methods with a registered meaning; a rule may name others.
const METHODS: [&str; 14] = [
    "INVITE",
    "ACK",
    "BYE",
    "CANCEL",
    "OPTIONS",
    "REGISTER",
    "PRACK",
    "SUBSCRIBE",
    "NOTIFY",
    "PUBLISH",
    "INFO",
    "REFER",
    "MESSAGE",
    "UPDATE",
];

/// What the conditions of rules are read against.
#[derive(Clone, Copy)]
pub(super) struct Known<'a> {
    pub(super) listen: &'a [Listen],
    pub(super) schedules: &'a [Arc<Schedule>],
    /// Whether somebody may have been asked before, in vain.
    pub(super) is_fallback: bool,
    /// Those that are not sound, too.
    pub(super) schedule_names: &'a [String],
}

/// The keys of a rule that are no condition.
const OTHERS: [&str; 10] = [
    "name",
    "action",
    "limit",
    "tenant",
    "budget_ms",
    "key",
    "seconds",
    "set",
    "table",
    "lookup",
];

pub(super) fn read(rule: &Section<'_>, known: Known<'_>) -> Condition {
    if let Some(value) = rule.value("identity") {
        value.fault::<()>(
            "`identity` is not available in this version".to_owned(),
            "nobody is authenticated here yet",
            Some("match on `source` or `header`, or leave it to a decider".to_owned()),
        );
    }
    if let Some(cause) = rule.value("cause")
        && !known.is_fallback
    {
        cause.fault::<()>(
            "`cause` has no meaning before anyone was asked".to_owned(),
            "only in `[[fallback]]`",
            None,
        );
    }
    let listen = known.listen;
    Condition {
        methods: rule.list("method", method),
        sources: rule.list("source", source),
        listeners: rule
            .list("listener", |value| {
                let help = format!("listened on: {}", listen::names(listen));
                value.parsed("one of our listen addresses", Some(&help), |text| {
                    listeners(text, listen)
                })
            })
            .concat(),
        users: texts(rule, ["user", "user_prefix", "user_regex"]),
        domains: rule.list("domain", domain_name),
        from: UriMatch {
            users: texts(rule, ["from_user", "from_user_prefix", "from_user_regex"]),
            domains: domains(
                rule,
                ["from_domain", "from_domain_prefix", "from_domain_regex"],
            ),
            whole: rule.list("from", |value| regex_of(&value)),
        },
        to: UriMatch {
            users: texts(rule, ["to_user", "to_user_prefix", "to_user_regex"]),
            domains: domains(rule, ["to_domain", "to_domain_prefix", "to_domain_regex"]),
            whole: rule.list("to", |value| regex_of(&value)),
        },
        headers: headers(rule),
        schedules: schedule::of_rule(rule, known.schedules, known.schedule_names),
        causes: rule.list("cause", cause),
        any: rule.list("any", |value| inner(value, known)),
        not: rule.list("not", |value| inner(value, known)),
    }
}

/// A table of conditions within another.
fn inner(value: Value<'_>, known: Known<'_>) -> Option<Condition> {
    let at = value.span();
    let key = value.key.clone();
    if !value.is_table() {
        return value.fault(
            format!("`{key}` must be a table of conditions"),
            "not a table",
            Some(format!(
                "{} = {{ method = \"OPTIONS\" }}",
                key.rsplit('.').next().unwrap_or_default()
            )),
        );
    }
    let section = Section::of("rule", value);
    section.refuse_unknown(&["identity"]);
    let conditions = super::keys::of("rule").map(|key| key.name);
    let conditions: Vec<_> = conditions.filter(|name| !OTHERS.contains(name)).collect();
    for (name, span, _) in section.entries() {
        if OTHERS.contains(&name) {
            section.faults.push(
                super::Diagnostic::error(Some(span), format!("`{name}` is no condition"))
                    .label("belongs to the rule"),
            );
        }
    }
    if !section
        .entries()
        .any(|(name, ..)| conditions.contains(&name))
    {
        section.faults.push(
            super::Diagnostic::error(Some(at), format!("`{key}` has no condition"))
                .label("holds always"),
        );
    }
    Some(read(&section, known))
}

fn texts(rule: &Section<'_>, [exact, prefix, pattern]: [&'static str; 3]) -> Vec<TextMatch> {
    let mut texts = rule.list(exact, |value| {
        value.text().map(|text| TextMatch::Exact(text.into()))
    });
    texts.extend(rule.list(prefix, |value| {
        value.text().map(|text| TextMatch::Prefix(text.into()))
    }));
    texts.extend(rule.list(pattern, |value| regex_of(&value).map(TextMatch::Regex)));
    texts
}

fn domains(rule: &Section<'_>, [exact, prefix, pattern]: [&'static str; 3]) -> Vec<DomainMatch> {
    let mut domains = rule.list(exact, |value| domain_name(value).map(DomainMatch::Name));
    domains.extend(rule.list(prefix, |value| {
        let text = value.text()?;
        Some(DomainMatch::Prefix(text.to_ascii_lowercase().into()))
    }));
    domains.extend(rule.list(pattern, |value| {
        let regex = value.parsed("a regular expression", None, |text| {
            // The pattern as it is written is tried first, for its own fault.
            regex(text)?;
            regex(&format!("(?i){text}"))
        });
        regex.map(DomainMatch::Regex)
    }));
    domains
}

fn regex_of(value: &Value<'_>) -> Option<Regex> {
    value.parsed("a regular expression", None, regex)
}

fn domain_name(value: Value<'_>) -> Option<Box<str>> {
    let help = "such as \"example.com\", \"*.example.com\" or \"192.0.2.1\"";
    value.parsed("a host name or an address", Some(help), domain)
}

/// A network or a single address.
pub(super) fn source(value: Value<'_>) -> Option<IpNet> {
    let help = "such as \"192.0.2.0/24\", \"2001:db8::/32\" or \"192.0.2.10\"";
    value.parsed("a network or an address", Some(help), network)
}

fn method(value: Value<'_>) -> Option<Box<str>> {
    let text = value.text()?;
    if !is_token(text) {
        return value.fault(
            format!("`{}` must be a SIP method", value.key),
            "not a method",
            None,
        );
    }
    // Methods are case-sensitive (RFC 3261 §7.1): `invite` would silently match nothing.
    if !METHODS.contains(&text)
        && let Some(close) = closest(text, METHODS)
    {
        let label = "never sent by anyone";
        let help = format!("did you mean \"{close}\"? methods are case-sensitive");
        return value.fault(format!("`{text}` is not a SIP method"), label, Some(help));
    }
    Some(text.into())
}

/// `192.0.2.0/24`, or one address.
pub(super) fn network(text: &str) -> Result<IpNet, String> {
    if let Ok(ip) = text.parse::<std::net::IpAddr>() {
        return Ok(ip.into());
    }
    let net: IpNet = text.parse().map_err(|_| match text.split_once('/') {
        Some((ip, length)) if ip.parse::<std::net::IpAddr>().is_ok() => {
            format!("`{length}` is not a prefix length")
        }
        _ => "not a network".to_owned(),
    })?;
    if net != net.trunc() {
        return Err(format!(
            "bits are set behind the prefix: did you mean {}?",
            net.trunc()
        ));
    }
    Ok(net)
}

/// All listeners of that address: there may be several whose port the system chooses.
fn listeners(text: &str, known: &[Listen]) -> Result<Vec<ListenerId>, String> {
    let first = listen::find(text, known)?;
    let same = |listen: &Listen| {
        (listen.transport, listen.address) == (known[first].transport, known[first].address)
    };
    Ok((0u16..)
        .zip(known)
        .filter(|(_, listen)| same(listen))
        .map(|(id, _)| ListenerId(id))
        .collect())
}

fn regex(text: &str) -> Result<Regex, String> {
    Regex::new(text).map_err(|error| {
        // The last line says what; the lines before draw the pattern again.
        let text = error.to_string();
        text.lines()
            .last()
            .unwrap_or_default()
            .trim_start_matches("error: ")
            .to_owned()
    })
}

fn domain(text: &str) -> Result<Box<str>, String> {
    if text
        .trim_matches(['[', ']'])
        .parse::<std::net::IpAddr>()
        .is_ok()
    {
        return Ok(text.to_ascii_lowercase().into());
    }
    let name = text.strip_prefix("*.").unwrap_or(text);
    listen::host_name(name).map(|_| text.to_ascii_lowercase().into())
}

fn headers(rule: &Section<'_>) -> Vec<HeaderMatch> {
    let Some(table) = rule.value("header") else {
        return Vec::new();
    };
    let wanted = "`header` must be a table such as { \"User-Agent\" = \"prefix:friendly\" }";
    let mut headers = Vec::new();
    for (name, entry) in table.table(wanted).into_iter().flatten() {
        let entry_value = Value {
            key: format!("header.{}", name.get_ref()),
            value: entry,
            faults: rule.faults,
        };
        let name_text: &str = name.get_ref();
        if let Err(fault) = header_name(name_text) {
            rule.faults.push(
                super::Diagnostic::error(
                    Some(name.span()),
                    format!("`{name_text}` is not a header name"),
                )
                .label(fault),
            );
            continue;
        }
        let items: Vec<_> = match entry.get_ref() {
            // Every entry of the list must hold: it reads like several lines of the table.
            DeValue::Array(items) => items
                .iter()
                .map(|value| Value {
                    key: entry_value.key.clone(),
                    value,
                    faults: rule.faults,
                })
                .collect(),
            _ => vec![entry_value],
        };
        headers.extend(items.iter().filter_map(|item| {
            header_match(item).map(|value| HeaderMatch {
                name: name_text.into(),
                value,
            })
        }));
    }
    headers
}

/// RFC 3261 §25.1
fn is_token(text: &str) -> bool {
    let token = |b: u8| b.is_ascii_alphanumeric() || b"-.!%*_+`'~".contains(&b);
    !text.is_empty() && text.bytes().all(token)
}

/// A header name in lower case.
pub(super) fn header_name(text: &str) -> Result<Box<str>, String> {
    if !is_token(text) {
        return Err("letters, digits and hyphens make a name".to_owned());
    }
    Ok(text.to_ascii_lowercase().into())
}

/// `None` in `Some` asks for presence.
fn header_match(value: &Value<'_>) -> Option<Option<TextMatch>> {
    let text = value.text()?;
    if text == "present" {
        return Some(None);
    }
    if let Some(prefix) = text.strip_prefix("prefix:") {
        return Some(Some(TextMatch::Prefix(prefix.into())));
    }
    if let Some(pattern) = text.strip_prefix("re:") {
        let parsed = value.parsed("`re:` and a regular expression", None, |_| regex(pattern))?;
        return Some(Some(TextMatch::Regex(parsed)));
    }
    Some(Some(TextMatch::Exact(text.into())))
}

fn cause(value: Value<'_>) -> Option<FallbackCause> {
    value.choice(&FallbackCause::ALL.map(|cause| (cause.label(), cause)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_single_address_is_a_network_of_one() {
        assert_eq!(network("192.0.2.10").unwrap().to_string(), "192.0.2.10/32");
        assert_eq!(network("192.0.2.0/24").unwrap().to_string(), "192.0.2.0/24");
        assert_eq!(
            network("192.0.2.0/33").unwrap_err(),
            "`33` is not a prefix length"
        );
        assert!(
            network("192.0.2.1/24")
                .unwrap_err()
                .contains("192.0.2.0/24")
        );
        assert_eq!(network("example.com").unwrap_err(), "not a network");
    }

    #[test]
    fn a_pattern_that_does_not_compile_says_why() {
        assert_eq!(regex("^(0800").unwrap_err(), "unclosed group");
    }
}
