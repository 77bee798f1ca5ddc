//! Short texts looked through eight bytes at a time.
//!
//! A header line has some forty bytes and its name some ten: to call a vectorised search for each
//! costs more than the search.

const ONES: u64 = 0x0101_0101_0101_0101;
const TOP_BITS: u64 = 0x8080_8080_8080_8080;

/// Where the first byte below `LIMIT` is.
#[inline]
pub(crate) fn first_below<const LIMIT: u8>(text: &[u8]) -> Option<usize> {
    const { assert!(LIMIT <= 0x80, "a byte with its top bit set is below no limit") };
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

#[inline]
fn first(text: &[u8], hits: impl Fn(u64) -> u64) -> Option<usize> {
    let place = |hit: u64| hit.trailing_zeros() as usize / 8;
    let (words, tail) = text.as_chunks::<8>();
    for (number, word) in words.iter().enumerate() {
        let hit = hits(u64::from_le_bytes(*word));
        if hit != 0 {
            return Some(number * 8 + place(hit));
        }
    }
    // The bytes that are no whole word, seen together with those before them where there are any.
    if let Some(word) = text.last_chunk::<8>() {
        let hit = hits(u64::from_le_bytes(*word));
        return (hit != 0).then(|| text.len() - 8 + place(hit));
    }
    let mut word = [0; 8];
    word[..tail.len()].copy_from_slice(tail);
    let at = place(hits(u64::from_le_bytes(word)));
    (at < tail.len()).then_some(at)
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::{first_below, first_equal};

    proptest! {
        #[test]
        fn the_first_is_found_and_nothing_else(
            text in vec(prop_oneof![any::<u8>(), 0x0c_u8..0x10, 0x7e_u8..0x82, Just(b':')], 0..40),
        ) {
            prop_assert_eq!(first_below::<14>(&text), text.iter().position(|byte| *byte < 14));
            prop_assert_eq!(first_below::<128>(&text), text.iter().position(|byte| *byte < 128));
            for byte in [0, b':', 0x80, 0xff] {
                prop_assert_eq!(first_equal(byte, &text), text.iter().position(|b| *b == byte));
            }
        }
    }
}
