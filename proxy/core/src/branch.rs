//! The branch parameter of our own Via: it says which transaction a response belongs to.
//!
//! ```text
//! z9hG4bK sb SS KKKKKKKKKKKKKKKK BB MMMMMMMM
//!            |  |                |  seal: 32 bits that only we can make
//!            |  |                branch index
//!            |  slot and generation
//!            shard
//! ```
//!
//! All digits are hexadecimal. Comparison ignores case, since tokens do (RFC 3261 §7.3.1).

use crate::key::{BranchToken, TransactionKey};
use crate::secret::{Secret, hex};

const PREFIX: &[u8; 9] = b"z9hG4bKsb";
const LENGTH: usize = PREFIX.len() + 2 + 16 + 2 + 8;

/// Our branches of stateless forwarding (RFC 3261 §16.11) start with this.
const STATELESS: &[u8; 9] = b"z9hG4bKsa";

/// Writes the branch of one client transaction.
pub(crate) fn write(secret: &Secret, shard: u8, token: BranchToken, out: &mut Vec<u8>) {
    let mut text = [0; LENGTH];
    text[..9].copy_from_slice(PREFIX);
    text[9..11].copy_from_slice(&hex::<2>(shard.into()));
    text[11..27].copy_from_slice(&hex::<16>(token.key.to_bits()));
    text[27..29].copy_from_slice(&hex::<2>(token.index.into()));
    text[29..].copy_from_slice(&hex::<8>(seal(secret, shard, token).into()));
    out.extend_from_slice(&text);
}

/// Writes the branch of a statelessly forwarded request: the same for its retransmissions.
pub(crate) fn write_stateless(fingerprint: crate::secret::Fingerprint, out: &mut Vec<u8>) {
    out.extend_from_slice(STATELESS);
    out.extend_from_slice(&hex::<16>(fingerprint.0 as u64));
}

/// Reads a branch back; `None` when it is not one that this core wrote.
pub(crate) fn read(secret: &Secret, shard: u8, branch: &[u8]) -> Option<BranchToken> {
    if shard_of_branch(branch)? != shard {
        return None;
    }
    let index = u8::try_from(number(&branch[27..29])?).ok()?;
    let token = BranchToken {
        key: TransactionKey::from_bits(number(&branch[11..27])?),
        index,
    };
    (number(&branch[29..37])? == u64::from(seal(secret, shard, token))).then_some(token)
}

/// Which shard wrote this branch; `None` when it is not one of ours. The branch of another
/// process looks the same here and is refused by the core.
pub fn shard_of_branch(branch: &[u8]) -> Option<u8> {
    let start = branch.first_chunk().filter(|_| branch.len() == LENGTH)?;
    if start != PREFIX && !start.eq_ignore_ascii_case(PREFIX) {
        return None;
    }
    u8::try_from(number(&branch[9..11])?).ok()
}

fn seal(secret: &Secret, shard: u8, token: BranchToken) -> u32 {
    secret.seal(token.key.to_bits(), [shard, token.index])
}

fn number(digits: &[u8]) -> Option<u64> {
    let (mut number, mut seen) = (0, 0);
    for digit in digits {
        let digit = DIGITS[usize::from(*digit)];
        number = number << 4 | u64::from(digit);
        seen |= digit;
    }
    (seen != NO_DIGIT).then_some(number)
}

/// Has bits that no digit has.
const NO_DIGIT: u8 = 0xff;

/// What each byte is worth as a hexadecimal digit.
static DIGITS: [u8; 256] = {
    let mut digits = [NO_DIGIT; 256];
    let mut value = 0;
    while value < 16 {
        digits[b"0123456789abcdef"[value] as usize] = value as u8;
        digits[b"0123456789ABCDEF"[value] as usize] = value as u8;
        value += 1;
    }
    digits
};

#[cfg(test)]
mod tests {
    use super::*;

    fn written(secret: &Secret, token: BranchToken) -> Vec<u8> {
        let mut out = Vec::new();
        write(secret, 3, token, &mut out);
        out
    }

    #[test]
    fn reads_back_in_any_case() {
        let secret = Secret::new([7; 16]);
        let token = BranchToken {
            key: TransactionKey::from_bits(0x1_0000_00ff),
            index: 2,
        };
        let branch = written(&secret, token);
        assert_eq!(branch.len(), LENGTH);
        assert_eq!(shard_of_branch(&branch), Some(3));
        assert_eq!(read(&secret, 3, &branch), Some(token));
        assert_eq!(read(&secret, 3, &branch.to_ascii_uppercase()), Some(token));
    }

    #[test]
    fn a_seal_is_good_for_no_other_index() {
        let secret = Secret::new([7; 16]);
        let token = BranchToken {
            key: TransactionKey::from_bits(0x1_0000_0001),
            index: 0,
        };
        let mut moved = written(&secret, token);
        // The same slot 65,536 generations on, and the branch beside.
        moved[11..27].copy_from_slice(b"0001000100000001");
        moved[27..29].copy_from_slice(b"01");
        assert_eq!(read(&secret, 3, &moved), None);
    }

    /// RFC 3261 §16.6 step 8
    #[test]
    fn a_foreign_branch_is_refused() {
        let secret = Secret::new([7; 16]);
        let token = BranchToken {
            key: TransactionKey::from_bits(0x1_0000_0001),
            index: 0,
        };
        let branch = written(&secret, token);
        assert_eq!(read(&secret, 4, &branch), None, "another shard");
        assert_eq!(
            read(&Secret::new([8; 16]), 3, &branch),
            None,
            "another process"
        );
        for at in 0..branch.len() {
            let mut forged = branch.clone();
            forged[at] = if forged[at] == b'1' { b'2' } else { b'1' };
            assert_eq!(read(&secret, 3, &forged), None, "changed at {at}");
        }
        assert_eq!(read(&secret, 3, &branch[1..]), None);
        assert_eq!(read(&secret, 3, "z9hG4bKsb\u{e9}".as_bytes()), None);
    }
}
