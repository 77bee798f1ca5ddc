//! The golden examples through this SDK: what a handler may answer goes out and comes back the same, what it may not is
//! refused with the reason that the proxy and every other SDK give.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use serde::Deserialize;
use sigbox_decider::contracts::{Limits, query::EVENT};
use sigbox_decider::testing::{Harness, Outcome};
use sigbox_decider::{Answer, Decider, Decision, Query, prelude::*};

#[derive(Deserialize)]
struct Entry {
    file: String,
    kind: String,
    valid: bool,
    layer: String,
    reason: Option<String>,
}

fn entries(kind: &str) -> Result<Vec<(Entry, Vec<u8>)>> {
    let examples =
        Path::new(&std::env::var("CARGO_MANIFEST_DIR")?).join("../../contracts/examples");
    let manifest: Vec<Entry> = serde_json::from_slice(&fs::read(examples.join("manifest.json"))?)?;
    let entries = manifest.into_iter().filter(|entry| entry.kind == kind);
    entries
        .map(|entry| {
            let document = fs::read(examples.join(&entry.file))?;
            Ok((entry, document))
        })
        .collect()
}

#[tokio::test]
async fn a_valid_document_goes_out_as_it_came() -> Result<()> {
    let mut seen = 0;
    for (entry, document) in entries("decision")?
        .into_iter()
        .filter(|(entry, _)| entry.valid)
    {
        let expected = Decision::parse(&document, &Limits::default())?;
        let decider = Decider::new("golden", "1.0.0").on(Class::Invite, move |_| {
            let answer = Answer::parse(&document);
            async { answer }
        });
        let outcome = Harness::new(decider)
            .invite("sip:bob@example.com")
            .outcome()
            .await;
        assert_eq!(outcome, Outcome::Decided(expected), "{}", entry.file);
        seen += 1;
    }
    assert!(seen > 0);
    Ok(())
}

#[tokio::test]
async fn an_invalid_document_is_refused_with_its_reason() -> Result<()> {
    let mut seen = 0;
    for (entry, document) in entries("decision")? {
        // What only the proxy can see (its own addresses, its listeners) passes here.
        if entry.valid || entry.layer != "shape" {
            continue;
        }
        let reason = entry.reason.context("a reason")?;
        let refused = Answer::parse(&document).err().context(entry.file.clone())?;
        assert_eq!(refused.reason.label(), reason, "{}: {refused}", entry.file);

        // A handler that builds the same document without `parse` gets no further.
        if let Ok(decision) = serde_json::from_slice::<Decision>(&document) {
            let decider = Decider::new("golden", "1.0.0").on(Class::Invite, move |_| {
                let decision = decision.clone();
                async { decision }
            });
            match Harness::new(decider)
                .invite("sip:bob@example.com")
                .outcome()
                .await
            {
                Outcome::Error { code: 500, text } => {
                    assert!(
                        text.starts_with("invalid decision: "),
                        "{}: {text}",
                        entry.file
                    );
                }
                // Mended by reading it into the types: a field named twice, an unknown field.
                Outcome::Decided(decision) => {
                    assert_eq!(decision.validate(&Limits::default()), Ok(()))
                }
                other => anyhow::bail!("{}: {other:?}", entry.file),
            }
        }
        seen += 1;
    }
    assert!(seen > 0);
    Ok(())
}

#[tokio::test]
async fn every_query_reaches_its_handler() -> Result<()> {
    for (entry, document) in entries("query")?
        .into_iter()
        .filter(|(entry, _)| entry.valid)
    {
        let query = Query::parse(&document)?;
        assert_eq!(query.event, EVENT, "{}", entry.file);
        let expected = query.clone();
        let decider = Decider::new("golden", "1.0.0").on(query.class, move |call: Call| {
            assert_eq!(*call.query(), expected);
            async { pass() }
        });
        let outcome = Harness::new(decider).query(query).outcome().await;
        assert!(
            matches!(outcome, Outcome::Decided(_)),
            "{}: {outcome:?}",
            entry.file
        );
    }
    Ok(())
}
