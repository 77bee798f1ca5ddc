//! What the proxy announces. Events are published without an acknowledgement: a listener can miss one.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::invalid::Invalid;
use crate::read;
use crate::subject::{Class, EventKind};

/// A document on `<prefix>.v1.event.<kind>.<tenant>`; the field `event` says which.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(title = "Event")]
#[serde(tag = "event", rename_all = "lowercase")]
#[non_exhaustive]
pub enum Event {
    /// A query was decided, fell back or was withdrawn.
    Decision(Box<DecisionEvent>),
    /// A query was withdrawn because the caller gave up.
    Cancelled(CancelledEvent),
    /// A transaction ended.
    Transaction(TransactionEvent),
    /// A proxy started, drains or stopped.
    Node(NodeEvent),
    /// A gateway's state changed.
    Gateway(Box<GatewayEvent>),
    /// Somebody changed something over the HTTP API, or was refused.
    Audit(Box<AuditEvent>),
}

impl Event {
    /// The kind, for the subject.
    pub const fn kind(&self) -> EventKind {
        match self {
            Self::Decision(_) => EventKind::Decision,
            Self::Cancelled(_) => EventKind::Cancelled,
            Self::Transaction(_) => EventKind::Transaction,
            Self::Node(_) => EventKind::Node,
            Self::Gateway(_) => EventKind::Gateway,
            Self::Audit(_) => EventKind::Audit,
        }
    }

    /// Reads an event as a listener gets it.
    ///
    /// # Errors
    /// [`Invalid`] with `not_json`, `wrong_type` or `missing_field`; `wrong_type` also for a kind of event this
    /// version does not know.
    pub fn parse(bytes: &[u8]) -> Result<Self, Invalid> {
        read::document(read::text(bytes)?)
    }
}

/// How a query ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct DecisionEvent {
    /// Version of this document.
    pub version: String,
    /// Decision id, as in the query.
    pub id: String,
    /// Name of the proxy.
    pub node: String,
    /// Tenant.
    pub tenant: String,
    /// Class of the query.
    pub class: Class,
    /// Call-ID.
    pub call_id: String,
    /// SIP method.
    pub method: String,
    /// Request-URI as it was received.
    pub request_uri: String,
    /// How often the transaction had asked, starting at 1.
    pub attempt: u32,
    /// Who decided.
    pub outcome: Outcome,
    /// What is done: `route`, `reject`, `redirect`, `pass`. Absent when the caller gave up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub action: Option<String>,
    /// Why local rules decided; there when `outcome` is `fallback` or `cached`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<Cause>,
    /// More about the cause: the refusal of an invalid document, the text of a service error, the rule's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// `<service name>/<version>` of the decider that answered, when it says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decider: Option<String>,
    /// The decider's reasons.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reasons: Vec<String>,
    /// Time from asking to the outcome, in milliseconds.
    pub took_ms: f64,
    /// When, in Unix milliseconds.
    pub at: f64,
}

/// Who decided a suspended transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Outcome {
    /// A decider.
    Decided,
    /// Local rules.
    Fallback,
    /// A decider, before: what it had decided for the same key was used again.
    Cached,
    /// Nobody: the caller gave up first.
    Cancelled,
}

impl Outcome {
    /// The name in documents and in metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Decided => "decided",
            Self::Fallback => "fallback",
            Self::Cached => "cached",
            Self::Cancelled => "cancelled",
        }
    }
}

/// Why local rules decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Cause {
    /// Nobody answered within the budget.
    Timeout,
    /// NATS knows no decider for the subject.
    NoResponders,
    /// No connection to NATS, or it was lost while the query was open.
    Disconnected,
    /// The connection to NATS does not take more.
    Congested,
    /// The circuit breaker of the subject is open.
    CircuitOpen,
    /// The answer was refused; see [`crate::InvalidReason`].
    Invalid,
    /// The decider answered with a service error.
    ServiceError,
    /// The cap of suspended transactions is reached.
    Capacity,
    /// The decider left it to local rules.
    Pass,
    /// A rule before the query decided.
    Rule,
}

impl Cause {
    /// Every cause.
    pub const ALL: &[Self] = &[
        Self::Timeout,
        Self::NoResponders,
        Self::Disconnected,
        Self::Congested,
        Self::CircuitOpen,
        Self::Invalid,
        Self::ServiceError,
        Self::Capacity,
        Self::Pass,
        Self::Rule,
    ];

    /// The name in documents and in metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Timeout => "timeout",
            Self::NoResponders => "no_responders",
            Self::Disconnected => "disconnected",
            Self::Congested => "congested",
            Self::CircuitOpen => "circuit_open",
            Self::Invalid => "invalid",
            Self::ServiceError => "service_error",
            Self::Capacity => "capacity",
            Self::Pass => "pass",
            Self::Rule => "rule",
        }
    }
}

/// A query was withdrawn: the caller hung up while it was open. An answer to it has no effect any more.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CancelledEvent {
    /// Version of this document.
    pub version: String,
    /// Decision id, as in the query.
    pub id: String,
    /// Name of the proxy.
    pub node: String,
    /// Tenant.
    pub tenant: String,
    /// Class of the query.
    pub class: Class,
    /// Call-ID.
    pub call_id: String,
    /// When, in Unix milliseconds.
    pub at: f64,
}

/// A transaction ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TransactionEvent {
    /// Version of this document.
    pub version: String,
    /// Decision id of the last query; absent when nobody was asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Name of the proxy.
    pub node: String,
    /// Tenant.
    pub tenant: String,
    /// Call-ID.
    pub call_id: String,
    /// SIP method.
    pub method: String,
    /// Final status sent to the caller.
    #[schemars(range(min = 200, max = 699))]
    pub status: u16,
    /// When, in Unix milliseconds.
    pub at: f64,
    /// The branches, in the order they were started.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub branches: Vec<Branch>,
}

/// One branch of a transaction.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Branch {
    /// Request-URI that was sent.
    pub uri: String,
    /// Where it was sent: `udp:192.0.2.20:5060`.
    pub target: String,
    /// Final status; 408 when nobody answered, 487 when it was cancelled.
    #[schemars(range(min = 200, max = 699))]
    pub status: u16,
    /// Time from sending to the final status, in milliseconds.
    pub took_ms: f64,
    /// The gateway that it was sent to, when a gateway set chose it: `<set>/<id>`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gateway: Option<String>,
}

/// A proxy started, drains or stopped.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct NodeEvent {
    /// Version of this document.
    pub version: String,
    /// Name of the proxy.
    pub node: String,
    /// Tenant.
    pub tenant: String,
    /// What it does now.
    pub state: NodeState,
    /// Version of the proxy software.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub software: Option<String>,
    /// Where it listens: `udp:192.0.2.1:5060`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub listen: Vec<String>,
    /// When, in Unix milliseconds.
    pub at: f64,
}

/// State of a proxy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum NodeState {
    /// Takes calls.
    Started,
    /// Finishes what it has, takes nothing new.
    Draining,
    /// Gone.
    Stopped,
}

/// The state of a gateway of a set changed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct GatewayEvent {
    /// Version of this document.
    pub version: String,
    /// Name of the proxy.
    pub node: String,
    /// Tenant.
    pub tenant: String,
    /// Name of the gateway set.
    pub set: String,
    /// Id of the gateway within the set.
    pub gateway: String,
    /// Its URI.
    pub uri: String,
    /// What it is now.
    pub state: GatewayState,
    /// What it was before.
    pub previous: GatewayState,
    /// Why.
    pub reason: GatewayReason,
    /// The status, when `reason` is `status`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 200, max = 699))]
    pub status: Option<u16>,
    /// Whether a probe showed it, and not a request.
    pub probe: bool,
    /// When, in Unix milliseconds.
    pub at: f64,
}

/// An entry of the audit log of a proxy's HTTP API.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AuditEvent {
    /// Version of this document.
    pub version: String,
    /// Name of the proxy.
    pub node: String,
    /// Tenant.
    pub tenant: String,
    /// The name of the token or client; absent when nobody could be told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// What was asked for.
    pub what: String,
    /// What came of it.
    pub outcome: String,
    /// The table, when it was about one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub table: Option<String>,
    /// The revision of all tables after it, when it changed one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<u64>,
    /// When, in Unix milliseconds.
    pub at: f64,
}

/// Whether a gateway is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum GatewayState {
    /// It is.
    Active,
    /// It is, though it failed last.
    Trying,
    /// It is not: it failed too often in a row.
    Inactive,
    /// It is not: somebody switched it off.
    Disabled,
}

/// Why the state of a gateway changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum GatewayReason {
    /// It answered as it should.
    Answered,
    /// It did not answer in time.
    Timeout,
    /// It answered with a status that counts as a failure.
    Status,
    /// Nothing could be sent to it.
    Unreachable,
    /// Its name has no address.
    Unresolved,
    /// It was left alone long enough to be tried again.
    Recovered,
    /// An operator wanted it so.
    Operator,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_what_is_serialised() {
        for &cause in Cause::ALL {
            assert_eq!(serde_json::to_value(cause).unwrap(), cause.as_str());
        }
        for outcome in [Outcome::Decided, Outcome::Fallback, Outcome::Cancelled] {
            assert_eq!(serde_json::to_value(outcome).unwrap(), outcome.as_str());
        }
    }
}
