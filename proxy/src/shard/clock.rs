//! The time the core is told.

use std::time::{SystemTime, UNIX_EPOCH};

use sigbox_core::Instant;

/// Monotonic time since the start of the process, the same for every shard.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    origin: std::time::Instant,
    wall_origin_ms: u64,
}

impl Clock {
    /// A clock that starts now.
    pub fn start() -> Self {
        let since_epoch = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        Self {
            origin: std::time::Instant::now(),
            wall_origin_ms: u64::try_from(since_epoch.as_millis()).unwrap_or_default(),
        }
    }

    /// Now.
    pub fn now(&self) -> Instant {
        let micros = self.origin.elapsed().as_micros();
        Instant::from_micros(u64::try_from(micros).unwrap_or(u64::MAX))
    }

    /// Unix time in milliseconds at [`Instant::ZERO`].
    pub fn wall_origin_ms(&self) -> u64 {
        self.wall_origin_ms
    }

    /// When the runtime's clock will show `at`.
    pub fn runtime_instant(&self, at: Instant) -> tokio::time::Instant {
        (self.origin + (at - Instant::ZERO)).into()
    }
}
