//! Timers whose delays come from a small set.

use std::collections::VecDeque;
use std::time::Duration;

use crate::clock::Moment;

/// Timers expire at multiples of this on the clock, so that those of many calls, and the arrivals of calls, share a
/// wake-up: most of them find that nobody waits for them any more.
pub(crate) const GRID: Duration = Duration::from_millis(1);

/// Pending timers: one queue per distinct delay. As time does not run backwards each queue is in order by itself, so
/// setting and expiring a timer costs a queue operation. There is no cancelling; an expired timer that nobody waits for
/// any more is recognised by what it carries.
#[derive(Debug)]
pub(crate) struct Schedule<T> {
    lanes: Vec<(Duration, VecDeque<(Moment, T)>)>,
    /// The earliest of all.
    next: Option<Moment>,
}

impl<T> Default for Schedule<T> {
    fn default() -> Self {
        Self {
            lanes: Vec::new(),
            next: None,
        }
    }
}

impl<T> Schedule<T> {
    /// `timer` expires `delay` after `now`, rounded up to [`GRID`]; `now` is not before that of earlier calls.
    pub(crate) fn set(&mut self, now: Moment, delay: Duration, timer: T) {
        let due = now.after(delay).round_up(GRID);
        self.next = Some(self.next.map_or(due, |next| next.min(due)));
        match self.lanes.iter_mut().find(|(lane, _)| *lane == delay) {
            Some((_, queue)) => queue.push_back((due, timer)),
            None => self.lanes.push((delay, VecDeque::from([(due, timer)]))),
        }
    }

    /// The next timer that has expired, with the time at which it was due.
    pub(crate) fn expire(&mut self, now: Moment) -> Option<(Moment, T)> {
        if self.next? > now {
            return None;
        }
        let due = |queue: &VecDeque<(Moment, T)>| queue.front().map(|(due, _)| *due);
        let mut queues = self.lanes.iter_mut().map(|(_, queue)| queue);
        let expired = queues.find(|queue| due(queue).is_some_and(|due| due <= now));
        let timer = expired.and_then(VecDeque::pop_front);
        self.next = self.lanes.iter().filter_map(|(_, queue)| due(queue)).min();
        timer
    }

    /// When the next timer expires.
    pub(crate) fn next(&self) -> Option<Moment> {
        self.next
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timers_expire_when_due() {
        let start = Moment::from_nanos(0);
        let at = |ms| start.after(Duration::from_millis(ms));
        let mut schedule = Schedule::default();
        schedule.set(start, Duration::from_millis(500), "a");
        schedule.set(start, Duration::from_millis(100), "b");
        schedule.set(at(50), Duration::from_millis(100), "c");
        assert_eq!(schedule.next(), Some(at(100)));
        assert_eq!(schedule.expire(at(99)), None);
        assert_eq!(schedule.expire(at(150)), Some((at(100), "b")));
        assert_eq!(schedule.expire(at(150)), Some((at(150), "c")));
        assert_eq!(schedule.expire(at(150)), None);
        assert_eq!(schedule.next(), Some(at(500)));
    }

    #[test]
    fn timers_of_one_millisecond_expire_together() {
        let mut schedule = Schedule::default();
        for us in [100, 350, 999] {
            let now = Moment::from_nanos(us * 1_000);
            schedule.set(now, Duration::from_millis(20), us);
        }
        let due = Moment::from_nanos(21_000_000);
        assert_eq!(schedule.next(), Some(due));
        let expired: Vec<_> = std::iter::from_fn(|| schedule.expire(due)).collect();
        assert_eq!(expired, [(due, 100), (due, 350), (due, 999)]);
    }
}
