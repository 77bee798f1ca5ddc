//! How a limit counts: one number per key, and what it becomes with one more request.

use std::time::Duration;

use super::Moment;

/// How a limit counts.
#[derive(Clone, Debug, PartialEq)]
pub enum Algorithm {
    /// A bucket that leaks evenly: `rate` a second in the long run, `burst` at once. The number is when
    /// the bucket is empty, in nanoseconds (the generic cell rate algorithm, ITU-T I.371).
    TokenBucket(Bucket),
    /// So many in each interval; the intervals follow each other from the start of the process. The
    /// number is the interval and how many it had.
    TailDrop {
        /// How many.
        count: u32,
        /// In nanoseconds.
        interval: u64,
    },
    /// The same bucket, of which a growing share is refused before it is full: none below the fill
    /// `low`, all from `high` on, and evenly more between them.
    RandomEarly {
        /// The bucket.
        bucket: Bucket,
        /// 0 to 1, less than `high`.
        low: f64,
        /// Up to 1.
        high: f64,
    },
    /// A share that follows how far the shard is behind: none up to `low`, all from `high` on.
    Adaptive {
        /// Up to this nobody is refused.
        low: Duration,
        /// From this on everybody is; more than `low`.
        high: Duration,
    },
}

/// A bucket, in nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bucket {
    /// What one request adds: the time in which it leaks out.
    spacing: u64,
    /// What it holds.
    depth: u64,
}

/// Why there is no such algorithm.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AlgorithmError {
    /// A rate that is not more than 0, or more than a billion a second.
    #[error("the rate must be more than 0 and at most 1000000000 a second")]
    Rate,
    /// No room for a single request.
    #[error("nothing would ever be let in")]
    Nothing,
    /// The lower threshold is not the lower one.
    #[error("the lower threshold must be less than the upper one, which is at most 1")]
    Thresholds,
}

impl Bucket {
    fn new(rate: f64, burst: u32) -> Result<Self, AlgorithmError> {
        if !(rate > 0.0 && rate <= 1e9) {
            return Err(AlgorithmError::Rate);
        }
        if burst == 0 {
            return Err(AlgorithmError::Nothing);
        }
        // A request each 100 years is the slowest there is; burst times that still fits.
        let spacing = (1e9 / rate).clamp(1.0, 3e18) as u64;
        Ok(Self {
            spacing,
            depth: spacing.saturating_mul(burst.into()),
        })
    }

    /// When the bucket would be empty with one more; `None` when it does not fit.
    fn add(self, empty_at: u64, now: u64) -> Option<u64> {
        let next = empty_at.max(now).checked_add(self.spacing)?;
        (next - now <= self.depth).then_some(next)
    }

    /// How full it is, 0 to 1.
    fn fill(self, empty_at: u64, now: u64) -> f64 {
        empty_at.saturating_sub(now) as f64 / self.depth as f64
    }
}

impl Algorithm {
    /// `rate` a second, `burst` at once.
    ///
    /// # Errors
    /// [`AlgorithmError`]
    pub fn token_bucket(rate: f64, burst: u32) -> Result<Self, AlgorithmError> {
        Bucket::new(rate, burst).map(Self::TokenBucket)
    }

    /// `count` in each `interval`.
    ///
    /// # Errors
    /// [`AlgorithmError::Nothing`]
    pub fn tail_drop(count: u32, interval: Duration) -> Result<Self, AlgorithmError> {
        let interval = nanos(interval);
        if count == 0 || interval == 0 {
            return Err(AlgorithmError::Nothing);
        }
        Ok(Self::TailDrop { count, interval })
    }

    /// A bucket of `rate` and `burst` of which a share is refused between the fills `low` and `high`.
    ///
    /// # Errors
    /// [`AlgorithmError`]
    pub fn random_early(
        rate: f64,
        burst: u32,
        low: f64,
        high: f64,
    ) -> Result<Self, AlgorithmError> {
        if !(0.0 <= low && low < high && high <= 1.0) {
            return Err(AlgorithmError::Thresholds);
        }
        let bucket = Bucket::new(rate, burst)?;
        Ok(Self::RandomEarly { bucket, low, high })
    }

    /// A share between two lags.
    ///
    /// # Errors
    /// [`AlgorithmError::Thresholds`]
    pub fn adaptive(low: Duration, high: Duration) -> Result<Self, AlgorithmError> {
        if low >= high {
            return Err(AlgorithmError::Thresholds);
        }
        Ok(Self::Adaptive { low, high })
    }

    /// The name in the configuration.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::TokenBucket(_) => "token_bucket",
            Self::TailDrop { .. } => "tail_drop",
            Self::RandomEarly { .. } => "random_early",
            Self::Adaptive { .. } => "adaptive",
        }
    }

    pub(super) fn is_random(&self) -> bool {
        matches!(self, Self::RandomEarly { .. } | Self::Adaptive { .. })
    }

    /// What the number becomes with one more request; `None` when that is over. `luck` is even in 0..1.
    pub(super) fn next(&self, old: u64, moment: Moment, luck: f64) -> Option<u64> {
        let now = moment.now.as_micros().saturating_mul(1_000);
        if self.is_random() && luck < self.share(old, moment) {
            return None;
        }
        match *self {
            Self::TokenBucket(bucket) | Self::RandomEarly { bucket, .. } => bucket.add(old, now),
            Self::TailDrop { count, interval } => {
                let had = counted(old, now, interval);
                (had < count).then(|| interval_of(now, interval) << 32 | u64::from(had + 1))
            }
            Self::Adaptive { .. } => Some(old),
        }
    }

    /// Which share of requests is over just now.
    pub(super) fn share(&self, old: u64, moment: Moment) -> f64 {
        let now = moment.now.as_micros().saturating_mul(1_000);
        let certainly = |is_over| if is_over { 1.0 } else { 0.0 };
        match *self {
            Self::TokenBucket(bucket) => certainly(bucket.add(old, now).is_none()),
            Self::TailDrop { count, interval } => certainly(counted(old, now, interval) >= count),
            Self::RandomEarly { bucket, low, high } => match bucket.add(old, now) {
                None => 1.0,
                Some(_) => between(bucket.fill(old, now), low, high),
            },
            Self::Adaptive { low, high } => between(
                moment.lag.as_secs_f64(),
                low.as_secs_f64(),
                high.as_secs_f64(),
            ),
        }
    }
}

/// 0 up to `low`, 1 from `high` on, and evenly between.
fn between(value: f64, low: f64, high: f64) -> f64 {
    ((value - low) / (high - low)).clamp(0.0, 1.0)
}

fn nanos(span: Duration) -> u64 {
    u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)
}

/// The number of the interval, never 0, in 32 bits.
fn interval_of(now: u64, interval: u64) -> u64 {
    (now / interval + 1) & u64::from(u32::MAX)
}

/// How many the present interval has had.
fn counted(old: u64, now: u64, interval: u64) -> u32 {
    if old >> 32 == interval_of(now, interval) {
        // The low half.
        old as u32
    } else {
        0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Instant;

    fn at(micros: u64, lag_ms: u64) -> Moment {
        Moment {
            now: Instant::from_micros(micros),
            lag: Duration::from_millis(lag_ms),
        }
    }

    /// How many of the requests at these times pass.
    fn pass(algorithm: &Algorithm, micros: impl Iterator<Item = u64>) -> usize {
        let mut number = 0;
        let mut luck = lucky();
        micros
            .filter(|now| {
                let next = algorithm.next(number, at(*now, 0), luck());
                number = next.unwrap_or(number);
                next.is_some()
            })
            .count()
    }

    /// Even numbers in 0..1, the same each time.
    fn lucky() -> impl FnMut() -> f64 {
        let mut state = 7_u64;
        move || {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            (state >> 11) as f64 / (1_u64 << 53) as f64
        }
    }

    #[test]
    fn a_token_bucket_passes_its_burst_and_then_its_rate_exactly() {
        let bucket = Algorithm::token_bucket(100.0, 20).unwrap();
        // 1,000 a second for ten seconds.
        assert_eq!(pass(&bucket, (0..10_000).map(|n| n * 1_000)), 20 + 999);
        // At the rate itself nobody is refused.
        assert_eq!(pass(&bucket, (0..10_000).map(|n| n * 10_000)), 10_000);
        // A rate less than one a second.
        let slow = Algorithm::token_bucket(0.5, 1).unwrap();
        assert_eq!(pass(&slow, (0..100).map(|n| n * 100_000)), 5);
    }

    #[test]
    fn tail_drop_passes_a_number_in_each_interval() {
        let drop = Algorithm::tail_drop(5, Duration::from_secs(1)).unwrap();
        assert_eq!(pass(&drop, (0..100).map(|n| n * 1_000)), 5);
        assert_eq!(pass(&drop, (0..4_000).map(|n| n * 1_000)), 20);
        // Ten around the end of an interval: that is how intervals are.
        assert_eq!(pass(&drop, (990..1_010).map(|n| n * 1_000)), 10);
    }

    #[test]
    fn random_early_refuses_a_share_that_grows_between_the_thresholds() {
        let early = Algorithm::random_early(1_000.0, 1_000, 0.5, 1.0).unwrap();
        let Algorithm::RandomEarly { bucket, .. } = early else {
            panic!("{early:?}")
        };
        // The bucket leaks 1 ms a request and holds a second.
        for (fill_ms, expected) in [(0, 0.0), (500, 0.0), (625, 0.25), (750, 0.5), (900, 0.8)] {
            assert!((bucket.fill(fill_ms * 1_000_000, 0) - fill_ms as f64 / 1_000.0).abs() < 1e-9);
            let mut luck = lucky();
            let over = (0..20_000).filter(|_| {
                let next = early.next(fill_ms * 1_000_000, at(0, 0), luck());
                next.is_none()
            });
            let share = over.count() as f64 / 20_000.0;
            assert!((share - expected).abs() < 0.02, "{fill_ms} ms: {share}");
        }
        assert_eq!(early.next(1_000_000_000, at(0, 0), 0.999_999), None);
        // In the long run the rate is what it is, whatever the share: 4,000 a second for 10 s.
        let passed = pass(&early, (0..40_000).map(|n| n * 250));
        assert!((10_000..11_000).contains(&passed), "{passed}");
    }

    #[test]
    fn adaptive_follows_the_lag() {
        let low = Duration::from_millis(10);
        let adaptive = Algorithm::adaptive(low, Duration::from_millis(50)).unwrap();
        for (lag, expected) in [
            (0, 0.0),
            (10, 0.0),
            (20, 0.25),
            (30, 0.5),
            (50, 1.0),
            (900, 1.0),
        ] {
            let mut luck = lucky();
            let over = (0..20_000).filter(|_| adaptive.next(0, at(5, lag), luck()).is_none());
            let share = over.count() as f64 / 20_000.0;
            assert!((share - expected).abs() < 0.02, "{lag} ms: {share}");
        }
    }

    #[test]
    fn what_lets_nothing_in_or_everything_is_refused() {
        assert_eq!(Algorithm::token_bucket(0.0, 1), Err(AlgorithmError::Rate));
        assert_eq!(
            Algorithm::token_bucket(f64::NAN, 1),
            Err(AlgorithmError::Rate)
        );
        assert_eq!(
            Algorithm::token_bucket(1.0, 0),
            Err(AlgorithmError::Nothing)
        );
        let thresholds = Algorithm::random_early(1.0, 1, 0.9, 0.5);
        assert_eq!(thresholds, Err(AlgorithmError::Thresholds));
        let lags = Algorithm::adaptive(Duration::from_secs(1), Duration::from_secs(1));
        assert_eq!(lags, Err(AlgorithmError::Thresholds));
    }

    #[test]
    fn after_years_it_counts_as_on_the_first_day() {
        let bucket = Algorithm::token_bucket(1e-9, u32::MAX).unwrap();
        let years = 100 * 365 * 86_400 * 1_000_000;
        assert!(bucket.next(u64::MAX, at(years, 0), 0.0).is_none());
        let drop = Algorithm::tail_drop(1, Duration::from_millis(1)).unwrap();
        assert_eq!(pass(&drop, (0..3).map(|n| years + n * 1_000)), 3);
    }
}
