//! Byte classes of RFC 3261 §25.1, one table lookup each.

const TOKEN: u8 = 1;
const URI: u8 = 2;
const HOST: u8 = 4;
const VALUE: u8 = 8;
const VISIBLE: u8 = 16;

static CLASS: [u8; 256] = {
    let mut class = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let b = byte as u8;
        let mut bits = 0;
        if b.is_ascii_alphanumeric() || contains(b"-.!%*_+`'~", b) {
            bits |= TOKEN;
        }
        // Wider than RFC 3261: telephone users carry a bare '#', and UTF-8 arrives unescaped. What
        // would end the URI early for somebody else (white space, controls, quotes, angles) is out.
        if b > b' ' && b != 0x7f && !contains(b"\"<>", b) {
            bits |= URI;
        }
        if b.is_ascii_alphanumeric() || contains(b"-._", b) {
            bits |= HOST;
        }
        if b > b' ' && b != 0x7f && !contains(b";,\"<>", b) {
            bits |= VALUE;
        }
        if b > b' ' && b != 0x7f {
            bits |= VISIBLE;
        }
        class[byte] = bits;
        byte += 1;
    }
    class
};

const fn contains(set: &[u8], byte: u8) -> bool {
    let mut at = 0;
    while at < set.len() {
        if set[at] == byte {
            return true;
        }
        at += 1;
    }
    false
}

const fn has(byte: u8, bit: u8) -> bool {
    CLASS[byte as usize] & bit != 0
}

/// `token` characters: method and header names, parameter names.
pub(crate) const fn is_token(byte: u8) -> bool {
    has(byte, TOKEN)
}

/// Anything a URI may hold on the wire.
pub(crate) const fn is_uri(byte: u8) -> bool {
    has(byte, URI)
}

/// Host names, with the underscore that Microsoft and Docker names have.
pub(crate) const fn is_host(byte: u8) -> bool {
    has(byte, HOST)
}

/// An unquoted parameter value: token, host, bare IPv6 address, and what peers put there besides.
pub(crate) const fn is_value(byte: u8) -> bool {
    has(byte, VALUE)
}

/// How many bytes at the start of `text` an unquoted parameter value may hold.
pub(crate) fn value_run(text: &[u8]) -> usize {
    run(text, VALUE)
}

/// How many bytes at the start of `text` a URI may hold.
pub(crate) fn uri_run(text: &[u8]) -> usize {
    run(text, URI)
}

/// How many bytes at the start of `text` are neither white space nor control characters.
pub(crate) fn visible_run(text: &[u8]) -> usize {
    run(text, VISIBLE)
}

/// Eight bytes at a time: URIs and branches have thirty or forty.
fn run(text: &[u8], class: u8) -> usize {
    let (words, _) = text.as_chunks::<8>();
    let mut len = 0;
    for word in words {
        let shared = word
            .iter()
            .fold(class, |shared, byte| shared & CLASS[*byte as usize]);
        if shared == 0 {
            break;
        }
        len += 8;
    }
    while let Some(byte) = text.get(len)
        && has(*byte, class)
    {
        len += 1;
    }
    len
}

/// Linear white space, a fold's line break included.
pub(crate) const fn is_lws(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | b'\n')
}

/// `value` without white space around it.
pub(crate) const fn trim(mut value: &[u8]) -> &[u8] {
    while let [first, rest @ ..] = value
        && is_lws(*first)
    {
        value = rest;
    }
    trim_end(value)
}

/// `value` without white space after it.
pub(crate) const fn trim_end(mut value: &[u8]) -> &[u8] {
    while let [rest @ .., last] = value
        && is_lws(*last)
    {
        value = rest;
    }
    value
}
