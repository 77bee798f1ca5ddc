//! The pieces of RFC 3261 §25.1 that several headers share, as nom parsers.

use std::borrow::Cow;

use nom::bytes::complete::{tag, take_while1};
use nom::error::{ErrorKind, ParseError};
use nom::{Err, Parser};

use crate::chars::{is_token, trim_end};
use crate::malformed::{Malformed, Reason};

pub(crate) type Parsed<'a, O> = nom::IResult<&'a [u8], O, Stuck<'a>>;

/// Where a parser could not go on, and why if it knows better than its caller.
#[derive(Debug)]
pub(crate) struct Stuck<'a> {
    rest: &'a [u8],
    why: Option<Reason>,
}

impl<'a> ParseError<&'a [u8]> for Stuck<'a> {
    fn from_error_kind(rest: &'a [u8], _: ErrorKind) -> Self {
        Self { rest, why: None }
    }

    fn append(_: &'a [u8], _: ErrorKind, other: Self) -> Self {
        other
    }

    /// Of two alternatives, the one that got further tells more.
    fn or(self, other: Self) -> Self {
        if self.rest.len() < other.rest.len() {
            self
        } else {
            other
        }
    }
}

/// A fault that no alternative can mend.
pub(crate) fn refuse<'a, O>(rest: &'a [u8], why: Reason) -> Parsed<'a, O> {
    Err(Err::Failure(Stuck {
        rest,
        why: Some(why),
    }))
}

/// Runs `parser` over the whole of `value`. `otherwise` is the reason when the parser has none of its
/// own.
pub(crate) fn whole<'a, O>(
    value: &'a [u8],
    otherwise: Reason,
    parser: impl FnOnce(&'a [u8]) -> Parsed<'a, O>,
) -> Result<O, Malformed> {
    let stuck = match parser(value) {
        Ok(([], parsed)) => return Ok(parsed),
        Ok((rest, _)) => Stuck { rest, why: None },
        Err(Err::Error(stuck) | Err::Failure(stuck)) => stuck,
        Err(Err::Incomplete(_)) => Stuck {
            rest: &[],
            why: None,
        },
    };
    Err(Malformed::new(
        stuck.why.unwrap_or(otherwise),
        value.len() - stuck.rest.len(),
    ))
}

/// What is left after white space and folds. A line break that is not a fold stays.
#[inline]
pub(crate) fn skip_sws(mut input: &[u8]) -> &[u8] {
    // One space at most is what there nearly always is.
    if let [b' ', rest @ ..] = input {
        input = rest;
    }
    if input.first().is_none_or(|byte| *byte > b' ') {
        return input;
    }
    while let [first, rest @ ..] = input {
        input = match (first, rest) {
            (b' ' | b'\t', rest) | (b'\r', [b'\n', b' ' | b'\t', rest @ ..]) => rest,
            _ => break,
        };
    }
    input
}

/// `SWS`: optional white space.
pub(crate) fn sws(input: &[u8]) -> Parsed<'_, ()> {
    Ok((skip_sws(input), ()))
}

/// `LWS`: white space that must be there.
pub(crate) fn lws(input: &[u8]) -> Parsed<'_, ()> {
    let rest = skip_sws(input);
    if rest.len() == input.len() {
        return Err(Err::Error(Stuck { rest, why: None }));
    }
    Ok((rest, ()))
}

/// `SEMI`, `EQUAL`, `SLASH`, `COLON`: a separator with optional white space around it.
pub(crate) fn separator<'a>(symbol: u8) -> impl Parser<&'a [u8], Output = (), Error = Stuck<'a>> {
    move |input: &'a [u8]| match skip_sws(input) {
        [first, rest @ ..] if *first == symbol => Ok((skip_sws(rest), ())),
        rest => Err(Err::Error(Stuck { rest, why: None })),
    }
}

/// One byte, without white space around it.
pub(crate) fn symbol<'a>(symbol: u8) -> impl Parser<&'a [u8], Output = (), Error = Stuck<'a>> {
    move |input: &'a [u8]| match input {
        [first, rest @ ..] if *first == symbol => Ok((rest, ())),
        rest => Err(Err::Error(Stuck { rest, why: None })),
    }
}

/// `token`
pub(crate) fn token(input: &[u8]) -> Parsed<'_, &[u8]> {
    take_while1(is_token).parse(input)
}

/// `quoted-string`, quotes included. A NUL may stand in it only as a quoted pair, a line break only
/// as a fold.
pub(crate) fn quoted(input: &[u8]) -> Parsed<'_, &[u8]> {
    let (body, _) = tag(&b"\""[..]).parse(input)?;
    let mut rest = body;
    loop {
        rest = match rest {
            [b'"', rest @ ..] => return Ok((rest, &input[..input.len() - rest.len()])),
            [b'\\', escaped, rest @ ..] if !matches!(escaped, b'\r' | b'\n') => rest,
            [b'\r', b'\n', b' ' | b'\t', rest @ ..] => rest,
            [] | [b'\\' | b'\r' | b'\n' | 0, ..] => return refuse(rest, Reason::Quote),
            [_, rest @ ..] => rest,
        };
    }
}

/// The text of a quoted string: quotes gone, quoted pairs resolved, folds read as one space. What is
/// not quoted comes back as it is, folds read as one space.
pub(crate) fn unquote(raw: &[u8]) -> Cow<'_, [u8]> {
    let (text, is_quoted) = match raw {
        [b'"', text @ .., b'"'] => (text, true),
        text => (text, false),
    };
    if memchr::memchr2(b'\\', b'\r', text).is_none() {
        return Cow::Borrowed(text);
    }
    let mut plain = Vec::with_capacity(text.len());
    let mut rest = text;
    while let [first, after @ ..] = rest {
        rest = match (first, after) {
            (b'\\', [escaped, after @ ..]) if is_quoted => {
                plain.push(*escaped);
                after
            }
            (b'\r', [b'\n', ..]) => {
                plain.truncate(trim_end(&plain).len());
                plain.push(b' ');
                skip_sws(rest)
            }
            _ => {
                plain.push(*first);
                after
            }
        };
    }
    Cow::Owned(plain)
}

/// Digits as a number. Leading zeros are allowed, signs are not, overflow is `None`.
pub(crate) fn number(digits: &[u8]) -> Option<u32> {
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0_u32, |sum, digit| {
        if !digit.is_ascii_digit() {
            return None;
        }
        sum.checked_mul(10)?.checked_add(u32::from(digit - b'0'))
    })
}

/// A port: digits from 1 to 65535. Port 0 reaches nobody.
pub(crate) fn port(digits: &[u8]) -> Option<u16> {
    number(digits)
        .and_then(|n| u16::try_from(n).ok())
        .filter(|port| *port != 0)
}
