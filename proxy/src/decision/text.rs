//! Bytes of a SIP message as JSON strings. SIP is UTF-8 by RFC 3261 §7.3.1; what is not becomes
//! U+FFFD, so that a query is always valid JSON.

use std::borrow::Cow;
use std::fmt::{self, Display, Write};

use serde::ser::{Serialize, Serializer};

/// The bytes as they are.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Text<'a>(pub(crate) &'a [u8]);

/// A header's value with its folding undone (RFC 3261 §7.3.1).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Unfolded<'a>(pub(crate) &'a [u8]);

/// In lower case.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lower<'a>(pub(crate) &'a [u8]);

/// With `%`-escapes resolved (RFC 3261 §19.1.2).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Unescaped<'a>(pub(crate) &'a [u8]);

impl Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for chunk in self.0.utf8_chunks() {
            f.write_str(chunk.valid())?;
            if !chunk.invalid().is_empty() {
                f.write_char(char::REPLACEMENT_CHARACTER)?;
            }
        }
        Ok(())
    }
}

impl Serialize for Text<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match std::str::from_utf8(self.0) {
            Ok(text) => serializer.serialize_str(text),
            Err(_) => serializer.collect_str(self),
        }
    }
}

impl Serialize for Unfolded<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if memchr::memchr2(b'\r', b'\n', self.0).is_none() {
            return Text(self.0).serialize(serializer);
        }
        let mut unfolded = Vec::with_capacity(self.0.len());
        for line in self.0.split(|&b| b == b'\n') {
            if !unfolded.is_empty() {
                unfolded.push(b' ');
            }
            unfolded.extend_from_slice(line.trim_ascii());
        }
        Text(&unfolded).serialize(serializer)
    }
}

impl Serialize for Lower<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.0.iter().any(u8::is_ascii_uppercase) {
            return Text(&self.0.to_ascii_lowercase()).serialize(serializer);
        }
        Text(self.0).serialize(serializer)
    }
}

impl Serialize for Unescaped<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Text(&unescape(self.0)).serialize(serializer)
    }
}

/// Resolves `%xx`; what is no escape stays as it is.
fn unescape(text: &[u8]) -> Cow<'_, [u8]> {
    if memchr::memchr(b'%', text).is_none() {
        return Cow::Borrowed(text);
    }
    let hex = |byte: u8| {
        (byte as char)
            .to_digit(16)
            .and_then(|digit| u8::try_from(digit).ok())
    };
    let mut plain = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        let escaped = match (byte, after) {
            (b'%', [high, low, ..]) => hex(*high).zip(hex(*low)),
            _ => None,
        };
        match escaped {
            Some((high, low)) => {
                plain.push(high << 4 | low);
                rest = &after[2..];
            }
            None => plain.push(byte),
        }
    }
    Cow::Owned(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(value: impl Serialize) -> String {
        serde_json::to_string(&value).unwrap()
    }

    #[test]
    fn text_is_valid_json_whatever_the_bytes() {
        assert_eq!(json(Text(b"J\xc3\xb6rg")), "\"Jörg\"");
        assert_eq!(json(Text(b"a\xff\"b\\")), "\"a\u{fffd}\\\"b\\\\\"");
        assert_eq!(json(Lower(b"Application/SDP")), "\"application/sdp\"");
    }

    #[test]
    fn folding_becomes_one_space() {
        assert_eq!(
            json(Unfolded(b"one\r\n  two\r\n\tthree")),
            "\"one two three\""
        );
        assert_eq!(json(Unfolded(b"one  two")), "\"one  two\"");
    }

    #[test]
    fn escapes_are_resolved_and_broken_ones_stay() {
        assert_eq!(json(Unescaped(b"%61lice%20b")), "\"alice b\"");
        assert_eq!(json(Unescaped(b"100%")), "\"100%\"");
        assert_eq!(json(Unescaped(b"%zz%4")), "\"%zz%4\"");
        assert_eq!(json(Unescaped(b"%00")), "\"\\u0000\"");
        assert_eq!(json(Unescaped(b"%ff")), "\"\u{fffd}\"");
    }
}
