//! What the rows of each kind must hold.

use serde_json::Value;
use sigbox_contracts::Slug;

use crate::fault::Code;
use crate::kind::Kind;
use crate::number::Number;
use crate::routing;
use crate::row::Fields;

/// A fault of one field: its pointer, code and detail.
pub(crate) type Wrong = (String, Code, String);

/// Longest text key, in bytes.
const MAX_KEY: usize = 256;

/// The key of a row.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Key {
    Number(Number),
    Text(Box<str>),
}

impl std::fmt::Display for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Number(number) => number.fmt(f),
            Self::Text(text) => text.fmt(f),
        }
    }
}

/// Takes the key out of a row.
pub(crate) fn take_key(kind: Kind, row: &mut Fields) -> Result<Key, Wrong> {
    let mut parts = kind.key_fields().iter();
    let first = parts.next().copied().unwrap_or_default();
    let mut key = take_text(row, first)?;
    if kind.is_numeric() {
        return number_key(first, &key).map(Key::Number);
    }
    slug_where_needed(kind, first, &key)?;
    for part in parts {
        let text = take_text(row, part)?;
        slug_where_needed(kind, part, &text)?;
        key = format!("{key}/{text}");
    }
    Ok(Key::Text(key.into()))
}

/// Reads a key as it stands in a path or in a patch.
pub(crate) fn parse_key(kind: Kind, text: &str) -> Result<Key, Wrong> {
    if kind.is_numeric() {
        return number_key("key", text).map(Key::Number);
    }
    let fields = kind.key_fields();
    let parts: Vec<_> = text.splitn(fields.len(), '/').collect();
    if parts.len() != fields.len() {
        let wanted = fields.join("/");
        return Err((
            "/key".to_owned(),
            Code::BadKey,
            format!("{text:?} is not {wanted}"),
        ));
    }
    for (field, part) in fields.iter().zip(parts) {
        printable(field, part)?;
        slug_where_needed(kind, field, part)?;
    }
    Ok(Key::Text(text.into()))
}

fn number_key(field: &str, text: &str) -> Result<Number, Wrong> {
    Number::parse(text).map_err(|error| {
        (
            format!("/{field}"),
            Code::BadKey,
            format!("{field} {text:?} {error}"),
        )
    })
}

fn take_text(row: &mut Fields, field: &str) -> Result<String, Wrong> {
    let pointer = format!("/{field}");
    let text = match row.remove(field) {
        Some(Value::String(text)) => text,
        // Without quotes in JSON; what is not a whole number is no key.
        Some(Value::Number(number)) if number.is_u64() => number.to_string(),
        None | Some(Value::Null) => {
            return Err((pointer, Code::MissingField, format!("there is no {field}")));
        }
        Some(other) => {
            let detail = format!("{field} must be text, not {other}");
            return Err((pointer, Code::WrongType, detail));
        }
    };
    if text.is_empty() {
        return Err((pointer, Code::MissingField, format!("{field} is empty")));
    }
    printable(field, &text)?;
    Ok(text)
}

fn printable(field: &str, text: &str) -> Result<(), Wrong> {
    let fault = |detail| Err((format!("/{field}"), Code::BadKey, detail));
    if text.is_empty() || text.len() > MAX_KEY {
        return fault(format!(
            "{field} has {} bytes: 1 to {MAX_KEY} may be",
            text.len()
        ));
    }
    if text.chars().any(char::is_control) {
        return fault(format!("{field} {text:?} contains a control character"));
    }
    Ok(())
}

/// Names that metrics use are slugs.
fn slug_where_needed(kind: Kind, field: &str, text: &str) -> Result<(), Wrong> {
    if kind != Kind::Gateways {
        return Ok(());
    }
    Slug::new(text).map(drop).map_err(|error| {
        (
            format!("/{field}"),
            Code::BadKey,
            format!("{field} {text:?} {error}"),
        )
    })
}

/// What a field must be.
enum Must {
    Text,
    Sip,
    Whole,
    Truth,
    Object,
    List,
    /// One text or a list of them.
    Texts,
}

/// Fields with a meaning to sigbox, beside the key; whether they must be there.
fn fields_of(kind: Kind) -> &'static [(&'static str, Must, bool)] {
    match kind {
        Kind::Prefixes | Kind::Numbers => &[
            ("uri", Must::Text, false),
            ("dst_uri", Must::Sip, false),
            ("path", Must::Text, false),
            ("socket", Must::Text, false),
            ("gateways", Must::Text, false),
            ("action", Must::Text, false),
            ("fr_timer", Must::Whole, false),
            ("fr_inv_timer", Must::Whole, false),
            ("routes", Must::List, false),
        ],
        Kind::Gateways => &[
            ("uri", Must::Sip, true),
            ("weight", Must::Whole, false),
            ("priority", Must::Whole, false),
            ("max_calls", Must::Whole, false),
            ("strip", Must::Whole, false),
            ("prefix", Must::Text, false),
            ("socket", Must::Text, false),
            ("enabled", Must::Truth, false),
        ],
        Kind::Users => &[("realm", Must::Text, false), ("ha1", Must::Object, false)],
        Kind::Schedules => &[
            ("time_zone", Must::Text, false),
            ("weekly", Must::Texts, false),
            ("dates", Must::Texts, false),
            ("holidays", Must::Object, false),
            ("exceptions", Must::Texts, false),
        ],
        Kind::Kv => &[],
    }
}

/// The fields that a row of this kind may have and that mean something to sigbox, its key's first. Any other is an
/// attribute, or nothing.
pub fn known_fields(kind: Kind) -> impl Iterator<Item = &'static str> {
    let decision: &[&str] = match kind {
        Kind::Prefixes | Kind::Numbers => &routing::DECISION,
        _ => &[],
    };
    let own = fields_of(kind).iter().map(|(field, ..)| *field);
    let key = kind.key_fields().iter().copied();
    key.chain(own)
        // Some stand in both.
        .chain(
            decision
                .iter()
                .copied()
                .filter(move |field| fields_of(kind).iter().all(|(own, ..)| own != field)),
        )
}

/// Checks what is left of a row without its key.
pub(crate) fn check(kind: Kind, row: &Fields) -> Result<(), Wrong> {
    for (field, must, required) in fields_of(kind) {
        let Some(value) = row.get(*field).filter(|value| !value.is_null()) else {
            if *required {
                let detail = format!("there is no {field}");
                return Err((format!("/{field}"), Code::MissingField, detail));
            }
            continue;
        };
        let (right, wanted) = match must {
            Must::Text => (value.is_string(), "text"),
            Must::Sip => (value.as_str().is_some_and(is_sip), "a sip or sips URI"),
            Must::Whole => (value.is_u64(), "a whole number"),
            Must::Truth => (value.is_boolean(), "true or false"),
            Must::Object => (value.is_object(), "an object"),
            Must::List => (value.is_array(), "a list"),
            Must::Texts => (is_texts(value), "text or a list of texts"),
        };
        if !right {
            let code = match value {
                Value::String(_) => Code::BadValue,
                _ => Code::WrongType,
            };
            return Err((
                format!("/{field}"),
                code,
                format!("{field} must be {wanted}, not {value}"),
            ));
        }
    }
    Ok(())
}

fn is_texts(value: &Value) -> bool {
    let all_texts = |list: &Vec<Value>| list.iter().all(Value::is_string);
    value.is_string() || value.as_array().is_some_and(all_texts)
}

fn is_sip(text: &str) -> bool {
    let scheme = text.split_once(':').map(|(scheme, _)| scheme);
    scheme.is_some_and(|scheme| {
        scheme.eq_ignore_ascii_case("sip") || scheme.eq_ignore_ascii_case("sips")
    })
}

/// What a CSV cell means in the column `name`; `None` when it is empty, which is the same as not there.
pub(crate) fn cell(kind: Kind, name: &str, text: &str) -> Result<Option<Value>, Wrong> {
    if text.is_empty() {
        return Ok(None);
    }
    let must = fields_of(kind).iter().find(|(field, ..)| *field == name);
    let json = || {
        serde_json::from_str(text).map_err(|error| {
            let detail = format!("column {name}: {text:?} is not JSON: {error}");
            (format!("/{name}"), Code::BadValue, detail)
        })
    };
    let bad = |wanted: &str| {
        let detail = format!("column {name}: {text:?} is not {wanted}");
        Err((format!("/{name}"), Code::BadValue, detail))
    };
    Ok(Some(match must.map(|(_, must, _)| must) {
        Some(Must::Whole) => match text.parse::<u64>() {
            Ok(number) => number.into(),
            Err(_) => return bad("a whole number"),
        },
        Some(Must::Truth) => match text {
            "true" | "yes" | "1" => true.into(),
            "false" | "no" | "0" => false.into(),
            _ => return bad("true or false"),
        },
        Some(Must::Object | Must::List) => json()?,
        Some(Must::Texts) if text.starts_with('[') => json()?,
        _ if STRUCTURED.contains(&name) => json()?,
        _ => text.into(),
    }))
}

/// Fields of a decision that are numbers, lists or objects.
const STRUCTURED: [&str; 9] = [
    "failover",
    "requery",
    "status",
    "headers",
    "retry_after_ms",
    "contacts",
    "reasons",
    "cache",
    "group",
];
