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
    let key = token.key.to_bits();
    out.extend_from_slice(PREFIX);
    out.extend_from_slice(&hex(shard.into())[14..]);
    out.extend_from_slice(&hex(key));
    out.extend_from_slice(&hex(token.index.into())[14..]);
    out.extend_from_slice(&hex(seal(secret, shard, token).into())[8..]);
}

/// Writes the branch of a statelessly forwarded request: the same for its retransmissions.
pub(crate) fn write_stateless(fingerprint: crate::secret::Fingerprint, out: &mut Vec<u8>) {
    out.extend_from_slice(STATELESS);
    out.extend_from_slice(&hex(fingerprint.0 as u64));
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
    let ours = branch.len() == LENGTH && branch[..PREFIX.len()].eq_ignore_ascii_case(PREFIX);
    if !ours {
        return None;
    }
    u8::try_from(number(&branch[9..11])?).ok()
}

fn seal(secret: &Secret, shard: u8, token: BranchToken) -> u32 {
    secret.seal(token.key.to_bits(), [shard, token.index])
}

fn number(digits: &[u8]) -> Option<u64> {
    digits.iter().try_fold(0, |sum: u64, digit| {
        let digit = (*digit as char).to_digit(16)?;
        Some(sum << 4 | u64::from(digit))
    })
}

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
