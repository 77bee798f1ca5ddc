//! Unguessable numbers from one seed: tags, branches, fingerprints, jitter.
//!
//! Everything is SipHash under keys drawn from the seed the shell gives, so that a simulation with
//! the same seed repeats and an outsider cannot forge a branch or make fingerprints collide.

use std::hash::Hasher;
use std::time::Duration;

use siphasher::sip::SipHasher13;
use siphasher::sip128::{Hasher128, SipHasher13 as SipHasher13x128};

/// The keys, and a counter for what must differ each time.
pub(crate) struct Secret {
    key: [u8; 16],
    drawn: u64,
}

impl Secret {
    pub(crate) fn new(seed: [u8; 16]) -> Self {
        Self {
            key: seed,
            drawn: 0,
        }
    }

    /// 128 bits that stand for `parts`; two different lists of parts do not meet in practice.
    pub(crate) fn fingerprint(&self, parts: &Parts) -> Fingerprint {
        let mut hasher = SipHasher13x128::new_with_key(&self.key);
        hasher.write(&parts.0);
        Fingerprint(hasher.finish128().as_u128())
    }

    /// 32 bits that prove `value` came from us, with these two numbers.
    pub(crate) fn seal(&self, value: u64, with: [u8; 2]) -> u32 {
        let mut hasher = SipHasher13::new_with_key(&self.key);
        hasher.write_u64(value);
        hasher.write(&with);
        hasher.finish() as u32
    }

    /// The To tag of responses made here for the request with this fingerprint: the same each
    /// time, as RFC 3261 §8.2.7 wants of a stateless answer.
    pub(crate) fn tag(&self, fingerprint: Fingerprint) -> [u8; 16] {
        let mut hasher = SipHasher13::new_with_key(&self.key);
        hasher.write_u128(fingerprint.0);
        hex(hasher.finish())
    }

    /// 64 new bits.
    pub(crate) fn draw(&mut self) -> u64 {
        self.drawn += 1;
        let mut hasher = SipHasher13::new_with_key(&self.key);
        hasher.write_u8(b'd');
        hasher.write_u64(self.drawn);
        hasher.finish()
    }

    /// A span drawn evenly from `range`, in whole seconds, rounded up.
    pub(crate) fn seconds_between(&mut self, range: (Duration, Duration)) -> u64 {
        let low = range.0.as_millis().div_ceil(1_000) as u64;
        let high = (range.1.as_millis().div_ceil(1_000) as u64).max(low);
        low + self.draw() % (high - low + 1)
    }
}

/// What a fingerprint is made of: each part after its length, in one piece, which hashes faster.
#[derive(Default)]
pub(crate) struct Parts(Vec<u8>);

impl Parts {
    /// Forgets all parts and keeps the memory.
    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    pub(crate) fn add(&mut self, part: &[u8]) {
        self.0.extend_from_slice(&(part.len() as u32).to_le_bytes());
        self.0.extend_from_slice(part);
    }

    /// Adds `part` in lower case.
    pub(crate) fn add_lower(&mut self, part: &[u8]) {
        self.add(part);
        let start = self.0.len() - part.len();
        self.0[start..].make_ascii_lowercase();
    }
}

/// What identifies a server transaction (RFC 3261 §17.2.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Fingerprint(pub(crate) u128);

/// `value` as lower-case hexadecimal digits, the last `N` of them.
pub(crate) fn hex<const N: usize>(value: u64) -> [u8; N] {
    std::array::from_fn(|i| b"0123456789abcdef"[(value >> (4 * (N - 1 - i))) as usize & 0xf])
}
