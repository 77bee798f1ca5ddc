//! A histogram that one thread writes and any thread reads, without a lock.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Upper bounds of the buckets, in milliseconds, dense around a decision's usual budget.
pub const BUCKETS_MS: [f64; 15] = [
    0.25, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 150.0, 200.0, 300.0, 500.0, 1_000.0, 5_000.0,
];

/// Counts of durations.
#[derive(Debug)]
pub struct Histogram {
    /// One more than there are bounds: the last holds what is over all of them.
    buckets: [AtomicU64; BUCKETS_MS.len() + 1],
    sum_micros: AtomicU64,
}

impl Default for Histogram {
    fn default() -> Self {
        Self {
            buckets: std::array::from_fn(|_| AtomicU64::new(0)),
            sum_micros: AtomicU64::new(0),
        }
    }
}

impl Histogram {
    /// Counts one duration. Only the owning thread may call this.
    pub fn observe(&self, took: Duration) {
        let millis = took.as_secs_f64() * 1_000.0;
        let at = BUCKETS_MS.partition_point(|bound| *bound < millis);
        add(&self.buckets[at], 1);
        add(
            &self.sum_micros,
            u64::try_from(took.as_micros()).unwrap_or(u64::MAX),
        );
    }

    /// Adds what was counted to a total.
    pub(super) fn add_to(&self, total: &mut Total) {
        for (sum, bucket) in total.buckets.iter_mut().zip(&self.buckets) {
            *sum += bucket.load(Ordering::Relaxed);
        }
        total.sum_micros += self.sum_micros.load(Ordering::Relaxed);
    }
}

/// The sum of several histograms.
#[derive(Debug, Default)]
pub(super) struct Total {
    buckets: [u64; BUCKETS_MS.len() + 1],
    sum_micros: u64,
}

impl Total {
    pub(super) fn count(&self) -> u64 {
        self.buckets.iter().sum()
    }

    pub(super) fn sum_seconds(&self) -> f64 {
        self.sum_micros as f64 / 1e6
    }

    /// Upper bounds in seconds with the counts up to the next lower one.
    pub(super) fn buckets(&self) -> Vec<(f64, u64)> {
        let bounds = BUCKETS_MS
            .iter()
            .map(|millis| millis / 1_000.0)
            .chain([f64::INFINITY]);
        bounds.zip(self.buckets).collect()
    }
}

/// Adds to a number that only this thread writes: a load and a store, no bus lock.
pub(super) fn add(cell: &AtomicU64, by: u64) {
    cell.store(
        cell.load(Ordering::Relaxed).wrapping_add(by),
        Ordering::Relaxed,
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_on_a_bound_belongs_to_its_bucket() {
        let histogram = Histogram::default();
        for millis in [1, 2, 10_000] {
            histogram.observe(Duration::from_millis(millis));
        }
        let mut total = Total::default();
        histogram.add_to(&mut total);
        let counted: Vec<_> = total
            .buckets()
            .into_iter()
            .filter(|(_, count)| *count > 0)
            .collect();
        assert_eq!(counted, [(0.001, 1), (0.002, 1), (f64::INFINITY, 1)]);
        assert_eq!((total.count(), total.sum_seconds()), (3, 10.003));
    }
}
