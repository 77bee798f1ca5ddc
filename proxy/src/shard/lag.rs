//! How far a shard is behind, for limits that follow that, and whether the system's clock was set.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use sigbox_core::{Input, Instant};

use super::Shard;

/// How often the system's clock is looked at.
const WALL_CLOCK: Duration = Duration::from_secs(1);

/// What it may be off before anyone is told, in milliseconds.
const ODD: u64 = 500;

/// What is not worth telling.
const SMALL: Duration = Duration::from_millis(1);

/// After such a pause nothing is known of the turns before it.
const PAUSE: Duration = Duration::from_millis(100);

/// How long the last turns took.
#[derive(Debug)]
pub(super) struct Lag {
    /// Somebody wants to know.
    is_wanted: bool,
    /// When the last turn began, and how long it took.
    turn: (Instant, Duration),
    /// An average of turns, the last one an eighth of it.
    turns: Duration,
    /// What the core was told.
    told: Duration,
    /// When the system's clock was looked at last.
    looked: Option<Instant>,
    /// What it said at [`Instant::ZERO`], in Unix milliseconds.
    wall_origin_ms: u64,
}

impl Lag {
    /// The core knows what the clock said at the start.
    pub(super) fn new(is_wanted: bool, wall_origin_ms: u64) -> Self {
        Self {
            is_wanted,
            turn: (Instant::ZERO, Duration::ZERO),
            turns: Duration::ZERO,
            told: Duration::ZERO,
            looked: None,
            wall_origin_ms,
        }
    }

    /// Whether anybody wants to know from now on.
    pub(super) fn follow(&mut self, is_wanted: bool) {
        self.is_wanted = is_wanted;
    }

    /// A turn begins at `now`, when the oldest request has waited for `waited`; what the core is to be
    /// told, if that is news.
    fn begin(&mut self, now: Instant, waited: Duration) -> Option<Duration> {
        let (began, took) = self.turn;
        self.turns = if now - began > took + PAUSE {
            Duration::ZERO
        } else {
            (self.turns * 7 + took) / 8
        };
        self.turn = (now, Duration::ZERO);
        let lag = self.turns.max(waited);
        let is_over = lag < SMALL && self.told >= SMALL;
        if lag.abs_diff(self.told) < SMALL && !is_over {
            return None;
        }
        self.told = lag;
        Some(lag)
    }
}

impl Shard {
    /// A turn begins: tells the core how far it is behind, if anything follows that.
    pub(super) fn begin_turn(&mut self) {
        if !self.lag.is_wanted {
            return;
        }
        let now = self.clock.now();
        let waited = self
            .admission
            .oldest()
            .map_or(Duration::ZERO, |at| now - at);
        if let Some(lag) = self.lag.begin(now, waited) {
            self.core.handle(now, Input::Lag(lag), &mut self.out);
        }
    }

    /// The turn is over.
    pub(super) fn end_turn(&mut self) {
        if self.lag.is_wanted {
            self.lag.turn.1 = self.clock.now() - self.lag.turn.0;
        }
    }

    /// Tells the core when the system's clock was set; looks now and then.
    pub(super) fn look_at_wall_clock(&mut self, now: Instant) {
        if self.lag.looked.is_some_and(|at| now < at + WALL_CLOCK) {
            return;
        }
        self.lag.looked = Some(now);
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH);
        let wall = since_epoch.unwrap_or_default().as_millis();
        let wall = u64::try_from(wall).unwrap_or_default();
        let origin_ms = wall.saturating_sub(now.as_millis());
        if origin_ms.abs_diff(self.lag.wall_origin_ms) > ODD {
            self.lag.wall_origin_ms = origin_ms;
            let input = Input::WallClock { origin_ms };
            self.core.handle(now, input, &mut self.out);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    fn at(millis: u64) -> Instant {
        Instant::from_micros(millis * 1_000)
    }

    #[test]
    fn the_lag_is_what_turns_take_or_what_the_oldest_has_waited() {
        let mut lag = Lag::new(true, 0);
        assert_eq!(lag.begin(at(0), Duration::ZERO), None);
        lag.turn.1 = ms(80);
        assert_eq!(lag.begin(at(80), Duration::ZERO), Some(ms(10)));
        assert_eq!(lag.begin(at(81), ms(90)), Some(ms(90)));
        for turn in 0..100 {
            lag.begin(at(82 + turn), Duration::ZERO);
        }
        assert!(lag.told < SMALL, "{:?}", lag.told);
    }

    #[test]
    fn after_a_pause_nothing_is_late() {
        let mut lag = Lag::new(true, 0);
        for turn in 0..50 {
            lag.begin(at(turn * 40), Duration::ZERO);
            lag.turn.1 = ms(40);
        }
        assert!(lag.told > ms(30), "{:?}", lag.told);
        assert_eq!(lag.begin(at(10_000), Duration::ZERO), Some(Duration::ZERO));
    }
}
