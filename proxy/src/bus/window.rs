//! How many queries may be out at a time at one subject.
//!
//! Deciders answer at some rate, and what is asked beyond it waits at them until its budget is over:
//! then they are busy with questions that nobody waits for any more, and every call falls back. So
//! the number of open queries follows what the answers took, like TCP's congestion window: it grows
//! while it is the limit and answers come early in their budget, and when they come late it shrinks
//! to what, at the rate of the answers, keeps them in time. By Little's law those are proportional:
//! a full queue that took 80 % of the budget takes 40 % when half as many wait in it.
//!
//! A decider may be slow by nature, however few ask. What answers take on average while the limit
//! holds nothing back is therefore taken as given, and only what comes on top as queueing.

use sigbox_core::Instant;

/// The limit at first: enough for 1,000 queries/s that take 128 ms.
const AT_FIRST: u32 = 128;

/// The limit never falls below: this many tell how deciders fare.
const LEAST: u32 = 16;

/// The most by which the limit grows at once.
const GROWTH: f32 = 1.25;

/// No nature is slower than this share of the budget.
const LATEST: f32 = 0.95;

/// The limit of open queries at one subject of one shard. A plain state machine, as the breaker is.
#[derive(Debug)]
pub(super) struct Window {
    limit: u32,
    /// How many are out now.
    open: u32,
    round: Round,
    /// What an answer takes without a queue, as a share of its budget.
    nature: f32,
}

/// The answers since the limit was looked at last.
#[derive(Debug)]
struct Round {
    answers: u32,
    /// What they took together, each as a share of its budget.
    took: f32,
    /// The most that were out at once.
    most: u32,
    /// A query was held back.
    is_full: bool,
    began: Instant,
}

impl Round {
    fn new(began: Instant, open: u32) -> Self {
        Self {
            answers: 0,
            took: 0.0,
            most: open,
            is_full: false,
            began,
        }
    }
}

impl Window {
    pub(super) fn new() -> Self {
        Self {
            limit: AT_FIRST,
            open: 0,
            round: Round::new(Instant::ZERO, 0),
            nature: 0.0,
        }
    }

    /// How many queries may be out.
    pub(super) fn limit(&self) -> u32 {
        self.limit
    }

    /// How many are out.
    pub(super) fn open(&self) -> u32 {
        self.open
    }

    /// How many more may go out now.
    pub(super) fn room(&mut self) -> u32 {
        let room = self.limit.saturating_sub(self.open);
        self.round.is_full |= room == 0;
        room
    }

    /// How many more are out than should be.
    pub(super) fn excess(&self) -> u32 {
        self.open.saturating_sub(self.limit)
    }

    /// A query went out.
    pub(super) fn opened(&mut self) {
        self.open += 1;
        self.round.most = self.round.most.max(self.open);
    }

    /// A query is out no longer, and nothing was learnt from it.
    pub(super) fn closed(&mut self) {
        self.open = self.open.saturating_sub(1);
    }

    /// A query that was asked at `sent`, with a budget until `due`, was answered, or its budget is over.
    pub(super) fn answered(&mut self, now: Instant, sent: Instant, due: Instant) {
        self.closed();
        let budget = (due - sent).as_secs_f32().max(f32::EPSILON);
        let took = ((now - sent).as_secs_f32() / budget).min(1.0);
        let round = &mut self.round;
        round.answers += 1;
        round.took += took;
        let is_over = round.answers >= self.limit || now - round.began >= due - sent;
        if is_over && round.answers >= LEAST.min(round.most) {
            self.look(now);
        }
    }

    fn look(&mut self, now: Instant) {
        let round = std::mem::replace(&mut self.round, Round::new(now, self.open));
        let mean = round.took / round.answers as f32;
        if mean < self.nature || !round.is_full || self.limit <= LEAST {
            // When the limit is as low as it gets, there is no queue to speak of either.
            self.nature = mean.min(LATEST);
        }
        let aim = f32::midpoint(self.nature, 1.0);
        let factor = aim / mean.max(f32::EPSILON);
        // Where far fewer were out than might have been, there was no queue of ours, and the limit did not matter.
        let is_used = round.is_full || round.most > self.limit / 2;
        if factor >= 1.0 && round.is_full {
            let limit = (self.limit as f32 * factor.min(GROWTH)).ceil();
            self.limit = limit as u32;
        } else if factor < 1.0 && is_used {
            let most = self.limit.min(round.most) as f32;
            self.limit = ((most * factor) as u32).max(LEAST);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    const BUDGET: u64 = 200_000;

    fn at(micros: u64) -> Instant {
        Instant::from_micros(micros)
    }

    /// One decider that takes queries in turn, and what came of them.
    struct Decider {
        window: Window,
        /// How long it works at each, in microseconds.
        work: u64,
        /// What each takes besides, without keeping it from the next.
        besides: u64,
        free: u64,
        /// When they will be answered or given up, when they were asked, and which is in time.
        queue: BTreeSet<(u64, u64, bool)>,
        /// One in so many is answered from a cache, without `besides`.
        quick_in: u64,
        asked: u64,
        now: u64,
    }

    impl Decider {
        fn new(work: u64, besides: u64) -> Self {
            let window = Window::new();
            Self {
                window,
                work,
                besides,
                free: 0,
                queue: BTreeSet::new(),
                quick_in: u64::MAX,
                asked: 0,
                now: 0,
            }
        }

        /// Asks at an even rate; how many of so many were answered in time, timed out and held back.
        fn ask(&mut self, per_second: u64, seconds: u64) -> (u64, u64, u64) {
            let mut sums = (0, 0, 0);
            for _ in 0..per_second * seconds {
                self.now += 1_000_000 / per_second;
                while let Some(&(until, sent, is_in_time)) = self.queue.first()
                    && until <= self.now
                {
                    self.queue.pop_first();
                    self.window.answered(at(until), at(sent), at(sent + BUDGET));
                    if is_in_time {
                        sums.0 += 1;
                    } else {
                        sums.1 += 1;
                    }
                }
                if self.window.room() == 0 {
                    sums.2 += 1;
                    continue;
                }
                self.window.opened();
                self.free = self.free.max(self.now) + self.work;
                self.asked += 1;
                let is_quick = self.asked.is_multiple_of(self.quick_in);
                let done = self.free + if is_quick { 0 } else { self.besides };
                let limit = self.now + BUDGET;
                // It does not begin with what it would not finish in time.
                if self.free > limit {
                    self.free -= self.work;
                }
                self.queue.insert((done.min(limit), self.now, done < limit));
            }
            sums
        }
    }

    #[test]
    fn a_decider_that_keeps_up_is_not_held_back() {
        let (answered, late, held) = Decider::new(100, 1_000).ask(8_000, 10);
        assert_eq!((late, held), (0, 0), "of {answered}");
    }

    /// O1
    #[test]
    fn a_decider_in_a_flood_answers_what_it_can_in_time() {
        for times in [2, 5, 10] {
            let mut decider = Decider::new(1_000, 0);
            let (answered, late, held) = decider.ask(1_000 * times, 10);
            assert!(answered > 9_500, "{times}: {answered} of 10,000");
            assert!(late < 300, "{times}: {late} were late");
            assert!(held > 9_500 * (times - 1), "{times}: {held} were held back");
            assert!(decider.window.limit() < 200, "{:?}", decider.window);
        }
    }

    #[test]
    fn a_decider_that_is_slow_by_nature_is_given_many_at_once() {
        // It takes 150 ms of 200 each, as many as there are: 3,000/s are 450 at once.
        let mut decider = Decider::new(10, 150_000);
        decider.ask(1_000, 2);
        decider.ask(3_000, 3);
        assert_eq!(decider.ask(3_000, 10), (30_000, 0, 0));
    }

    #[test]
    fn a_decider_that_takes_nearly_its_budget_is_left_alone() {
        let mut decider = Decider::new(10, 186_000);
        decider.ask(100, 5);
        assert_eq!(decider.ask(100, 20), (2_000, 0, 0));
    }

    #[test]
    fn answers_that_vary_are_no_queue() {
        // One in five comes from a cache, the others take 140 ms of 200: 67 are out at once, more than half of the limit.
        let mut decider = Decider::new(10, 140_000);
        decider.quick_in = 5;
        assert_eq!(decider.ask(600, 20).2, 0, "{:?}", decider.window);
    }

    #[test]
    fn a_decider_that_becomes_slow_by_nature_is_found_out() {
        let mut decider = Decider::new(10, 1_000);
        assert_eq!(decider.ask(3_000, 5).2, 0);
        decider.besides = 150_000;
        let (_, _, held) = decider.ask(3_000, 10);
        assert!(held < 15_000, "{held} of 30,000 while it was found out");
        assert_eq!(decider.ask(3_000, 10).2, 0);
    }

    #[test]
    fn a_query_that_nobody_answers_says_nothing_about_the_rate_in_quiet_traffic() {
        let mut decider = Decider::new(100, 1_000);
        decider.ask(5, 10);
        decider.free += BUDGET;
        decider.ask(5, 10);
        assert_eq!(decider.window.limit(), AT_FIRST);
    }

    #[test]
    fn a_silent_decider_is_asked_little() {
        let mut decider = Decider::new(BUDGET * 2, 0);
        let (answered, late, held) = decider.ask(1_000, 10);
        assert_eq!(answered, 0);
        assert!(late < 1_500 && held > 8_000, "{late}, {held}");
    }
}
