//! `asyncapi.yaml` speaks of the same subjects, headers and documents as the code.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on has failed"
)]

use std::fs;
use std::path::Path;

use sigbox_contracts::subject::{EventKind, QUEUE_GROUP};
use sigbox_contracts::{Class, Prefix, Slug, header};

fn asyncapi() -> String {
    let path = Path::new(&std::env::var("CARGO_MANIFEST_DIR").unwrap()).join("asyncapi.yaml");
    fs::read_to_string(path).unwrap()
}

#[test]
fn every_subject_is_described() {
    let text = asyncapi();
    let prefix = Prefix::default();
    let tenant = Slug::new("tenant").unwrap();
    let query = prefix
        .query(&tenant, Class::Invite)
        .replace(".tenant.invite", ".{tenant}.{class}");
    assert!(text.contains(&format!("address: {query}\n")), "{query}");
    for kind in [
        EventKind::Decision,
        EventKind::Cancelled,
        EventKind::Transaction,
        EventKind::Node,
        EventKind::Gateway,
        EventKind::Audit,
    ] {
        let event = prefix.event(kind, &tenant).replace(".tenant", ".{tenant}");
        assert!(text.contains(&format!("address: {event}\n")), "{event}");
    }
    assert!(text.contains("address: sigbox.v1.data.{table}\n"));
    assert!(text.contains("address: sigbox.v1.node.{name}\n"));
    assert!(text.contains(&format!("queue: {QUEUE_GROUP}\n")));
    let classes: Vec<_> = Class::ALL.iter().map(|class| class.as_str()).collect();
    assert!(text.contains(&format!("enum: [{}]", classes.join(", "))));
}

#[test]
fn every_header_is_described() {
    let text = asyncapi();
    for name in [
        header::ID,
        header::ATTEMPT,
        header::BUDGET_MS,
        header::DEADLINE,
        header::MODE,
        header::DECIDER,
        header::TRACEPARENT,
        header::SERVICE_ERROR,
        header::SERVICE_ERROR_CODE,
    ] {
        assert!(text.contains(&format!("          {name}:\n")), "{name}");
    }
    for mode in ["live", "shadow", "canary", "simulate", "replay"] {
        assert_eq!(
            header::Mode::parse(mode).map(header::Mode::as_str),
            Some(mode)
        );
        assert!(text.contains(mode));
    }
}

#[test]
fn every_document_referred_to_is_there() {
    let folder = std::env::var("CARGO_MANIFEST_DIR").unwrap();
    let folder = Path::new(&folder);
    let text = asyncapi();
    let files: Vec<_> = text
        .split("$ref: ./")
        .skip(1)
        .filter_map(|rest| rest.lines().next())
        .collect();
    assert!(files.len() >= 3);
    for file in files {
        assert!(folder.join(file).is_file(), "{file}");
    }
}
