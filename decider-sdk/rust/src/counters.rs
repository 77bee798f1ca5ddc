use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use serde::Serialize;

/// What happened to the queries of one class since the decider started. Also the `data` of the class's endpoint in
/// the answer to `$SRV.STATS`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Counts {
    /// Decisions sent.
    pub answered: u64,
    /// Queries whose deadline had passed when they arrived; dropped unread.
    pub expired: u64,
    /// Queries answered 503: too many in hand, or the decider was stopping.
    pub busy: u64,
    /// Queries that could not be read (answered 400), or that nobody waited for an answer to.
    pub malformed: u64,
    /// Handlers that failed or panicked, answered 500.
    pub failed: u64,
    /// Decisions that were refused before they were sent, answered 500.
    pub invalid: u64,
    /// Answers that came after the deadline; dropped.
    pub late: u64,
    /// Answers to calls that had been cancelled; dropped.
    pub cancelled: u64,
    /// Replies that could not be handed to NATS.
    pub unsent: u64,
}

/// How one query ended: each names the counter it moves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    Answered,
    Expired,
    Busy,
    Malformed,
    Failed,
    Invalid,
    Late,
    Cancelled,
    Unsent,
}

const ENDINGS: usize = 9;

impl Ending {
    /// Whether the figures of NATS services (ADR-32) count it as an error of the service.
    fn is_error(self) -> bool {
        matches!(
            self,
            Self::Busy | Self::Malformed | Self::Failed | Self::Invalid | Self::Unsent
        )
    }
}

/// The figures of one class. Written by the event loop and by handlers that took their time, read by `$SRV.STATS`.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    requests: AtomicU64,
    errors: AtomicU64,
    processing_ns: AtomicU64,
    endings: [AtomicU64; ENDINGS],
    last_error: Mutex<String>,
}

impl Counters {
    pub(crate) fn request(&self) {
        self.requests.fetch_add(1, Relaxed);
    }

    pub(crate) fn end(&self, ending: Ending) {
        self.endings[ending as usize].fetch_add(1, Relaxed);
        if ending.is_error() {
            self.errors.fetch_add(1, Relaxed);
        }
    }

    pub(crate) fn error_text(&self, text: String) {
        *self
            .last_error
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner()) = text;
    }

    pub(crate) fn spent(&self, time: Duration) {
        self.processing_ns
            .fetch_add(u64::try_from(time.as_nanos()).unwrap_or(u64::MAX), Relaxed);
    }

    pub(crate) fn requests(&self) -> u64 {
        self.requests.load(Relaxed)
    }

    pub(crate) fn errors(&self) -> u64 {
        self.errors.load(Relaxed)
    }

    pub(crate) fn processing_ns(&self) -> u64 {
        self.processing_ns.load(Relaxed)
    }

    pub(crate) fn last_error(&self) -> String {
        self.last_error
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner())
            .clone()
    }

    pub(crate) fn counts(&self) -> Counts {
        let count = |ending: Ending| self.endings[ending as usize].load(Relaxed);
        Counts {
            answered: count(Ending::Answered),
            expired: count(Ending::Expired),
            busy: count(Ending::Busy),
            malformed: count(Ending::Malformed),
            failed: count(Ending::Failed),
            invalid: count(Ending::Invalid),
            late: count(Ending::Late),
            cancelled: count(Ending::Cancelled),
            unsent: count(Ending::Unsent),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_ending_moves_its_own_counter() {
        let all = [
            Ending::Answered,
            Ending::Expired,
            Ending::Busy,
            Ending::Malformed,
            Ending::Failed,
            Ending::Invalid,
            Ending::Late,
            Ending::Cancelled,
            Ending::Unsent,
        ];
        assert_eq!(all.len(), ENDINGS);
        for (nth, ending) in all.into_iter().enumerate() {
            let counters = Counters::default();
            counters.end(ending);
            let counts = serde_json::to_value(counters.counts()).unwrap();
            let name = format!("{ending:?}").to_lowercase();
            assert_eq!(counts[&name], 1, "{ending:?}");
            assert_eq!(
                counts
                    .as_object()
                    .unwrap()
                    .values()
                    .filter(|v| **v == 1)
                    .count(),
                1
            );
            assert_eq!(counters.errors() == 1, ending.is_error(), "{nth}");
        }
    }
}
