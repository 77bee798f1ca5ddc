use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};

use super::{HeaderEdits, NO_CONTROLS};
use crate::invalid::InvalidReason;
use crate::read;

/// One branch of a call. An empty `uri`, `dst_uri`, `path`, `socket` or `gateways` is the same as none.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Route {
    /// Request-URI of this branch (sip, sips or tel). Absent keeps the one of the request.
    #[schemars(regex(pattern = URI), example = "sip:+4930123@gw1.example.net")]
    #[serde(
        deserialize_with = "read::text_or_unset",
        skip_serializing_if = "Option::is_none"
    )]
    pub uri: Option<String>,
    /// Next hop (sip or sips). Absent sends to the Request-URI.
    #[schemars(regex(pattern = NEXT_HOP), example = "sip:192.0.2.20:5060;transport=tcp")]
    #[serde(
        deserialize_with = "read::text_or_unset",
        skip_serializing_if = "Option::is_none"
    )]
    pub dst_uri: Option<String>,
    /// Route set put before the request's own, as a list of name-addr.
    #[schemars(regex(pattern = NO_CONTROLS), example = "<sip:edge.example.net;lr>")]
    #[serde(
        deserialize_with = "read::text_or_unset",
        skip_serializing_if = "Option::is_none"
    )]
    pub path: Option<String>,
    /// Listener of the proxy to send from, `<transport>:<address>:<port>`. Absent lets the proxy choose.
    #[schemars(regex(pattern = NO_CONTROLS), example = "udp:192.0.2.1:5060")]
    #[serde(
        deserialize_with = "read::text_or_unset",
        skip_serializing_if = "Option::is_none"
    )]
    pub socket: Option<String>,
    /// Changes to the headers of this branch only.
    #[serde(
        deserialize_with = "read::object_or_default",
        skip_serializing_if = "HeaderEdits::is_empty"
    )]
    pub headers: HeaderEdits,
    /// Flags of the branch, as a bit mask; shown in events and metrics.
    #[serde(
        deserialize_with = "read::whole",
        skip_serializing_if = "Option::is_none"
    )]
    pub branch_flags: Option<u32>,
    /// How long to wait for a first response, in milliseconds. Absent is the proxy's setting.
    #[schemars(range(min = 1, max = 600_000), example = 5_000)]
    #[serde(
        deserialize_with = "read::whole",
        skip_serializing_if = "Option::is_none"
    )]
    pub fr_timer: Option<u64>,
    /// How long to wait for a final response to an INVITE, in milliseconds. Absent is the proxy's setting.
    #[schemars(range(min = 1, max = 600_000), example = 30_000)]
    #[serde(
        deserialize_with = "read::whole",
        skip_serializing_if = "Option::is_none"
    )]
    pub fr_inv_timer: Option<u64>,
    /// Routes with the same number are tried at once, lower numbers first. All routes of a decision have one, or
    /// none has.
    #[serde(
        deserialize_with = "read::whole",
        skip_serializing_if = "Option::is_none"
    )]
    pub group: Option<u16>,
    /// Name of a gateway set of the proxy, which chooses the next hop in the place of `dst_uri`: its gateways are
    /// tried one after the other, or all at once, as the set says.
    #[schemars(regex(pattern = "^([a-z0-9_-]{1,63})?$"), example = "carriers-de")]
    #[serde(
        deserialize_with = "read::text_or_unset",
        skip_serializing_if = "Option::is_none"
    )]
    pub gateways: Option<String>,
}

/// As strict as a pattern can be without becoming a parser: scheme, and no character that ends a URI.
pub(super) const URI: &str = r#"^(([sS][iI][pP][sS]?|[tT][eE][lL]):[!#-;=?-\[\]-~]+)?$"#;

const NEXT_HOP: &str = r#"^([sS][iI][pP][sS]?:[!#-;=?-\[\]-~]+)?$"#;

const CONTACT: &str = r#"^([sS][iI][pP][sS]?|[tT][eE][lL]):[!#-;=?-\[\]-~]+$"#;

/// Whether routes are tried one after the other or at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Routing {
    /// One after the other.
    Serial,
    /// All at once; the first 2xx wins and the others are cancelled.
    Parallel,
}

impl Routing {
    /// The routing with this name.
    pub(crate) fn from_name(name: &str) -> Option<Self> {
        match name {
            "serial" => Some(Self::Serial),
            "parallel" => Some(Self::Parallel),
            _ => None,
        }
    }
}

impl<'de> Deserialize<'de> for Routing {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        Self::from_name(&name).ok_or_else(|| {
            read::refuse(
                InvalidReason::UnknownRouting,
                format_args!("{name:?} is neither serial nor parallel"),
            )
        })
    }
}

/// One target of a redirect.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Contact {
    /// Where to go (sip, sips or tel).
    #[schemars(regex(pattern = CONTACT), example = "sip:bob@voicemail.example.net")]
    #[serde(deserialize_with = "read::or_default")]
    pub uri: String,
    /// Preference, 0 to 1 with at most three digits after the point (RFC 3261 §20.10).
    #[schemars(range(min = 0.0, max = 1.0))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub q: Option<f64>,
    /// How long the redirect holds, in seconds as in the Contact header.
    #[serde(
        default,
        deserialize_with = "read::whole",
        skip_serializing_if = "Option::is_none"
    )]
    pub expires: Option<u32>,
}
