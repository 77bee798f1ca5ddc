//! The golden examples: what every SDK and the proxy must agree on. `manifest.json` says what is expected.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on has failed"
)]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::Value;
use sigbox_contracts::{Decision, Event, InvalidReason, Limits, Query, Route, schema};

#[derive(Deserialize)]
struct Entry {
    file: String,
    kind: String,
    valid: bool,
    layer: String,
    schema: String,
    reason: Option<String>,
    pointer: Option<String>,
    action: Option<String>,
    groups: Option<Vec<Vec<usize>>>,
    note: String,
}

fn examples() -> PathBuf {
    Path::new(&std::env::var("CARGO_MANIFEST_DIR").unwrap()).join("examples")
}

fn manifest() -> Vec<Entry> {
    serde_json::from_slice(&fs::read(examples().join("manifest.json")).unwrap()).unwrap()
}

fn entries(kind: &str) -> Vec<(Entry, Vec<u8>)> {
    let found: Vec<_> = manifest()
        .into_iter()
        .filter(|entry| entry.kind == kind)
        .map(|entry| {
            let bytes = fs::read(examples().join(&entry.file)).unwrap();
            (entry, bytes)
        })
        .collect();
    assert!(!found.is_empty());
    found
}

#[test]
fn every_file_is_in_the_manifest_once() {
    let mut files = BTreeSet::new();
    let mut folders = vec![examples()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if !path.ends_with("manifest.json") {
                files.insert(
                    path.strip_prefix(examples())
                        .unwrap()
                        .to_str()
                        .unwrap()
                        .to_owned(),
                );
            }
        }
    }
    let mut listed = BTreeSet::new();
    for entry in manifest() {
        assert!(
            listed.insert(entry.file.clone()),
            "{} is listed twice",
            entry.file
        );
        assert!(!entry.note.is_empty());
        assert!(["shape", "sip"].contains(&entry.layer.as_str()));
        let label = entry.reason.as_deref();
        assert_eq!(label.is_none(), entry.valid, "{}", entry.file);
        assert!(label.is_none_or(|label| InvalidReason::from_label(label).is_some()));
    }
    assert_eq!(files, listed);
}

#[test]
fn decisions_are_taken_or_refused_as_the_manifest_says_d5() {
    for (entry, bytes) in entries("decision") {
        let file = &entry.file;
        match Decision::parse(&bytes, &Limits::default()) {
            Ok(decision) => {
                assert!(entry.valid || entry.layer == "sip", "{file} is taken");
                if !entry.valid {
                    continue;
                }
                assert_eq!(
                    Some(decision.verb().as_str()),
                    entry.action.as_deref(),
                    "{file}"
                );
                let index =
                    |route: &&Route| decision.routes.iter().position(|r| std::ptr::eq(r, *route));
                let groups: Vec<Vec<usize>> = decision
                    .route_groups()
                    .iter()
                    .map(|group| group.iter().filter_map(index).collect())
                    .collect();
                assert_eq!(groups, entry.groups.unwrap_or_default(), "{file}");
            }
            Err(invalid) => {
                assert_eq!(
                    Some(invalid.reason.label()),
                    entry.reason.as_deref(),
                    "{file}: {invalid}"
                );
                assert_eq!(
                    Some(&invalid.pointer),
                    entry.pointer.as_ref(),
                    "{file}: {invalid}"
                );
                assert_eq!(entry.layer, "shape", "{file}: {invalid}");
            }
        }
    }
}

#[test]
fn every_reason_a_file_can_show_has_one() {
    let shown: BTreeSet<_> = manifest()
        .into_iter()
        .filter_map(|entry| entry.reason)
        .collect();
    for reason in InvalidReason::ALL {
        // A file of 64 kB says nothing that `a_large_reply_is_refused_unread` does not.
        assert_eq!(
            shown.contains(reason.label()),
            *reason != InvalidReason::TooLarge,
            "{reason}"
        );
    }
}

#[test]
fn a_taken_decision_is_the_same_after_a_round_trip() {
    for (entry, bytes) in entries("decision").iter().filter(|(entry, _)| entry.valid) {
        let decision = Decision::parse(bytes, &Limits::default()).unwrap();
        let written = serde_json::to_vec(&decision).unwrap();
        assert_eq!(
            Decision::parse(&written, &Limits::default()).unwrap(),
            decision,
            "{}",
            entry.file
        );
        assert!(
            !String::from_utf8(written).unwrap().contains("null"),
            "{}",
            entry.file
        );
    }
}

#[test]
fn queries_and_events_are_read_and_written_back() {
    for (entry, bytes) in entries("query") {
        let query = Query::parse(&bytes).unwrap_or_else(|error| panic!("{}: {error}", entry.file));
        assert_eq!(
            Query::parse(&serde_json::to_vec(&query).unwrap()).unwrap(),
            query
        );
    }
    for (entry, bytes) in entries("event") {
        let event = Event::parse(&bytes).unwrap_or_else(|error| panic!("{}: {error}", entry.file));
        let document: Value = serde_json::from_slice(&bytes).unwrap();
        assert_eq!(document["event"], event.kind().as_str(), "{}", entry.file);
        assert_eq!(
            Event::parse(&serde_json::to_vec(&event).unwrap()).unwrap(),
            event
        );
    }
}

#[test]
fn the_schemas_say_of_the_examples_what_the_manifest_says() {
    for (kind, schema) in [
        ("query", schema::query()),
        ("decision", schema::decision()),
        ("event", schema::event()),
    ] {
        let validator = jsonschema::draft202012::new(&schema).unwrap();
        for (entry, bytes) in entries(kind) {
            let errors: Vec<String> = match serde_json::from_slice::<Value>(&bytes) {
                Ok(document) => validator
                    .iter_errors(&document)
                    .map(|error| error.to_string())
                    .collect(),
                Err(error) => vec![error.to_string()],
            };
            assert_eq!(
                errors.is_empty(),
                entry.schema == "accepts",
                "{}: {errors:?}",
                entry.file
            );
        }
    }
}

#[test]
fn what_is_written_satisfies_the_schema() {
    let validator = jsonschema::draft202012::new(&schema::decision()).unwrap();
    for (entry, bytes) in entries("decision").iter().filter(|(entry, _)| entry.valid) {
        let decision = Decision::parse(bytes, &Limits::default()).unwrap();
        let document = serde_json::to_value(&decision).unwrap();
        if let Err(error) = validator.validate(&document) {
            panic!("{}: {error}", entry.file);
        }
    }
    let validator = jsonschema::draft202012::new(&schema::query()).unwrap();
    for (entry, bytes) in entries("query") {
        let document = serde_json::to_value(Query::parse(&bytes).unwrap()).unwrap();
        assert!(validator.is_valid(&document), "{}", entry.file);
    }
    let validator = jsonschema::draft202012::new(&schema::event()).unwrap();
    for (entry, bytes) in entries("event") {
        let document = serde_json::to_value(Event::parse(&bytes).unwrap()).unwrap();
        assert!(validator.is_valid(&document), "{}", entry.file);
    }
}
