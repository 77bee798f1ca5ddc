//! Comma-separated header values (RFC 3261 §7.3.1).

use memchr::{memchr, memchr3};

use crate::chars::trim;
use crate::grammar::quoted;

/// The values in one header line, white space trimmed. Commas in quotes and in angle brackets do not
/// separate; what follows an unclosed quote or bracket is one value, which will not parse.
#[derive(Debug, Clone)]
pub(crate) struct Values<'a>(Option<&'a [u8]>);

impl<'a> Values<'a> {
    pub(crate) const fn new(value: &'a [u8]) -> Self {
        Self(Some(value))
    }

    pub(crate) const fn none() -> Self {
        Self(None)
    }

    /// The first of them, without looking at the others.
    pub(crate) fn first(value: &'a [u8]) -> &'a [u8] {
        trim(&value[..first_end(value)])
    }
}

impl<'a> Iterator for Values<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let value = self.0?;
        let end = first_end(value);
        self.0 = value.get(end + 1..);
        Some(trim(&value[..end]))
    }
}

/// Where the first value ends: at its comma, or with the line.
pub(crate) fn first_end(value: &[u8]) -> usize {
    let mut at = 0;
    while let Some(distance) = memchr3(b',', b'"', b'<', &value[at..]) {
        at += distance;
        let skipped = match value[at] {
            b',' => return at,
            b'"' => quoted(&value[at..]).ok().map(|(_, text)| text.len()),
            _ => memchr(b'>', &value[at..]).map(|distance| distance + 1),
        };
        match skipped {
            Some(len) => at += len,
            None => break,
        }
    }
    value.len()
}

#[cfg(test)]
mod tests {
    use super::Values;

    fn split(value: &[u8]) -> Vec<&[u8]> {
        Values::new(value).collect()
    }

    #[test]
    fn commas_separate_outside_quotes_and_brackets() {
        assert_eq!(
            split(b"\"a,\\\",b\" <sip:x,y@z>;q=\"1,2\" ,\r\n <sip:c>"),
            [&b"\"a,\\\",b\" <sip:x,y@z>;q=\"1,2\""[..], b"<sip:c>"]
        );
    }

    #[test]
    fn empty_values_are_kept_for_the_parser_to_refuse() {
        assert_eq!(split(b"a,,b,"), [&b"a"[..], b"", b"b", b""]);
        assert_eq!(split(b""), [b""]);
    }

    #[test]
    fn what_is_not_closed_is_one_value() {
        assert_eq!(split(b"\"a, b"), [b"\"a, b"]);
        assert_eq!(split(b"<sip:a, b"), [b"<sip:a, b"]);
    }
}
