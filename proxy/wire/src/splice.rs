//! What goes out is what came in, with ranges replaced.

use std::ops::Range;

/// Edits to received bytes. Reusable: once warm it allocates nothing.
///
/// Edits may be added in any order. Two edits overlap when a byte would be replaced twice, or when
/// something would be inserted inside what is replaced; **the one added first wins** and the other is
/// dropped, as the return value says. Edits that only touch do not overlap: what stands at one place
/// comes out in the order it was added.
#[derive(Debug, Clone, Default)]
pub struct Splicer {
    edits: Vec<Edit>,
    text: Vec<u8>,
}

#[derive(Debug, Clone)]
struct Edit {
    range: Range<usize>,
    order: usize,
    text: Range<usize>,
}

impl Splicer {
    /// Forgets all edits and keeps the memory.
    pub fn clear(&mut self) {
        self.edits.clear();
        self.text.clear();
    }

    /// Puts what `write` appends in the place of `range`. False, without calling `write`, when the
    /// range overlaps an earlier edit or ends before it starts.
    pub fn replace(&mut self, range: Range<usize>, write: impl FnOnce(&mut Vec<u8>)) -> bool {
        let overlaps = |edit: &Edit| range.start < edit.range.end && edit.range.start < range.end;
        if range.start > range.end || self.edits.iter().any(overlaps) {
            return false;
        }
        let start = self.text.len();
        write(&mut self.text);
        // A closure that takes bytes away can only take its own.
        let text = start.min(self.text.len())..self.text.len();
        self.edits.push(Edit {
            range,
            order: self.edits.len(),
            text,
        });
        true
    }

    /// Puts what `write` appends before the byte at `at`. Several at one place keep their order.
    pub fn insert(&mut self, at: usize, write: impl FnOnce(&mut Vec<u8>)) -> bool {
        self.replace(at..at, write)
    }

    /// Takes `range` away.
    pub fn remove(&mut self, range: Range<usize>) -> bool {
        self.replace(range, |_| {})
    }

    /// Appends `raw` with the edits applied to `out`. What lies beyond the end of `raw` counts as its
    /// end. The edits stay, so that the same can be written again.
    pub fn finish(&mut self, raw: &[u8], out: &mut Vec<u8>) {
        self.edits
            .sort_unstable_by_key(|edit| (edit.range.start, edit.order));
        out.reserve(raw.len() + self.text.len());
        let mut copied = 0;
        for edit in &self.edits {
            out.extend_from_slice(raw.get(copied..edit.range.start).unwrap_or_default());
            out.extend_from_slice(self.text.get(edit.text.clone()).unwrap_or_default());
            copied = copied.max(edit.range.end);
        }
        out.extend_from_slice(raw.get(copied..).unwrap_or_default());
    }
}
