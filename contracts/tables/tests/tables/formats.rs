use sigbox_tables::{Format, Kind, file};

use super::{lines, pushed};

const CSV: &str = "prefix,gateways,fr_timer,rate,note\n4930,de,2000,0.01,\"a, b\"\n+1,us,,0.02,\n";
const NDJSON: &str = "{\"rate\":\"0.02\",\"gateways\":\"us\",\"prefix\":1}\n\n{\"prefix\":\"4930\",\"gateways\":\"de\",\"fr_timer\":2000,\"rate\":\"0.01\",\"note\":\"a, b\",\"gone\":null}\n";

#[test]
fn the_same_rows_are_the_same_table_however_they_are_written() {
    let expected = [
        r#"{"prefix":"1","gateways":"us","rate":"0.02"}"#,
        r#"{"prefix":"4930","fr_timer":2000,"gateways":"de","note":"a, b","rate":"0.01"}"#,
    ];
    let json = format!("[{}]", NDJSON.trim().replace("\n\n", ",\n"));
    let windows = format!("\u{feff}{}", CSV.replace('\n', "\r\n"));
    let semicolons = CSV.replace(',', ";").replace("\"a; b\"", "a, b");
    let mut digests = Vec::new();
    for (format, text) in [
        (Format::Csv, CSV),
        (Format::Csv, &windows),
        (Format::Csv, &semicolons),
        (Format::Ndjson, NDJSON),
        (Format::Json, &json),
    ] {
        let table = pushed(Kind::Prefixes, format, text).unwrap();
        assert_eq!(lines(&table), expected, "{format:?}");
        digests.push(file::digest(&table));
    }
    digests.dedup();
    assert_eq!(digests.len(), 1);
}

#[test]
fn cells_of_fields_with_a_meaning_have_their_type() {
    let csv = "set,id,uri,weight,enabled,city\nde,a,sip:192.0.2.1,10,no,007\n";
    let table = pushed(Kind::Gateways, Format::Csv, csv).unwrap();
    let row =
        r#"{"set":"de","id":"a","city":"007","enabled":false,"uri":"sip:192.0.2.1","weight":10}"#;
    assert_eq!(lines(&table), [row]);
    let csv = "prefix,routes\n49,\"[{\"\"uri\"\":\"\"sip:a@b\"\"}]\"\n";
    let table = pushed(Kind::Prefixes, Format::Csv, csv).unwrap();
    assert_eq!(
        lines(&table),
        [r#"{"prefix":"49","routes":[{"uri":"sip:a@b"}]}"#]
    );
}

#[test]
fn media_types_name_formats() {
    assert_eq!(
        Format::of_media_type("Text/CSV; charset=utf-8"),
        Some(Format::Csv)
    );
    assert_eq!(
        Format::of_media_type("application/x-ndjson"),
        Some(Format::Ndjson)
    );
    assert_eq!(
        Format::of_media_type("application/json"),
        Some(Format::Json)
    );
    assert_eq!(Format::of_media_type("application/xml"), None);
}
