//! A hierarchical timer wheel: constant time to arm, and never a scan of what is not due.
//!
//! Entries are never searched for: whoever owns a timer keeps its own deadline and looks at it
//! when an entry fires, so an entry for something finished or postponed is simply found stale.

use crate::clock::Instant;
use crate::key::TransactionKey;

/// Slots per level.
const SLOTS: usize = 256;
/// Levels of 1 ms, 256 ms, 65 s and 4.6 h per slot.
const LEVELS: usize = 4;

/// Deadlines of transactions, in ticks of a millisecond, rounded up: nothing fires early.
pub(crate) struct Wheel {
    levels: [Level; LEVELS],
    /// The last tick that was fired.
    tick: u64,
    entries: usize,
    /// Emptied slots' vectors, so that a warm wheel does not allocate.
    spare: Vec<Vec<Entry>>,
}

struct Level {
    slots: Vec<Vec<Entry>>,
    /// One bit per slot that holds something.
    occupied: [u64; SLOTS / 64],
}

#[derive(Clone, Copy)]
struct Entry {
    tick: u64,
    key: TransactionKey,
}

impl Level {
    fn new() -> Self {
        Self {
            slots: (0..SLOTS).map(|_| Vec::new()).collect(),
            occupied: [0; SLOTS / 64],
        }
    }

    /// The first occupied slot at or after `from`, counted cyclically, as a distance.
    fn distance_to_occupied(&self, from: usize) -> Option<usize> {
        let (first, bit) = (from / 64, from % 64);
        let ahead = self.occupied[first] & (u64::MAX << bit);
        if ahead != 0 {
            return Some(ahead.trailing_zeros() as usize - bit);
        }
        // The last word is the first one again, with what lies before `from`.
        let words = self.occupied.len();
        (1..=words).find_map(|step| {
            let at = (first + step) % words;
            let slot = at * 64 + self.occupied[at].trailing_zeros() as usize;
            (self.occupied[at] != 0).then_some((slot + SLOTS - from) % SLOTS)
        })
    }
}

impl Wheel {
    pub(crate) fn new() -> Self {
        Self {
            levels: std::array::from_fn(|_| Level::new()),
            tick: 0,
            entries: 0,
            spare: Vec::new(),
        }
    }

    /// Has `key` come out of [`Wheel::fire`] once `at` has been reached.
    pub(crate) fn arm(&mut self, at: Instant, key: TransactionKey) {
        let tick = at.as_micros().div_ceil(1_000).max(self.tick + 1);
        self.entries += 1;
        self.place(Entry { tick, key });
    }

    fn place(&mut self, entry: Entry) {
        let mut level = 0;
        while level + 1 < LEVELS
            && (entry.tick >> (8 * level)) - (self.tick >> (8 * level)) >= SLOTS as u64
        {
            level += 1;
        }
        // Beyond the last level's horizon the farthest slot is good enough: it is placed anew when
        // that slot comes up.
        let horizon = (self.tick >> (8 * level)) + SLOTS as u64 - 1;
        let slot = ((entry.tick >> (8 * level)).min(horizon) % SLOTS as u64) as usize;
        let level = &mut self.levels[level];
        if level.slots[slot].capacity() == 0
            && let Some(spare) = self.spare.pop()
        {
            level.slots[slot] = spare;
        }
        level.slots[slot].push(entry);
        level.occupied[slot / 64] |= 1 << (slot % 64);
    }

    /// When [`Wheel::fire`] must be called next; may be early for far deadlines, never late.
    pub(crate) fn next(&self) -> Option<Instant> {
        if self.entries == 0 {
            return None;
        }
        let mut soonest = u64::MAX;
        for (depth, level) in self.levels.iter().enumerate() {
            let current = self.tick >> (8 * depth);
            let from = ((current + 1) % SLOTS as u64) as usize;
            if let Some(distance) = level.distance_to_occupied(from) {
                let slot_start = (current + 1 + distance as u64) << (8 * depth);
                soonest = soonest.min(slot_start);
            }
        }
        (soonest != u64::MAX).then(|| Instant::from_micros(soonest * 1_000))
    }

    /// Appends the keys due at `now` to `due`, in order of their deadlines.
    pub(crate) fn fire(&mut self, now: Instant, due: &mut Vec<TransactionKey>) {
        let target = now.as_millis();
        while let Some(next) = self.next() {
            let next = next.as_millis();
            if next > target {
                break;
            }
            self.tick = next;
            // Far levels first: what comes down from them may be due in this very tick.
            for depth in (1..LEVELS).rev() {
                if next.trailing_zeros() as usize >= 8 * depth {
                    self.cascade(depth, next, due);
                }
            }
            let mut entries = self.take_slot(0, next);
            for entry in entries.drain(..) {
                self.entries -= 1;
                due.push(entry.key);
            }
            self.give_back(entries);
        }
        self.tick = self.tick.max(target);
    }

    fn cascade(&mut self, depth: usize, tick: u64, due: &mut Vec<TransactionKey>) {
        let mut entries = self.take_slot(depth, tick >> (8 * depth));
        for entry in entries.drain(..) {
            if entry.tick <= tick {
                self.entries -= 1;
                due.push(entry.key);
            } else {
                self.place(entry);
            }
        }
        self.give_back(entries);
    }

    fn take_slot(&mut self, depth: usize, position: u64) -> Vec<Entry> {
        let slot = (position % SLOTS as u64) as usize;
        let level = &mut self.levels[depth];
        level.occupied[slot / 64] &= !(1 << (slot % 64));
        std::mem::take(&mut level.slots[slot])
    }

    fn give_back(&mut self, entries: Vec<Entry>) {
        if entries.capacity() > 0 && self.spare.len() < SLOTS {
            self.spare.push(entries);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

    fn key(n: u64) -> TransactionKey {
        TransactionKey::from_bits(1 << 32 | n)
    }

    proptest! {
        #[test]
        fn the_next_occupied_slot_is_the_one_a_walk_meets_first(
            occupied in prop::collection::vec(0..SLOTS, 0..6),
            from in 0..SLOTS,
        ) {
            let mut level = Level::new();
            for slot in &occupied {
                level.occupied[slot / 64] |= 1 << (slot % 64);
            }
            let walked = (0..SLOTS).find(|distance| occupied.contains(&((from + distance) % SLOTS)));
            prop_assert_eq!(level.distance_to_occupied(from), walked);
        }
    }

    #[test]
    fn nothing_armed_never_fires() {
        let mut wheel = Wheel::new();
        let mut due = Vec::new();
        wheel.fire(Instant::ZERO + Duration::from_secs(3600), &mut due);
        assert!(due.is_empty());
        assert_eq!(wheel.next(), None);
    }

    #[test]
    fn a_deadline_in_the_past_fires_with_the_next_tick() {
        let mut wheel = Wheel::new();
        let now = Instant::ZERO + Duration::from_secs(5);
        wheel.fire(now, &mut Vec::new());
        wheel.arm(Instant::ZERO, key(1));
        let next = wheel.next().unwrap();
        assert!(next > now && next <= now + Duration::from_millis(1));
    }

    proptest! {
        /// Every entry fires exactly once, never early, at most a millisecond late when the owner
        /// calls at the times the wheel asks for.
        #[test]
        fn each_fires_once_and_on_time(
            start in 0_u64..100_000_000,
            delays in prop::collection::vec(0_u64..400_000_000, 1..60),
        ) {
            let mut wheel = Wheel::new();
            let mut due = Vec::new();
            wheel.fire(Instant::from_micros(start), &mut due);
            for (n, delay) in delays.iter().enumerate() {
                wheel.arm(Instant::from_micros(start + delay), key(n as u64));
            }
            let mut fired = vec![0; delays.len()];
            while let Some(at) = wheel.next() {
                wheel.fire(at, &mut due);
                for key in due.drain(..) {
                    let n = (key.to_bits() & 0xffff_ffff) as usize;
                    fired[n] += 1;
                    let deadline = start + delays[n];
                    prop_assert!(at.as_micros() >= deadline);
                    prop_assert!(at.as_micros() <= deadline.max(start) + 2_000);
                }
            }
            prop_assert!(fired.iter().all(|times| *times == 1));
        }
    }
}
