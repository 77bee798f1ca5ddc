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
            let start = edit.range.start.min(raw.len());
            out.extend_from_slice(raw.get(copied..start).unwrap_or_default());
            out.extend_from_slice(self.text.get(edit.text.clone()).unwrap_or_default());
            copied = copied.max(edit.range.end);
        }
        out.extend_from_slice(raw.get(copied..).unwrap_or_default());
    }
}

#[cfg(test)]
mod tests {
    use super::Splicer;

    fn spliced(raw: &str, edit: impl FnOnce(&mut Splicer)) -> String {
        let mut splicer = Splicer::default();
        edit(&mut splicer);
        let mut out = Vec::new();
        splicer.finish(raw.as_bytes(), &mut out);
        String::from_utf8(out).unwrap()
    }

    fn put(text: &str) -> impl FnOnce(&mut Vec<u8>) {
        move |out| out.extend_from_slice(text.as_bytes())
    }

    #[test]
    fn edits_in_any_order_and_everything_else_as_it_was() {
        let out = spliced("0123456789", |s| {
            s.remove(8..10);
            s.replace(2..4, put("two"));
            s.insert(0, put("<"));
            s.insert(10, put(">"));
        });
        assert_eq!(out, "<01two4567>");
        assert_eq!(spliced("as it was", |_| {}), "as it was");
    }

    #[test]
    fn what_stands_at_one_place_keeps_its_order() {
        let out = spliced("0123", |s| {
            s.insert(2, put("a"));
            s.insert(2, put("b"));
            s.replace(2..3, put("c"));
            s.insert(2, put("d"));
            s.insert(3, put("e"));
        });
        assert_eq!(out, "01abcde3");
    }

    #[test]
    fn of_overlapping_edits_the_first_added_wins() {
        let out = spliced("0123456789", |s| {
            assert!(s.replace(4..6, put("x")));
            assert!(!s.remove(0..5));
            assert!(!s.remove(5..6));
            assert!(!s.insert(5, |_| panic!("a dropped edit is not written")));
            assert!(!s.replace(4..6, put("y")));
            assert!(s.remove(6..7));
            assert!(s.remove(3..4));
        });
        assert_eq!(out, "012x789");
    }

    #[test]
    fn a_range_out_of_place_harms_nothing() {
        let (start, end) = (3, 1);
        let out = spliced("012", |s| {
            assert!(!s.remove(start..end));
            assert!(s.remove(2..90));
            assert!(s.insert(95, put("x")));
        });
        assert_eq!(out, "01x");
        let out = spliced("012", |s| assert!(s.insert(95, put("x"))));
        assert_eq!(out, "012x");
    }

    #[test]
    fn a_splicer_writes_again_and_after_clearing_afresh() {
        let mut splicer = Splicer::default();
        splicer.insert(1, put("b"));
        let mut out = Vec::new();
        splicer.finish(b"ac", &mut out);
        splicer.finish(b"ac", &mut out);
        assert_eq!(out, b"abcabc");
        splicer.clear();
        splicer.finish(b"ac", &mut out);
        assert_eq!(out, b"abcabcac");
    }
}
