use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::NO_CONTROLS;
use crate::read;

/// Changes to the headers of a branch or of a response.
///
/// Via, Route, Record-Route, Call-ID, CSeq, Content-Length, Max-Forwards, Max-Breadth, From and To cannot be written through
/// `set`, `remove` and `extra`, whatever the case or compact form of their name.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct HeaderEdits {
    /// Changes display name and URI of From; the tag stays. Restored in responses and in-dialog requests.
    #[serde(
        deserialize_with = "read::optional_object",
        skip_serializing_if = "Option::is_none"
    )]
    pub from: Option<NameAddr>,
    /// Changes display name and URI of To; the tag stays.
    #[serde(
        deserialize_with = "read::optional_object",
        skip_serializing_if = "Option::is_none"
    )]
    pub to: Option<NameAddr>,
    /// Complete header lines to add, each `Name: value\r\n`; the last `\r\n` may be missing.
    #[schemars(regex(pattern = EXTRA), example = "X-Carrier: a\r\nX-Trunk: 7\r\n")]
    #[serde(
        deserialize_with = "read::text_or_unset",
        skip_serializing_if = "Option::is_none"
    )]
    pub extra: Option<String>,
    /// Headers to write, by name: every header of that name is replaced by one with this value.
    #[schemars(extend("propertyNames" = { "pattern": TOKEN }, "additionalProperties" = { "type": "string", "pattern": NO_CONTROLS }))]
    #[serde(
        deserialize_with = "read::or_default",
        skip_serializing_if = "BTreeMap::is_empty"
    )]
    pub set: BTreeMap<String, String>,
    /// Headers to take out, by name.
    #[schemars(inner(regex(pattern = TOKEN)))]
    #[serde(
        deserialize_with = "read::or_default",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub remove: Vec<String>,
}

impl HeaderEdits {
    /// Nothing to change.
    pub fn is_empty(&self) -> bool {
        let Self {
            from,
            to,
            extra,
            set,
            remove,
        } = self;
        from.is_none() && to.is_none() && extra.is_none() && set.is_empty() && remove.is_empty()
    }
}

/// A header name: a token (RFC 3261 §25.1).
const TOKEN: &str = "^[A-Za-z0-9.!%*_+`'~-]+$";

/// Header lines, without folding.
const EXTRA: &str = "^([A-Za-z0-9.!%*_+`'~-]+[ \\t]*:[^\\u0000-\\u0008\\u000a-\\u001f\\u007f]*\\r\\n)*([A-Za-z0-9.!%*_+`'~-]+[ \\t]*:[^\\u0000-\\u0008\\u000a-\\u001f\\u007f]*)?$";

/// Display name and URI of From or To.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct NameAddr {
    /// Display name, without quotes; the proxy quotes it. `""` removes the name, absent keeps it.
    #[schemars(regex(pattern = NO_CONTROLS))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub display: Option<String>,
    /// URI (sip, sips or tel). Absent or `""` keeps it.
    #[schemars(regex(pattern = super::route::URI))]
    #[serde(
        deserialize_with = "read::text_or_unset",
        skip_serializing_if = "Option::is_none"
    )]
    pub uri: Option<String>,
}
