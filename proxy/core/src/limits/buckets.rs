//! Buckets in a table of fixed size, found by a keyed hash.

use std::hash::Hasher;
use std::sync::atomic::AtomicU64;

use siphasher::sip::SipHasher13;

/// One number per bucket.
#[derive(Debug)]
pub(super) struct Buckets {
    cells: Box<[AtomicU64]>,
    seed: [u8; 16],
}

impl Buckets {
    /// At least one.
    pub(super) fn new(count: usize, seed: [u8; 16]) -> Self {
        Self {
            cells: (0..count.max(1)).map(|_| AtomicU64::new(0)).collect(),
            seed,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.cells.len()
    }

    pub(super) fn seed(&self) -> [u8; 16] {
        self.seed
    }

    /// The bucket of a key.
    pub(super) fn of(&self, key: &[u8]) -> &AtomicU64 {
        if let [only] = &*self.cells {
            return only;
        }
        let mut hasher = SipHasher13::new_with_key(&self.seed);
        hasher.write(key);
        &self.cells[place(hasher.finish(), self.cells.len())]
    }
}

/// Where in a table of `len` a hash leads: the high bits of a product spread as well as a remainder.
pub(super) fn place(hash: u64, len: usize) -> usize {
    ((u128::from(hash) * len as u128) >> 64) as usize
}
