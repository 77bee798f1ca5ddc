use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::value::MapAccessDeserializer;
use serde::de::{self, MapAccess};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::invalid::InvalidReason;
use crate::read::{self, Whole};

/// Final statuses that a `failover` entry stands for: one (`408`) or a class (`"5xx"`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum StatusMatch {
    /// One status, 300 to 699.
    Exact(u16),
    /// A class by its first digit, 3 to 6.
    Class(u16),
}

impl StatusMatch {
    /// Whether `status` is meant.
    pub const fn matches(self, status: u16) -> bool {
        match self {
            Self::Exact(exact) => exact == status,
            Self::Class(digit) => status / 100 == digit,
        }
    }

    /// A status that can be the final one of a failed route.
    pub(crate) fn from_status(status: u64) -> Option<Self> {
        match u16::try_from(status) {
            Ok(status @ 300..700) => Some(Self::Exact(status)),
            _ => None,
        }
    }

    /// A class by its name.
    pub(crate) fn from_class(name: &str) -> Option<Self> {
        match name {
            "3xx" => Some(Self::Class(3)),
            "4xx" => Some(Self::Class(4)),
            "5xx" => Some(Self::Class(5)),
            "6xx" => Some(Self::Class(6)),
            _ => None,
        }
    }
}

impl Serialize for StatusMatch {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Exact(status) => serializer.serialize_u16(*status),
            Self::Class(digit) => serializer.collect_str(&format_args!("{digit}xx")),
        }
    }
}

impl<'de> Deserialize<'de> for StatusMatch {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;

        fn bad<E: de::Error>(found: impl fmt::Display) -> E {
            read::refuse(
                InvalidReason::BadStatus,
                format_args!("{found} is neither a status from 300 to 699 nor \"3xx\" to \"6xx\""),
            )
        }

        impl de::Visitor<'_> for Visitor {
            type Value = StatusMatch;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a status or a class of statuses")
            }

            fn visit_u64<E: de::Error>(self, number: u64) -> Result<StatusMatch, E> {
                StatusMatch::from_status(number).ok_or_else(|| bad(number))
            }

            fn visit_i64<E: de::Error>(self, number: i64) -> Result<StatusMatch, E> {
                Err(bad(number))
            }

            fn visit_f64<E: de::Error>(self, number: f64) -> Result<StatusMatch, E> {
                match (Whole {
                    reason: InvalidReason::BadStatus,
                })
                .visit_f64(number)?
                {
                    Some(whole) => self.visit_u64(whole),
                    None => Err(bad(number)),
                }
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<StatusMatch, E> {
                StatusMatch::from_class(text).ok_or_else(|| bad(format_args!("{text:?}")))
            }
        }

        deserializer.deserialize_any(Visitor)
    }
}

impl JsonSchema for StatusMatch {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "StatusMatch".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A final status (`408`) or a class of them (`\"5xx\"`).",
            "anyOf": [
                { "type": "integer", "minimum": 300, "maximum": 699 },
                { "type": "string", "enum": ["3xx", "4xx", "5xx", "6xx"] },
            ],
            "examples": [408, "5xx"],
        })
    }
}

/// When to try again, in milliseconds: a time, or a range to draw one from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RetryAfter {
    /// This long.
    Fixed(u64),
    /// At least `min`, at most `max`.
    Range {
        /// Shortest, in milliseconds.
        min: u64,
        /// Longest, in milliseconds.
        max: u64,
    },
}

impl RetryAfter {
    /// Shortest and longest time, in milliseconds.
    pub const fn bounds(self) -> (u64, u64) {
        match self {
            Self::Fixed(ms) => (ms, ms),
            Self::Range { min, max } => (min, max),
        }
    }
}

/// The object form.
#[derive(Serialize, Deserialize)]
struct Range {
    #[serde(default, deserialize_with = "read::whole")]
    min: Option<u64>,
    #[serde(default, deserialize_with = "read::whole")]
    max: Option<u64>,
}

impl Serialize for RetryAfter {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match *self {
            Self::Fixed(ms) => serializer.serialize_u64(ms),
            Self::Range { min, max } => Range {
                min: Some(min),
                max: Some(max),
            }
            .serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for RetryAfter {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;

        impl Visitor {
            fn fixed<E: de::Error>(number: Option<u64>) -> Result<RetryAfter, E> {
                number
                    .map(RetryAfter::Fixed)
                    .ok_or_else(|| E::custom("expected a number"))
            }
        }

        impl<'de> de::Visitor<'de> for Visitor {
            type Value = RetryAfter;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number of milliseconds or {\"min\": …, \"max\": …}")
            }

            fn visit_u64<E: de::Error>(self, number: u64) -> Result<RetryAfter, E> {
                Ok(RetryAfter::Fixed(number))
            }

            fn visit_i64<E: de::Error>(self, number: i64) -> Result<RetryAfter, E> {
                Self::fixed(
                    Whole {
                        reason: InvalidReason::BadNumber,
                    }
                    .visit_i64(number)?,
                )
            }

            fn visit_f64<E: de::Error>(self, number: f64) -> Result<RetryAfter, E> {
                Self::fixed(
                    Whole {
                        reason: InvalidReason::BadNumber,
                    }
                    .visit_f64(number)?,
                )
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<RetryAfter, A::Error> {
                let range = Range::deserialize(MapAccessDeserializer::new(map))?;
                match (range.min, range.max) {
                    (Some(min), Some(max)) => Ok(RetryAfter::Range { min, max }),
                    _ => Err(read::refuse(
                        InvalidReason::MissingField,
                        "a range has both min and max",
                    )),
                }
            }
        }

        deserializer.deserialize_any(Visitor)
    }
}

impl JsonSchema for RetryAfter {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "RetryAfter".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "When to try again, in milliseconds: a time, or a range to draw one from.",
            "anyOf": [
                { "type": "integer", "minimum": 1, "maximum": 86_400_000 },
                {
                    "type": "object",
                    "properties": {
                        "min": { "type": "integer", "minimum": 1, "maximum": 86_400_000 },
                        "max": { "type": "integer", "minimum": 1, "maximum": 86_400_000 },
                    },
                    "required": ["min", "max"],
                },
            ],
            "examples": [30_000, { "min": 30_000, "max": 90_000 }],
        })
    }
}
