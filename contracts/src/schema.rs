//! JSON Schema 2020-12 of the documents, generated from the types.

use schemars::JsonSchema;
use schemars::Schema;
use schemars::generate::SchemaSettings;
use schemars::transform::RecursiveTransform;
use serde_json::{Value, json};

use crate::{Decision, Event, Query};

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

/// The schemas are identified by name, not by a place: they ship with the contract.
const BASE: &str = "urn:sigbox:schema:v1:";

fn of<T: JsonSchema>(name: &str) -> Value {
    let mut schema = SchemaSettings::draft2020_12()
        .with_transform(RecursiveTransform(without_null))
        .into_generator()
        .into_root_schema_for::<T>();
    schema.insert("$id".to_owned(), format!("{BASE}{name}").into());
    schema.to_value()
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

/// What each action needs and refuses.
fn decision_conditions() -> Value {
    let absent = |fields: &[&str]| json!({ "not": { "anyOf": fields.iter().map(|field| json!({ "required": [field] })).collect::<Vec<_>>() } });
    let when = |action: &str, then: Value| json!({ "if": { "properties": { "action": { "const": action } }, "required": ["action"] }, "then": then });
    json!([
        {
            "if": { "not": { "properties": { "action": { "enum": ["reject", "redirect", "pass", "extend"] } }, "required": ["action"] } },
            "then": { "required": ["routes"], "properties": { "routes": { "minItems": 1, "maxItems": 32 } } }
        },
        when("reject", json!({ "required": ["status"], "properties": { "status": { "minimum": 400 } } })),
        when("redirect", json!({
            "required": ["contacts"],
            "properties": { "status": { "maximum": 399 }, "contacts": { "minItems": 1, "maxItems": 32 } }
        })),
        when("extend", json!({ "required": ["extend_ms"] })),
        when("pass", absent(&["routes", "status", "contacts", "extend_ms"])),
    ])
}
