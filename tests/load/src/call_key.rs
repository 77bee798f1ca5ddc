//! What a Call-ID of ours says: which call it is, and when it was due.

use crate::clock::Moment;

/// Length of [`CallKey`] as text.
pub(crate) const LENGTH: usize = 32;
/// Length of [`KeyText::mark`].
pub(crate) const MARK_LENGTH: usize = 16;
/// The largest slot.
const SLOTS: u32 = (1 << 24) - 1;

/// The user part of a Call-ID: the caller, slot and round in its table, and the time at which the call was due, all in
/// lower-case hexadecimal of fixed width. The other side needs no table to know how old a call is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct CallKey {
    /// Which of the callers of a run it is, 0 to 127.
    pub(crate) caller: u8,
    /// The called side is to ring only, until it gets a CANCEL.
    pub(crate) rings: bool,
    /// Place in the caller's table, below 2^24.
    pub(crate) slot: u32,
    /// How often the place was used before. A late message of an earlier call does not match.
    pub(crate) round: u32,
    /// When the first request was due.
    pub(crate) due: Moment,
}

impl CallKey {
    /// As text.
    pub(crate) fn text(self) -> KeyText {
        let mut text = [0; LENGTH];
        write_hex(&mut text[..MARK_LENGTH], self.number());
        write_hex(&mut text[MARK_LENGTH..], self.due.as_nanos());
        KeyText(text)
    }

    /// Reads a Call-ID; `None` when it is not one of ours.
    pub(crate) fn parse(call_id: &[u8]) -> Option<Self> {
        let text = call_id.get(..LENGTH)?;
        if call_id.get(LENGTH) != Some(&b'@') {
            return None;
        }
        let number = read_hex(&text[..MARK_LENGTH])?;
        Some(Self {
            caller: (number >> 57) as u8,
            rings: number >> 56 & 1 == 1,
            slot: (number >> 32) as u32 & SLOTS,
            round: (number & u64::from(u32::MAX)) as u32,
            due: Moment::from_nanos(read_hex(&text[MARK_LENGTH..])?),
        })
    }

    fn number(self) -> u64 {
        u64::from(self.caller) << 57
            | u64::from(self.rings) << 56
            | u64::from(self.slot & SLOTS) << 32
            | u64::from(self.round)
    }
}

/// A [`CallKey`] as text, written once for all its places in a message.
#[derive(Clone, Copy, Debug)]
pub(crate) struct KeyText([u8; LENGTH]);

impl KeyText {
    /// For a Call-ID.
    pub(crate) fn call_id(&self) -> &[u8] {
        &self.0
    }

    /// Caller, slot and round: unique within a run, for branches and tags.
    pub(crate) fn mark(&self) -> &[u8] {
        &self.0[..MARK_LENGTH]
    }
}

fn write_hex(text: &mut [u8], mut value: u64) {
    for digit in text.iter_mut().rev() {
        *digit = b"0123456789abcdef"[(value & 15) as usize];
        value >>= 4;
    }
}

fn read_hex(text: &[u8]) -> Option<u64> {
    let (mut value, mut all) = (0, 0);
    for &digit in text {
        let digit = DIGITS[usize::from(digit)];
        all |= digit;
        value = value << 4 | u64::from(digit);
    }
    (all < 16).then_some(value)
}

/// Values of lower-case hexadecimal digits; of anything else, more than 15.
const DIGITS: [u8; 256] = {
    let mut digits = [u8::MAX; 256];
    let mut value = 0;
    while value < 16 {
        digits[b"0123456789abcdef"[value] as usize] = value as u8;
        value += 1;
    }
    digits
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_survives_as_text() {
        let key = CallKey {
            caller: 3,
            rings: true,
            slot: 0x0012_3456,
            round: u32::MAX,
            due: Moment::from_nanos(0xfeed_0000_0000_beef),
        };
        let call_id = [key.text().call_id(), b"@127.0.0.1"].concat();
        assert_eq!(
            call_id,
            b"07123456fffffffffeed00000000beef@127.0.0.1".to_vec()
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
