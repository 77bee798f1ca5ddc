use serde_json::{Map, Value};

/// The fields of a row, the key's among them unless it says otherwise.
pub type Fields = Map<String, Value>;

/// Writes `fields` in the one way they are stored in: names sorted, no spaces, no nulls.
pub fn canonical(fields: &Fields, out: &mut Vec<u8>) {
    out.push(b'{');
    members(fields, true, out);
    out.push(b'}');
}

/// The members of an object without its braces; a comma in front of all but the first, or of all.
pub(crate) fn members(fields: &Fields, first: bool, out: &mut Vec<u8>) {
    let mut first = first;
    let mut sorted: Vec<_> = fields
        .iter()
        .filter(|(_, value)| !value.is_null())
        .collect();
    // Sorted already, unless some crate of the build makes maps keep the order of insertion.
    sorted.sort_unstable_by_key(|(name, _)| name.as_str());
    for (name, value) in sorted {
        if !first {
            out.push(b',');
        }
        first = false;
        text(name, out);
        out.push(b':');
        write(value, out);
    }
}

/// A text with its quotes.
pub(crate) fn text(text: &str, out: &mut Vec<u8>) {
    // Writing text into memory does not fail.
    let _ = serde_json::to_writer(out, text);
}

fn write(value: &Value, out: &mut Vec<u8>) {
    match value {
        Value::Object(fields) => canonical(fields, out),
        Value::Array(items) => {
            out.push(b'[');
            for (position, item) in items.iter().enumerate() {
                if position > 0 {
                    out.push(b',');
                }
                write(item, out);
            }
            out.push(b']');
        }
        scalar => {
            let _ = serde_json::to_writer(out, scalar);
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn there_is_one_way_to_write_a_row() {
        let row = json!({"b": [1, {"z": null, "y": 1.5}], "a": "ä\"\n", "n": null});
        let mut out = Vec::new();
        canonical(row.as_object().unwrap(), &mut out);
        assert_eq!(
            String::from_utf8(out).unwrap(),
            r#"{"a":"ä\"\n","b":[1,{"y":1.5}]}"#
        );
    }
}
