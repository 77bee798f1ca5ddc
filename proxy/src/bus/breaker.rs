//! Stops asking deciders that do not answer, and finds out when they do again.
//!
//! One breaker stands before each query subject of a shard. It is a plain state machine: time comes
//! in, nothing is read. What counts against a decider is a query that burnt its budget, was answered
//! with a service error, or with a document that was refused. *No responders*, a lost connection and
//! a caller who gave up say nothing about the decider and count neither way: those fail fast by
//! themselves.

use sigbox_core::Instant;

use crate::config;
use crate::metrics::BreakerState;

/// Leave to ask once. Each is given back exactly once, to [`Breaker::settle`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "a permit that is not settled is a probe that never ends"]
pub struct Permit {
    period: u32,
}

/// How a query ended, as far as the decider is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// A valid answer in time.
    Answered,
    /// No answer in time, a service error, or an invalid one.
    Failed,
    /// Nothing was learnt.
    Unknown,
}

const BUCKETS: usize = 10;

#[derive(Clone, Copy, Debug, Default)]
struct Bucket {
    /// Which stretch of time this is: time divided by the bucket's width.
    tick: u64,
    requests: u32,
    failures: u32,
}

/// The circuit breaker of one query subject.
#[derive(Debug)]
pub struct Breaker {
    settings: config::Breaker,
    /// How many microseconds one of `buckets` stands for.
    width: u64,
    phase: Phase,
    /// Counts changes of phase, so that an answer to a query of an earlier phase is not held against
    /// (or for) the present one.
    period: u32,
    buckets: [Bucket; BUCKETS],
}

#[derive(Debug)]
enum Phase {
    Closed,
    Open { until: Instant },
    HalfOpen { free: u32, answered: u32 },
}

impl Breaker {
    /// A closed breaker.
    pub fn new(settings: config::Breaker) -> Self {
        let width = settings.window.as_micros() / BUCKETS as u128;
        Self {
            settings,
            width: u64::try_from(width).unwrap_or(u64::MAX).max(1),
            phase: Phase::Closed,
            period: 0,
            buckets: Default::default(),
        }
    }

    /// A closed breaker with other settings, which knows the permits of this one for strangers.
    #[must_use]
    pub fn renewed(&self, settings: config::Breaker) -> Self {
        Self {
            period: self.period.wrapping_add(1),
            ..Self::new(settings)
        }
    }

    /// What it does now.
    pub fn state(&self) -> BreakerState {
        match self.phase {
            Phase::Closed => BreakerState::Closed,
            Phase::Open { .. } => BreakerState::Open,
            Phase::HalfOpen { .. } => BreakerState::HalfOpen,
        }
    }

    /// Leave to ask now, or `None` when the local rules are to decide.
    pub fn admit(&mut self, now: Instant) -> Option<Permit> {
        if let Phase::Open { until } = self.phase {
            if now < until {
                return None;
            }
            self.enter(Phase::HalfOpen {
                free: self.settings.probes.max(1),
                answered: 0,
            });
        }
        if let Phase::HalfOpen { free, .. } = &mut self.phase {
            *free = free.checked_sub(1)?;
        }
        Some(Permit {
            period: self.period,
        })
    }

    /// Takes a permit back with what came of it.
    pub fn settle(&mut self, now: Instant, permit: Permit, verdict: Verdict) {
        if permit.period != self.period {
            return;
        }
        match (&mut self.phase, verdict) {
            // Permits of the present period are not given out while open.
            (Phase::Open { .. }, _) | (Phase::Closed, Verdict::Unknown) => {}
            (Phase::Closed, _) => {
                let tick = now.as_micros() / self.width;
                self.count(tick, verdict == Verdict::Failed);
                // An answer opens nothing, whatever leaves the window as it comes.
                let is_failure = verdict == Verdict::Failed;
                if self.settings.enabled && is_failure && self.is_tripped(tick) {
                    self.open(now);
                }
            }
            (Phase::HalfOpen { free, .. }, Verdict::Unknown) => *free += 1,
            (Phase::HalfOpen { .. }, Verdict::Failed) => self.open(now),
            (Phase::HalfOpen { answered, .. }, Verdict::Answered) => {
                *answered += 1;
                if *answered >= self.settings.probes {
                    self.buckets = Default::default();
                    self.enter(Phase::Closed);
                }
            }
        }
    }

    fn open(&mut self, now: Instant) {
        self.enter(Phase::Open {
            until: now + self.settings.open,
        });
    }

    fn enter(&mut self, phase: Phase) {
        self.phase = phase;
        self.period = self.period.wrapping_add(1);
    }

    fn count(&mut self, tick: u64, failed: bool) {
        let bucket = &mut self.buckets[(tick % BUCKETS as u64) as usize];
        if bucket.tick != tick {
            *bucket = Bucket {
                tick,
                ..Bucket::default()
            };
        }
        bucket.requests += 1;
        bucket.failures += u32::from(failed);
    }

    fn is_tripped(&self, tick: u64) -> bool {
        let recent = self
            .buckets
            .iter()
            .filter(|bucket| tick - bucket.tick.min(tick) < BUCKETS as u64);
        let (requests, failures) = recent.fold((0, 0), |(requests, failures), bucket| {
            (requests + bucket.requests, failures + bucket.failures)
        });
        requests >= self.settings.min_requests.max(1)
            && f64::from(failures) >= self.settings.failure_ratio * f64::from(requests)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn settings() -> config::Breaker {
        config::Breaker {
            enabled: true,
            window: Duration::from_secs(10),
            min_requests: 10,
            failure_ratio: 0.5,
            open: Duration::from_secs(5),
            probes: 2,
        }
    }

    fn at(millis: u64) -> Instant {
        Instant::from_micros(millis * 1_000)
    }

    fn ask(breaker: &mut Breaker, millis: u64, verdict: Verdict) -> bool {
        match breaker.admit(at(millis)) {
            Some(permit) => {
                breaker.settle(at(millis), permit, verdict);
                true
            }
            None => false,
        }
    }

    /// D11
    #[test]
    fn a_slow_decider_opens_the_circuit_and_probes_close_it() {
        let mut breaker = Breaker::new(settings());
        for i in 0..10 {
            assert!(
                ask(&mut breaker, 100 * i, Verdict::Failed),
                "query {i} is asked"
            );
        }
        assert_eq!(breaker.state(), BreakerState::Open);
        assert!(!ask(&mut breaker, 1_000, Verdict::Answered));
        assert!(!ask(&mut breaker, 5_800, Verdict::Answered));

        let first = breaker.admit(at(5_900)).unwrap();
        let second = breaker.admit(at(5_900)).unwrap();
        assert_eq!(breaker.state(), BreakerState::HalfOpen);
        assert_eq!(breaker.admit(at(5_900)), None, "only the probes pass");
        breaker.settle(at(6_000), first, Verdict::Answered);
        assert_eq!(breaker.state(), BreakerState::HalfOpen);
        breaker.settle(at(6_000), second, Verdict::Answered);
        assert_eq!(breaker.state(), BreakerState::Closed);
        assert!(
            ask(&mut breaker, 6_000, Verdict::Failed),
            "old failures are forgotten"
        );
        assert_eq!(breaker.state(), BreakerState::Closed);
    }

    /// D11
    #[test]
    fn a_failed_probe_opens_again() {
        let mut breaker = Breaker::new(settings());
        for _ in 0..10 {
            ask(&mut breaker, 0, Verdict::Failed);
        }
        assert!(ask(&mut breaker, 5_000, Verdict::Failed));
        assert_eq!(breaker.state(), BreakerState::Open);
        assert!(!ask(&mut breaker, 9_999, Verdict::Answered));
        assert!(ask(&mut breaker, 10_000, Verdict::Answered));
    }

    #[test]
    fn few_or_rare_failures_keep_it_closed() {
        let mut breaker = Breaker::new(settings());
        for i in 0..9 {
            ask(&mut breaker, i, Verdict::Failed);
        }
        assert_eq!(breaker.state(), BreakerState::Closed, "too few to judge");

        let mut breaker = Breaker::new(settings());
        for i in 0..100 {
            let verdict = if i % 5 >= 3 {
                Verdict::Failed
            } else {
                Verdict::Answered
            };
            ask(&mut breaker, i, verdict);
        }
        assert_eq!(
            breaker.state(),
            BreakerState::Closed,
            "40 % is under the ratio"
        );
    }

    #[test]
    fn failures_leave_the_window() {
        let mut breaker = Breaker::new(settings());
        for _ in 0..9 {
            ask(&mut breaker, 0, Verdict::Failed);
        }
        ask(&mut breaker, 10_000, Verdict::Failed);
        assert_eq!(breaker.state(), BreakerState::Closed);
        for i in 0..9 {
            ask(&mut breaker, 10_000 + i, Verdict::Failed);
        }
        assert_eq!(breaker.state(), BreakerState::Open);
    }

    #[test]
    fn an_answer_never_opens_it() {
        let mut breaker = Breaker::new(settings());
        // In the first second all goes well, in the next much does not.
        for i in 0..60 {
            ask(&mut breaker, 10 * i, Verdict::Answered);
        }
        for i in 0..40 {
            ask(&mut breaker, 1_000 + 10 * i, Verdict::Failed);
        }
        // Then all goes well again, and the first second leaves the window.
        for i in 0..25 {
            ask(&mut breaker, 2_000 + 400 * i, Verdict::Answered);
            assert_eq!(breaker.state(), BreakerState::Closed, "{i}");
        }
    }

    #[test]
    fn what_says_nothing_about_the_decider_counts_neither_way() {
        let mut breaker = Breaker::new(settings());
        for i in 0..100 {
            ask(&mut breaker, i, Verdict::Unknown);
        }
        assert_eq!(breaker.state(), BreakerState::Closed);
        for i in 0..10 {
            ask(&mut breaker, 100 + i, Verdict::Failed);
        }
        for i in 0..50 {
            assert!(
                ask(&mut breaker, 6_000 + i, Verdict::Unknown),
                "the probe is given back"
            );
        }
        assert_eq!(breaker.state(), BreakerState::HalfOpen);
    }

    #[test]
    fn answers_from_before_a_change_do_not_count() {
        let mut breaker = Breaker::new(settings());
        let early: Vec<_> = (0..5).filter_map(|_| breaker.admit(at(0))).collect();
        for _ in 0..10 {
            ask(&mut breaker, 0, Verdict::Failed);
        }
        let probe = breaker.admit(at(5_000));
        assert!(probe.is_some());
        for permit in early {
            breaker.settle(at(5_001), permit, Verdict::Failed);
        }
        assert_eq!(breaker.state(), BreakerState::HalfOpen);
    }
}
