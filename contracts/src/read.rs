//! Reading JSON into the types of this crate, with errors that say where.
//!
//! Serde alone is too lenient in one place (a struct may be written as an array) and too vague in others (every
//! number out of range is "invalid value"). The functions here are used with `deserialize_with`.

use std::fmt;
use std::marker::PhantomData;

use serde::de::value::MapAccessDeserializer;
use serde::de::{self, Deserialize, DeserializeOwned, Deserializer, MapAccess};
use serde_json::error::Category;
use serde_path_to_error::{Path, Segment, Track};

use crate::invalid::{Invalid, InvalidReason};

/// The bytes as text.
pub(crate) fn text(bytes: &[u8]) -> Result<&str, Invalid> {
    std::str::from_utf8(bytes).map_err(|error| {
        Invalid::new(
            InvalidReason::NotJson,
            "",
            format!("not UTF-8 after byte {}", error.valid_up_to()),
        )
    })
}

/// One JSON object and nothing after it.
///
/// The first pass goes straight into the type. Only a refused document is read again, to find out where.
pub(crate) fn document<T: DeserializeOwned>(text: &str) -> Result<T, Invalid> {
    let mut json = serde_json::Deserializer::from_str(text);
    if let Ok(value) = object(&mut json)
        && json.end().is_ok()
    {
        return Ok(value);
    }
    let mut json = serde_json::Deserializer::from_str(text);
    let mut track = Track::new();
    match object(serde_path_to_error::Deserializer::new(
        &mut json, &mut track,
    )) {
        Err(error) => Err(classify(&error, &track.path())),
        Ok(value) => match json.end() {
            Err(error) => Err(classify(&error, &track.path())),
            Ok(()) => Ok(value),
        },
    }
}

/// Marks a message of ours inside a `serde_json::Error`, which can carry nothing but text. Serde's own messages
/// never start with it: they quote what was read, after words of their own.
const MARK: char = '\u{1}';

/// A refusal with a reason, from inside a `Deserialize`.
pub(crate) fn refuse<E: de::Error>(reason: InvalidReason, detail: impl fmt::Display) -> E {
    E::custom(format_args!("{MARK}{reason}{MARK}{detail}"))
}

fn classify(error: &serde_json::Error, path: &Path) -> Invalid {
    let message = error.to_string();
    if matches!(
        error.classify(),
        Category::Syntax | Category::Eof | Category::Io
    ) {
        return Invalid::new(InvalidReason::NotJson, "", message);
    }
    let message = message
        .rsplit_once(" at line ")
        .map_or(message.as_str(), |(text, _)| text);
    let mut pointer = pointer(path);
    let named_field = message.split('`').nth(1).unwrap_or_default();
    if let Some(ours) = message.strip_prefix(MARK)
        && let Some((label, detail)) = ours.split_once(MARK)
        && let Some(reason) = InvalidReason::from_label(label)
    {
        Invalid::new(reason, pointer, detail)
    } else if message.starts_with("missing field `") {
        push_token(&mut pointer, named_field);
        Invalid::new(InvalidReason::MissingField, pointer, "is not there")
    } else if message.starts_with("duplicate field `") {
        push_token(&mut pointer, named_field);
        Invalid::new(InvalidReason::DuplicateField, pointer, "is there twice")
    } else {
        Invalid::new(InvalidReason::WrongType, pointer, message)
    }
}

fn pointer(path: &Path) -> String {
    let mut pointer = String::new();
    for segment in path {
        match segment {
            Segment::Seq { index } => push_token(&mut pointer, &index.to_string()),
            Segment::Map { key } => push_token(&mut pointer, key),
            Segment::Enum { .. } | Segment::Unknown => {}
        }
    }
    pointer
}

/// Appends a reference token, escaped as in RFC 6901 §3.
pub(crate) fn push_token(pointer: &mut String, token: &str) {
    pointer.push('/');
    pointer.push_str(&token.replace('~', "~0").replace('/', "~1"));
}

/// A struct that may only be written as a JSON object; serde would take an array as well, field by field.
pub(crate) fn object<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    Object::deserialize(deserializer).map(|Object(value)| value)
}

/// An object, or `null` for the default.
pub(crate) fn object_or_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de> + Default,
{
    Ok(Option::<Object<T>>::deserialize(deserializer)?
        .map_or_else(T::default, |Object(value)| value))
}

/// An object, or `null` for `None`.
pub(crate) fn optional_object<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    Ok(Option::<Object<T>>::deserialize(deserializer)?.map(|Object(value)| value))
}

/// A list of objects, or `null` for none.
pub(crate) fn objects<'de, D, T>(deserializer: D) -> Result<Vec<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    let list = Option::<Vec<Object<T>>>::deserialize(deserializer)?.unwrap_or_default();
    Ok(list.into_iter().map(|Object(value)| value).collect())
}

/// A value, or `null` for the default.
pub(crate) fn or_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de> + Default,
{
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

struct Object<T>(T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>> de::Visitor<'de> for Visitor<T> {
            type Value = Object<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Object<T>, A::Error> {
                T::deserialize(MapAccessDeserializer::new(map)).map(Object)
            }
        }

        deserializer.deserialize_map(Visitor(PhantomData))
    }
}

/// Text; `""` and `null` are the same as leaving the field out, as rtjson has it.
pub(crate) fn text_or_unset<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<String>, D::Error> {
    Ok(Option::<String>::deserialize(deserializer)?.filter(|text| !text.is_empty()))
}

/// A whole number that fits the field; otherwise `bad_number`. `5000.0` is 5000: JSON has one kind of number.
pub(crate) fn whole<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: TryFrom<u64>,
{
    let Some(number) = deserializer.deserialize_any(Whole {
        reason: InvalidReason::BadNumber,
    })?
    else {
        return Ok(None);
    };
    T::try_from(number).map(Some).map_err(|_| {
        refuse(
            InvalidReason::BadNumber,
            format_args!("{number} is too large"),
        )
    })
}

/// A whole number in a field that must be there.
pub(crate) fn required_whole<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: TryFrom<u64>,
{
    whole(deserializer)?.ok_or_else(|| refuse(InvalidReason::MissingField, "is null"))
}

/// A SIP status; what cannot be one is `bad_status`. The range of the field is checked with the whole decision.
pub(crate) fn status<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u16>, D::Error> {
    let Some(number) = deserializer.deserialize_any(Whole {
        reason: InvalidReason::BadStatus,
    })?
    else {
        return Ok(None);
    };
    u16::try_from(number).map(Some).map_err(|_| {
        refuse(
            InvalidReason::BadStatus,
            format_args!("{number} is not a SIP status"),
        )
    })
}

/// Takes a whole number from whatever JSON has there; anything else that is a number is refused for `reason`.
pub(crate) struct Whole {
    pub(crate) reason: InvalidReason,
}

impl Whole {
    /// Integers up to here are exact in a JSON number (RFC 8259 §6).
    const MAX_EXACT: f64 = 9_007_199_254_740_991.0;
}

impl<'de> de::Visitor<'de> for Whole {
    type Value = Option<u64>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a whole number")
    }

    fn visit_unit<E: de::Error>(self) -> Result<Option<u64>, E> {
        Ok(None)
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<Option<u64>, E> {
        Ok(Some(number))
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<Option<u64>, E> {
        u64::try_from(number)
            .map(Some)
            .map_err(|_| refuse(self.reason, format_args!("{number} is negative")))
    }

    fn visit_f64<E: de::Error>(self, number: f64) -> Result<Option<u64>, E> {
        if number.fract() == 0.0 && (0.0..=Self::MAX_EXACT).contains(&number) {
            // Exact: the fraction is zero and the range is that of exact integers.
            Ok(Some(number as u64))
        } else {
            Err(refuse(
                self.reason,
                format_args!("{number} is not a whole number in range"),
            ))
        }
    }
}
