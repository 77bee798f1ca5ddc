//! The decision a rule carries out: the fields of the contract, written in TOML.
//!
//! The rule's fields become the JSON document they would be on NATS and go through the same parser
//! and the same checks as a decider's answer, so that a rule can say what a decider can, and no
//! more. A refusal's JSON pointer leads back to the line.

use std::ops::Range;

use serde_json::Value as Json;
use sigbox_contracts::{Decision, Invalid, InvalidReason};
use sigbox_core::{GatewaySet, Plan};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::Diagnostic;
use super::reader::Section;
use super::rules::Around;
use super::suggest::{any_of, closest};
use crate::decision::{Parsed, PlanContext, plan_of};

/// The plan of a rule whose action is a gateway set: a route to it, and what else a route decision may say.
pub(super) fn plan_to_gateways(
    rule: &Section<'_>,
    set: &str,
    not_decision: &[&str],
    around: &Around<'_>,
) -> Option<Plan> {
    let mut allowed = document(rule, not_decision)?;
    if let Some(value) = rule.value("routes") {
        return value.fault(
            "`routes` has no place beside `action = \"gateways\"`".to_owned(),
            "the set says where to go",
            Some("write `action = \"route\"`, and `gateways = \"NAME\"` in a route".to_owned()),
        );
    }
    allowed.insert("action".to_owned(), "route".into());
    let routes = serde_json::json!([{ "gateways": set }]);
    allowed.insert("routes".to_owned(), routes);
    carried_out(rule, allowed, around.limits, &around.plans)
}

/// The plan of a rule; `None` when something is wrong with it, which has been reported.
pub(super) fn plan(
    rule: &Section<'_>,
    not_decision: &[&str],
    limits: &sigbox_contracts::Limits,
    context: &PlanContext<'_>,
) -> Option<Plan> {
    let document = document(rule, not_decision)?;
    carried_out(rule, document, limits, context)
}

/// The decision document that the rule writes; `None` when it holds an unknown field, which has been reported.
fn document(rule: &Section<'_>, not_decision: &[&str]) -> Option<serde_json::Map<String, Json>> {
    let schema = sigbox_contracts::schema::decision();
    let mut document = serde_json::Map::new();
    let mut sound = true;
    for (key, span, value) in rule.entries() {
        if not_decision.contains(&key) {
            continue;
        }
        let Some(field) = properties(&schema, &schema).and_then(|fields| fields.get(key)) else {
            sound = false;
            let known = properties(&schema, &schema).into_iter().flatten();
            let names = known
                .map(|(name, _)| name.as_str())
                .chain(not_decision.iter().copied());
            rule.faults.push(unknown(key, span, &rule.shown, names));
            continue;
        };
        sound &= refuse_unknown(rule, &schema, field, value, key);
        document.insert(key.to_owned(), json(value));
    }
    sound.then_some(document)
}

fn carried_out(
    rule: &Section<'_>,
    document: serde_json::Map<String, Json>,
    limits: &sigbox_contracts::Limits,
    context: &PlanContext<'_>,
) -> Option<Plan> {
    let bytes = serde_json::to_vec(&Json::Object(document)).ok()?;
    let parsed = Decision::parse(&bytes, limits).and_then(|decision| plan_of(&decision, context));
    match parsed {
        Ok(Parsed::Final(plan)) => Some(plan),
        Ok(Parsed::Extend(_)) => {
            let at = rule.value("action").map(|value| value.span());
            rule.faults.push(Diagnostic::error(
                at,
                "a rule cannot ask itself for more time",
            ));
            None
        }
        Err(invalid) => {
            let found = refusal(rule, &invalid);
            let unknown_set = invalid.reason == InvalidReason::UnknownGateways;
            let close = text_at(rule, &invalid.pointer)
                .filter(|_| unknown_set)
                .and_then(|set| {
                    closest(set, context.settings.gateways.iter().map(GatewaySet::name))
                });
            rule.faults.push(match close {
                Some(close) => found.help(format!("did you mean `{close}`?")),
                None => found,
            });
            None
        }
    }
}

fn refusal(rule: &Section<'_>, invalid: &Invalid) -> Diagnostic {
    let field = invalid.pointer.trim_start_matches('/').replace('/', ".");
    let message = match field.as_str() {
        "" => format!("this rule is not a valid decision ({})", invalid.reason),
        field => format!("`{field}` is not valid in a decision ({})", invalid.reason),
    };
    Diagnostic::error(place(rule, &invalid.pointer), message).label(&invalid.detail)
}

/// The text that `pointer` leads to.
fn text_at<'a>(rule: &Section<'a>, pointer: &str) -> Option<&'a str> {
    match nearest(rule, pointer)?.get_ref() {
        DeValue::String(text) => Some(text),
        _ => None,
    }
}

/// The place of what `pointer` leads to, or of the nearest thing around it.
fn place(rule: &Section<'_>, pointer: &str) -> Option<Range<usize>> {
    let start = || rule.span.map(|(start, end)| start..end);
    if !pointer.contains('/') {
        return start();
    }
    match nearest(rule, pointer) {
        Some(at) => Some(at.span()),
        None => rule
            .value("action")
            .map(|value| value.span())
            .or_else(start),
    }
}

/// What `pointer` leads to, or the nearest thing around it.
fn nearest<'a>(rule: &Section<'a>, pointer: &str) -> Option<&'a Spanned<DeValue<'a>>> {
    let mut steps = pointer.split('/').skip(1);
    let first = steps.next()?;
    let (_, _, mut at) = rule.entries().find(|(key, ..)| *key == first)?;
    for step in steps {
        let step = step.replace("~1", "/").replace("~0", "~");
        let inner = match at.get_ref() {
            DeValue::Table(table) => table.get(step.as_str()),
            DeValue::Array(items) => step
                .parse::<usize>()
                .ok()
                .and_then(|index| items.get(index)),
            _ => None,
        };
        match inner {
            Some(inner) => at = inner,
            None => break,
        }
    }
    Some(at)
}

/// Deciders may send fields a proxy does not know yet; a configuration file has no such excuse, and
/// a slip would go unnoticed.
fn refuse_unknown(
    rule: &Section<'_>,
    root: &Json,
    field: &Json,
    value: &Spanned<DeValue<'_>>,
    path: &str,
) -> bool {
    match value.get_ref() {
        DeValue::Array(items) => {
            let Some(inner) = branch(root, field).and_then(|field| field.get("items")) else {
                return true;
            };
            let checked = items
                .iter()
                .map(|item| refuse_unknown(rule, root, inner, item, path));
            checked.fold(true, |all, one| all & one)
        }
        DeValue::Table(table) => {
            let Some(known) = properties(root, field) else {
                return true;
            };
            let mut sound = true;
            for (key, inner) in table {
                let name: &str = key.get_ref();
                match known.get(name) {
                    Some(field) => sound &= refuse_unknown(rule, root, field, inner, name),
                    None => {
                        sound = false;
                        let names = known.keys().map(String::as_str);
                        rule.faults.push(unknown(name, key.span(), path, names));
                    }
                }
            }
            sound
        }
        _ => true,
    }
}

fn unknown<'n>(
    key: &str,
    span: Range<usize>,
    within: &str,
    names: impl Iterator<Item = &'n str> + Clone,
) -> Diagnostic {
    let help = match closest(key, names.clone()) {
        Some(close) => format!("did you mean `{close}`?"),
        None => format!("known here: {}", any_of(names)),
    };
    Diagnostic::error(Some(span), format!("unknown key `{key}` in `{within}`"))
        .label("not known")
        .help(help)
}

/// The schema behind references and alternatives that describes an object or a list.
fn branch<'s>(root: &'s Json, field: &'s Json) -> Option<&'s Json> {
    if let Some(name) = field.get("$ref").and_then(Json::as_str) {
        return branch(root, root.pointer(name.strip_prefix('#')?)?);
    }
    if field.get("properties").is_some() || field.get("items").is_some() {
        return Some(field);
    }
    let alternatives = ["anyOf", "oneOf", "allOf"]
        .into_iter()
        .filter_map(|of| field.get(of)?.as_array());
    alternatives
        .flatten()
        .find_map(|alternative| branch(root, alternative))
}

/// The named fields of an object; `None` when it may hold any.
fn properties<'s>(root: &'s Json, field: &'s Json) -> Option<&'s serde_json::Map<String, Json>> {
    branch(root, field)?.get("properties")?.as_object()
}

fn json(value: &Spanned<DeValue<'_>>) -> Json {
    match value.get_ref() {
        DeValue::String(text) => Json::from(&**text),
        DeValue::Integer(number) => match i64::from_str_radix(number.as_str(), number.radix()) {
            Ok(number) => Json::from(number),
            // Refused by every field, with the number shown.
            Err(_) => Json::from(number.as_str().parse::<f64>().unwrap_or(f64::MAX)),
        },
        DeValue::Float(number) => Json::from(number.as_str().parse::<f64>().unwrap_or_default()),
        DeValue::Boolean(value) => Json::from(*value),
        DeValue::Datetime(date) => Json::from(date.to_string()),
        DeValue::Array(items) => items.iter().map(json).collect(),
        DeValue::Table(table) => object(table),
    }
}

fn object(table: &DeTable<'_>) -> Json {
    Json::Object(
        table
            .iter()
            .map(|(key, value)| (key.get_ref().to_string(), json(value)))
            .collect(),
    )
}
