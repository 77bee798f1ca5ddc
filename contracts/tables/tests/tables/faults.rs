use sigbox_tables::{Builder, Code, Faults, Format, Kind, Limits, read};

use super::pushed;

fn faults(kind: Kind, format: Format, text: &str) -> Vec<(u64, String, Code)> {
    let refused = pushed(kind, format, text).unwrap_err();
    assert_eq!(refused.total, refused.kept.len() as u64);
    let kept = refused.kept.into_iter();
    kept.map(|fault| (fault.line, fault.pointer, fault.code))
        .collect()
}

fn fault(line: u64, pointer: &str, code: Code) -> (u64, String, Code) {
    (line, pointer.to_owned(), code)
}

#[test]
fn every_fault_of_a_file_has_its_line_and_column() {
    let csv =
        "prefix,fr_timer,rate\n49,,1\n4x,,1\n,5,1\n50,soon,1\n51,1\n49,,9\n52,,\"\n53,,1\n\"\n";
    assert_eq!(
        faults(Kind::Prefixes, Format::Csv, csv),
        [
            fault(3, "/prefix", Code::BadKey),
            fault(4, "/prefix", Code::MissingField),
            fault(5, "/fr_timer", Code::BadValue),
            fault(6, "", Code::Syntax),
            fault(7, "/prefix", Code::DuplicateKey),
        ]
    );
    let ndjson = "{\"number\":\"1\"}\n\n{\"number\":}\n[1]\n{\"number\":1.5}\n{\"number\":\"2\",\"fr_timer\":\"2\"}\n";
    assert_eq!(
        faults(Kind::Numbers, Format::Ndjson, ndjson),
        [
            fault(3, "", Code::Syntax),
            fault(4, "", Code::Syntax),
            fault(5, "/number", Code::WrongType),
            fault(6, "/fr_timer", Code::BadValue),
        ]
    );
    let json = "[\n {\"key\":\"a\"},\n {\"key\":\"\"},\n {\"key\":\"b\"},\n {\"kex\":1}\n";
    assert_eq!(
        faults(Kind::Kv, Format::Json, json),
        [
            fault(3, "/key", Code::MissingField),
            fault(5, "/key", Code::MissingField),
            fault(6, "", Code::Syntax),
        ]
    );
}

#[test]
fn what_is_not_the_format_says_so() {
    assert_eq!(
        faults(Kind::Kv, Format::Json, "{\"key\":\"a\"}"),
        [fault(1, "", Code::Syntax)]
    );
    assert_eq!(
        faults(Kind::Kv, Format::Json, "[] []"),
        [fault(1, "", Code::Syntax)]
    );
    assert_eq!(
        faults(Kind::Kv, Format::Csv, ""),
        [fault(1, "/key", Code::MissingField)]
    );
    assert_eq!(
        faults(Kind::Kv, Format::Csv, "key,a,a\n"),
        [fault(1, "a", Code::DuplicateField)]
    );
    assert!(
        pushed(Kind::Kv, Format::Ndjson, "").unwrap().is_empty(),
        "an empty table is one"
    );
    assert!(pushed(Kind::Kv, Format::Json, "[]").unwrap().is_empty());
}

#[test]
fn a_sentence_names_the_column_and_what_was_found() {
    let refused = pushed(
        Kind::Prefixes,
        Format::Csv,
        "prefix,dst_uri\n49,mailto:a@b\n",
    )
    .unwrap_err();
    assert_eq!(
        refused.kept[0].detail,
        "dst_uri must be a sip or sips URI, not \"mailto:a@b\""
    );
    let refused = pushed(Kind::Prefixes, Format::Csv, "prefix,a\n49,1\n50,1\n49,1\n").unwrap_err();
    assert_eq!(refused.kept[0].detail, "prefix 49 is on line 2 already");
    let refused = pushed(Kind::Gateways, Format::Csv, "set,id,uri\nDE,a,sip:a\n").unwrap_err();
    assert_eq!(
        refused.kept[0].detail,
        "set \"DE\" contains 'D'; only a-z, 0-9, _ and - may be used"
    );
}

#[test]
fn the_first_hundred_faults_are_kept_and_all_are_counted() {
    let csv: String = std::iter::once("prefix\n")
        .chain(std::iter::repeat_n("x\n", 250))
        .collect();
    let Faults { kept, total } = pushed(Kind::Prefixes, Format::Csv, &csv).unwrap_err();
    assert_eq!((kept.len(), total), (100, 250));
}

#[test]
fn whoever_takes_the_rows_sees_each_distinct_one_once() {
    let mut seen = Vec::new();
    let mut check = |row: &sigbox_tables::Fields| {
        seen.push(row["gateways"].clone());
        match row["gateways"] == "us" {
            true => Err(("/gateways".to_owned(), "no such set".to_owned())),
            false => Ok(()),
        }
    };
    let mut builder = Builder::new(Kind::Prefixes, Limits::default()).checked(&mut check);
    let csv = "prefix,gateways\n1,us\n49,de\n48,de\n1212,us\n";
    read(Format::Csv, csv.as_bytes(), &mut builder).unwrap();
    let refused = builder.finish().unwrap_err();
    assert_eq!(seen, ["us", "de"]);
    let lines: Vec<_> = refused
        .kept
        .iter()
        .map(|fault| (fault.line, fault.code))
        .collect();
    assert_eq!(
        lines,
        [(2, Code::BadRoute), (5, Code::BadRoute)],
        "every row with it"
    );
}

#[test]
fn limits_end_the_reading() {
    let limits = Limits {
        max_rows: 3,
        max_row_bytes: 64,
    };
    for (format, row, rows) in [
        (Format::Csv, "k{}\n", "key\n"),
        (Format::Ndjson, "{\"key\":\"{}\"}\n", ""),
    ] {
        let mut builder = Builder::new(Kind::Kv, limits);
        let text: String = (0..1000)
            .map(|n| row.replace("{}", &n.to_string()))
            .collect();
        read(format, (rows.to_owned() + &text).as_bytes(), &mut builder).unwrap();
        let refused = builder.finish().unwrap_err();
        assert_eq!(
            (refused.total, refused.kept[0].code),
            (1, Code::TooLarge),
            "{format:?}"
        );
    }
    let long = "x".repeat(1 << 20);
    for (format, text) in [
        (Format::Csv, format!("key,v\na,\"{long}\n")),
        (
            Format::Ndjson,
            format!("{{\"key\":\"a\",\"v\":\"{long}\"}}\n{{\"key\":\"b\"}}\n"),
        ),
        (
            Format::Json,
            format!("[{{\"key\":\"a\",\"v\":\"{long}\"}}]"),
        ),
    ] {
        let mut builder = Builder::new(Kind::Kv, limits);
        read(format, text.as_bytes(), &mut builder).unwrap();
        let refused = builder.finish().unwrap_err();
        assert_eq!(
            (refused.total, refused.kept[0].code),
            (1, Code::TooLarge),
            "{format:?}"
        );
    }
}
