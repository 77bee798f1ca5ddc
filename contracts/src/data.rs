//! What the proxy announces about tables, on `<prefix>.v1.data.<table>`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::invalid::Invalid;
use crate::read;

/// Another version of a table counts, at one node. Published without an acknowledgement: a listener can miss one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(title = "Data")]
pub struct Data {
    /// Version of this document.
    pub version: String,
    /// Name of the proxy at which it counts.
    pub node: String,
    /// Name of the table.
    pub table: String,
    /// The version that counts; absent when none does any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub active: Option<u64>,
    /// What is in it: SHA-256 of its rows, in hexadecimal digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    /// How many rows it has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rows: Option<u64>,
    /// The revision of all tables that made it so.
    pub revision: u64,
    /// When, in Unix milliseconds.
    pub at: f64,
}

impl Data {
    /// Reads one as a listener gets it.
    ///
    /// # Errors
    /// [`Invalid`] with `not_json`, `wrong_type` or `missing_field`.
    pub fn parse(bytes: &[u8]) -> Result<Self, Invalid> {
        read::document(read::text(bytes)?)
    }
}
