//! JSON Schema 2020-12 of the documents, generated from the types.

use schemars::JsonSchema;
use schemars::Schema;
use schemars::generate::SchemaSettings;
use schemars::transform::RecursiveTransform;
use serde_json::{Value, json};

use crate::{Data, Decision, Event, Query};

/// Schema of [`Query`].
pub fn query() -> Value {
    of::<Query>("query")
}

/// Schema of [`Decision`]. It describes what to write; what is read besides (field names in any case, `null` for
/// unset, Wazo's wrapper) is not in it.
pub fn decision() -> Value {
    let mut schema = of::<Decision>("decision");
    if let Some(object) = schema.as_object_mut() {
        object.insert("allOf".to_owned(), decision_conditions());
    }
    schema
}

/// Schema of [`Event`].
pub fn event() -> Value {
    of::<Event>("event")
}

/// Schema of [`Data`].
pub fn data() -> Value {
    of::<Data>("data")
}

/// The schemas are identified by name, not by a place: they ship with the contract.
const BASE: &str = "urn:sigbox:schema:v1:";

fn of<T: JsonSchema>(name: &str) -> Value {
    let mut schema = SchemaSettings::draft2020_12()
        .with_transform(RecursiveTransform(without_null))
        .with_transform(RecursiveTransform(unwrapped))
        .into_generator()
        .into_root_schema_for::<T>();
    schema.insert("$id".to_owned(), format!("{BASE}{name}").into());
    schema.to_value()
}

/// Doc comments are wrapped for the source; in a schema a paragraph is one line.
fn unwrapped(schema: &mut Schema) {
    if let Some(Value::String(text)) = schema.get_mut("description") {
        let paragraphs: Vec<String> = text
            .split("\n\n")
            .map(|paragraph| paragraph.replace('\n', " "))
            .collect();
        *text = paragraphs.join("\n\n");
    }
}

/// Writers never send nulls, so an optional field is one that may be absent, not one that may be null.
fn without_null(schema: &mut Schema) {
    if let Some(Value::Array(types)) = schema.get_mut("type") {
        types.retain(|name| name != "null");
        if let [only] = types.as_slice() {
            let only = only.clone();
            schema.insert("type".to_owned(), only);
        }
    }
    if let Some(Value::Array(choices)) = schema.get_mut("anyOf") {
        choices.retain(|choice| choice.get("type") != Some(&json!("null")));
        if let [Value::Object(only)] = choices.as_slice() {
            let only = only.clone();
            schema.remove("anyOf");
            for (keyword, value) in only {
                schema.insert(keyword, value);
            }
        }
    }
}

/// What each action needs, and which fields of others it refuses.
fn decision_conditions() -> Value {
    let actions = [
        (
            "route",
            &["routing", "routes", "failover", "requery"][..],
            route_needs(),
        ),
        (
            "reject",
            &["status", "reason", "headers", "retry_after_ms"],
            json!({
                "required": ["status"],
                "properties": { "status": { "minimum": 400 }, "headers": response_headers() },
            }),
        ),
        (
            "redirect",
            &["status", "reason", "headers", "contacts"],
            json!({
                "required": ["contacts"],
                "properties": {
                    "status": { "maximum": 399 },
                    "headers": response_headers(),
                    "contacts": { "minItems": 1, "maxItems": 32 },
                },
            }),
        ),
        ("pass", &[], json!({})),
        (
            "extend",
            &["extend_ms"],
            json!({ "required": ["extend_ms"] }),
        ),
    ];
    let mut conditions = vec![json!({
        "if": { "not": { "required": ["action"] } },
        "then": route_needs(),
    })];
    for (action, used, needs) in &actions {
        let mut needs = needs.clone();
        let others: Vec<Value> = actions
            .iter()
            .flat_map(|(_, fields, _)| fields.iter())
            .filter(|field| !used.contains(field))
            .collect::<std::collections::BTreeSet<_>>()
            .into_iter()
            .map(|field| json!({ "required": [field] }))
            .collect();
        needs["not"] = json!({ "anyOf": others });
        conditions.push(json!({
            "if": { "properties": { "action": { "const": action } }, "required": ["action"] },
            "then": needs,
        }));
    }
    Value::Array(conditions)
}

fn route_needs() -> Value {
    json!({
        "required": ["routes"],
        "properties": { "routes": { "minItems": 1, "maxItems": 32 } },
    })
}

fn response_headers() -> Value {
    json!({ "properties": { "from": false, "to": false, "remove": false } })
}
