//! `contracts/openapi.yaml` and the routes of the API say the same.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on has failed"
)]

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde_json::Value;
use sigbox::api::ROUTES;

fn contracts() -> PathBuf {
    PathBuf::from(std::env::var_os("CARGO_MANIFEST_DIR").unwrap()).join("../contracts")
}

fn described() -> Value {
    let text = std::fs::read_to_string(contracts().join("openapi.yaml")).unwrap();
    serde_saphyr::from_str(&text).unwrap_or_else(|error| panic!("openapi.yaml: {error}"))
}

#[test]
fn every_route_is_described_with_its_scope_and_no_other() {
    let document = described();
    let mut described = BTreeMap::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for method in ["get", "put", "post", "patch", "delete"] {
            let Some(operation) = item.get(method) else {
                continue;
            };
            // What needs no token is not behind the API's access.
            if operation["security"] == serde_json::json!([]) {
                continue;
            }
            let scope = operation["x-scope"].as_str().unwrap_or_default().to_owned();
            described.insert((path.clone(), method.to_ascii_uppercase()), scope);
        }
    }
    let served: BTreeMap<_, _> = ROUTES
        .iter()
        .map(|route| {
            let key = (route.path.replace("{*", "{"), route.method.to_owned());
            (key, route.scope.label().to_owned())
        })
        .collect();
    assert_eq!(described, served);
}

#[test]
fn operations_have_names_of_their_own_and_what_they_refer_to_is_there() {
    let document = described();
    let mut names = Vec::new();
    let mut references = Vec::new();
    collect(&document, &mut names, &mut references);
    let count = names.len();
    names.sort();
    names.dedup();
    assert_eq!(names.len(), count);
    for reference in references {
        let pointer = reference.strip_prefix('#').unwrap();
        assert!(document.pointer(pointer).is_some(), "{reference}");
    }
}

fn collect(value: &Value, names: &mut Vec<String>, references: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                match (name.as_str(), value.as_str()) {
                    ("operationId", Some(text)) => names.push(text.to_owned()),
                    ("$ref", Some(text)) => references.push(text.to_owned()),
                    _ => collect(value, names, references),
                }
            }
        }
        Value::Array(items) => items
            .iter()
            .for_each(|item| collect(item, names, references)),
        _ => {}
    }
}

/// `openapi.json` is what the proxy serves; UPDATE_SCHEMA=1 writes it anew.
#[test]
fn the_served_document_is_the_described_one() {
    let path = contracts().join("openapi.json");
    let wanted = serde_json::to_string_pretty(&described()).unwrap() + "\n";
    if std::env::var_os("UPDATE_SCHEMA").is_some() {
        std::fs::write(&path, &wanted).unwrap();
    }
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        found == wanted,
        "openapi.json is stale: run the tests once with UPDATE_SCHEMA=1"
    );
}
