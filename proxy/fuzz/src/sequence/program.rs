//! Bytes read as choices.

use std::time::Duration;

use super::SPANS;

/// What is left of a program. When it is over, every choice is the first.
pub(super) struct Program<'a>(&'a [u8]);

impl<'a> Program<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub(super) fn is_over(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.0.split_first() else {
            return 0;
        };
        self.0 = rest;
        *first
    }

    /// As many of the bytes as there are, up to this many.
    pub(super) fn bytes(&mut self, len: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(len.min(self.0.len()));
        self.0 = rest;
        taken
    }

    /// A number below `bound`, which is at most 256.
    pub(super) fn below(&mut self, bound: usize) -> usize {
        usize::from(self.byte()) % bound
    }

    /// A position in a text of this length.
    pub(super) fn position(&mut self, len: usize) -> usize {
        let number = usize::from(self.byte()) << 8 | usize::from(self.byte());
        number % len.max(1)
    }

    pub(super) fn pick<'t, T>(&mut self, choices: &'t [T]) -> &'t T {
        &choices[self.below(choices.len())]
    }

    /// The number of one of so many things, 0 being the last.
    pub(super) fn recent(&mut self, count: usize) -> Option<usize> {
        let back = self.below(16);
        count.checked_sub(1 + back % count.max(1))
    }

    pub(super) fn recent_of<'t, T>(&mut self, things: &'t [T]) -> Option<&'t T> {
        let number = self.recent(things.len())?;
        things.get(number)
    }

    pub(super) fn span(&mut self) -> Duration {
        Duration::from_millis(*self.pick(&SPANS))
    }

    /// A span in which a request is not sent again a hundred times.
    pub(super) fn short_span(&mut self) -> Duration {
        Duration::from_millis(*self.pick(&SPANS[..13]))
    }
}
