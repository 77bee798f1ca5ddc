//! What is known about a gateway: one for all shards, and over reloads.
//!
//! ```text
//!            a failure             `inactive_after` in a row
//!  active ------------> trying ----------------------------> inactive
//!    ^  ^                 |                                   |    |
//!    |  +----a success----+ <---------left alone long enough--+    |
//!    +-------------------------`active_after` successes in a row---+
//!
//!  disabled: an operator's wish, from and to any of them
//! ```
//!
//! Numbers are plain atomics: a shard that reads one while another writes may be a moment late, never wrong for long.
//! A change of state is made by one shard only, which tells of it.

use std::sync::atomic::{AtomicU8, AtomicU32, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use super::change::Why;
use super::{GatewayStep, SetDefinition};
use crate::clock::Instant;

/// Whether a gateway is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GatewayState {
    /// It is.
    Active,
    /// It is, though it failed last.
    Trying,
    /// It failed too often: it is not.
    Inactive,
    /// Somebody does not want it to be.
    Disabled,
}

impl GatewayState {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Active, Self::Trying, Self::Inactive, Self::Disabled];

    /// The name in logs, metrics, events and documents.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Trying => "trying",
            Self::Inactive => "inactive",
            Self::Disabled => "disabled",
        }
    }

    fn from_bits(bits: u8) -> Self {
        Self::ALL[usize::from(bits) % Self::ALL.len()]
    }
}

/// Why a gateway is passed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Skip {
    /// It is switched off.
    Disabled,
    /// It failed too often.
    Inactive,
    /// It asked to be left alone (Retry-After).
    RetryAfter,
    /// It has as many calls as it may.
    Full,
    /// It asked for fewer requests, and this is one of those it does not get (RFC 7339).
    Congested,
}

/// How a request to a gateway, or a probe, failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// No answer in time.
    Timeout,
    /// An answer that counts as a failure.
    Status,
    /// It could not be sent.
    Unreachable,
    /// No address.
    Unresolved,
}

impl Failure {
    /// All of them.
    pub const ALL: [Self; 4] = [
        Self::Timeout,
        Self::Status,
        Self::Unreachable,
        Self::Unresolved,
    ];

    /// The label in metrics and documents.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Timeout => "timeout",
            Self::Status => "status",
            Self::Unreachable => "unreachable",
            Self::Unresolved => "unresolved",
        }
    }

    fn of(why: Why) -> Option<Self> {
        match why {
            Why::Timeout => Some(Self::Timeout),
            Why::Status(_) => Some(Self::Status),
            Why::Unreachable => Some(Self::Unreachable),
            Why::Unresolved => Some(Self::Unresolved),
            Why::Answered | Why::Recovered | Why::Operator => None,
        }
    }
}

/// The last failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LastFailure {
    /// When.
    pub at: Instant,
    /// How.
    pub failure: Failure,
    /// The status, when there was one.
    pub status: Option<u16>,
    /// It was a probe's.
    pub by_probe: bool,
}

/// The atomics. Times are microseconds since the origin of the core's clock; 0 is never.
#[derive(Debug, Default)]
pub(super) struct Standing {
    state: AtomicU8,
    since: AtomicU64,
    calls: AtomicU32,
    /// Microseconds.
    latency: AtomicU32,
    failures: AtomicU32,
    /// In a row while inactive.
    successes: AtomicU32,
    retry_at: AtomicU64,
    loss: AtomicU32,
    loss_until: AtomicU64,
    loss_sequence: AtomicU64,
    requests: AtomicU64,
    probes: AtomicU64,
    failed: [[AtomicU64; 4]; 2],
    last_failure_at: AtomicU64,
    /// Status in the low 16 bits, [`Failure`] in the next 8, then one that says whether of a probe.
    last_failure: AtomicU32,
}

impl Standing {
    /// Of a gateway that comes at `now`.
    pub(super) fn new(now: Instant) -> Self {
        Self {
            since: AtomicU64::new(now.as_micros()),
            ..Self::default()
        }
    }

    pub(super) fn state(&self) -> GatewayState {
        GatewayState::from_bits(self.state.load(Relaxed))
    }

    pub(super) fn since(&self) -> Instant {
        Instant::from_micros(self.since.load(Relaxed))
    }

    pub(super) fn calls(&self) -> u32 {
        self.calls.load(Relaxed)
    }

    pub(super) fn latency(&self) -> Option<Duration> {
        match self.latency.load(Relaxed) {
            0 => None,
            micros => Some(Duration::from_micros(micros.into())),
        }
    }

    pub(super) fn failures_in_a_row(&self) -> u32 {
        self.failures.load(Relaxed)
    }

    pub(super) fn requests(&self) -> u64 {
        self.requests.load(Relaxed)
    }

    pub(super) fn probes(&self) -> u64 {
        self.probes.load(Relaxed)
    }

    pub(super) fn failures(&self, failure: Failure, of_probes: bool) -> u64 {
        self.failed[usize::from(of_probes)][failure as usize].load(Relaxed)
    }

    pub(super) fn last_failure(&self) -> Option<LastFailure> {
        let at = self.last_failure_at.load(Relaxed);
        let bits = self.last_failure.load(Relaxed);
        let status = bits as u16;
        (bits != 0).then(|| LastFailure {
            at: Instant::from_micros(at),
            failure: Failure::ALL[(bits >> 16) as usize & 3],
            status: (status != 0).then_some(status),
            by_probe: bits & 1 << 24 != 0,
        })
    }

    pub(super) fn held_back(&self, now: Instant) -> Option<Instant> {
        let until = Instant::from_micros(self.retry_at.load(Relaxed));
        (until > now).then_some(until)
    }

    pub(super) fn loss(&self, now: Instant) -> u32 {
        match self.loss.load(Relaxed) {
            0 => 0,
            loss if self.loss_until.load(Relaxed) > now.as_micros() => loss,
            _ => 0,
        }
    }

    /// Whether it may get a request at `now`; not looked at are its calls, and what it asked for by RFC 7339.
    pub(super) fn may_be_used(&self, now: Instant, set: &SetDefinition) -> Result<(), Skip> {
        match self.state() {
            GatewayState::Disabled => return Err(Skip::Disabled),
            GatewayState::Inactive if !self.is_recovered(now, set) => return Err(Skip::Inactive),
            _ => {}
        }
        match self.held_back(now) {
            Some(_) => Err(Skip::RetryAfter),
            None => Ok(()),
        }
    }

    fn is_recovered(&self, now: Instant, set: &SetDefinition) -> bool {
        set.probing.is_none() && now - self.since() >= set.recover
    }

    /// A request is about to be sent to it: one that was left alone long enough is tried again.
    pub(super) fn revive(&self, now: Instant, set: &SetDefinition) -> Option<GatewayStep> {
        if self.state() != GatewayState::Inactive || !self.is_recovered(now, set) {
            return None;
        }
        self.step(now, GatewayState::Inactive, GatewayState::Trying)
    }

    /// One more call, unless there are `max` already; 0 is no limit.
    pub(super) fn take_call(&self, max: u32) -> bool {
        let more = |calls: u32| (max == 0 || calls < max).then(|| calls.saturating_add(1));
        self.calls.fetch_update(Relaxed, Relaxed, more).is_ok()
    }

    /// One call less.
    pub(super) fn release_call(&self) {
        // Whoever gives one back has taken one.
        let _ = self
            .calls
            .fetch_update(Relaxed, Relaxed, |calls| calls.checked_sub(1));
    }

    pub(super) fn count_request(&self) {
        self.requests.fetch_add(1, Relaxed);
    }

    pub(super) fn count_probe(&self) {
        self.probes.fetch_add(1, Relaxed);
    }

    /// The first response to one request came after `took`. The mean moves by an eighth, as a round-trip time's does
    /// (RFC 6298 §2.3).
    pub(super) fn measure(&self, took: Duration) {
        let took = u32::try_from(took.as_micros()).unwrap_or(u32::MAX).max(1);
        let mean = match self.latency.load(Relaxed) {
            0 => took,
            mean => ((u64::from(mean) * 7 + u64::from(took)) / 8).max(1) as u32,
        };
        self.latency.store(mean, Relaxed);
    }

    /// A request or probe failed.
    pub(super) fn fail(
        &self,
        now: Instant,
        set: &SetDefinition,
        why: Why,
        by_probe: bool,
    ) -> Option<GatewayStep> {
        if let Some(failure) = Failure::of(why) {
            self.failed[usize::from(by_probe)][failure as usize].fetch_add(1, Relaxed);
            let status = u32::from(why.status().unwrap_or_default());
            let bits = status | (failure as u32) << 16 | u32::from(by_probe) << 24 | 1 << 31;
            self.last_failure.store(bits, Relaxed);
            self.last_failure_at.store(now.as_micros(), Relaxed);
        }
        self.successes.store(0, Relaxed);
        let row = self.failures.fetch_add(1, Relaxed).saturating_add(1);
        let next = if row >= set.inactive_after {
            GatewayState::Inactive
        } else {
            GatewayState::Trying
        };
        match self.state() {
            GatewayState::Active => self.step(now, GatewayState::Active, next),
            GatewayState::Trying => self.step(now, GatewayState::Trying, next),
            GatewayState::Inactive | GatewayState::Disabled => None,
        }
    }

    /// It answered a request or probe as it should.
    pub(super) fn succeed(&self, now: Instant, set: &SetDefinition) -> Option<GatewayStep> {
        if self.failures.load(Relaxed) != 0 {
            self.failures.store(0, Relaxed);
        }
        match self.state() {
            GatewayState::Active | GatewayState::Disabled => None,
            GatewayState::Trying => self.step(now, GatewayState::Trying, GatewayState::Active),
            GatewayState::Inactive => {
                let row = self.successes.fetch_add(1, Relaxed) + 1;
                if row < set.active_after {
                    return None;
                }
                self.successes.store(0, Relaxed);
                self.step(now, GatewayState::Inactive, GatewayState::Active)
            }
        }
    }

    /// It wants to be left alone for `span`.
    pub(super) fn hold_back(&self, now: Instant, span: Duration) {
        self.retry_at.store((now + span).as_micros(), Relaxed);
    }

    /// It wants `loss` percent of the requests not to be sent, until then. What is older than what it said before is
    /// not heeded.
    pub(super) fn throttle(&self, loss: u32, until: Instant, sequence: Option<u64>) {
        if let Some(sequence) = sequence {
            let newest = self.loss_sequence.fetch_max(sequence, Relaxed);
            if sequence < newest {
                return;
            }
        }
        self.loss.store(loss.min(100), Relaxed);
        self.loss_until.store(until.as_micros(), Relaxed);
    }

    pub(super) fn set_enabled(&self, enabled: bool, now: Instant) -> Option<GatewayStep> {
        let state = self.state();
        if (state != GatewayState::Disabled) == enabled {
            return None;
        }
        let next = if enabled {
            self.failures.store(0, Relaxed);
            self.successes.store(0, Relaxed);
            GatewayState::Active
        } else {
            GatewayState::Disabled
        };
        self.step(now, state, next)
    }

    fn step(&self, now: Instant, from: GatewayState, to: GatewayState) -> Option<GatewayStep> {
        if from == to {
            return None;
        }
        let (old, new) = (from as u8, to as u8);
        let stepped = self.state.compare_exchange(old, new, Relaxed, Relaxed);
        stepped.ok()?;
        self.since.store(now.as_micros(), Relaxed);
        Some((from, to))
    }
}

#[cfg(test)]
mod tests {
    use super::GatewayState::{Active, Disabled, Inactive, Trying};
    use super::*;
    use crate::gateways::{Algorithm, Probing};

    fn set(inactive_after: u32, active_after: u32, probes: bool) -> SetDefinition {
        SetDefinition {
            inactive_after,
            active_after,
            probing: probes.then(|| Probing {
                interval: Duration::from_secs(1),
                timeout: Duration::from_secs(1),
                accept: Vec::new(),
                from: None,
            }),
            ..SetDefinition::new("a", Algorithm::Random, Vec::new())
        }
    }

    fn at(seconds: u64) -> Instant {
        Instant::ZERO + Duration::from_secs(seconds)
    }

    #[test]
    fn failures_in_a_row_lead_to_inactive_and_successes_back() {
        let (standing, set) = (Standing::default(), set(3, 2, true));
        let fail = |second| standing.fail(at(second), &set, Why::Timeout, false);
        assert_eq!(fail(1), Some((Active, Trying)));
        assert_eq!(fail(2), None);
        assert_eq!(standing.succeed(at(3), &set), Some((Trying, Active)));
        assert_eq!(fail(4), Some((Active, Trying)));
        assert_eq!(fail(5), None);
        assert_eq!(fail(6), Some((Trying, Inactive)));
        assert_eq!(standing.since(), at(6));
        assert_eq!(standing.may_be_used(at(600), &set), Err(Skip::Inactive));
        assert_eq!(standing.succeed(at(7), &set), None);
        assert_eq!(fail(8), None);
        assert_eq!(standing.succeed(at(9), &set), None, "not in a row");
        assert_eq!(standing.succeed(at(10), &set), Some((Inactive, Active)));
        assert_eq!(standing.failures(Failure::Timeout, false), 6);
        assert_eq!(standing.failures(Failure::Timeout, true), 0);
    }

    #[test]
    fn without_probes_time_makes_it_usable_and_one_failure_not() {
        let (standing, set) = (Standing::default(), set(1, 1, false));
        assert_eq!(
            standing.fail(at(1), &set, Why::Status(503), false),
            Some((Active, Inactive))
        );
        assert_eq!(standing.may_be_used(at(30), &set), Err(Skip::Inactive));
        assert_eq!(standing.revive(at(30), &set), None);
        assert_eq!(standing.may_be_used(at(31), &set), Ok(()));
        assert_eq!(standing.revive(at(31), &set), Some((Inactive, Trying)));
        assert_eq!(
            standing.fail(at(32), &set, Why::Status(503), false),
            Some((Trying, Inactive))
        );
        let last = standing.last_failure().unwrap();
        assert_eq!((last.at, last.status), (at(32), Some(503)));
    }

    #[test]
    fn an_operator_s_wish_stands_above_all() {
        let (standing, set) = (Standing::default(), set(1, 1, true));
        assert_eq!(standing.set_enabled(true, at(1)), None);
        assert_eq!(standing.set_enabled(false, at(1)), Some((Active, Disabled)));
        assert_eq!(standing.set_enabled(false, at(1)), None);
        assert_eq!(standing.fail(at(2), &set, Why::Timeout, true), None);
        assert_eq!(standing.succeed(at(3), &set), None);
        assert_eq!(standing.may_be_used(at(4), &set), Err(Skip::Disabled));
        assert_eq!(standing.set_enabled(true, at(5)), Some((Disabled, Active)));
    }

    #[test]
    fn calls_are_never_more_than_the_limit_and_never_less_than_none() {
        let standing = Standing::default();
        assert_eq!(
            [1, 2, 3].map(|_| standing.take_call(2)),
            [true, true, false]
        );
        assert!(standing.take_call(0));
        (0..9).for_each(|_| standing.release_call());
        assert_eq!(standing.calls(), 0);
    }

    #[test]
    fn the_mean_latency_moves_by_an_eighth() {
        let standing = Standing::default();
        assert_eq!(standing.latency(), None);
        let measured = [80, 160, 0].map(|millis| {
            standing.measure(Duration::from_millis(millis));
            standing.latency().unwrap().as_micros()
        });
        assert_eq!(measured, [80_000, 90_000, 78_750]);
    }

    #[test]
    fn an_older_wish_for_fewer_requests_is_not_heeded() {
        let standing = Standing::default();
        standing.throttle(40, at(10), Some(7));
        standing.throttle(90, at(10), Some(6));
        assert_eq!(standing.loss(at(9)), 40);
        assert_eq!(standing.loss(at(10)), 0, "it is over");
        standing.throttle(0, at(20), Some(8));
        assert_eq!(standing.loss(at(11)), 0);
    }
}
