//! Sorted numbers that are searched with few cache misses.

use crate::number::Number;

/// How many numbers one step of a search looks at: two or three cache lines beside each other.
const BLOCK: usize = 16;

/// Sorted, distinct numbers. Above them stand the first numbers of each block, above those again, up to a level of one
/// block (a static B+ tree). A search reads one block of each level, of which the last alone is likely not in a cache;
/// halving 1,000,000 numbers would miss it eight times or more.
#[derive(Clone, Debug)]
pub(crate) struct Sorted {
    numbers: Vec<Number>,
    /// From the one right above `numbers` to the highest.
    levels: Vec<Vec<Number>>,
}

impl Sorted {
    /// `numbers` sorted and distinct.
    pub(crate) fn new(numbers: Vec<Number>) -> Self {
        let mut levels: Vec<Vec<Number>> = Vec::new();
        loop {
            let below = levels.last().unwrap_or(&numbers);
            if below.len() <= BLOCK {
                return Self { numbers, levels };
            }
            levels.push(below.iter().step_by(BLOCK).copied().collect());
        }
    }

    pub(crate) fn as_slice(&self) -> &[Number] {
        &self.numbers
    }

    pub(crate) fn at(&self, position: usize) -> Number {
        self.numbers.get(position).copied().unwrap_or_default()
    }

    /// Bytes in memory.
    pub(crate) fn bytes(&self) -> usize {
        let all = self.levels.iter().chain([&self.numbers]);
        all.map(|level| level.capacity() * size_of::<Number>())
            .sum()
    }

    /// The position of the last number that is not after `number`.
    pub(crate) fn last_not_after(&self, number: Number) -> Option<usize> {
        let mut block = 0;
        for level in self.levels.iter().rev() {
            block = last_in_block(level, block, number)?;
        }
        last_in_block(&self.numbers, block, number)
    }

    /// The position of `number`.
    pub(crate) fn find(&self, number: Number) -> Option<usize> {
        self.last_not_after(number)
            .filter(|position| self.at(*position) == number)
    }
}

/// As [`Sorted::last_not_after`], of a block of a level. Counted without a branch on each number, which no processor
/// could foresee.
fn last_in_block(level: &[Number], block: usize, number: Number) -> Option<usize> {
    let start = block * BLOCK;
    let end = level.len().min(start + BLOCK);
    let numbers = level.get(start..end).unwrap_or_default();
    let not_after = numbers.iter().filter(|other| **other <= number).count();
    Some(start + not_after.checked_sub(1)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(of: usize) -> Number {
        Number::parse(&of.to_string()).unwrap()
    }

    #[test]
    fn each_number_is_found_and_what_is_not_there_has_the_one_before_it() {
        // The sizes around which blocks and levels begin.
        for size in [0, 1, 15, 16, 17, 255, 256, 257, 272, 4_095, 4_097, 5_000] {
            // Every third number of six digits, so that each has neighbours that are not there.
            let all: Vec<_> = (0..size).map(|at| number(100_000 + 3 * at)).collect();
            let sorted = Sorted::new(all.clone());
            assert_eq!(sorted.as_slice(), all);
            for at in 0..size {
                let there = 100_000 + 3 * at;
                assert_eq!(sorted.find(number(there)), Some(at), "{there} of {size}");
                assert_eq!(sorted.last_not_after(number(there)), Some(at));
                assert_eq!(sorted.last_not_after(number(there + 2)), Some(at));
                assert_eq!(sorted.find(number(there + 1)), None);
            }
            // They compare as texts do: 0 comes before all of them, 9 after.
            assert_eq!(sorted.last_not_after(number(0)), None);
            assert_eq!(sorted.last_not_after(number(9)), size.checked_sub(1));
        }
    }

    #[test]
    fn what_stands_above_takes_a_fifteenth_of_the_numbers() {
        let sorted = Sorted::new((0..65_536).map(|at| number(100_000 + at)).collect());
        assert_eq!(sorted.bytes(), 8 * (65_536 + 4_096 + 256 + 16));
    }
}
