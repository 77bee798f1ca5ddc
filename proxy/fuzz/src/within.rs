//! Parts of a text are views over it.

/// Whether `part` is a piece of `whole` in memory, or empty.
pub(crate) fn is_within(part: &[u8], whole: &[u8]) -> bool {
    let (part_range, whole_range) = (part.as_ptr_range(), whole.as_ptr_range());
    part.is_empty() || whole_range.start <= part_range.start && part_range.end <= whole_range.end
}
