use std::fmt::Display;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::{Semaphore, SemaphorePermit};
use tracing::{info, warn};

/// Whether the database answers. While it does not, one query at a time finds out whether it does again, and the others need
/// not wait to hear that it does not.
#[derive(Debug)]
pub(crate) struct Health {
    is_away: AtomicBool,
    attempts: Semaphore,
}

/// That a query may be sent.
#[derive(Debug)]
pub(crate) struct Leave<'h> {
    _attempt: Option<SemaphorePermit<'h>>,
}

impl Health {
    /// Of a database that nobody has asked yet.
    pub(crate) fn new() -> Self {
        Self {
            is_away: AtomicBool::new(false),
            attempts: Semaphore::new(1),
        }
    }

    /// Whether to send a query now; `None` while another one finds out whether there is a database.
    pub(crate) fn leave(&self) -> Option<Leave<'_>> {
        let attempt = match self.is_away.load(Ordering::Relaxed) {
            true => Some(self.attempts.try_acquire().ok()?),
            false => None,
        };
        Some(Leave { _attempt: attempt })
    }

    /// A query was answered.
    pub(crate) fn answered(&self) {
        if self.is_away.swap(false, Ordering::Relaxed) {
            info!("the database answers again");
        }
    }

    /// A query was not answered. Said once.
    pub(crate) fn failed(&self, why: &dyn Display) {
        if !self.is_away.swap(true, Ordering::Relaxed) {
            warn!(error = %why, "the database does not answer");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn while_it_is_away_one_query_at_a_time_looks() {
        let health = Health::new();
        let (one, two) = (health.leave(), health.leave());
        assert!(one.is_some() && two.is_some());
        health.failed(&"gone");
        let looking = health.leave();
        assert!(looking.is_some() && health.leave().is_none());
        drop(looking);
        let looking = health.leave();
        assert!(looking.is_some());
        health.answered();
        assert!(
            health.leave().is_some(),
            "before the one that looked is gone"
        );
    }
}
