use std::fmt;

/// Symbols of a number in the order in which numbers are sorted; the empty place comes before all of them.
const SYMBOLS: &[u8; 12] = b"0123456789*#";

/// A number or prefix of at most [`Number::MAX_LEN`] symbols, packed into 64 bits: 4 bits a symbol, the first in the
/// highest, empty places zero. So numbers compare as their texts do, and a prefix comes right before what it begins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Number(u64);

/// Why a text is no number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NumberError {
    /// Nothing there, or only a plus sign.
    #[error("is empty")]
    Empty,
    /// More symbols than there is room for. E.164 numbers have at most 15 digits.
    #[error("has more than {} digits", Number::MAX_LEN)]
    TooLong,
    /// Something else than digits, `*` and `#`.
    #[error("contains {0:?}; only digits, * and # may be used, and + in front")]
    Symbol(char),
}

impl Number {
    /// The most symbols.
    pub const MAX_LEN: usize = 16;

    /// Reads a number. A plus sign in front says nothing that matters here, and is left out.
    ///
    /// # Errors
    /// [`NumberError`], when nothing of the text is lost by that.
    pub fn parse(text: &str) -> Result<Self, NumberError> {
        let digits = text.strip_prefix('+').unwrap_or(text);
        if digits.is_empty() {
            return Err(NumberError::Empty);
        }
        let mut packed = 0;
        for (place, symbol) in digits.chars().enumerate() {
            let code = u8::try_from(symbol).ok().and_then(code_of);
            let code = code.ok_or(NumberError::Symbol(symbol))?;
            if place == Self::MAX_LEN {
                return Err(NumberError::TooLong);
            }
            packed |= code << shift(place);
        }
        Ok(Self(packed))
    }

    /// What a prefix can be compared with: the number in front of `text`, up to the first character that is no
    /// symbol and at most [`Number::MAX_LEN`] long, and whether it is all of `text`. No allocation.
    pub fn leading(text: &[u8]) -> (Self, bool) {
        let digits = text.strip_prefix(b"+").unwrap_or(text);
        let mut packed = 0;
        for (place, symbol) in digits.iter().enumerate() {
            match code_of(*symbol) {
                Some(code) if place < Self::MAX_LEN => packed |= code << shift(place),
                _ => return (Self(packed), false),
            }
        }
        (Self(packed), true)
    }

    /// How many symbols it has.
    pub const fn len(self) -> usize {
        Self::MAX_LEN - self.0.trailing_zeros() as usize / 4
    }

    /// Whether it has none.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Whether `other` begins with it.
    pub const fn begins(self, other: Self) -> bool {
        match self.len() {
            0 => true,
            length => (self.0 ^ other.0) >> shift(length - 1) == 0,
        }
    }
}

const fn shift(place: usize) -> u32 {
    (Number::MAX_LEN - 1 - place) as u32 * 4
}

fn code_of(symbol: u8) -> Option<u64> {
    Some(match symbol {
        b'0'..=b'9' => u64::from(symbol - b'0') + 1,
        b'*' => 11,
        b'#' => 12,
        _ => return None,
    })
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (0..self.len()).try_for_each(|place| {
            let code = (self.0 >> shift(place)) as usize & 0xf;
            let symbol = SYMBOLS.get(code.wrapping_sub(1)).copied().unwrap_or(b'?');
            fmt::Write::write_char(f, char::from(symbol))
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_no_number_is_told_apart() {
        assert_eq!(Number::parse(""), Err(NumberError::Empty));
        assert_eq!(Number::parse("+"), Err(NumberError::Empty));
        assert_eq!(Number::parse("49 30"), Err(NumberError::Symbol(' ')));
        assert_eq!(Number::parse("++49"), Err(NumberError::Symbol('+')));
        assert_eq!(Number::parse("٤"), Err(NumberError::Symbol('٤')));
        assert!(Number::parse("1234567890123456").is_ok());
        assert_eq!(
            Number::parse("12345678901234567"),
            Err(NumberError::TooLong)
        );
    }

    #[test]
    fn a_plus_sign_makes_no_difference() {
        assert_eq!(Number::parse("+4930"), Number::parse("4930"));
        assert_eq!(Number::leading(b"+4930"), Number::leading(b"4930"));
    }

    #[test]
    fn what_follows_the_number_is_noticed() {
        let number = Number::parse("4930").unwrap();
        assert_eq!(Number::leading(b"4930"), (number, true));
        assert_eq!(Number::leading(b"4930;ext=1"), (number, false));
        assert_eq!(Number::leading(b"alice"), (Number::default(), false));
        let (cut, whole) = Number::leading(b"12345678901234567");
        assert_eq!((cut.len(), whole), (16, false));
    }

    proptest! {
        #[test]
        fn numbers_compare_and_print_as_their_texts(a in "[0-9*#]{1,16}", b in "[0-9*#]{1,16}") {
            let order = |text: &str| text.bytes().map(code_of).collect::<Vec<_>>();
            let (x, y) = (Number::parse(&a).unwrap(), Number::parse(&b).unwrap());
            prop_assert_eq!(x.to_string(), a.clone());
            prop_assert_eq!(x.len(), a.len());
            prop_assert_eq!(x.cmp(&y), order(&a).cmp(&order(&b)));
            prop_assert_eq!(x.begins(y), b.starts_with(&a));
        }
    }
}
