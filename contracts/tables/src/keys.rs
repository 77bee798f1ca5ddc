//! The keys of a table, sorted; a position here is a row.

use crate::number::Number;
use crate::sorted::Sorted;

/// Position that is none.
const NONE: u32 = u32::MAX;

/// Sorted keys.
#[derive(Clone, Debug)]
pub(crate) enum Keys {
    Numbers(NumberKeys),
    Texts(TextKeys),
}

impl Keys {
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Numbers(keys) => keys.numbers.as_slice().len(),
            Self::Texts(keys) => keys.ends.len(),
        }
    }

    pub(crate) fn bytes(&self) -> usize {
        match self {
            Self::Numbers(keys) => {
                keys.numbers.bytes() + keys.parents.capacity() * size_of::<u32>()
            }
            Self::Texts(keys) => keys.text.capacity() + keys.ends.capacity() * size_of::<u32>(),
        }
    }
}

/// Packed numbers; for prefixes also which row holds the next shorter prefix of each.
#[derive(Clone, Debug)]
pub(crate) struct NumberKeys {
    numbers: Sorted,
    parents: Vec<u32>,
}

impl NumberKeys {
    /// `numbers` sorted and distinct.
    pub(crate) fn new(numbers: Vec<Number>, with_parents: bool) -> Self {
        let mut parents = Vec::new();
        if with_parents {
            parents.reserve_exact(numbers.len());
            // The chain of prefixes of the number before, the longest on top.
            let mut chain: Vec<u32> = Vec::with_capacity(Number::MAX_LEN);
            for (position, number) in (0u32..).zip(&numbers) {
                while let Some(top) = chain.last() {
                    let above = numbers.get(*top as usize).copied().unwrap_or_default();
                    if above.begins(*number) {
                        break;
                    }
                    chain.pop();
                }
                parents.push(chain.last().copied().unwrap_or(NONE));
                chain.push(position);
            }
        }
        let numbers = Sorted::new(numbers);
        Self { numbers, parents }
    }

    pub(crate) fn at(&self, position: usize) -> Number {
        self.numbers.at(position)
    }

    pub(crate) fn find(&self, number: Number) -> Option<usize> {
        self.numbers.find(number)
    }

    /// The rows whose prefixes `number` begins with, the longest first.
    pub(crate) fn prefixes_of(&self, number: Number) -> impl Iterator<Item = usize> + '_ {
        // The last one not after the number: it or one above it in its chain is the longest prefix, for whatever
        // stands between a prefix and the number begins with that prefix.
        let last = self.numbers.last_not_after(number);
        let chain = std::iter::successors(last, |position| self.parent(*position));
        chain.skip_while(move |position| !self.at(*position).begins(number))
    }

    fn parent(&self, position: usize) -> Option<usize> {
        let parent = self.parents.get(position).copied().filter(|at| *at != NONE);
        parent.map(|parent| parent as usize)
    }
}

/// Texts one after the other.
#[derive(Clone, Debug, Default)]
pub(crate) struct TextKeys {
    text: String,
    /// Where each ends in `text`.
    ends: Vec<u32>,
}

impl TextKeys {
    /// `texts` sorted and distinct; `None` when they are longer than 4 GiB together.
    pub(crate) fn new<'t>(texts: impl Iterator<Item = &'t str> + Clone) -> Option<Self> {
        let mut keys = Self {
            text: String::with_capacity(texts.clone().map(str::len).sum()),
            ends: Vec::with_capacity(texts.clone().count()),
        };
        for text in texts {
            keys.text.push_str(text);
            keys.ends.push(u32::try_from(keys.text.len()).ok()?);
        }
        Some(keys)
    }

    pub(crate) fn at(&self, position: usize) -> &str {
        let start = match position.checked_sub(1) {
            Some(before) => self.ends.get(before).copied().unwrap_or_default(),
            None => 0,
        };
        let end = self.ends.get(position).copied().unwrap_or(start);
        self.text
            .get(start as usize..end as usize)
            .unwrap_or_default()
    }

    pub(crate) fn find(&self, key: &str) -> Option<usize> {
        let (mut low, mut high) = (0, self.ends.len());
        while low < high {
            let middle = low.midpoint(high);
            match self.at(middle).cmp(key) {
                std::cmp::Ordering::Less => low = middle + 1,
                std::cmp::Ordering::Greater => high = middle,
                std::cmp::Ordering::Equal => return Some(middle),
            }
        }
        None
    }
}
