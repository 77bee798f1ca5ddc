//! The slots that transactions live in: an arena that gives back what it no longer needs.
//!
//! Slots come in chunks of 64. The lowest vacant one is taken first, so that the upper chunks run
//! empty when there is less to hold, and a chunk that runs empty is freed. Nothing is ever moved.

use std::ops::{Index, IndexMut};

use crate::context::Context;
use crate::gateways::Probe;
use crate::key::TransactionKey;
use crate::secret::Fingerprint;
use crate::segments::Record;
use crate::stateless::PendingAck;
use crate::wheel::Timer;

/// What a slot holds.
pub(crate) enum Slot {
    /// A live transaction. `None` while it is being worked on.
    Live(Option<Box<Context>>),
    /// A finished one that absorbs retransmissions: its [`Tail`](crate::tail::Tail).
    Tail(Record),
    /// A stateless ACK that waits for an address.
    Ack(Box<PendingAck>),
    /// A probe of a gateway. `None` while it is being worked on.
    Probe(Option<Box<Probe>>),
}

/// One slot. There is one for every transaction, live or finished, so every byte counts.
pub(crate) struct Held {
    pub(crate) slot: Slot,
    /// The server transaction's identity; nothing that any has for a stateless ACK or a probe.
    pub(crate) name: Name,
    /// 0 for a vacant slot, which no key has.
    generation: u32,
    pub(crate) timer: Timer,
    /// The next slot in the same bucket of [`Servers`](crate::servers::Servers).
    pub(crate) chain: u32,
}

/// 96 bits of a fingerprint: two of 2^20 transactions meet once in 2^57 times.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Name([u32; 3]);

impl Name {
    pub(crate) fn of(fingerprint: Fingerprint) -> Self {
        let bits = fingerprint.0;
        Self([bits as u32, (bits >> 32) as u32, (bits >> 64) as u32])
    }

    /// Evenly distributed.
    pub(crate) fn hash(self) -> u32 {
        self.0[0]
    }
}

/// Slots in a chunk: as many as one word has bits.
const CHUNK: usize = 64;

struct Chunk {
    /// One bit per slot that is taken.
    taken: u64,
    /// Empty when none is.
    held: Box<[Held]>,
}

/// Every slot of one core.
pub(crate) struct Slots {
    chunks: Vec<Chunk>,
    /// One bit per chunk with a vacant slot.
    roomy: Vec<u64>,
    /// No word before this one has a bit set.
    roomy_from: usize,
    /// A chunk kept when it ran empty, so that one more and one less does not allocate.
    spare: Box<[Held]>,
    len: usize,
    /// Of the latest transaction. One count for all slots, as the chunk of a slot may be freed in
    /// between: a key could be mistaken for another 2^32 transactions later.
    generation: u32,
}

impl Held {
    const VACANT: Self = Self {
        slot: Slot::Live(None),
        name: Name([0; 3]),
        generation: 0,
        timer: Timer::UNARMED,
        chain: 0,
    };
}

impl Slots {
    pub(crate) fn new() -> Self {
        Self {
            chunks: Vec::new(),
            roomy: Vec::new(),
            roomy_from: 0,
            spare: Box::default(),
            len: 0,
            generation: 0,
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Takes a slot.
    pub(crate) fn insert(&mut self, name: Name, slot: Slot) -> TransactionKey {
        let at = self.roomy_chunk();
        let chunk = &mut self.chunks[at];
        if chunk.held.is_empty() {
            chunk.held = match std::mem::take(&mut self.spare) {
                spare if spare.is_empty() => (0..CHUNK).map(|_| Held::VACANT).collect(),
                spare => spare,
            };
        }
        let free = chunk.taken.trailing_ones() as usize;
        chunk.taken |= 1 << free;
        if chunk.taken == u64::MAX {
            self.roomy[at / 64] &= !(1 << (at % 64));
        }
        self.generation = self.generation.wrapping_add(1).max(1);
        self.len += 1;
        chunk.held[free] = Held {
            slot,
            name,
            generation: self.generation,
            ..Held::VACANT
        };
        TransactionKey {
            generation: self.generation,
            slot: (at * CHUNK + free) as u32,
        }
    }

    /// The lowest chunk with a vacant slot.
    fn roomy_chunk(&mut self) -> usize {
        while let Some(word) = self.roomy.get(self.roomy_from) {
            if *word != 0 {
                return self.roomy_from * 64 + word.trailing_zeros() as usize;
            }
            self.roomy_from += 1;
        }
        let at = self.chunks.len();
        self.chunks.push(Chunk {
            taken: 0,
            held: Box::default(),
        });
        self.roomy.resize(at / 64 + 1, 0);
        self.roomy[at / 64] |= 1 << (at % 64);
        self.roomy_from = at / 64;
        at
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Slot> {
        let held = self.chunks.iter().flat_map(|chunk| chunk.held.iter());
        held.filter(|held| held.generation != 0)
            .map(|held| &held.slot)
    }

    pub(crate) fn get(&self, key: TransactionKey) -> Option<&Held> {
        let slot = key.slot as usize;
        let held = self.chunks.get(slot / CHUNK)?.held.get(slot % CHUNK)?;
        (held.generation == key.generation && held.generation != 0).then_some(held)
    }

    pub(crate) fn get_mut(&mut self, key: TransactionKey) -> Option<&mut Held> {
        let slot = key.slot as usize;
        let held = self
            .chunks
            .get_mut(slot / CHUNK)?
            .held
            .get_mut(slot % CHUNK)?;
        (held.generation == key.generation && held.generation != 0).then_some(held)
    }

    /// The key of a slot that is taken.
    pub(crate) fn key(&self, slot: u32) -> TransactionKey {
        TransactionKey {
            generation: self[slot].generation,
            slot,
        }
    }

    /// Vacates a slot that is taken.
    pub(crate) fn remove(&mut self, slot: u32) {
        let (at, bit) = (slot as usize / CHUNK, slot as usize % CHUNK);
        let chunk = &mut self.chunks[at];
        chunk.held[bit] = Held::VACANT;
        chunk.taken &= !(1 << bit);
        self.len -= 1;
        self.roomy[at / 64] |= 1 << (at % 64);
        self.roomy_from = self.roomy_from.min(at / 64);
        if chunk.taken == 0 {
            self.spare = std::mem::take(&mut chunk.held);
            self.shorten();
        }
    }

    /// Forgets the empty chunks at the end. Of 100,000 slots the list takes 40 kB.
    fn shorten(&mut self) {
        while self.chunks.pop_if(|chunk| chunk.taken == 0).is_some() {
            let at = self.chunks.len();
            self.roomy[at / 64] &= !(1 << (at % 64));
        }
        if self.chunks.capacity() > 64 && self.chunks.capacity() / 4 > self.chunks.len() {
            self.chunks.shrink_to(self.chunks.len() * 2);
        }
    }
}

impl Index<u32> for Slots {
    type Output = Held;

    fn index(&self, slot: u32) -> &Held {
        &self.chunks[slot as usize / CHUNK].held[slot as usize % CHUNK]
    }
}

impl IndexMut<u32> for Slots {
    fn index_mut(&mut self, slot: u32) -> &mut Held {
        &mut self.chunks[slot as usize / CHUNK].held[slot as usize % CHUNK]
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;

    fn insert(slots: &mut Slots, number: u128) -> TransactionKey {
        slots.insert(Name::of(Fingerprint(number)), Slot::Live(None))
    }

    #[test]
    fn a_slot_takes_48_bytes() {
        assert_eq!(size_of::<Slot>(), 16);
        assert_eq!(size_of::<Held>(), 48);
    }

    #[test]
    fn a_key_of_before_finds_nothing_in_a_slot_that_is_taken_again() {
        let mut slots = Slots::new();
        let old = insert(&mut slots, 1);
        slots.remove(old.slot);
        assert!(slots.get(old).is_none());
        let new = insert(&mut slots, 2);
        assert_eq!(new.slot, old.slot);
        assert!(slots.get(old).is_none() && slots.get(new).is_some());
        let vacant = TransactionKey {
            generation: 0,
            slot: 1,
        };
        assert!(slots.get(vacant).is_none());
    }

    #[test]
    fn generations_go_on_when_a_chunk_was_freed_and_skip_0_when_they_wrap() {
        let mut slots = Slots::new();
        let keys: Vec<_> = (0..CHUNK as u128 * 3)
            .map(|n| insert(&mut slots, n))
            .collect();
        keys.iter().for_each(|key| slots.remove(key.slot));
        slots.generation = u32::MAX - 1;
        let again: Vec<_> = keys.iter().map(|_| insert(&mut slots, 7)).collect();
        assert_eq!(again[0].generation, u32::MAX);
        assert_eq!(again[1].generation, 1);
        assert!(again.iter().all(|key| slots.get(*key).is_some()));
    }

    #[test]
    fn what_ran_empty_is_freed_and_what_is_taken_stays() {
        let mut slots = Slots::new();
        let keys: Vec<_> = (0..100_000).map(|n| insert(&mut slots, n)).collect();
        let (kept, gone) = keys.split_at(10);
        gone.iter().for_each(|key| slots.remove(key.slot));
        assert!(kept.iter().all(|key| slots.get(*key).is_some()));
        assert_eq!(slots.chunks.len(), 1);
        assert!(slots.chunks.capacity() <= 64);
    }

    proptest! {
        /// As a map from keys to names would do.
        #[test]
        fn finds_what_was_inserted_and_nothing_else(
            steps in prop::collection::vec((any::<bool>(), any::<prop::sample::Index>()), 1..600),
        ) {
            let mut slots = Slots::new();
            let mut model = HashMap::new();
            let mut gone = Vec::new();
            for (number, (inserts, which)) in steps.into_iter().enumerate() {
                if inserts || model.is_empty() {
                    let key = insert(&mut slots, number as u128);
                    prop_assert_eq!(model.insert(key, number as u128), None);
                } else {
                    let mut keys: Vec<_> = model.keys().copied().collect();
                    keys.sort();
                    let key = *which.get(&keys);
                    model.remove(&key);
                    slots.remove(key.slot);
                    gone.push(key);
                }
                prop_assert_eq!(slots.len(), model.len());
            }
            for (key, number) in model {
                let name = slots.get(key).map(|held| held.name);
                prop_assert_eq!(name, Some(Name::of(Fingerprint(number))));
                prop_assert_eq!(slots.key(key.slot), key);
            }
            prop_assert!(gone.iter().all(|key| slots.get(*key).is_none()));
        }
    }
}
