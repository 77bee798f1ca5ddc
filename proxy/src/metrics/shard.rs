//! The numbers of one shard's shell: sockets, queues, answers.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use sigbox_contracts::InvalidReason;

use super::histogram::{Histogram, add};

macro_rules! counters {
    ($($(#[doc = $doc:literal])+ $variant:ident = $family:literal $([$label:literal = $value:literal])?),+ $(,)?) => {
        /// One number of a shard's shell. A family is one metric and its label values; families
        /// stand together.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum ShardCounter { $($(#[doc = $doc])+ $variant),+ }

        impl ShardCounter {
            /// All of them.
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
    /// Datagrams read from a socket.
    UdpReceived = "udp_received",
    /// Their bytes.
    UdpReceivedBytes = "udp_received_bytes",
    /// Datagrams handed to a socket.
    UdpSent = "udp_sent",
    /// Their bytes.
    UdpSentBytes = "udp_sent_bytes",
    /// Received, but neither SIP nor a keep-alive.
    UdpDropNotSip = "udp_dropped"["reason" = "not_sip"],
    /// Received, but for another shard whose queue was full.
    UdpDropQueueFull = "udp_dropped"["reason" = "queue_full"],
    /// Received, but there was no time for it; see `requests_rejected` for those that were answered.
    UdpDropOverload = "udp_dropped"["reason" = "overload"],
    /// Received from a source that is banned.
    UdpDropBanned = "udp_dropped"["reason" = "banned"],
    /// To be sent, but the socket's buffer and the backlog were full.
    UdpDropSendBuffer = "udp_dropped"["reason" = "send_buffer_full"],
    /// To be sent, but longer than a datagram may be.
    UdpDropTooLong = "udp_dropped"["reason" = "too_long"],
    /// To be sent, but the system refused for another reason.
    UdpDropSendFailed = "udp_dropped"["reason" = "send_failed"],
    /// Decisions that are not among those kept for people, because somebody read them just then.
    DecisionsNotKept = "decisions_not_kept",
    /// Reads that failed; ICMP errors arrive this way.
    UdpReceiveErrors = "udp_receive_errors",
    /// Keep-alives received.
    UdpKeepAlives = "udp_keep_alives",
    /// Messages passed to another shard.
    Handoffs = "shard_handoffs",
    /// Requests that had to wait while messages of calls under way came first.
    RequestsQueued = "requests_queued",
    /// Answers for a query that is not open, from this process or another.
    AnswersUnknown = "answers_unknown",
    /// Events published.
    EventsPublished = "events_published",
    /// Events dropped because the NATS connection did not take them at once.
    EventsDropped = "events_dropped",
    /// Bans by rules and limits that were forgotten because too many waited.
    BansForgotten = "bans_forgotten",
    /// Name lookups started.
    Lookups = "lookups",
    /// Name lookups without an address.
    LookupsFailed = "lookups_failed",
}

/// The numbers of one shard's shell. Written by that shard's thread alone, read by any.
#[derive(Debug)]
pub struct ShardMetrics {
    counts: Box<[AtomicU64]>,
    invalid: Box<[AtomicU64]>,
    pub(super) decision_duration: Histogram,
}

impl Default for ShardMetrics {
    fn default() -> Self {
        let zeros = |count| (0..count).map(|_| AtomicU64::new(0)).collect();
        Self {
            counts: zeros(ShardCounter::ALL.len()),
            invalid: zeros(InvalidReason::ALL.len()),
            decision_duration: Histogram::default(),
        }
    }
}

impl ShardMetrics {
    /// Adds one. Only the shard's own thread may call this.
    pub fn add(&self, counter: ShardCounter) {
        self.add_many(counter, 1);
    }

    /// Adds `by`. Only the shard's own thread may call this.
    pub fn add_many(&self, counter: ShardCounter, by: u64) {
        add(&self.counts[counter as usize], by);
    }

    /// Counts an answer that was refused. Only the shard's own thread may call this.
    pub fn invalid(&self, reason: InvalidReason) {
        add(&self.invalid[reason as usize], 1);
    }

    /// Counts the time from a query to its answer. Only the shard's own thread may call this.
    pub fn decision_took(&self, took: Duration) {
        self.decision_duration.observe(took);
    }

    /// The current value.
    pub fn count(&self, counter: ShardCounter) -> u64 {
        self.counts[counter as usize].load(Ordering::Relaxed)
    }

    pub(super) fn invalid_count(&self, reason: InvalidReason) -> u64 {
        self.invalid[reason as usize].load(Ordering::Relaxed)
    }
}
