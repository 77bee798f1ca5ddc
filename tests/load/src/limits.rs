//! How much load one run may make.

use std::time::Duration;

/// Hard limits of a run, all callers together. They hold for every command line: this is a tool for measuring, on one machine.
#[derive(Clone, Copy, Debug)]
pub struct Limits;

impl Limits {
    /// Calls per second.
    pub const RATE: u32 = 50_000;
    /// How long calls keep arriving.
    pub const DURATION: Duration = Duration::from_secs(600);
    /// Calls of one run.
    pub const CALLS: u64 = 5_000_000;
    /// Calls of one caller that are open at once, and calls whose late messages are still waited for.
    pub const OPEN: usize = 500_000;
    /// Callers of one run.
    pub const CALLERS: usize = 8;
    /// Sockets of one party.
    pub const SOCKETS: usize = 64;
}

/// Why a load is not accepted.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
pub enum PlanError {
    /// The rate.
    #[error("the rate must be 1 to {max} calls per second", max = Limits::RATE)]
    Rate,
    /// The duration.
    #[error("the duration must be more than 0 and at most {max} seconds", max = Limits::DURATION.as_secs())]
    Duration,
    /// Rate and duration together.
    #[error("{0} calls in one run; at most {max}", max = Limits::CALLS)]
    Calls(u64),
}

/// A load within the limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Plan {
    pub(crate) rate: u32,
    pub(crate) calls: u64,
}

impl Plan {
    /// `rate` calls per second for `seconds`; at least one call.
    pub fn new(rate: u32, seconds: f64) -> Result<Self, PlanError> {
        if !(1..=Limits::RATE).contains(&rate) {
            return Err(PlanError::Rate);
        }
        if !(seconds > 0.0 && seconds <= Limits::DURATION.as_secs_f64()) {
            return Err(PlanError::Duration);
        }
        let calls = ((f64::from(rate) * seconds).round() as u64).max(1);
        if calls > Limits::CALLS {
            return Err(PlanError::Calls(calls));
        }
        Ok(Self { rate, calls })
    }

    /// Whether these may run at the same time.
    pub(crate) fn together(plans: impl Iterator<Item = Self>) -> Result<(), PlanError> {
        let (rate, calls) = plans.fold((0, 0), |(rate, calls), plan| {
            (rate + u64::from(plan.rate), calls + plan.calls)
        });
        if rate > u64::from(Limits::RATE) {
            return Err(PlanError::Rate);
        }
        if calls > Limits::CALLS {
            return Err(PlanError::Calls(calls));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loads_have_limits() {
        assert_eq!(Plan::new(1_000, 0.5).map(|plan| plan.calls), Ok(500));
        assert_eq!(Plan::new(1, 0.01).map(|plan| plan.calls), Ok(1));
        assert_eq!(Plan::new(0, 1.0), Err(PlanError::Rate));
        assert_eq!(Plan::new(50_001, 1.0), Err(PlanError::Rate));
        for seconds in [0.0, -1.0, 600.1, f64::NAN, f64::INFINITY] {
            assert_eq!(Plan::new(1, seconds), Err(PlanError::Duration));
        }
        assert_eq!(Plan::new(50_000, 600.0), Err(PlanError::Calls(30_000_000)));
        let together = |rate| {
            Plan::together(
                [rate, 10_000]
                    .map(|rate| Plan::new(rate, 1.0).unwrap())
                    .into_iter(),
            )
        };
        assert_eq!(together(40_000), Ok(()));
        assert_eq!(together(40_001), Err(PlanError::Rate));
    }
}
