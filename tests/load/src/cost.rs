//! What the generator itself costs.

use std::time::Duration;

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeVal;
use serde::Serialize;

/// Processor time of the thread that does everything.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Cost {
    /// User time in seconds.
    pub user_s: f64,
    /// System time in seconds, the kernel's network stack included.
    pub system_s: f64,
    /// Both, per call, in microseconds.
    pub per_call_us: f64,
}

/// Processor time that the calling thread has used so far.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CpuTime {
    user: Duration,
    system: Duration,
}

impl CpuTime {
    /// Of this thread, up to now.
    pub(crate) fn of_this_thread() -> nix::Result<Self> {
        let usage = getrusage(UsageWho::RUSAGE_THREAD)?;
        Ok(Self {
            user: duration(usage.user_time()),
            system: duration(usage.system_time()),
        })
    }

    /// What was used between `earlier` and this, for `calls` calls.
    pub(crate) fn cost_since(self, earlier: Self, calls: u64) -> Cost {
        let user_s = self.user.saturating_sub(earlier.user).as_secs_f64();
        let system_s = self.system.saturating_sub(earlier.system).as_secs_f64();
        Cost {
            user_s,
            system_s,
            per_call_us: ((user_s + system_s) * 1e7 / calls.max(1) as f64).round() / 10.0,
        }
    }
}

fn duration(time: TimeVal) -> Duration {
    let seconds = u64::try_from(time.tv_sec()).unwrap_or(0);
    let micros = u64::try_from(time.tv_usec()).unwrap_or(0);
    Duration::from_secs(seconds) + Duration::from_micros(micros)
}
