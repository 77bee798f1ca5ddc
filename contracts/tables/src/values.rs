//! What rows hold beside their keys, each distinct value once.

use std::hash::{BuildHasher, RandomState};

use ahash::HashMap;

/// Distinct values by number.
#[derive(Clone, Debug, Default)]
pub(crate) struct Values {
    text: Vec<u8>,
    /// Where each value ends in `text`.
    ends: Vec<u32>,
}

/// There is no room for more values: 4 GiB of them, or as many as there are numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Full;

impl Values {
    pub(crate) fn get(&self, number: u32) -> &[u8] {
        let number = number as usize;
        let start = match number.checked_sub(1) {
            Some(before) => self.ends.get(before).copied().unwrap_or_default(),
            None => 0,
        };
        let end = self.ends.get(number).copied().unwrap_or(start);
        self.text
            .get(start as usize..end as usize)
            .unwrap_or_default()
    }

    pub(crate) fn len(&self) -> usize {
        self.ends.len()
    }

    pub(crate) fn bytes(&self) -> usize {
        self.text.capacity() + self.ends.capacity() * size_of::<u32>()
    }

    fn push(&mut self, value: &[u8]) -> Result<u32, Full> {
        let number = u32::try_from(self.ends.len()).map_err(|_| Full)?;
        let end = u32::try_from(self.text.len() + value.len()).map_err(|_| Full)?;
        self.text.extend_from_slice(value);
        self.ends.push(end);
        Ok(number)
    }
}

/// Makes [`Values`].
#[derive(Debug, Default)]
pub(crate) struct Interner {
    values: Values,
    /// The first value of each hash; others with the same hash follow in `next`.
    first: HashMap<u64, u32>,
    next: HashMap<u32, u32>,
    hasher: RandomState,
}

impl Interner {
    /// The number of `value`, and whether it is new.
    pub(crate) fn intern(&mut self, value: &[u8]) -> Result<(u32, bool), Full> {
        let hash = self.hasher.hash_one(value);
        let Some(mut number) = self.first.get(&hash).copied() else {
            let number = self.values.push(value)?;
            self.first.insert(hash, number);
            return Ok((number, true));
        };
        loop {
            if self.values.get(number) == value {
                return Ok((number, false));
            }
            match self.next.get(&number) {
                Some(other) => number = *other,
                None => break,
            }
        }
        let new = self.values.push(value)?;
        self.next.insert(number, new);
        Ok((new, true))
    }

    pub(crate) fn finish(mut self) -> Values {
        self.values.text.shrink_to_fit();
        self.values.ends.shrink_to_fit();
        self.values
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_stored_once() {
        let mut interner = Interner::default();
        assert_eq!(interner.intern(b"one"), Ok((0, true)));
        assert_eq!(interner.intern(b""), Ok((1, true)));
        assert_eq!(interner.intern(b"one"), Ok((0, false)));
        assert_eq!(interner.intern(b"two"), Ok((2, true)));
        let values = interner.finish();
        let texts: Vec<_> = (0..3).map(|number| values.get(number)).collect();
        assert_eq!(texts, [&b"one"[..], b"", b"two"]);
    }
}
