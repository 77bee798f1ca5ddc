use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What a table is for. It says which field is the key and what a row must hold.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Found by the longest `prefix` of a number: rate decks, blocks of numbers.
    Prefixes,
    /// Found by the whole `number`: portability, DIDs.
    Numbers,
    /// The gateways of gateway sets, by `set` and `id`.
    Gateways,
    /// Hours and holidays, by `name`.
    Schedules,
    /// Users, by `user`: digest secrets and attributes.
    Users,
    /// Anything, by `key`.
    Kv,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Prefixes,
        Self::Numbers,
        Self::Gateways,
        Self::Schedules,
        Self::Users,
        Self::Kv,
    ];

    /// The name in the API, in configuration and in metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Prefixes => "prefixes",
            Self::Numbers => "numbers",
            Self::Gateways => "gateways",
            Self::Schedules => "schedules",
            Self::Users => "users",
            Self::Kv => "kv",
        }
    }

    /// The fields that make the key of a row, in order; two of them are joined by a slash.
    pub const fn key_fields(self) -> &'static [&'static str] {
        match self {
            Self::Prefixes => &["prefix"],
            Self::Numbers => &["number"],
            Self::Gateways => &["set", "id"],
            Self::Schedules => &["name"],
            Self::Users => &["user"],
            Self::Kv => &["key"],
        }
    }

    /// Whether rows can say where a call goes that a rule looks up.
    pub const fn routes(self) -> bool {
        matches!(self, Self::Prefixes | Self::Numbers)
    }

    /// Whether keys are numbers.
    pub const fn is_numeric(self) -> bool {
        matches!(self, Self::Prefixes | Self::Numbers)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// No table is of this kind.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no kind of table: one of prefixes, numbers, gateways, schedules, users, kv")]
pub struct UnknownKind(String);

impl FromStr for Kind {
    type Err = UnknownKind;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let kind = Self::ALL.into_iter().find(|kind| kind.as_str() == text);
        kind.ok_or_else(|| UnknownKind(text.chars().take(80).collect()))
    }
}
