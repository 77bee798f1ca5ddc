//! Names of the NATS headers on queries and replies. NATS header names are case-sensitive.

/// Decision id (UUIDv7, text form); the same in the query document, in events and in logs.
pub const ID: &str = "Sigbox-Id";

/// How often this transaction has asked, starting at 1.
pub const ATTEMPT: &str = "Sigbox-Attempt";

/// How long the proxy waits from the moment it publishes, in milliseconds.
pub const BUDGET_MS: &str = "Sigbox-Budget-Ms";

/// When the proxy stops waiting, in Unix milliseconds. A decider drops a query whose deadline has passed:
/// NATS clients deliver what was queued during an outage, and nobody waits for those any more.
pub const DEADLINE: &str = "Sigbox-Deadline";

/// Why the query was sent: see [`Mode`].
pub const MODE: &str = "Sigbox-Mode";

/// On replies: `<service name>/<version>` of the decider that answered.
pub const DECIDER: &str = "Sigbox-Decider";

/// W3C trace context of the SIP transaction.
pub const TRACEPARENT: &str = "traceparent";

/// NATS service error text (ADR-32). A reply with [`SERVICE_ERROR_CODE`] is an error and leads to the fallback.
pub const SERVICE_ERROR: &str = "Nats-Service-Error";

/// NATS service error code (ADR-32), for example `503` when a decider is at its concurrency limit.
pub const SERVICE_ERROR_CODE: &str = "Nats-Service-Error-Code";

/// Why a query was sent; the value of [`MODE`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Mode {
    /// A call waits for the answer.
    Live,
    /// A copy: the answer is compared and thrown away.
    Shadow,
    /// A call waits, on a decider under trial.
    Canary,
    /// Somebody asks what would happen; there is no call.
    Simulate,
    /// A recorded query is asked again; there is no call.
    Replay,
}

impl Mode {
    /// The header value.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Shadow => "shadow",
            Self::Canary => "canary",
            Self::Simulate => "simulate",
            Self::Replay => "replay",
        }
    }

    /// Reads a header value; `None` for a mode this version does not know.
    pub fn parse(text: &str) -> Option<Self> {
        [
            Self::Live,
            Self::Shadow,
            Self::Canary,
            Self::Simulate,
            Self::Replay,
        ]
        .into_iter()
        .find(|mode| mode.as_str() == text)
    }
}
