//! Long work that must not slow calls down: reading pushed tables, building their indexes, writing them to disk.
//!
//! Each piece has a thread of its own. One with many rows yields to those that carry calls: with as many threads as cores a
//! million rows would otherwise take a core from a shard for seconds. Such a thread gets next to nothing while others want
//! every core, and cannot go back to the usual priority without privileges, so no pool is used for it, and small work does
//! not yield: it takes milliseconds, and who mends an overload with a push of ten rows needs them now.

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use thread_priority::unix::{set_thread_priority_and_policy, thread_native_id};
use thread_priority::{NormalThreadSchedulePolicy, ThreadPriority, ThreadSchedulePolicy};
use tokio::sync::oneshot;

/// How often it is looked whether something is used by nobody else any more.
const LOOK: Duration = Duration::from_millis(20);

/// Work on more rows than these yields: a few milliseconds of a core.
const FEW: usize = 10_000;

/// The work was not done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Died {
    /// The system has no thread for it.
    #[error("there is no thread for it")]
    NoThread,
    /// It panicked; the log says where.
    #[error("it panicked")]
    Panicked,
}

/// Does `work`, which is about at most so many `rows`, on a thread of its own.
///
/// # Errors
/// [`Died`]
pub async fn run<T: Send + 'static>(
    rows: usize,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Died> {
    let (done, result) = oneshot::channel();
    start(rows, move || drop(done.send(work())))?;
    result.await.map_err(|_| Died::Panicked)
}

/// The same without waiting for it.
///
/// # Errors
/// [`Died::NoThread`]
pub fn start(rows: usize, work: impl FnOnce() + Send + 'static) -> Result<(), Died> {
    let thread = thread::Builder::new().name("background".to_owned());
    let thread = thread.spawn(move || {
        if rows > FEW {
            yield_to_calls();
        }
        work();
    });
    thread.map(drop).map_err(|error| {
        tracing::error!(%error, "cannot start a thread");
        Died::NoThread
    })
}

/// SCHED_IDLE: whoever carries a call has the core at once. A lower nice value alone keeps it for the rest of a time slice,
/// some milliseconds.
fn yield_to_calls() {
    let policy = ThreadSchedulePolicy::Normal(NormalThreadSchedulePolicy::Idle);
    let set = set_thread_priority_and_policy(thread_native_id(), ThreadPriority::Min, policy);
    if let Err(error) = set {
        tracing::debug!(?error, "a thread cannot lower its priority");
    }
}

/// Waits until nobody else uses `old`, and frees it: what is large takes so long to free that no shard may be the last
/// who lets go of it.
pub fn free<T: Send + Sync + 'static>(old: Arc<T>) {
    // Without a thread a shard frees it.
    let _ = start(usize::MAX, move || {
        while Arc::strong_count(&old) > 1 {
            thread::sleep(LOOK);
        }
    });
}

#[cfg(test)]
mod tests {
    use thread_priority::thread_schedule_policy;

    use super::*;

    #[tokio::test]
    async fn what_is_about_many_rows_yields_and_what_is_about_few_does_not() {
        let policy = async |rows| run(rows, thread_schedule_policy).await.unwrap().unwrap();
        let idle = ThreadSchedulePolicy::Normal(NormalThreadSchedulePolicy::Idle);
        assert_ne!(policy(10_000).await, idle);
        assert_eq!(policy(10_001).await, idle);
    }
}
