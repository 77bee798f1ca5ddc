//! The schemas in the repository are what the types say.
//!
//! `UPDATE_SCHEMA=1 cargo test -p sigbox-contracts` writes them anew.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on has failed"
)]

use std::fs;
use std::path::PathBuf;

use serde_json::Value;
use sigbox_contracts::schema;

fn check(name: &str, generated: &Value) {
    let path = PathBuf::from(std::env::var("CARGO_MANIFEST_DIR").unwrap())
        .join("schema")
        .join(name);
    let mut text = serde_json::to_string_pretty(generated).unwrap();
    text.push('\n');
    if std::env::var_os("UPDATE_SCHEMA").is_some() {
        fs::write(&path, &text).unwrap();
    }
    let stored = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        stored == text,
        "{} is not what the types say; run UPDATE_SCHEMA=1 cargo test -p sigbox-contracts",
        path.display()
    );
    jsonschema::meta::validate(generated).unwrap();
}

#[test]
fn query_schema_is_current() {
    check("query.json", &schema::query());
}

#[test]
fn decision_schema_is_current() {
    check("decision.json", &schema::decision());
}

#[test]
fn event_schema_is_current() {
    check("event.json", &schema::event());
}

#[test]
fn data_schema_is_current() {
    check("data.json", &schema::data());
}
