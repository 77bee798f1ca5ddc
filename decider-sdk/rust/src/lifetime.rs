use std::fmt;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

/// Why an answer is not wanted any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Withdrawn {
    /// The deadline has passed: the proxy has applied its local rules.
    Deadline,
    /// The caller has given up.
    Cancelled,
    /// This decider is stopping and its drain time is over.
    Stopped,
}

impl fmt::Display for Withdrawn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Deadline => "the deadline of the query has passed",
            Self::Cancelled => "the caller has cancelled the request",
            Self::Stopped => "the decider is stopping",
        })
    }
}

impl std::error::Error for Withdrawn {}

const WANTED: u8 = 0;
const CANCELLED: u8 = 1;
const STOPPED: u8 = 2;

/// How long a query lives: until its deadline, which can move, or until it is withdrawn.
///
/// One per query on the fast path, so: no allocation, no lock, no timer until somebody waits.
#[derive(Debug)]
pub(crate) struct Lifetime {
    start: Instant,
    /// From `start` to the deadline, in nanoseconds (saturating at 584 years).
    length_ns: AtomicU64,
    state: AtomicU8,
    changed: Notify,
}

impl Lifetime {
    pub(crate) fn new(start: Instant, length: Duration) -> Self {
        Self {
            start,
            length_ns: AtomicU64::new(nanos(length)),
            state: AtomicU8::new(WANTED),
            changed: Notify::new(),
        }
    }

    pub(crate) fn started(&self) -> Instant {
        self.start
    }

    pub(crate) fn deadline(&self) -> Instant {
        self.start + Duration::from_nanos(self.length_ns.load(Ordering::Acquire))
    }

    pub(crate) fn remaining(&self) -> Duration {
        self.deadline().saturating_duration_since(Instant::now())
    }

    /// Moves the deadline to `from_now`, if that is later.
    pub(crate) fn extend(&self, from_now: Duration) {
        let length = nanos(self.start.elapsed().saturating_add(from_now));
        self.length_ns.fetch_max(length, Ordering::AcqRel);
        self.changed.notify_waiters();
    }

    /// The caller has given up. The first withdrawal stays.
    pub(crate) fn cancel(&self) {
        self.withdraw(CANCELLED);
    }

    /// This decider cannot wait for the handler any longer.
    pub(crate) fn stop(&self) {
        self.withdraw(STOPPED);
    }

    fn withdraw(&self, state: u8) {
        // Losing the race means that another reason is already there.
        let _ = self
            .state
            .compare_exchange(WANTED, state, Ordering::AcqRel, Ordering::Acquire);
        self.changed.notify_waiters();
    }

    pub(crate) fn withdrawn(&self) -> Option<Withdrawn> {
        match self.state.load(Ordering::Acquire) {
            CANCELLED => Some(Withdrawn::Cancelled),
            STOPPED => Some(Withdrawn::Stopped),
            _ => (Instant::now() >= self.deadline()).then_some(Withdrawn::Deadline),
        }
    }

    /// Resolves when the answer is not wanted any more.
    pub(crate) async fn over(&self) -> Withdrawn {
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            // Before looking: a change between the look and the wait must not be missed.
            changed.as_mut().enable();
            if let Some(why) = self.withdrawn() {
                return why;
            }
            tokio::select! {
                () = changed => {}
                () = sleep_until(self.deadline()) => {}
            }
        }
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn ends_at_the_deadline_and_not_before() {
        let start = Instant::now();
        let life = Lifetime::new(start, Duration::from_millis(200));
        assert_eq!(life.withdrawn(), None);
        assert_eq!(life.over().await, Withdrawn::Deadline);
        assert_eq!(start.elapsed().as_millis(), 200);
        assert_eq!(life.remaining(), Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn a_moved_deadline_is_waited_for() {
        let start = Instant::now();
        let life = Lifetime::new(start, Duration::from_millis(200));
        let (why, ()) = tokio::join!(life.over(), async {
            tokio::time::advance(Duration::from_millis(150)).await;
            life.extend(Duration::from_millis(500));
            life.extend(Duration::from_millis(1));
        });
        assert_eq!(why, Withdrawn::Deadline);
        assert_eq!(start.elapsed().as_millis(), 650);
    }

    #[tokio::test(start_paused = true)]
    async fn the_first_withdrawal_stays() {
        let life = Lifetime::new(Instant::now(), Duration::from_secs(60));
        let (why, ()) = tokio::join!(life.over(), async {
            life.cancel();
            life.stop();
        });
        assert_eq!(why, Withdrawn::Cancelled);
        assert_eq!(life.withdrawn(), Some(Withdrawn::Cancelled));
    }
}
