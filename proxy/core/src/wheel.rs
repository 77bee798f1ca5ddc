//! A hierarchical timer wheel: constant time to arm, and never a scan of what is not due.
//!
//! Each slot has one timer, and the timers of a bucket are a list through the slots themselves: the
//! wheel holds nothing that grows. Whoever owns a timer keeps its own deadlines and looks at them
//! when it fires, so a timer that is only postponed is left where it is.

use crate::clock::Instant;
use crate::key::TransactionKey;
use crate::slots::Slots;

/// Buckets per level.
const BUCKETS: usize = 256;
/// Levels of 1 ms, 256 ms, 65 s and 4.6 h per bucket.
const LEVELS: usize = 4;
/// Deadlines further away, 24 days, fire then.
const HORIZON: u64 = 1 << 31;

/// A timer: one in each slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Timer {
    ends: Ends,
    /// The low half of the tick that it fires in.
    tick: u32,
}

/// Neighbours in the list of a bucket, which begins and ends at the bucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Ends {
    next: Link,
    prev: Link,
}

/// A slot, or a bucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Link(u32);

impl Link {
    const BUCKET: u32 = 1 << 31;
    const NONE: Self = Self(u32::MAX);

    const fn bucket(bucket: usize) -> Self {
        Self(Self::BUCKET | bucket as u32)
    }
}

impl Timer {
    pub(crate) const UNARMED: Self = Self {
        ends: Ends {
            next: Link::NONE,
            prev: Link::NONE,
        },
        tick: 0,
    };

    fn is_armed(&self) -> bool {
        self.ends.next != Link::NONE
    }
}

/// Deadlines of transactions, in ticks of a millisecond, rounded up: nothing fires early.
pub(crate) struct Wheel {
    /// Those of all levels.
    buckets: Box<[Ends]>,
    /// One bit per bucket that holds something.
    occupied: [[u64; BUCKETS / 64]; LEVELS],
    /// The last tick that was fired.
    tick: u64,
    armed: usize,
}

impl Wheel {
    pub(crate) fn new() -> Self {
        let empty = |bucket| Ends {
            next: Link::bucket(bucket),
            prev: Link::bucket(bucket),
        };
        Self {
            buckets: (0..BUCKETS * LEVELS).map(empty).collect(),
            occupied: [[0; BUCKETS / 64]; LEVELS],
            tick: 0,
            armed: 0,
        }
    }

    /// Has the slot's key come out of [`Wheel::fire`] once `at` has been reached, or sooner.
    pub(crate) fn arm(&mut self, slots: &mut Slots, slot: u32, now: Instant, at: Instant) {
        let tick = self.tick_of(now, at);
        let timer = slots[slot].timer;
        if timer.is_armed() {
            if self.full_tick(timer) <= tick {
                return;
            }
            self.unlink(slots, slot);
        }
        slots[slot].timer.tick = tick as u32;
        self.place(slots, slot);
    }

    /// Has the slot's key come out of [`Wheel::fire`] once `at` has been reached, and not sooner.
    pub(crate) fn arm_exactly(&mut self, slots: &mut Slots, slot: u32, now: Instant, at: Instant) {
        self.disarm(slots, slot);
        self.arm(slots, slot, now, at);
    }

    pub(crate) fn disarm(&mut self, slots: &mut Slots, slot: u32) {
        if slots[slot].timer.is_armed() {
            self.unlink(slots, slot);
        }
    }

    fn tick_of(&mut self, now: Instant, at: Instant) -> u64 {
        if self.armed == 0 {
            // Nobody has asked to fire what is not there.
            self.tick = self.tick.max(now.as_millis());
        }
        let tick = at.as_micros().div_ceil(1_000);
        tick.clamp(self.tick + 1, self.tick + HORIZON)
    }

    fn full_tick(&self, timer: Timer) -> u64 {
        self.tick + u64::from(timer.tick.wrapping_sub(self.tick as u32))
    }

    /// Into the bucket of its tick, as its last.
    fn place(&mut self, slots: &mut Slots, slot: u32) {
        let tick = self.full_tick(slots[slot].timer);
        let mut level = 0;
        while level + 1 < LEVELS
            && (tick >> (8 * level)) - (self.tick >> (8 * level)) >= BUCKETS as u64
        {
            level += 1;
        }
        let position = (tick >> (8 * level)) as usize % BUCKETS;
        self.occupied[level][position / 64] |= 1 << (position % 64);
        let bucket = level * BUCKETS + position;
        let prev = self.buckets[bucket].prev;
        slots[slot].timer.ends = Ends {
            next: Link::bucket(bucket),
            prev,
        };
        self.ends(slots, prev).next = Link(slot);
        self.buckets[bucket].prev = Link(slot);
        self.armed += 1;
    }

    fn unlink(&mut self, slots: &mut Slots, slot: u32) {
        let Ends { next, prev } = slots[slot].timer.ends;
        self.ends(slots, prev).next = next;
        self.ends(slots, next).prev = prev;
        if next == prev {
            // It was the only one: both are its bucket.
            let bucket = (next.0 & !Link::BUCKET) as usize;
            self.occupied[bucket / BUCKETS][bucket % BUCKETS / 64] &= !(1 << (bucket % 64));
        }
        slots[slot].timer = Timer::UNARMED;
        self.armed -= 1;
    }

    fn ends<'a>(&'a mut self, slots: &'a mut Slots, link: Link) -> &'a mut Ends {
        if link.0 & Link::BUCKET == 0 {
            &mut slots[link.0].timer.ends
        } else {
            &mut self.buckets[(link.0 & !Link::BUCKET) as usize]
        }
    }

    /// When [`Wheel::fire`] must be called next; may be early for far deadlines, never late.
    pub(crate) fn next(&self) -> Option<Instant> {
        self.next_tick()
            .map(|tick| Instant::from_micros(tick * 1_000))
    }

    fn next_tick(&self) -> Option<u64> {
        if self.armed == 0 {
            return None;
        }
        let starts = self
            .occupied
            .iter()
            .enumerate()
            .filter_map(|(level, occupied)| {
                let current = self.tick >> (8 * level);
                let from = (current + 1) as usize % BUCKETS;
                let distance = distance_to_occupied(occupied, from)?;
                Some((current + 1 + distance as u64) << (8 * level))
            });
        starts.min()
    }

    /// Appends the keys due at `now` to `due`, in order of their deadlines.
    pub(crate) fn fire(&mut self, slots: &mut Slots, now: Instant, due: &mut Vec<TransactionKey>) {
        let target = now.as_millis();
        while let Some(next) = self.next_tick().filter(|next| *next <= target) {
            self.tick = next;
            // Far levels first: what comes down from them may be due in this very tick.
            for level in (1..LEVELS).rev() {
                if next.trailing_zeros() as usize >= 8 * level {
                    self.cascade(slots, level, due);
                }
            }
            while let Some(slot) = self.first(0) {
                self.unlink(slots, slot);
                due.push(slots.key(slot));
            }
        }
        self.tick = self.tick.max(target);
    }

    /// Distributes the present bucket of a level over the lower ones.
    fn cascade(&mut self, slots: &mut Slots, level: usize, due: &mut Vec<TransactionKey>) {
        while let Some(slot) = self.first(level) {
            let timer = slots[slot].timer;
            self.unlink(slots, slot);
            if self.full_tick(timer) == self.tick {
                due.push(slots.key(slot));
            } else {
                slots[slot].timer.tick = timer.tick;
                self.place(slots, slot);
            }
        }
    }

    /// The first slot in the present bucket of a level.
    fn first(&self, level: usize) -> Option<u32> {
        let position = (self.tick >> (8 * level)) as usize % BUCKETS;
        let Link(first) = self.buckets[level * BUCKETS + position].next;
        (first & Link::BUCKET == 0).then_some(first)
    }
}

/// The first bucket at or after `from`, counted cyclically, that holds something, as a distance.
fn distance_to_occupied(occupied: &[u64; BUCKETS / 64], from: usize) -> Option<usize> {
    let words = occupied.len();
    let (first, bit) = (from / 64, from % 64);
    let mut word = occupied[first] & (u64::MAX << bit);
    for step in 0..=words {
        if word != 0 {
            let bucket = ((first + step) % words) * 64 + word.trailing_zeros() as usize;
            return Some((bucket + BUCKETS - from) % BUCKETS);
        }
        word = occupied[(first + step + 1) % words];
        if step + 1 == words {
            word &= !(u64::MAX << bit);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;
    use crate::slots::{Name, Slot};

    fn slots(count: usize) -> Slots {
        let mut slots = Slots::new();
        for _ in 0..count {
            slots.insert(Name::default(), Slot::Live(None));
        }
        slots
    }

    #[test]
    fn nothing_armed_never_fires() {
        let mut wheel = Wheel::new();
        let mut due = Vec::new();
        wheel.fire(
            &mut slots(0),
            Instant::ZERO + Duration::from_secs(3600),
            &mut due,
        );
        assert!(due.is_empty());
        assert_eq!(wheel.next(), None);
    }

    #[test]
    fn a_deadline_in_the_past_fires_with_the_next_tick() {
        let (mut wheel, mut slots) = (Wheel::new(), slots(1));
        let now = Instant::ZERO + Duration::from_secs(5);
        wheel.fire(&mut slots, now, &mut Vec::new());
        wheel.arm(&mut slots, 0, now, Instant::ZERO);
        let next = wheel.next().unwrap();
        assert!(next > now && next <= now + Duration::from_millis(1));
    }

    #[test]
    fn a_deadline_fires_on_time_after_months_without_one() {
        let (mut wheel, mut slots) = (Wheel::new(), slots(1));
        let now = Instant::ZERO + Duration::from_secs(100 * 24 * 3600);
        let at = now + Duration::from_secs(32);
        wheel.arm(&mut slots, 0, now, at);
        let mut due = Vec::new();
        while let Some(next) = wheel.next() {
            assert!(due.is_empty() && next <= at);
            wheel.fire(&mut slots, next, &mut due);
        }
        assert_eq!(due.len(), 1);
    }

    #[test]
    fn the_order_is_kept_within_a_tick() {
        let (mut wheel, mut slots) = (Wheel::new(), slots(4));
        let at = Instant::ZERO + Duration::from_secs(1);
        for slot in [2, 0, 3, 1] {
            wheel.arm(&mut slots, slot, Instant::ZERO, at);
        }
        let mut due = Vec::new();
        wheel.fire(&mut slots, at, &mut due);
        let due: Vec<_> = due.iter().map(|key| key.slot).collect();
        assert_eq!(due, [2, 0, 3, 1]);
    }

    /// What is done to a timer: armed, armed exactly, or disarmed; and when it would be due.
    type Change = (usize, u8, u64);

    proptest! {
        /// Every timer fires exactly once, never early, at most a millisecond late when the owner
        /// calls at the times the wheel asks for, whatever was done to it and its neighbours before.
        #[test]
        fn each_fires_once_and_on_time(
            start in 0_u64..100_000_000,
            changes in prop::collection::vec((0_usize..40, 0_u8..4, 0_u64..400_000_000), 1..160),
        ) {
            let changes: Vec<Change> = changes;
            let (mut wheel, mut slots) = (Wheel::new(), slots(40));
            let mut due = Vec::new();
            let now = Instant::from_micros(start);
            wheel.fire(&mut slots, now, &mut due);
            let mut deadlines: [Option<u64>; 40] = [None; 40];
            for (number, change, delay) in changes {
                let (slot, at) = (number as u32, Instant::from_micros(start + delay));
                deadlines[number] = match change {
                    0 => {
                        wheel.disarm(&mut slots, slot);
                        None
                    }
                    1 => {
                        wheel.arm_exactly(&mut slots, slot, now, at);
                        Some(start + delay)
                    }
                    _ => {
                        wheel.arm(&mut slots, slot, now, at);
                        Some(deadlines[number].map_or(start + delay, |at| at.min(start + delay)))
                    }
                };
            }
            while let Some(at) = wheel.next() {
                wheel.fire(&mut slots, at, &mut due);
                for key in due.drain(..) {
                    let deadline = deadlines[key.slot as usize].take();
                    prop_assert!(deadline.is_some(), "fired again, or though disarmed");
                    let deadline = deadline.unwrap_or_default();
                    prop_assert!(at.as_micros() >= deadline);
                    prop_assert!(at.as_micros() <= deadline.max(start) + 2_000);
                }
            }
            prop_assert_eq!(deadlines, [None; 40]);
            prop_assert_eq!(wheel.armed, 0);
        }
    }
}
