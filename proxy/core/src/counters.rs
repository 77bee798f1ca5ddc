//! What the core counts: one flat array of numbers that another thread may read at any time.

use std::sync::atomic::{AtomicU64, Ordering};

macro_rules! counters {
    ($($(#[$doc:meta])* $variant:ident = $family:literal $([$label:literal = $value:literal])?),+ $(,)?) => {
        /// One number. Names follow Prometheus; a family is one metric and its label values.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[allow(missing_docs, reason = "the metric name and label beside each say what it counts")]
        pub enum Counter { $($(#[$doc])* $variant),+ }

        impl Counter {
            /// All of them, families together.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The metric's name without the `sigbox_` prefix and the `_total` suffix.
            pub const fn family(self) -> &'static str {
                match self { $(Self::$variant => $family),+ }
            }

            /// The label and its value, when the family has one.
            pub const fn label(self) -> Option<(&'static str, &'static str)> {
                match self { $(Self::$variant => counters!(@label $($label, $value)?)),+ }
            }
        }
    };
    (@label $label:literal, $value:literal) => { Some(($label, $value)) };
    (@label) => { None };
}

counters! {
    RequestInvite = "requests"["method" = "INVITE"],
    RequestAck = "requests"["method" = "ACK"],
    RequestBye = "requests"["method" = "BYE"],
    RequestCancel = "requests"["method" = "CANCEL"],
    RequestOptions = "requests"["method" = "OPTIONS"],
    RequestRegister = "requests"["method" = "REGISTER"],
    RequestMessage = "requests"["method" = "MESSAGE"],
    RequestOther = "requests"["method" = "other"],
    Response1xx = "responses"["class" = "1xx"],
    Response2xx = "responses"["class" = "2xx"],
    Response3xx = "responses"["class" = "3xx"],
    Response4xx = "responses"["class" = "4xx"],
    Response5xx = "responses"["class" = "5xx"],
    Response6xx = "responses"["class" = "6xx"],
    Sent1xx = "responses_sent"["class" = "1xx"],
    Sent2xx = "responses_sent"["class" = "2xx"],
    Sent3xx = "responses_sent"["class" = "3xx"],
    Sent4xx = "responses_sent"["class" = "4xx"],
    Sent5xx = "responses_sent"["class" = "5xx"],
    Sent6xx = "responses_sent"["class" = "6xx"],
    RequestsForwarded = "requests_forwarded",
    RetransmissionReceived = "retransmissions"["direction" = "received"],
    RetransmissionSent = "retransmissions"["direction" = "sent"],
    Queries = "queries",
    Decided = "decisions"["outcome" = "decided"],
    DecidedByRule = "decisions"["outcome" = "rule"],
    DecidedRemembered = "decisions"["outcome" = "cached"],
    DecidedCancelled = "decisions"["outcome" = "cancelled"],
    DecidedFallback = "decisions"["outcome" = "fallback"],
    FallbackTimeout = "fallbacks"["cause" = "timeout"],
    FallbackNoResponders = "fallbacks"["cause" = "no_responders"],
    FallbackDisconnected = "fallbacks"["cause" = "disconnected"],
    FallbackCongested = "fallbacks"["cause" = "congested"],
    FallbackCircuitOpen = "fallbacks"["cause" = "circuit_open"],
    FallbackInvalid = "fallbacks"["cause" = "invalid"],
    FallbackServiceError = "fallbacks"["cause" = "service_error"],
    FallbackCapacity = "fallbacks"["cause" = "capacity"],
    FallbackPass = "fallbacks"["cause" = "pass"],
    AnswerLate = "answers_ignored"["reason" = "late"],
    AnswerDuplicate = "answers_ignored"["reason" = "duplicate"],
    Extensions = "decision_extensions",
    TableHit = "table_lookups"["result" = "route"],
    TableNoRow = "table_lookups"["result" = "no_row"],
    TableNoRoute = "table_lookups"["result" = "no_route"],
    TableAbsent = "table_lookups"["result" = "no_table"],
    CacheHit = "decision_cache"["result" = "hit"],
    CacheMiss = "decision_cache"["result" = "miss"],
    DropMalformed = "messages_dropped"["reason" = "malformed"],
    DropStrayAck = "messages_dropped"["reason" = "stray_ack"],
    DropAbsorbedAck = "messages_dropped"["reason" = "ack_absorbed"],
    DropViaCount = "messages_dropped"["reason" = "via_count"],
    DropForeignBranch = "messages_dropped"["reason" = "foreign_branch"],
    DropStrayResponse = "messages_dropped"["reason" = "stray_response"],
    DropCseqMismatch = "messages_dropped"["reason" = "cseq_mismatch"],
    DropLateResponse = "messages_dropped"["reason" = "late_response"],
    DropUnanswerable = "messages_dropped"["reason" = "unanswerable"],
    DropUnroutable = "messages_dropped"["reason" = "unroutable"],
    DropLimit = "messages_dropped"["reason" = "limit"],
    DropBanned = "messages_dropped"["reason" = "banned"],
    RejectMalformed = "requests_rejected"["reason" = "malformed"],
    RejectMaxBreadth = "requests_rejected"["reason" = "max_breadth"],
    RejectVersion = "requests_rejected"["reason" = "version"],
    RejectMaxForwards = "requests_rejected"["reason" = "max_forwards"],
    RejectExtension = "requests_rejected"["reason" = "proxy_require"],
    RejectScheme = "requests_rejected"["reason" = "scheme"],
    RejectDraining = "requests_rejected"["reason" = "draining"],
    RejectOverload = "requests_rejected"["reason" = "overload"],
    RejectCapacity = "requests_rejected"["reason" = "capacity"],
    RejectLimit = "requests_rejected"["reason" = "limit"],
    RejectLoop = "requests_rejected"["reason" = "loop"],
    RejectMerged = "requests_rejected"["reason" = "merged"],
    RejectNoRoute = "requests_rejected"["reason" = "no_route"],
    RejectNoDialog = "requests_rejected"["reason" = "no_dialog"],
    RejectNoTransaction = "requests_rejected"["reason" = "no_transaction"],
    BranchTimeout = "branch_failures"["reason" = "timeout"],
    BranchUnresolved = "branch_failures"["reason" = "unresolved"],
    BranchSendFailed = "branch_failures"["reason" = "send_failed"],
    BranchNoListener = "branch_failures"["reason" = "no_listener"],
    BranchSelf = "branch_failures"["reason" = "self_target"],
    GatewaysNoneUsable = "gateway_set_failures"["reason" = "none_usable"],
    GatewaysUnknown = "gateway_set_failures"["reason" = "unknown_set"],
    GatewaySkippedDisabled = "gateways_skipped"["reason" = "disabled"],
    GatewaySkippedInactive = "gateways_skipped"["reason" = "inactive"],
    GatewaySkippedRetryAfter = "gateways_skipped"["reason" = "retry_after"],
    GatewaySkippedFull = "gateways_skipped"["reason" = "full"],
    GatewaySkippedCongested = "gateways_skipped"["reason" = "congested"],
    GatewaySkippedUser = "gateways_skipped"["reason" = "user"],
    GatewayCallsUncounted = "gateway_calls_uncounted",
    GatewayCallsExpired = "gateway_calls_expired",
}

/// One number that goes up and down.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Gauge {
    /// Live transactions.
    Transactions,
    /// Finished transactions that absorb retransmissions.
    Lingering,
    /// Suspended transactions.
    Suspended,
}

impl Gauge {
    /// All of them.
    pub const ALL: &'static [Self] = &[Self::Transactions, Self::Lingering, Self::Suspended];

    /// The metric's name without the `sigbox_` prefix.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Transactions => "transactions",
            Self::Lingering => "transactions_lingering",
            Self::Suspended => "transactions_suspended",
        }
    }
}

/// The numbers of one core. Written by the one thread that runs it, read by any: plain loads and
/// stores, no read-modify-write on the per-message path.
#[derive(Debug)]
pub struct Counters {
    counts: Box<[AtomicU64]>,
    gauges: Box<[AtomicU64]>,
}

impl Default for Counters {
    fn default() -> Self {
        Self {
            counts: Counter::ALL.iter().map(|_| AtomicU64::new(0)).collect(),
            gauges: Gauge::ALL.iter().map(|_| AtomicU64::new(0)).collect(),
        }
    }
}

impl Counters {
    /// The current value.
    pub fn count(&self, counter: Counter) -> u64 {
        self.counts[counter as usize].load(Ordering::Relaxed)
    }

    /// The current value.
    pub fn gauge(&self, gauge: Gauge) -> u64 {
        self.gauges[gauge as usize].load(Ordering::Relaxed)
    }

    /// Adds one. Only the core's own thread may call this.
    pub fn add(&self, counter: Counter) {
        let cell = &self.counts[counter as usize];
        cell.store(
            cell.load(Ordering::Relaxed).wrapping_add(1),
            Ordering::Relaxed,
        );
    }

    pub(crate) fn set(&self, gauge: Gauge, value: usize) {
        self.gauges[gauge as usize].store(value as u64, Ordering::Relaxed);
    }
}
