use std::collections::BTreeMap;

use proptest::prelude::*;
use sigbox_tables::{Builder, Kind, Limits};

use super::{prefixes, pushed};

#[test]
fn the_longest_prefix_is_found_and_its_runners_up_follow() {
    let table = prefixes("prefix,rate\n49,1\n4930,2\n493012,3\n1,4\n");
    let keys = |number: &str| -> Vec<_> {
        table
            .prefixes_of(number)
            .map(|row| row.key().into_owned())
            .collect()
    };
    assert_eq!(keys("+49301234"), ["493012", "4930", "49"]);
    assert_eq!(keys("4930"), ["4930", "49"]);
    assert_eq!(keys("4931;phone-context=x"), ["49"]);
    assert_eq!(keys("4"), [""; 0]);
    assert_eq!(keys("alice"), [""; 0]);
    let row = table.longest_prefix("493099").unwrap();
    assert_eq!(row.value(), br#"{"rate":"2"}"#);
}

#[test]
fn a_number_is_found_as_a_whole_or_not_at_all() {
    let csv = "number,carrier\n4930123,a\n+4930124,b\n";
    let table = pushed(Kind::Numbers, sigbox_tables::Format::Csv, csv).unwrap();
    assert_eq!(
        table.get("+4930123").unwrap().value(),
        br#"{"carrier":"a"}"#
    );
    assert_eq!(table.get("4930124").unwrap().key(), "4930124");
    for unknown in ["493012", "49301234", "4930123x", "", "12345678901234567"] {
        assert!(table.get(unknown).is_none(), "{unknown}");
    }
}

#[test]
fn texts_are_found_as_they_are_written() {
    let json = r#"[{"key":"b","x":1},{"key":"a/b","x":2},{"key":"ä"}]"#;
    let table = pushed(Kind::Kv, sigbox_tables::Format::Json, json).unwrap();
    assert_eq!(table.get("a/b").unwrap().value(), br#"{"x":2}"#);
    assert_eq!(table.get("ä").unwrap().value(), b"{}");
    assert!(table.get("B").is_none());
    let after: Vec<_> = table
        .rows_after("a/b")
        .map(|row| row.key().into_owned())
        .collect();
    assert_eq!(after, ["b", "ä"]);
}

#[test]
fn a_value_many_rows_share_is_stored_once() {
    let mut builder = Builder::new(Kind::Numbers, Limits::default());
    for number in 0..10_000 {
        let row = serde_json::json!({"number": format!("49{number:07}"), "carrier": number % 3});
        builder.push(number, row.as_object().unwrap().clone());
    }
    let table = builder.finish().unwrap();
    assert_eq!(table.distinct_values().len(), 3);
    assert!(table.bytes() < 13 * 10_000, "{} bytes", table.bytes());
}

proptest! {
    #[test]
    fn the_index_finds_what_a_scan_finds(
        rows in prop::collection::btree_map("[0-3]{1,6}", 0_u8..4, 0..60),
        asked in prop::collection::vec("[0-3]{0,8}", 1..20),
    ) {
        let csv: String = std::iter::once("prefix,value\n".to_owned())
            .chain(rows.iter().map(|(prefix, value)| format!("{prefix},{value}\n")))
            .collect();
        let table = prefixes(&csv);
        for number in asked {
            let mut scan: Vec<&str> = rows.keys().map(String::as_str)
                .filter(|prefix| number.starts_with(prefix)).collect();
            scan.sort_by_key(|prefix| std::cmp::Reverse(prefix.len()));
            let found: Vec<_> = table.prefixes_of(&number).map(|row| row.key().into_owned()).collect();
            prop_assert_eq!(&found, &scan);
            let exact = table.get(&number).map(|row| row.value().to_vec());
            let expected = rows.get(&number).map(|value| format!(r#"{{"value":"{value}"}}"#).into_bytes());
            prop_assert_eq!(exact, expected);
        }
        let kept: BTreeMap<_, _> = table.rows().map(|row| (row.key().into_owned(), row.value().to_vec())).collect();
        prop_assert_eq!(kept.len(), rows.len());
    }
}
