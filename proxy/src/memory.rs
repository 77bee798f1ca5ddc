//! Whether there is memory for new calls.
//!
//! Every limit on what is kept is a number of things; this one is the bytes they take in all, the allocator's slack
//! included, so that the system has no reason to kill the process.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::time::MissedTickBehavior;
use tracing::info;

use crate::metrics::resident_bytes;

/// How often memory is looked at. A shard takes in some ten megabytes of requests meanwhile at the most.
const INTERVAL: Duration = Duration::from_millis(100);

/// Looks at the memory of the process now and then.
#[derive(Debug, Default)]
pub struct MemoryGuard {
    is_short: AtomicBool,
}

impl MemoryGuard {
    /// Starts looking, on `runtime`. Without a `limit` the control group's is taken; without that one, memory is never
    /// short.
    pub fn start(limit: Option<u64>, runtime: &Handle) -> Arc<Self> {
        let guard = Arc::new(Self::default());
        let Some(limit) = limit.or_else(|| group_limit().map(|limit| limit / 10 * 9)) else {
            return guard;
        };
        info!(
            limit_bytes = limit,
            "above this much memory new requests are refused"
        );
        let watched = Arc::downgrade(&guard);
        runtime.spawn(async move {
            let mut ticks = tokio::time::interval(INTERVAL);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            loop {
                ticks.tick().await;
                let Some(guard) = watched.upgrade() else {
                    return;
                };
                guard.note(resident_bytes().unwrap_or_default(), limit);
            }
        });
        guard
    }

    /// Whether nothing new should be taken in.
    pub fn is_short(&self) -> bool {
        self.is_short.load(Ordering::Relaxed)
    }

    fn note(&self, used: u64, limit: u64) {
        // What was short is so until there is a little room, or each call that ends would let one in.
        let limit = if self.is_short() {
            limit / 20 * 19
        } else {
            limit
        };
        self.is_short.store(used > limit, Ordering::Relaxed);
    }
}

/// The memory limit of the process's control group, or of one above it (cgroups(7), version 2), in bytes.
fn group_limit() -> Option<u64> {
    let groups = fs::read_to_string("/proc/self/cgroup").ok()?;
    let path = groups.lines().find_map(|line| line.strip_prefix("0::/"))?;
    let root = Path::new("/sys/fs/cgroup");
    root.join(path)
        .ancestors()
        .take_while(|group| group.starts_with(root))
        .filter_map(|group| fs::read_to_string(group.join("memory.max")).ok())
        .filter_map(|limit| limit.trim().parse().ok())
        .min()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_that_was_short_is_so_until_there_is_some_room() {
        let guard = MemoryGuard::default();
        for (used, is_short) in [
            (900, false),
            (1_001, true),
            (980, true),
            (949, false),
            (990, false),
        ] {
            guard.note(used, 1_000);
            assert_eq!(guard.is_short(), is_short, "{used}");
        }
    }
}
