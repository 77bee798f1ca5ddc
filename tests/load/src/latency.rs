//! Latencies and their quantiles.

use std::time::Duration;

use hdrhistogram::Histogram;
use serde::Serialize;

use crate::clock::nanos;

/// Latencies from 1 µs to 10 minutes with three significant digits; longer ones count as 10 minutes.
#[derive(Debug)]
pub(crate) struct Latency(Histogram<u64>);

impl Default for Latency {
    #[expect(
        clippy::expect_used,
        reason = "the bounds are constants that hdrhistogram accepts"
    )]
    fn default() -> Self {
        let histogram = Histogram::new_with_bounds(1_000, 600_000_000_000, 3);
        Self(histogram.expect("valid bounds"))
    }
}

impl Latency {
    /// Adds one.
    pub(crate) fn record(&mut self, latency: Duration) {
        self.0.saturating_record(nanos(latency));
    }

    /// What a report says of them; `None` when there were none.
    pub(crate) fn quantiles(&self) -> Option<Quantiles> {
        let at = |quantile| self.0.value_at_quantile(quantile) as f64 / 1e3;
        (!self.0.is_empty()).then(|| Quantiles {
            count: self.0.len(),
            mean_us: (self.0.mean() / 100.0).round() / 10.0,
            p50_us: at(0.5),
            p90_us: at(0.9),
            p99_us: at(0.99),
            p999_us: at(0.999),
            max_us: self.0.max() as f64 / 1e3,
        })
    }
}

/// Quantiles in microseconds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Quantiles {
    /// How many were measured.
    pub count: u64,
    /// Arithmetic mean.
    pub mean_us: f64,
    /// Median.
    pub p50_us: f64,
    /// 90 %.
    pub p90_us: f64,
    /// 99 %.
    pub p99_us: f64,
    /// 99.9 %.
    pub p999_us: f64,
    /// The longest.
    pub max_us: f64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_microseconds() {
        let mut latency = Latency::default();
        assert_eq!(latency.quantiles(), None);
        for ms in 1..=1_000 {
            latency.record(Duration::from_millis(ms));
        }
        latency.record(Duration::from_secs(10_000));
        let quantiles = latency.quantiles().unwrap();
        assert_eq!(quantiles.count, 1_001);
        assert!(
            (quantiles.p50_us / 500_000.0 - 1.0).abs() < 0.003,
            "{quantiles:?}"
        );
        assert!(
            (quantiles.p99_us / 990_000.0 - 1.0).abs() < 0.003,
            "{quantiles:?}"
        );
        assert!(quantiles.max_us >= 600e6, "{quantiles:?}");
    }
}
