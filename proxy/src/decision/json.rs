//! JSON written straight into a buffer, from the bytes of a SIP message.
//!
//! A query is many short strings, nearly all of them plain: they are copied between quotes, and only
//! the others go through serde_json. SIP is UTF-8 by RFC 3261 §7.3.1; what is not becomes U+FFFD, so
//! that a query is always valid JSON.

use std::borrow::Cow;
use std::io::Write as _;
use std::net::IpAddr;

use sigbox_wire::Uri;

/// A document in the making. Punctuation and names are written by the caller, with
/// [`raw`](Self::raw).
pub(crate) struct Json<'a>(pub(crate) &'a mut Vec<u8>);

impl Json<'_> {
    /// What is JSON already.
    pub(crate) fn raw(&mut self, json: &str) {
        self.0.extend_from_slice(json.as_bytes());
    }

    /// The bytes as a string.
    pub(crate) fn text(&mut self, bytes: &[u8]) {
        if is_plain(bytes) {
            self.0.reserve(bytes.len() + 2);
            self.0.push(b'"');
            self.0.extend_from_slice(bytes);
            self.0.push(b'"');
        } else {
            // Writing to memory cannot fail.
            let _ = serde_json::to_writer(&mut *self.0, &String::from_utf8_lossy(bytes));
        }
    }

    /// In lower case.
    pub(crate) fn lower(&mut self, bytes: &[u8]) {
        let start = self.0.len();
        self.text(bytes);
        // Escapes have no upper-case letters.
        self.0[start..].make_ascii_lowercase();
    }

    /// With `%`-escapes resolved (RFC 3261 §19.1.2).
    pub(crate) fn unescaped(&mut self, bytes: &[u8]) {
        self.text(&Uri::unescape(bytes));
    }

    /// A header's value with its folding undone (RFC 3261 §7.3.1).
    pub(crate) fn unfolded(&mut self, value: &[u8]) {
        self.text(&unfold(value));
    }

    pub(crate) fn number(&mut self, number: impl itoa::Integer) {
        self.raw(itoa::Buffer::new().format(number));
    }

    /// An address as a string, without brackets.
    pub(crate) fn ip(&mut self, ip: IpAddr) {
        match ip {
            IpAddr::V4(ip) => {
                let mut text = [b'"'; 1 + 4 * "255.".len()];
                let mut end = 1;
                for octet in ip.octets() {
                    let (digits, len) = OCTETS[usize::from(octet)];
                    text[end..end + digits.len()].copy_from_slice(&digits);
                    end += len;
                }
                text[end - 1] = b'"';
                self.0.extend_from_slice(&text[..end]);
            }
            IpAddr::V6(ip) => {
                // Writing to memory cannot fail.
                let _ = write!(self.0, "\"{ip}\"");
            }
        }
    }
}

/// Every octet of an IPv4 address in decimal, with the dot after it, and how long that is.
const OCTETS: [([u8; 4], usize); 256] = {
    let mut octets = [([b'.'; 4], 0); 256];
    let mut octet = 0;
    while octet < 256 {
        let (text, len) = &mut octets[octet];
        *len = 2 + (octet >= 10) as usize + (octet >= 100) as usize;
        let (mut place, mut left) = (*len - 1, octet);
        while place > 0 {
            place -= 1;
            text[place] = b'0' + (left % 10) as u8;
            left /= 10;
        }
        octet += 1;
    }
    octets
};

/// Whether the bytes stand in a JSON string as they are: ASCII, no control, quote or backslash.
fn is_plain(bytes: &[u8]) -> bool {
    let (words, rest) = bytes.as_chunks();
    // The last eight bytes are looked at again rather than one by one.
    words.iter().all(is_plain_word)
        && (rest.is_empty()
            || match bytes.last_chunk() {
                Some(last) => is_plain_word(last),
                None => rest
                    .iter()
                    .all(|byte| matches!(byte, b' '..=0x7f) && !matches!(byte, b'"' | b'\\')),
            })
}

/// The same of eight bytes at once. The highest bit of a byte is set where `byte - n` borrows, that
/// is where it is below `n`, or was set before.
fn is_plain_word(word: &[u8; 8]) -> bool {
    const fn each(byte: u8) -> u64 {
        u64::from_ne_bytes([byte; 8])
    }
    let word = u64::from_ne_bytes(*word);
    let below = |word: u64, n: u8| word.wrapping_sub(each(n));
    let controls = below(word, b' ');
    let quotes = below(word ^ each(b'"'), 1);
    let backslashes = below(word ^ each(b'\\'), 1);
    (word | controls | quotes | backslashes) & each(0x80) == 0
}

fn unfold(value: &[u8]) -> Cow<'_, [u8]> {
    if memchr::memchr2(b'\r', b'\n', value).is_none() {
        return value.into();
    }
    let mut unfolded = Vec::with_capacity(value.len());
    for line in value.split(|&b| b == b'\n') {
        if !unfolded.is_empty() {
            unfolded.push(b' ');
        }
        unfolded.extend_from_slice(line.trim_ascii());
    }
    unfolded.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(write: impl FnOnce(&mut Json<'_>)) -> String {
        let mut out = Vec::new();
        write(&mut Json(&mut out));
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn text_is_valid_json_whatever_the_bytes() {
        let text = |bytes: &[u8]| written(|json| json.text(bytes));
        assert_eq!(text(b"J\xc3\xb6rg"), "\"Jörg\"");
        assert_eq!(text(b"a\xff\"b\\"), "\"a\u{fffd}\\\"b\\\\\"");
        assert_eq!(
            written(|json| json.lower(b"Application/SDP\x1f\xff")),
            "\"application/sdp\\u001f\u{fffd}\""
        );
    }

    #[test]
    fn every_byte_is_seen_at_every_place() {
        for len in 0..40 {
            let mut bytes = vec![b'a'; len];
            assert!(is_plain(&bytes));
            for place in 0..len {
                for byte in 0..=u8::MAX {
                    bytes[place] = byte;
                    let expected = serde_json::to_string(&String::from_utf8_lossy(&bytes)).unwrap();
                    let plain = byte.is_ascii() && expected.len() == len + 2;
                    assert_eq!(is_plain(&bytes), plain, "{byte:#x} at {place} of {len}");
                    assert_eq!(written(|json| json.text(&bytes)), expected);
                }
                bytes[place] = b'a';
            }
        }
    }

    #[test]
    fn folding_becomes_one_space() {
        let unfolded = |value: &[u8]| written(|json| json.unfolded(value));
        assert_eq!(unfolded(b"one\r\n  two\r\n\tthree"), "\"one two three\"");
        assert_eq!(unfolded(b"one  two"), "\"one  two\"");
    }

    #[test]
    fn escapes_are_resolved_and_broken_ones_stay() {
        let unescaped = |text: &[u8]| written(|json| json.unescaped(text));
        assert_eq!(unescaped(b"%61lice%20b"), "\"alice b\"");
        assert_eq!(unescaped(b"100%"), "\"100%\"");
        assert_eq!(unescaped(b"%zz%4"), "\"%zz%4\"");
        assert_eq!(unescaped(b"%00"), "\"\\u0000\"");
        assert_eq!(unescaped(b"%ff"), "\"\u{fffd}\"");
    }

    #[test]
    fn addresses_are_written_as_they_display() {
        let octets = (0..=u8::MAX).map(|octet| IpAddr::from([octet, octet, 0, octet]));
        let others = ["2001:db8::1", "::ffff:192.0.2.1"].map(|ip| ip.parse().unwrap());
        for ip in octets.chain(others) {
            assert_eq!(written(|json| json.ip(ip)), format!("\"{ip}\""));
        }
    }
}
