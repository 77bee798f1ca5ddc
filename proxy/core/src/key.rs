//! Names for transactions that need no hashing: a slot and its generation.

use std::fmt;

/// A transaction's slot and generation. A key of a finished transaction finds nothing, even when
/// the slot is in use again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TransactionKey {
    pub(crate) generation: u32,
    pub(crate) slot: u32,
}

impl TransactionKey {
    /// Slot in the low, generation in the high 32 bits.
    pub fn to_bits(self) -> u64 {
        u64::from(self.generation) << 32 | u64::from(self.slot)
    }

    /// The inverse of [`TransactionKey::to_bits`]; any number gives a key, which may find nothing.
    pub fn from_bits(bits: u64) -> Self {
        Self {
            generation: (bits >> 32) as u32,
            slot: bits as u32,
        }
    }
}

/// Names one query: the suspended transaction and the attempt. Written as
/// `<slot and generation>-<attempt>` in hexadecimal, a valid NATS subject token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Token {
    /// The transaction.
    pub key: TransactionKey,
    /// 1 for its first query.
    pub attempt: u8,
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:x}-{:x}", self.key.to_bits(), self.attempt)
    }
}

impl Token {
    /// Reads what `Display` wrote; `None` for anything else.
    pub fn parse(text: &str) -> Option<Self> {
        let (key, attempt) = text.split_once('-')?;
        let key = TransactionKey::from_bits(u64::from_str_radix(key, 16).ok()?);
        Some(Self {
            key,
            attempt: u8::from_str_radix(attempt, 16).ok()?,
        })
    }
}

/// Names one branch (client transaction) of a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct BranchToken {
    /// The transaction.
    pub key: TransactionKey,
    /// The branch, in order of creation.
    pub index: u8,
}

/// Names one address lookup: the branch that waits for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Ticket(pub BranchToken);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_reads_back() {
        let token = Token {
            key: TransactionKey::from_bits(0x0000_0003_0000_002a),
            attempt: 2,
        };
        assert_eq!(token.to_string(), "30000002a-2");
        assert_eq!(Token::parse("30000002a-2"), Some(token));
    }

    #[test]
    fn other_text_is_no_token() {
        for text in ["", "-", "x-1", "1-", "1-1ff", "1", "fffffffffffffffff-1"] {
            assert_eq!(Token::parse(text), None, "{text}");
        }
    }
}
