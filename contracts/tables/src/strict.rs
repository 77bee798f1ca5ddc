//! JSON objects in which no name stands twice, at any depth. RFC 8259 §4 leaves open what a name that stands twice means,
//! and programs differ: a row of a rate deck must not mean two things.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

use crate::fault::Code;
use crate::row::Fields;

/// How the sentence about a name ends that stands twice.
const TWICE: &str = "is there twice";

/// What is wrong with a text, in a code and a sentence with the column.
pub(crate) fn fault(error: &serde_json::Error) -> (Code, String) {
    let text = error.to_string();
    // "… at line 1 column 5": of a text that is one line of the file.
    let what = text.split(" at line ").next().unwrap_or(&text);
    let code = match what.ends_with(TWICE) {
        true => Code::DuplicateField,
        false => Code::Syntax,
    };
    (code, format!("column {}: {what}", error.column()))
}

/// The fields of a row; a name that stands twice is an error.
#[derive(Clone, Debug)]
pub struct StrictFields(pub Fields);

impl<'de> Deserialize<'de> for StrictFields {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        match StrictValue::deserialize(from)?.0 {
            Value::Object(fields) => Ok(Self(fields)),
            _ => Err(D::Error::custom("a row is an object")),
        }
    }
}

struct StrictValue(Value);

impl<'de> Deserialize<'de> for StrictValue {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(Any).map(Self)
    }
}

struct Any;

impl<'de> Visitor<'de> for Any {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Number::from_f64(value).map_or(Value::Null, Value::Number))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut array = Vec::new();
        while let Some(StrictValue(item)) = items.next_element()? {
            array.push(item);
        }
        Ok(Value::Array(array))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let mut fields = Map::new();
        while let Some(name) = members.next_key::<String>()? {
            if fields.contains_key(&name) {
                return Err(A::Error::custom(format!("field {name:?} {TWICE}")));
            }
            let StrictValue(value) = members.next_value()?;
            fields.insert(name, value);
        }
        Ok(Value::Object(fields))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_is_read_as_serde_json_reads_it() {
        let text = r#"{"a": [1, -2, 1.5, 1e300, true, null, "ä\n", {}], "18446744073709551615": 18446744073709551615}"#;
        let StrictFields(fields) = serde_json::from_str(text).unwrap();
        assert_eq!(
            Value::Object(fields),
            serde_json::from_str::<Value>(text).unwrap()
        );
    }

    #[test]
    fn a_name_that_stands_twice_is_refused_wherever_it_is() {
        for (text, detail) in [
            (
                r#"{"rate": 1, "rate": 1}"#,
                r#"column 18: field "rate" is there twice"#,
            ),
            (
                r#"{"routes": [{"uri": "sip:a", "\u0075ri": "sip:b"}]}"#,
                r#"column 39: field "uri" is there twice"#,
            ),
        ] {
            let error = serde_json::from_str::<StrictFields>(text).unwrap_err();
            assert_eq!(fault(&error), (Code::DuplicateField, detail.to_owned()));
        }
        let error = serde_json::from_str::<StrictFields>("{\"a\" 1}").unwrap_err();
        assert_eq!(
            fault(&error),
            (Code::Syntax, "column 6: expected `:`".to_owned())
        );
        let error = serde_json::from_str::<StrictFields>("[]").unwrap_err();
        assert!(fault(&error).1.contains("a row is an object"));
    }
}
