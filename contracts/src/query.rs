//! What the proxy asks a decider.

use std::collections::BTreeMap;
use std::net::IpAddr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::invalid::Invalid;
use crate::read;
use crate::subject::Class;

/// The value of [`Query::event`].
pub const EVENT: &str = "sip-routing";

/// A routing query: one SIP request outside a dialog, taken apart, whose transaction is suspended until the answer
/// arrives or the budget is used up.
///
/// `headers`, `body`, `identity`, `bindings` are there only as the proxy is configured. A query is capped
/// (64 kB by default): what did not fit is listed in `cut`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(title = "Query")]
pub struct Query {
    /// Version of this document, `<major>.<minor>`.
    #[schemars(regex(pattern = r"^1\.[0-9]+$"), example = "1.0")]
    pub version: String,
    /// Always `sip-routing`.
    #[schemars(regex(pattern = "^sip-routing$"))]
    pub event: String,
    /// Decision id (UUIDv7), the same in the `Sigbox-Id` header, in events and in the proxy's logs.
    #[schemars(length(min = 1))]
    pub id: String,
    /// Name of the proxy that asks.
    pub node: String,
    /// Tenant, as in the subject.
    #[schemars(regex(pattern = "^[a-z0-9_-]+$"))]
    pub tenant: String,
    /// What is asked about, as in the subject.
    pub class: Class,
    /// How often this transaction has asked, starting at 1. From the second time on, `tried` says what failed.
    #[schemars(range(min = 1))]
    pub attempt: u32,
    /// How long the proxy waits for the answer, in milliseconds from the moment it asked.
    pub budget_ms: u64,
    /// Where the request came from.
    pub source: Endpoint,
    /// The listener of the proxy that received it.
    pub local: Endpoint,
    /// SIP method, for example `INVITE`.
    #[schemars(length(min = 1))]
    pub method: String,
    /// Call-ID.
    pub call_id: String,
    /// Sequence number of CSeq.
    pub cseq: u32,
    /// Max-Forwards as it will be forwarded.
    pub max_forwards: u8,
    /// User-Agent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_agent: Option<String>,
    /// Request-URI: who is wanted.
    pub request_uri: Uri,
    /// From: who says to be calling. Not verified; see `identity`.
    pub from: Address,
    /// To: who was dialled at first.
    pub to: Address,
    /// Contacts, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub contact: Vec<Address>,
    /// Configured headers by lower-case long name, each with its values in order of appearance.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, Vec<String>>,
    /// Message body, when configured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<Body>,
    /// Who the caller was proven to be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity: Option<Identity>,
    /// Registered contacts of the Request-URI, best first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub bindings: Vec<Binding>,
    /// Routes of earlier decisions for this transaction and how they ended.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tried: Vec<Tried>,
    /// Names of the fields (`headers`, `body`, ...) that were left out or shortened to keep the query under its cap.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cut: Vec<String>,
}

impl Query {
    /// Reads a query as a decider gets it.
    ///
    /// # Errors
    /// [`Invalid`] with `not_json`, `wrong_type` or `missing_field`, and a pointer to the value.
    pub fn parse(bytes: &[u8]) -> Result<Self, Invalid> {
        read::document(read::text(bytes)?)
    }
}

/// One end of a transport: address, port and protocol.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Endpoint {
    /// IPv4 or IPv6 address, without brackets.
    pub ip: IpAddr,
    /// Port.
    pub port: u16,
    /// Transport protocol.
    pub transport: Transport,
    /// What TLS told about the peer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<Tls>,
}

/// Transport protocol of a SIP message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Transport {
    /// UDP.
    Udp,
    /// TCP.
    Tcp,
    /// TLS over TCP.
    Tls,
    /// WebSocket (RFC 7118).
    Ws,
    /// WebSocket over TLS.
    Wss,
}

impl Transport {
    /// The name in documents, in `transport=` and in metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Udp => "udp",
            Self::Tcp => "tcp",
            Self::Tls => "tls",
            Self::Ws => "ws",
            Self::Wss => "wss",
        }
    }
}

/// What TLS told about the peer.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Tls {
    /// Subject of the peer's verified certificate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
}

/// A URI: as it was written, and taken apart.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Uri {
    /// The URI as it was written.
    #[schemars(length(min = 1), example = "sip:+4930123@example.com;user=phone")]
    pub text: String,
    /// Scheme in lower case: sip, sips or tel; others can appear in From and To.
    pub scheme: String,
    /// User part with escapes resolved, without a password; for `tel` the number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// Host in lower case; IPv6 without brackets. Absent for `tel`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// Port, when written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// URI parameters, names in lower case; a parameter without a value is `""`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub params: BTreeMap<String, String>,
}

/// A From, To or Contact value.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Address {
    /// Display name, without quotes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub display: Option<String>,
    /// The tag, on From.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tag: Option<String>,
    /// The URI.
    pub uri: Uri,
    /// Header parameters other than the tag, names in lower case; a parameter without a value is `""`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub params: BTreeMap<String, String>,
}

/// A message body.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Body {
    /// Content-Type in lower case, without parameters.
    #[serde(rename = "type")]
    pub content_type: String,
    /// The body as text; bytes that are not UTF-8 are replaced.
    pub text: String,
    /// The text was shortened.
    #[serde(default)]
    pub truncated: bool,
}

/// Who the caller was proven to be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Identity {
    /// User name.
    pub user: String,
    /// Digest realm, or the domain the identity belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub realm: Option<String>,
    /// How it was proven.
    pub how: Proof,
}

/// How an identity was proven.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Proof {
    /// Digest authentication (RFC 8760).
    Digest,
    /// A TLS client certificate.
    Tls,
    /// A keyed header.
    Xkey,
}

/// A registered contact.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Binding {
    /// Contact URI.
    pub uri: String,
    /// Preference, 0 to 1 (RFC 3261 §20.10).
    #[schemars(range(min = 0.0, max = 1.0))]
    pub q: f64,
    /// Time until it expires, in milliseconds.
    pub expires_ms: u64,
}

/// A route of an earlier decision and how it ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Tried {
    /// The Request-URI that was sent.
    pub uri: String,
    /// Where it was sent, when that differs from `uri`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dst_uri: Option<String>,
    /// Final SIP status; 408 when nobody answered.
    #[schemars(range(min = 300, max = 699))]
    pub status: u16,
    /// Reason phrase.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Time from sending to the final status, in milliseconds.
    pub took_ms: u64,
    /// Where it said the callee is, when it answered 3xx and `sip.redirects` is `ask`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub contacts: Vec<String>,
    /// The gateway that it was sent to, when a gateway set chose it: `<set>/<id>`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gateway: Option<String>,
}
