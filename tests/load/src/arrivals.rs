//! When calls are due.

use std::time::Duration;

use crate::clock::{Moment, nanos};

/// Arrivals at a fixed rate, settled before the run: nothing that happens in it moves them.
///
/// Times are rounded up to a grid, so that at high rates several calls are due at once and one wake-up starts them all.
/// The time on the grid is the time that latencies count from.
#[derive(Clone, Debug)]
pub(crate) struct Arrivals {
    start: Moment,
    per_second: u64,
    grid: u64,
    count: u64,
    next: u64,
}

impl Arrivals {
    /// `count` calls, the first one at `start`.
    pub(crate) fn new(start: Moment, per_second: u32, count: u64, grid: Duration) -> Self {
        Self {
            start,
            per_second: u64::from(per_second.max(1)),
            grid: nanos(grid).max(1),
            count,
            next: 0,
        }
    }

    /// How many are still to come.
    pub(crate) fn left(&self) -> u64 {
        self.count - self.next
    }

    /// When the next one is due.
    pub(crate) fn next_due(&self) -> Option<Moment> {
        (self.next < self.count).then(|| {
            let exact = u128::from(self.next) * 1_000_000_000 / u128::from(self.per_second);
            let exact = u64::try_from(exact).unwrap_or(u64::MAX);
            let offset = exact.div_ceil(self.grid).saturating_mul(self.grid);
            self.start.after(Duration::from_nanos(offset))
        })
    }

    /// Takes the next one when it is due: its number, from 0, and its time.
    pub(crate) fn take(&mut self, now: Moment) -> Option<(u64, Moment)> {
        let due = self.next_due().filter(|due| *due <= now)?;
        let number = self.next;
        self.next += 1;
        Some((number, due))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn low_rates_are_even_and_high_ones_come_in_groups() {
        let start = Moment::from_nanos(1_000);
        let times = |rate| {
            let mut arrivals = Arrivals::new(start, rate, 8, Duration::from_micros(500));
            let late = start.after(Duration::from_secs(60));
            std::iter::from_fn(move || arrivals.take(late))
                .map(|(_, due)| due.since(start).as_micros())
                .collect::<Vec<_>>()
        };
        assert_eq!(
            times(1_000),
            [0, 1_000, 2_000, 3_000, 4_000, 5_000, 6_000, 7_000]
        );
        assert_eq!(times(8_000), [0, 500, 500, 500, 500, 1_000, 1_000, 1_000]);
    }

    #[test]
    fn a_stall_moves_no_due_time() {
        let start = Moment::from_nanos(0);
        let mut arrivals = Arrivals::new(start, 100, 3, Duration::from_micros(500));
        assert_eq!(arrivals.take(start), Some((0, start)));
        assert_eq!(arrivals.take(start), None);
        let late = start.after(Duration::from_secs(1));
        let second = start.after(Duration::from_millis(10));
        assert_eq!(arrivals.take(late), Some((1, second)));
        assert_eq!(arrivals.left(), 1);
    }
}
