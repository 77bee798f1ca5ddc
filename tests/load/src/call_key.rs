//! What a Call-ID of ours says: which call it is, and when it was due.

use crate::clock::Moment;

/// Length of [`CallKey`] as text.
pub(crate) const LENGTH: usize = 32;
/// Length of [`CallKey::mark`].
pub(crate) const MARK_LENGTH: usize = 16;

/// The user part of a Call-ID: slot and round in the caller's table, and the time at which the call was due, all in
/// lower-case hexadecimal of fixed width. The other side needs no table to know how old a call is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct CallKey {
    /// Place in the caller's table.
    pub(crate) slot: u32,
    /// How often the place was used before. A late message of an earlier call does not match.
    pub(crate) round: u32,
    /// When the first request was due.
    pub(crate) due: Moment,
}

impl CallKey {
    /// As text.
    pub(crate) fn text(self) -> [u8; LENGTH] {
        let mut text = [0; LENGTH];
        write_hex(&mut text[..16], self.number());
        write_hex(&mut text[16..], self.due.as_nanos());
        text
    }

    /// Slot and round as text: unique within a run, for branches and tags.
    pub(crate) fn mark(self) -> [u8; MARK_LENGTH] {
        let mut mark = [0; MARK_LENGTH];
        write_hex(&mut mark, self.number());
        mark
    }

    /// Reads a Call-ID; `None` when it is not one of ours.
    pub(crate) fn parse(call_id: &[u8]) -> Option<Self> {
        let text = call_id.get(..LENGTH)?;
        if call_id.get(LENGTH) != Some(&b'@') {
            return None;
        }
        let number = read_hex(&text[..16])?;
        Some(Self {
            slot: (number >> 32) as u32,
            round: (number & u64::from(u32::MAX)) as u32,
            due: Moment::from_nanos(read_hex(&text[16..])?),
        })
    }

    fn number(self) -> u64 {
        u64::from(self.slot) << 32 | u64::from(self.round)
    }
}

fn write_hex(text: &mut [u8], mut value: u64) {
    for digit in text.iter_mut().rev() {
        *digit = b"0123456789abcdef"[(value & 15) as usize];
        value >>= 4;
    }
}

fn read_hex(text: &[u8]) -> Option<u64> {
    text.iter().try_fold(0, |value, &digit| {
        let digit = match digit {
            b'0'..=b'9' => digit - b'0',
            b'a'..=b'f' => digit - b'a' + 10,
            _ => return None,
        };
        Some(value << 4 | u64::from(digit))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_survives_as_text() {
        let key = CallKey {
            slot: 0x0012_3456,
            round: u32::MAX,
            due: Moment::from_nanos(0xfeed_0000_0000_beef),
        };
        let call_id = [&key.text()[..], b"@127.0.0.1"].concat();
        assert_eq!(
            call_id,
            b"00123456fffffffffeed00000000beef@127.0.0.1".to_vec()
        );
        assert_eq!(CallKey::parse(&call_id), Some(key));
    }

    #[test]
    fn foreign_call_ids_are_not_ours() {
        for call_id in [
            &b""[..],
            b"1-4711@127.0.0.1",
            b"00123456fffffffffeed00000000beef",
            b"00123456fffffffffeed00000000beeg@127.0.0.1",
            b"00123456FFFFFFFFfeed00000000beef@127.0.0.1",
        ] {
            assert_eq!(CallKey::parse(call_id), None, "{}", call_id.escape_ascii());
        }
    }
}
