//! Short texts looked through sixteen bytes at a time.
//!
//! A header line has some forty bytes and its name some ten: to call a vectorised search for each
//! costs more than the search.

const ONES: u64 = 0x0101_0101_0101_0101;
const TOP_BITS: u64 = 0x8080_8080_8080_8080;

/// Where the first byte below `LIMIT` is.
#[inline]
pub(crate) fn first_below<const LIMIT: u8>(text: &[u8]) -> Option<usize> {
    const {
        assert!(
            LIMIT <= 0x80,
            "a byte with its top bit set is below no limit"
        )
    };
    first(text, |word| below(word, LIMIT))
}

/// Where `byte` is first.
#[inline]
pub(crate) fn first_equal(byte: u8, text: &[u8]) -> Option<usize> {
    let pattern = u64::from(byte) * ONES;
    first(text, |word| below(word ^ pattern, 1))
}

/// The top bit of each byte of `word` that is below `limit`, as far as the first of them: what is
/// set above it means nothing.
#[inline]
const fn below(word: u64, limit: u8) -> u64 {
    word.wrapping_sub(limit as u64 * ONES) & !word & TOP_BITS
}

#[inline(always)]
fn first(text: &[u8], hits: impl Fn(u64) -> u64) -> Option<usize> {
    let (words, tail) = text.as_chunks::<8>();
    let (pairs, last) = words.as_chunks::<2>();
    let hits = |word: [u8; 8]| hits(u64::from_le_bytes(word));
    let place = |hit: u64| hit.trailing_zeros() as usize / 8;
    for (number, [low, high]) in pairs.iter().enumerate() {
        let (low, high) = (hits(*low), hits(*high));
        if low | high != 0 {
            let place = if low != 0 {
                place(low)
            } else {
                8 + place(high)
            };
            return Some(number * 16 + place);
        }
    }
    let mut passed = pairs.len() * 16;
    if let [word] = last {
        let hit = hits(*word);
        if hit != 0 {
            return Some(passed + place(hit));
        }
        passed += 8;
    }
    let mut word = [u8::MAX; 8];
    for (to, from) in word.iter_mut().zip(tail) {
        *to = *from;
    }
    let distance = place(hits(word));
    (distance < tail.len()).then_some(passed + distance)
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::{first_below, first_equal};

    proptest! {
        #[test]
        fn the_first_is_found_and_nothing_else(
            text in vec(prop_oneof![8 => 0x10_u8.., 1 => any::<u8>(), 1 => 0x0c_u8..0x10, 1 => Just(b':')], 0..70),
        ) {
            prop_assert_eq!(first_below::<14>(&text), text.iter().position(|byte| *byte < 14));
            prop_assert_eq!(first_below::<128>(&text), text.iter().position(|byte| *byte < 128));
            for byte in [0, b':', 0x80, 0xff] {
                prop_assert_eq!(first_equal(byte, &text), text.iter().position(|b| *b == byte));
            }
        }
    }
}
