//! How many refusals are written down.

use std::time::{Duration, Instant};

/// Refusals of one span that are written down.
const PER_SPAN: u32 = 100;

/// Ten a second, though they may come all at once.
const SPAN: Duration = Duration::from_secs(10);

/// The refusals of the present span.
#[derive(Debug)]
pub(super) struct Refusals {
    since: Instant,
    written: u32,
    left_out: u64,
}

impl Refusals {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            since: now,
            written: 0,
            left_out: 0,
        }
    }

    /// Whether one more is written down; it is counted among those left out otherwise.
    pub(super) fn takes(&mut self) -> bool {
        if self.written < PER_SPAN {
            self.written += 1;
            return true;
        }
        self.left_out += 1;
        false
    }

    /// How many were left out, when their span is over by `now`, and they were any.
    pub(super) fn ended(&mut self, now: Instant) -> Option<u64> {
        if now.saturating_duration_since(self.since) < SPAN {
            return None;
        }
        let left_out = self.left_out;
        *self = Self::new(now);
        (left_out > 0).then_some(left_out)
    }
}
