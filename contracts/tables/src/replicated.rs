//! Where tables are in JetStream: a key-value bucket with the manifest and what each member has applied, and an object
//! store with the versions, each called by its SHA-256.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sigbox_contracts::Prefix;

/// Key of the [`Manifest`](crate::Manifest).
pub const MANIFEST: &str = "manifest";

/// A member is heard of at least this often, in seconds; one that was not for [`GONE_S`] is gone.
pub const HEARTBEAT_S: u64 = 10;

/// See [`HEARTBEAT_S`].
pub const GONE_S: u64 = 35;

/// Name of both buckets: `sigbox_tables` for the prefix `sigbox`.
pub fn bucket(prefix: &Prefix) -> String {
    format!("{}_tables", prefix.as_str().replace('.', "_"))
}

/// Who applies tables.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// A proxy.
    Node,
    /// A decider.
    Decider,
}

impl Role {
    /// Key of a member whose name is a slug.
    pub fn key(self, name: &str) -> String {
        match self {
            Self::Node => format!("node.{name}"),
            Self::Decider => format!("decider.{name}"),
        }
    }

    /// Whose key it is.
    pub fn of_key(key: &str) -> Option<(Self, &str)> {
        let (role, name) = key.split_once('.')?;
        match role {
            "node" => Some((Self::Node, name)),
            "decider" => Some((Self::Decider, name)),
            _ => None,
        }
    }
}

/// What one member says about itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Applied {
    /// The revision of the manifest it runs with.
    pub revision: u64,
    /// When it said so, Unix milliseconds.
    pub at_ms: u64,
    /// Why it does not run with a newer one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}
