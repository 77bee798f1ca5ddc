//! What goes into the core and what comes out.

use std::net::IpAddr;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use sigbox_wire::Method;
use uuid::Uuid;

use crate::flow::Flow;
use crate::gateways::{GatewayChange, GatewayRef};
use crate::key::{BranchToken, Ticket, Token};
use crate::plan::Plan;
use crate::settings::Settings;

/// Something happened.
#[derive(Debug)]
pub enum Input<'a> {
    /// One SIP message: a datagram, or one framed message of a stream.
    Message {
        /// The way it came.
        flow: Flow,
        /// The received bytes.
        bytes: &'a [u8],
    },
    /// The same, when there is no time for it: a request that would open a transaction is answered with 503 and
    /// Retry-After instead, without one.
    Excess {
        /// The way it came.
        flow: Flow,
        /// The received bytes.
        bytes: &'a [u8],
    },
    /// The final answer to an [`Output::Query`], or why there will be none.
    Decision {
        /// The query's token. A stale one is counted and otherwise ignored.
        token: Token,
        /// The plan, or what failed; a failure leads to the local fallback rules.
        answer: Result<Plan, FallbackCause>,
    },
    /// The decider wants more time; bounded by `Settings`.
    Extend {
        /// The query's token.
        token: Token,
        /// How much longer to wait, from now.
        by: Duration,
    },
    /// The answer to an [`Output::Lookup`]; empty when the name has no address or the lookup
    /// failed.
    Looked {
        /// The lookup's ticket.
        ticket: Ticket,
        /// In order of preference.
        addresses: &'a [IpAddr],
    },
    /// A request could not be handed to the network.
    SendFailed {
        /// The branch that came with the [`Output::Send`].
        branch: BranchToken,
    },
    /// New settings; transactions under way keep the plans they have. The listeners must be the
    /// same.
    Reload(Arc<Settings>),
    /// How far the shard is behind, for limits that follow that.
    Lag(Duration),
    /// The system's clock was set: the Unix time in milliseconds at [`Instant::ZERO`](crate::Instant).
    WallClock {
        /// The new one.
        origin_ms: u64,
    },
    /// Refuse new out-of-dialog requests with 503 and Retry-After from now on.
    Drain,
}

/// Something to do.
#[derive(Debug)]
pub enum Output {
    /// Send one message.
    Send {
        /// The way to send it.
        flow: Flow,
        /// The message, within [`Outputs::bytes`].
        bytes: Range<usize>,
        /// For requests: what to report in [`Input::SendFailed`].
        branch: Option<BranchToken>,
    },
    /// Ask a decider. `Core::suspended(token)` has what to ask about.
    Query {
        /// Names the suspended transaction and the attempt.
        token: Token,
    },
    /// The transaction of a query that is still open is gone (CANCEL, a lost connection); nobody
    /// waits for the answer any more.
    CancelQuery {
        /// The query's token, stale by now.
        token: Token,
        /// The decision's id.
        id: Uuid,
        /// The tenant whose deciders were asked.
        tenant: Arc<str>,
        /// The class asked for.
        class: Class,
        /// Within [`Outputs::bytes`].
        call_id: Range<usize>,
    },
    /// Look up the addresses of a host name.
    Lookup {
        /// Names the branch that waits.
        ticket: Ticket,
        /// The name, within [`Outputs::bytes`].
        name: Range<usize>,
    },
    /// Take nothing from this source any more, for a while.
    Ban {
        /// Who sent what was one too many.
        source: IpAddr,
        /// For how long.
        span: Duration,
        /// The name of the rule or limit.
        reason: Arc<str>,
    },
    /// A decision was made, by a decider or without one.
    Decided(Box<Decided>),
    /// A transaction that was decided here has had its final response.
    Finished(Box<Finished>),
    /// A gateway's state changed.
    Gateway(Box<GatewayChange>),
}

/// Record of one decision. Emitted only when `Settings::records` asks for it, so that the per-call
/// path allocates nothing otherwise.
#[derive(Debug)]
pub struct Decided {
    /// The query's token; `None` when a rule decided before anyone was asked.
    pub token: Option<Token>,
    /// The decision's id.
    pub id: Uuid,
    /// The tenant.
    pub tenant: Arc<str>,
    /// The class.
    pub class: Class,
    /// 1 for the first query of a transaction.
    pub attempt: u8,
    /// What came of it.
    pub outcome: Outcome,
    /// The verb carried out: route, reject, redirect, or none when nothing matched.
    pub action: &'static str,
    /// The local rule that decided, if one did.
    pub rule: Option<Arc<str>>,
    /// From the query to the answer.
    pub took: Duration,
    /// Method, Call-ID and Request-URI, within [`Outputs::bytes`].
    pub method: Range<usize>,
    /// See `method`.
    pub call_id: Range<usize>,
    /// See `method`.
    pub request_uri: Range<usize>,
}

/// Record of one finished transaction.
#[derive(Debug)]
pub struct Finished {
    /// The decision's id.
    pub id: Uuid,
    /// The tenant.
    pub tenant: Arc<str>,
    /// The class.
    pub class: Class,
    /// The final status sent upstream.
    pub status: u16,
    /// From the request's arrival to the final response.
    pub took: Duration,
    /// Within [`Outputs::bytes`].
    pub method: Range<usize>,
    /// Within [`Outputs::bytes`].
    pub call_id: Range<usize>,
    /// What was tried, in order.
    pub branches: Vec<Tried>,
}

/// One branch that was tried.
#[derive(Clone, Debug, PartialEq)]
pub struct Tried {
    /// Its Request-URI.
    pub uri: Box<str>,
    /// Where it was sent, `transport:address`, empty when the name could not be resolved.
    pub target: Box<str>,
    /// Its final status; 408 for a timeout, 0 while it is open or when it was cancelled unanswered.
    pub status: u16,
    /// Its reason phrase.
    pub reason: Box<str>,
    /// From sending to the final response.
    pub took: Duration,
    /// Where it said the callee is, when it answered 3xx and somebody wants to know.
    pub contacts: Box<[Box<str>]>,
    /// The gateway that it was sent to, when a set chose it.
    pub gateway: Option<GatewayRef>,
}

/// How a decision ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// A decider decided.
    Decided,
    /// A local rule decided before anyone was asked.
    Rule,
    /// What a decider had decided before was used again: before anyone was asked, or since nobody
    /// decided, and why.
    Remembered(Option<FallbackCause>),
    /// Nobody decided; the fallback rules did.
    Fallback(FallbackCause),
    /// The caller gave up first.
    Cancelled,
}

/// Why the local fallback rules decide.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FallbackCause {
    /// The budget ran out.
    Timeout,
    /// NATS said that nobody listens.
    NoResponders,
    /// There is no connection to NATS.
    Disconnected,
    /// The query could not be queued without waiting.
    Congested,
    /// The circuit breaker is open.
    CircuitOpen,
    /// The reply is not a valid decision.
    Invalid,
    /// The decider answered with a service error.
    ServiceError,
    /// The limit of suspended transactions is reached.
    Capacity,
    /// The decider passed.
    Pass,
}

impl FallbackCause {
    /// All of them, in the order of [`FallbackCause::index`].
    pub const ALL: [Self; 9] = [
        Self::Timeout,
        Self::NoResponders,
        Self::Disconnected,
        Self::Congested,
        Self::CircuitOpen,
        Self::Invalid,
        Self::ServiceError,
        Self::Capacity,
        Self::Pass,
    ];

    /// The label in metrics, events and configuration.
    pub const fn label(self) -> &'static str {
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
        }
    }

    /// The position in [`FallbackCause::ALL`].
    pub const fn index(self) -> usize {
        self as usize
    }
}

/// What kind of request a query is about; the last token of the query subject.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Class {
    /// INVITE
    Invite,
    /// REGISTER
    Register,
    /// MESSAGE
    Message,
    /// SUBSCRIBE
    Subscribe,
    /// PUBLISH
    Publish,
    /// OPTIONS that is not for the proxy itself
    Options,
    /// REFER
    Refer,
    /// Any other method
    Other,
}

impl Class {
    /// All of them, in the order of declaration.
    pub const ALL: [Self; 8] = [
        Self::Invite,
        Self::Register,
        Self::Message,
        Self::Subscribe,
        Self::Publish,
        Self::Options,
        Self::Refer,
        Self::Other,
    ];

    /// The class a method belongs to.
    pub const fn of(method: Method<'_>) -> Self {
        match method {
            Method::Invite => Self::Invite,
            Method::Register => Self::Register,
            Method::Message => Self::Message,
            Method::Subscribe => Self::Subscribe,
            Method::Publish => Self::Publish,
            Method::Options => Self::Options,
            Method::Refer => Self::Refer,
            _ => Self::Other,
        }
    }

    /// The subject token.
    pub const fn slug(self) -> &'static str {
        match self {
            Self::Invite => "invite",
            Self::Register => "register",
            Self::Message => "message",
            Self::Subscribe => "subscribe",
            Self::Publish => "publish",
            Self::Options => "options",
            Self::Refer => "refer",
            Self::Other => "other",
        }
    }
}

/// What one call into the core wants done, in order. Owned by the caller and drained before the
/// next call, so that nothing is allocated per call once it is warm.
#[derive(Debug, Default)]
pub struct Outputs {
    pub(crate) bytes: Vec<u8>,
    pub(crate) items: Vec<Output>,
}

impl Outputs {
    /// An empty buffer.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the outputs away in order; the bytes they point into stay until [`Outputs::clear`].
    /// Put them back with [`Outputs::recycle`] to reuse the allocation.
    pub fn take(&mut self) -> Vec<Output> {
        std::mem::take(&mut self.items)
    }

    /// Gives an emptied list back after [`Outputs::take`], and forgets the bytes.
    pub fn recycle(&mut self, items: Vec<Output>) {
        if self.items.is_empty() {
            self.items = items;
        }
        self.clear();
    }

    /// The outputs, in order.
    pub fn items(&self) -> &[Output] {
        &self.items
    }

    /// The bytes a range of an output stands for.
    pub fn bytes(&self, range: &Range<usize>) -> &[u8] {
        &self.bytes[range.clone()]
    }

    /// Forgets everything, keeping the allocations unless they are large: thousands of timers
    /// that run out at once are rare.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.bytes.shrink_to(1 << 16);
        self.items.clear();
        self.items.shrink_to(1 << 8);
    }

    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// Appends what `write` writes and says where it is.
    pub(crate) fn text(&mut self, write: impl FnOnce(&mut Vec<u8>)) -> Range<usize> {
        let start = self.bytes.len();
        write(&mut self.bytes);
        start..self.bytes.len()
    }

    pub(crate) fn push(&mut self, output: Output) {
        self.items.push(output);
    }
}
