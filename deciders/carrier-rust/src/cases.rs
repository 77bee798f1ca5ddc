//! The cases that this decider and `carrier-node` have in common.

use serde::Deserialize;
use serde_json::Value;
use sigbox_decider::Tables;
use sigbox_decider::testing::Harness;
use sigbox_tables::Kind;

use crate::decider;
use crate::lcr::Decks;

/// Tables, and what calls come to with them.
#[derive(Deserialize)]
struct Scene {
    scene: String,
    /// By name: the lines of a CSV file, or the name of a file of this folder.
    decks: std::collections::BTreeMap<String, Deck>,
    calls: Vec<Case>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Deck {
    File(String),
    Lines(Vec<String>),
}

#[derive(Deserialize)]
struct Case {
    call: String,
    decision: Value,
}

fn csv(deck: Deck) -> String {
    match deck {
        Deck::Lines(lines) => lines.join("\n"),
        Deck::File(name) => {
            let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
            std::fs::read_to_string(folder.join(name)).unwrap()
        }
    }
}

#[tokio::test]
async fn every_case_is_decided_as_it_stands_there() {
    let scenes: Vec<Scene> = serde_json::from_str(include_str!("../cases.json")).unwrap();
    assert!(scenes.len() > 3);
    for Scene {
        scene,
        decks,
        calls,
    } in scenes
    {
        let tables = Tables::new();
        for (name, deck) in decks {
            tables.set_csv(&name, Kind::Prefixes, &csv(deck)).unwrap();
        }
        let harness = Harness::new(decider(tables, Decks::parse("").unwrap()));
        for Case { call, decision } in calls {
            let decided = harness.invite(&call).await;
            let mut decided = serde_json::to_value(decided).unwrap();
            decided.as_object_mut().unwrap().remove("version");
            assert_eq!(decided, decision, "{scene}: {call}");
        }
    }
}
