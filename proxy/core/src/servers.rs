//! Server transactions by what identifies them: a hash table that never stops to grow or shrink.
//!
//! Linear hashing (Litwin, 1980): one bucket more or less at a time, of which only one other
//! bucket's entries are moved. A bucket is a list through the slots themselves.

use crate::slots::{Name, Slots};

/// Buckets in a part, and the fewest there are.
const PART: usize = 1_024;

/// Ends a list.
const NONE: u32 = u32::MAX;

/// The slots of the server transactions.
pub(crate) struct Servers {
    /// The first slot of each bucket.
    parts: Vec<Box<[u32; PART]>>,
    /// How many buckets are in use.
    buckets: usize,
    len: usize,
}

impl Servers {
    pub(crate) fn new() -> Self {
        Self {
            parts: vec![Box::new([NONE; PART])],
            buckets: PART,
            len: 0,
        }
    }

    pub(crate) fn find(&self, slots: &Slots, name: Name) -> Option<u32> {
        let mut slot = self.first(self.bucket(name));
        while slot != NONE {
            let held = &slots[slot];
            if held.name == name {
                return Some(slot);
            }
            slot = held.chain;
        }
        None
    }

    /// Takes in a slot whose name is not known yet.
    pub(crate) fn insert(&mut self, slots: &mut Slots, slot: u32) {
        let bucket = self.bucket(slots[slot].name);
        self.put(slots, bucket, slot);
        self.len += 1;
        if self.len > self.buckets {
            self.grow(slots);
        }
    }

    /// Takes out a slot that was taken in.
    pub(crate) fn remove(&mut self, slots: &mut Slots, slot: u32) {
        let bucket = self.bucket(slots[slot].name);
        let next = slots[slot].chain;
        let mut at = self.first(bucket);
        if at == slot {
            *self.first_mut(bucket) = next;
        } else {
            while slots[at].chain != slot {
                at = slots[at].chain;
            }
            slots[at].chain = next;
        }
        self.len -= 1;
        // Each bucket is twice as many as needed when it goes, so two at a time keep up.
        for _ in 0..2 {
            if self.buckets > PART && self.buckets > self.len * 2 {
                self.shrink(slots);
            }
        }
    }

    fn bucket(&self, name: Name) -> usize {
        let span = self.buckets.next_power_of_two();
        let bucket = name.hash() as usize & (span - 1);
        // Of the upper half only the first buckets exist; the others are still one with their
        // counterpart of the lower half.
        if bucket < self.buckets {
            bucket
        } else {
            bucket - span / 2
        }
    }

    fn first(&self, bucket: usize) -> u32 {
        self.parts[bucket / PART][bucket % PART]
    }

    fn first_mut(&mut self, bucket: usize) -> &mut u32 {
        &mut self.parts[bucket / PART][bucket % PART]
    }

    fn put(&mut self, slots: &mut Slots, bucket: usize, slot: u32) {
        let first = self.first_mut(bucket);
        slots[slot].chain = *first;
        *first = slot;
    }

    /// Opens one more bucket and moves what belongs there.
    fn grow(&mut self, slots: &mut Slots) {
        let opened = self.buckets;
        self.buckets += 1;
        if opened == self.parts.len() * PART {
            self.parts.push(Box::new([NONE; PART]));
        }
        self.rehash(slots, opened - self.buckets.next_power_of_two() / 2);
    }

    /// Closes the last bucket and moves what was there.
    fn shrink(&mut self, slots: &mut Slots) {
        self.buckets -= 1;
        self.rehash(slots, self.buckets);
        // One part more than needed stays, for a number that goes up and down.
        if self.buckets + PART < self.parts.len() * PART {
            self.parts.pop();
        }
        if self.parts.capacity() > 64 && self.parts.capacity() / 4 > self.parts.len() {
            self.parts.shrink_to(self.parts.len() * 2);
        }
    }

    fn rehash(&mut self, slots: &mut Slots, bucket: usize) {
        let mut slot = std::mem::replace(self.first_mut(bucket), NONE);
        while slot != NONE {
            let next = slots[slot].chain;
            let bucket = self.bucket(slots[slot].name);
            self.put(slots, bucket, slot);
            slot = next;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;
    use crate::secret::Fingerprint;
    use crate::slots::Slot;

    /// Numbers that differ little or much, spread or not.
    fn name(number: u32, spread: bool) -> Name {
        let hash = if spread {
            number.wrapping_mul(0x9e37_79b9)
        } else {
            number
        };
        Name::of(Fingerprint(u128::from(hash)))
    }

    fn insert(servers: &mut Servers, slots: &mut Slots, name: Name) -> u32 {
        let slot = slots.insert(name, Slot::Live(None)).slot;
        servers.insert(slots, slot);
        slot
    }

    #[test]
    fn all_are_found_at_every_size_on_the_way_up_and_down() {
        let (mut servers, mut slots) = (Servers::new(), Slots::new());
        let mut inserted = Vec::new();
        for number in 0..5_000 {
            let name = name(number, true);
            inserted.push((name, insert(&mut servers, &mut slots, name)));
            let (earlier, slot) = inserted[number as usize / 2];
            assert_eq!(servers.find(&slots, earlier), Some(slot));
        }
        assert_eq!(servers.buckets, 5_000);
        for (name, slot) in &inserted {
            assert_eq!(servers.find(&slots, *name), Some(*slot));
        }
        while let Some((name, slot)) = inserted.pop() {
            servers.remove(&mut slots, slot);
            slots.remove(slot);
            assert_eq!(servers.find(&slots, name), None);
            assert!(servers.buckets <= (inserted.len() * 2).max(PART) + 1);
            if let Some((name, slot)) = inserted.get(inserted.len() / 2) {
                assert_eq!(servers.find(&slots, *name), Some(*slot));
            }
        }
        assert_eq!(servers.buckets, PART);
        assert!(servers.parts.len() <= 2);
    }

    proptest! {
        /// As a map would do.
        #[test]
        fn finds_what_was_inserted_and_nothing_else(
            numbers in prop::collection::vec(0_u32..1_500, 1..4_000),
            spread in any::<bool>(),
        ) {
            let (mut servers, mut slots) = (Servers::new(), Slots::new());
            let mut model = BTreeMap::new();
            for number in numbers {
                let name = name(number, spread);
                let found = servers.find(&slots, name);
                prop_assert_eq!(found, model.get(&number).copied());
                if let Some(slot) = model.remove(&number) {
                    servers.remove(&mut slots, slot);
                    slots.remove(slot);
                } else {
                    model.insert(number, insert(&mut servers, &mut slots, name));
                }
            }
            for (number, slot) in model {
                prop_assert_eq!(servers.find(&slots, name(number, spread)), Some(slot));
            }
        }
    }
}
