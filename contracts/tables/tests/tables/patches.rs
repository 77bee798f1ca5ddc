use sigbox_tables::{Builder, Code, Faults, Kind, Limits, Patch, Table, apply, diff};

use super::{lines, prefixes};

fn patched(table: &Table, patch: &str) -> Result<Table, Faults> {
    let mut builder = Builder::new(table.kind(), Limits::default());
    let patch = Patch::read(patch.as_bytes(), &mut builder).unwrap();
    apply(Some(table), patch, &mut builder);
    builder.finish()
}

#[test]
fn rows_are_added_changed_and_removed_and_the_others_stay() {
    let table = prefixes("prefix,rate\n1,a\n49,b\n4930,c\n");
    let patch = concat!(
        "{\"op\":\"upsert\",\"row\":{\"prefix\":\"44\",\"rate\":\"d\"}}\n",
        "{\"op\":\"upsert\",\"key\":\"+49\",\"row\":{\"rate\":\"e\"}}\n",
        "{\"op\":\"delete\",\"key\":\"1\"}\n",
    );
    let new = patched(&table, patch).unwrap();
    assert_eq!(
        lines(&new),
        [
            r#"{"prefix":"44","rate":"d"}"#,
            r#"{"prefix":"49","rate":"e"}"#,
            r#"{"prefix":"4930","rate":"c"}"#,
        ]
    );
    let counts = diff::count(Some(&table), &new);
    assert_eq!((counts.added, counts.removed, counts.changed), (1, 1, 1));
    assert_eq!(diff::count(Some(&new), &new), diff::Counts::default());
    assert_eq!(diff::count(None, &new).added, 3);
}

#[test]
fn a_wrong_operation_refuses_the_whole_patch() {
    let table = prefixes("prefix,rate\n1,a\n");
    let patch = concat!(
        "{\"op\":\"upsert\",\"row\":{\"prefix\":\"44\"}}\n",
        "{\"op\":\"delete\",\"key\":\"5\"}\n",
        "{\"op\":\"remove\",\"key\":\"1\"}\n",
        "{\"op\":\"upsert\",\"key\":\"1\"}\n",
        "{\"op\":\"upsert\",\"key\":\"1\",\"row\":{\"prefix\":\"2\"}}\n",
        "{\"op\":\"delete\",\"key\":\"x\"}\n",
    );
    let refused = patched(&table, patch).unwrap_err();
    let faults: Vec<_> = refused
        .kept
        .iter()
        .map(|fault| (fault.line, fault.code))
        .collect();
    assert_eq!(
        faults,
        [
            (3, Code::Syntax),
            (4, Code::BadOperation),
            (5, Code::BadOperation),
            (6, Code::BadKey),
            (2, Code::BadOperation),
        ]
    );
}

#[test]
fn one_row_can_be_set_by_its_key() {
    let row = serde_json::json!({"uri": "sip:192.0.2.1"});
    let patch = Patch::one(Kind::Gateways, "de/a", row.as_object().cloned()).unwrap();
    let mut builder = Builder::new(Kind::Gateways, Limits::default());
    apply(None, patch, &mut builder);
    let table = builder.finish().unwrap();
    assert_eq!(
        lines(&table),
        [r#"{"set":"de","id":"a","uri":"sip:192.0.2.1"}"#]
    );
    assert!(
        Patch::one(Kind::Gateways, "de", None).is_err(),
        "half a key"
    );
}
