//! Records that are kept for about equally long, back to back: no list of free space, no slack, and
//! no call of the allocator for each.
//!
//! A segment is filled from its start and freed as a whole when the last of its records is over.
//! One that is kept much longer than its neighbours would keep a whole segment, so this is for
//! finished transactions, which all linger for 64*T1 or less.

use std::collections::VecDeque;

/// Bytes in a segment; a record that is longer has one for itself.
const SEGMENT: usize = 32 * 1024;

/// Where a record is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Record {
    segment: u32,
    at: u32,
}

#[derive(Default)]
struct Segment {
    bytes: Vec<u8>,
    records: u32,
}

/// All records of one core.
pub(crate) struct Segments {
    /// The oldest first; only the last is written to.
    segments: VecDeque<Segment>,
    /// The number of the oldest. Numbers wrap.
    oldest: u32,
}

impl Segments {
    pub(crate) fn new() -> Self {
        Self {
            segments: VecDeque::new(),
            oldest: 0,
        }
    }

    /// Keeps what `write` appends, at most `longest` bytes.
    pub(crate) fn push(&mut self, longest: usize, write: impl FnOnce(&mut Vec<u8>)) -> Record {
        let fits = |segment: &Segment| segment.bytes.capacity() - segment.bytes.len() >= longest;
        if !self.segments.back().is_some_and(fits) {
            if let Some(last) = self.segments.back_mut().filter(|last| last.records == 0) {
                last.bytes = Vec::new();
                self.drop_freed();
            }
            self.segments.push_back(Segment {
                bytes: Vec::with_capacity(longest.max(SEGMENT)),
                records: 0,
            });
        }
        let last = self.segments.len() - 1;
        let segment = &mut self.segments[last];
        let at = segment.bytes.len();
        write(&mut segment.bytes);
        segment.records += 1;
        debug_assert!(segment.bytes.len() - at <= longest, "longer than announced");
        Record {
            segment: self.oldest.wrapping_add(last as u32),
            at: at as u32,
        }
    }

    /// A record and whatever follows it.
    pub(crate) fn get(&self, record: Record) -> &[u8] {
        let segment = record.segment.wrapping_sub(self.oldest) as usize;
        &self.segments[segment].bytes[record.at as usize..]
    }

    /// Forgets a record, once.
    pub(crate) fn remove(&mut self, record: Record) {
        let position = record.segment.wrapping_sub(self.oldest) as usize;
        let is_last = position + 1 == self.segments.len();
        let segment = &mut self.segments[position];
        segment.records -= 1;
        if segment.records > 0 {
            return;
        }
        if is_last && segment.bytes.capacity() == SEGMENT {
            segment.bytes.clear();
        } else {
            segment.bytes = Vec::new();
        }
        self.drop_freed();
    }

    /// Forgets freed segments that are the oldest.
    fn drop_freed(&mut self) {
        let is_freed = |segment: &mut Segment| segment.bytes.capacity() == 0;
        while self.segments.pop_front_if(is_freed).is_some() {
            self.oldest = self.oldest.wrapping_add(1);
        }
        if self.segments.capacity() > 64 && self.segments.capacity() / 4 > self.segments.len() {
            self.segments.shrink_to(self.segments.len() * 2);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn push(segments: &mut Segments, length: usize, byte: u8) -> Record {
        segments.push(length, |out| out.extend(std::iter::repeat_n(byte, length)))
    }

    fn held(segments: &Segments) -> usize {
        let capacities = segments
            .segments
            .iter()
            .map(|segment| segment.bytes.capacity());
        capacities.sum()
    }

    #[test]
    fn a_segment_is_freed_with_its_last_record() {
        let mut segments = Segments::new();
        let records: Vec<_> = (0..1_000)
            .map(|n| push(&mut segments, 320, n as u8))
            .collect();
        assert!(held(&segments) < 1_000 * 320 + SEGMENT + 10 * 320);
        for (n, record) in records.into_iter().enumerate() {
            assert_eq!(segments.get(record)[..320], [n as u8; 320]);
            segments.remove(record);
            assert!(held(&segments) <= (1_000 - n) * 320 + 2 * SEGMENT);
        }
        assert_eq!(held(&segments), SEGMENT, "the last one is filled again");
        assert_eq!(segments.segments.len(), 1);
        push(&mut segments, 320, 1);
        assert_eq!(held(&segments), SEGMENT);
    }

    #[test]
    fn a_long_record_has_its_own_segment() {
        let mut segments = Segments::new();
        push(&mut segments, 10, 1);
        let long = push(&mut segments, 60_000, 2);
        push(&mut segments, 10, 3);
        segments.remove(long);
        assert_eq!(held(&segments), 2 * SEGMENT);
    }

    proptest! {
        #[test]
        fn records_keep_their_bytes_until_they_go_in_any_order(
            oldest in any::<u32>(),
            steps in prop::collection::vec((0_usize..50_000, any::<prop::sample::Index>()), 1..60),
        ) {
            let mut segments = Segments { oldest, ..Segments::new() };
            let mut kept: Vec<(Record, usize, u8)> = Vec::new();
            for (number, (length, which)) in steps.into_iter().enumerate() {
                if length % 2 == 0 || kept.is_empty() {
                    let byte = number as u8;
                    kept.push((push(&mut segments, length, byte), length, byte));
                } else {
                    let (record, ..) = kept.swap_remove(which.index(kept.len()));
                    segments.remove(record);
                }
                for (record, length, byte) in &kept {
                    let bytes = &segments.get(*record)[..*length];
                    prop_assert!(bytes.iter().all(|each| each == byte));
                }
            }
            kept.into_iter().for_each(|(record, ..)| segments.remove(record));
            prop_assert!(held(&segments) <= SEGMENT);
        }
    }
}
