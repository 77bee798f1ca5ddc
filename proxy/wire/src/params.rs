//! `;name=value` lists of headers and URIs.

use memchr::memchr2;

use crate::chars::{is_lws, trim, trim_end, value_run};
use crate::grammar::{Parsed, quoted, refuse, skip_sws, token};
use crate::malformed::Reason;
use crate::scan::first_equal;

/// The parameters of a header value or a URI, as written: `;a=b;lr`.
///
/// Iterating yields `(name, value)`; a value in quotes keeps them. Names are looked up in any case,
/// and of two with one name the first counts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Params<'a>(&'a [u8]);

impl<'a> Params<'a> {
    /// Text that is known to be parameters.
    pub(crate) const fn of(text: &'a [u8]) -> Self {
        Self(text)
    }

    /// As written, from the first semicolon on.
    pub const fn as_bytes(self) -> &'a [u8] {
        self.0
    }

    /// Whether there are none.
    pub const fn is_empty(self) -> bool {
        self.0.is_empty()
    }

    /// The parameters in order.
    pub const fn iter(self) -> ParamIter<'a> {
        ParamIter(self.0)
    }

    /// `None` when absent, `Some(None)` when it stands without a value.
    pub fn get(self, name: &str) -> Option<Option<&'a [u8]>> {
        self.iter()
            .find(|(n, _)| is_named(n, name.as_bytes()))
            .map(|(_, value)| value)
    }

    /// The value, if it is there and has one.
    pub fn value(self, name: &str) -> Option<&'a [u8]> {
        self.get(name).flatten()
    }
}

impl<'a> IntoIterator for Params<'a> {
    type Item = (&'a [u8], Option<&'a [u8]>);
    type IntoIter = ParamIter<'a>;

    fn into_iter(self) -> ParamIter<'a> {
        self.iter()
    }
}

/// Iterator over [`Params`].
#[derive(Debug, Clone)]
pub struct ParamIter<'a>(&'a [u8]);

/// One parameter and the text it came from, its semicolon included.
pub(crate) struct Param<'a> {
    pub(crate) name: &'a [u8],
    pub(crate) value: Option<&'a [u8]>,
    pub(crate) text: &'a [u8],
}

impl<'a> ParamIter<'a> {
    pub(crate) fn next_param(&mut self) -> Option<Param<'a>> {
        // URIs may have empty parameters (see `Uri::parse`): they are passed over with the next one.
        let start = self.0.iter().position(|b| *b != b';' && !is_lws(*b))?;
        let end = start + param_end(&self.0[start..]);
        let (text, rest) = self.0.split_at(end);
        self.0 = rest;
        let written = &text[start..];
        let (name, value) = match first_equal(b'=', written) {
            Some(equal) => (
                trim_end(&written[..equal]),
                Some(trim(&written[equal + 1..])),
            ),
            None => (trim_end(written), None),
        };
        Some(Param { name, value, text })
    }
}

impl<'a> Iterator for ParamIter<'a> {
    type Item = (&'a [u8], Option<&'a [u8]>);

    fn next(&mut self) -> Option<Self::Item> {
        self.next_param().map(|param| (param.name, param.value))
    }
}

/// Whether a parameter's name is `name`, which is in lower case as most peers write it.
#[inline]
pub(crate) fn is_named(written: &[u8], name: &[u8]) -> bool {
    written.len() == name.len() && (written == name || written.eq_ignore_ascii_case(name))
}

/// Up to the next semicolon that is not in quotes.
fn param_end(text: &[u8]) -> usize {
    let mut at = 0;
    while let Some(distance) = memchr2(b';', b'"', &text[at..]) {
        at += distance;
        if text[at] == b';' {
            return at;
        }
        match quoted(&text[at..]) {
            Ok((rest, _)) => at = text.len() - rest.len(),
            Err(_) => break,
        }
    }
    text.len()
}

/// `*(SEMI generic-param)` of headers, each shown to `each` as [`ParamIter`] would. A semicolon
/// without a parameter after it is refused, as is `name=` without a value.
pub(crate) fn params<'a>(
    input: &'a [u8],
    mut each: impl FnMut(&'a [u8], Option<&'a [u8]>),
) -> Parsed<'a, Params<'a>> {
    let mut rest = input;
    while let [b';', after @ ..] = skip_sws(rest) {
        let after = skip_sws(after);
        let Ok((after, name)) = token(after) else {
            return refuse(after, Reason::Param);
        };
        let value;
        (rest, value) = param_value(after)?;
        each(name, value);
    }
    Ok((rest, Params(&input[..input.len() - rest.len()])))
}

/// `EQUAL gen-value`, if it is there.
fn param_value(input: &[u8]) -> Parsed<'_, Option<&[u8]>> {
    let [b'=', after @ ..] = skip_sws(input) else {
        return Ok((input, None));
    };
    let after = skip_sws(after);
    if let [b'"', ..] = after {
        return quoted(after).map(|(rest, value)| (rest, Some(value)));
    }
    match after.split_at(value_run(after)) {
        ([], _) => Ok((input, None)),
        (value, rest) => Ok((rest, Some(value))),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Params, params};
    use crate::grammar::whole;
    use crate::malformed::Reason;

    type Listed<'a> = Vec<(&'a [u8], Option<&'a [u8]>)>;

    fn parse(text: &[u8]) -> Result<Listed<'_>, Reason> {
        let mut shown = Vec::new();
        let parsed = whole(text, Reason::Param, |input| {
            params(input, |name, value| shown.push((name, value)))
        });
        if let Ok(parsed) = parsed {
            assert_eq!(parsed.iter().collect::<Vec<_>>(), shown);
        }
        parsed
            .map(|params| params.iter().collect())
            .map_err(|fault| fault.reason)
    }

    #[test]
    fn names_values_and_quoted_values() {
        assert_eq!(
            parse(b";lr;a=b ; c = \"d;\\\"e\" \r\n ;received=2001:db8::1").unwrap(),
            [
                (&b"lr"[..], None),
                (b"a", Some(&b"b"[..])),
                (b"c", Some(b"\"d;\\\"e\"")),
                (b"received", Some(b"2001:db8::1")),
            ]
        );
    }

    proptest! {
        #[test]
        fn what_is_shown_while_parsing_is_what_is_listed(
            text in "([ \t]?;[ \t]?[a-c]{1,2}([ ]?=[ ]?([!-~]{1,10}|\"[a-c;=]{0,3}\"))?){0,4}"
        ) {
            let _ = parse(text.as_bytes());
        }
    }

    #[test]
    fn the_first_of_two_counts_and_case_does_not() {
        let params = Params::of(b";Tag=one;TAG=two");
        assert_eq!(params.value("tag"), Some(&b"one"[..]));
        assert_eq!(params.get("lr"), None);
    }

    #[test]
    fn p4_empty_and_unfinished_parameters_are_refused() {
        for text in [
            &b";"[..],
            b";;a",
            b";a=",
            b";a=b;",
            b";=b",
            b";a=b c",
            b";a=<b>",
        ] {
            assert_eq!(parse(text), Err(Reason::Param), "{}", text.escape_ascii());
        }
        assert_eq!(parse(b";tag=\"unterminated"), Err(Reason::Quote));
    }
}
