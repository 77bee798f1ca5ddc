//! name-addr and addr-spec: From, To, Contact, Route and their like.

use std::borrow::Cow;

use memchr::memchr;

use crate::chars::{is_lws, is_token, trim_end, uri_run};
use crate::grammar::{Parsed, quoted, refuse, skip_sws, unquote, whole};
use crate::malformed::{Malformed, Reason};
use crate::params::{Params, is_named, params};
use crate::scan::first_equal;
use crate::uri::Uri;

/// An address with its display name and the header parameters after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NameAddr<'a> {
    /// The display name as written, in quotes or not.
    pub display: Option<&'a [u8]>,
    /// The URI, not parsed; `*` in a Contact that removes all bindings.
    pub uri: &'a [u8],
    /// Header parameters: tag, q, expires, …; those of the URI are not among them.
    pub params: Params<'a>,
    /// The whole value, trimmed.
    pub raw: &'a [u8],
    tag: Option<&'a [u8]>,
}

impl<'a> NameAddr<'a> {
    /// Parses one value. Without angle brackets, parameters are the header's and the URI can have
    /// neither `,` nor `?` (RFC 3261 §20.10). The URI is checked for its bytes and its scheme's form;
    /// [`parsed_uri`](Self::parsed_uri) does the rest.
    ///
    /// # Errors
    ///
    /// [`Reason::Address`], or [`Reason::Uri`], [`Reason::Quote`], [`Reason::Param`].
    pub fn parse(value: &'a [u8]) -> Result<Self, Malformed> {
        whole(trim_end(value), Reason::Address, |input| {
            let input = skip_sws(input);
            let (after, display) = display(input)?;
            let (after, uri) = match after {
                [b'<', inner @ ..] => bracketed(inner)?,
                _ => bare(after)?,
            };
            let mut tag = None;
            let (rest, params) = params(after, |name, value| {
                if tag.is_none() && is_named(name, b"tag") {
                    tag = Some(value);
                }
            })?;
            Ok((
                rest,
                NameAddr {
                    display,
                    uri,
                    params,
                    raw: input,
                    tag: tag.flatten(),
                },
            ))
        })
    }

    /// `Contact: *`
    pub(crate) const fn wildcard(raw: &'a [u8]) -> Self {
        Self {
            display: None,
            uri: raw,
            params: Params::of(&[]),
            raw,
            tag: None,
        }
    }

    /// The URI, parsed.
    ///
    /// # Errors
    ///
    /// As [`Uri::parse`], with the offset counted from the start of the URI.
    pub fn parsed_uri(&self) -> Result<Uri<'a>, Malformed> {
        Uri::parse(self.uri)
    }

    /// The display name as text: quotes, quoted pairs and folds resolved.
    pub fn display_unquoted(&self) -> Option<Cow<'a, [u8]>> {
        self.display.map(unquote)
    }

    /// Whether the display name stands without quotes and is more than tokens: it was let through, and
    /// must not go on like that (RFC 4475 §3.1.2.15).
    pub fn lacks_quotes(&self) -> bool {
        let is_bare = |name: &[u8]| {
            !name.starts_with(b"\"") && !name.iter().all(|byte| is_token(*byte) || is_lws(*byte))
        };
        self.display.is_some_and(is_bare)
    }

    /// The dialog tag of a From or To.
    pub fn tag(&self) -> Option<&'a [u8]> {
        self.tag
    }

    /// A header parameter: `None` when absent, `Some(None)` when it stands without a value.
    pub fn param(&self, name: &str) -> Option<Option<&'a [u8]>> {
        self.params.get(name)
    }
}

/// The display name up to the angle bracket after it; without a bracket, nothing is consumed.
///
/// RFC 3261 wants tokens where there are no quotes. Peers write more (RFC 4475 §3.1.2.15), and it
/// passes as long as it cannot be taken for an addr-spec and its parameters.
fn display(input: &[u8]) -> Parsed<'_, Option<&[u8]>> {
    if input.first() == Some(&b'"') {
        let (after, name) = quoted(input)?;
        return match skip_sws(after) {
            after @ [b'<', ..] => Ok((after, Some(name))),
            after => refuse(after, Reason::Address),
        };
    }
    let mut rest = input;
    loop {
        rest = match skip_sws(rest) {
            [b'<', ..] => break,
            [] | [b';' | b':' | b'"' | b'>' | 0..=b' ' | 0x7f, ..] => return Ok((input, None)),
            [_, rest @ ..] => rest,
        };
    }
    let after = skip_sws(rest);
    let name = trim_end(&input[..input.len() - after.len()]);
    Ok((after, (!name.is_empty()).then_some(name)))
}

/// What stands between angle brackets; white space just inside them is let through (RFC 4475
/// §3.1.2.14).
fn bracketed(inner: &[u8]) -> Parsed<'_, &[u8]> {
    let start = skip_sws(inner);
    // Nothing that a URI may hold ends it.
    let (uri, rest) = start.split_at(uri_run(start));
    match skip_sws(rest) {
        [b'>', after @ ..] if has_scheme(uri) => Ok((after, uri)),
        _ if memchr(b'>', inner).is_none() => refuse(inner, Reason::Address),
        _ => refuse(inner, Reason::Uri),
    }
}

fn bare(input: &[u8]) -> Parsed<'_, &[u8]> {
    let ends = |byte: &u8| matches!(byte, b';' | b',' | b'?') || is_lws(*byte);
    let (uri, after) = input.split_at(input.iter().position(ends).unwrap_or(input.len()));
    if has_scheme(uri) && uri_run(uri) == uri.len() {
        Ok((after, uri))
    } else {
        refuse(input, Reason::Uri)
    }
}

fn has_scheme(uri: &[u8]) -> bool {
    uri.first().is_some_and(u8::is_ascii_alphabetic) && first_equal(b':', uri).is_some()
}

#[cfg(test)]
mod tests {
    use super::NameAddr;
    use crate::malformed::Reason;

    fn parse(text: &[u8]) -> NameAddr<'_> {
        NameAddr::parse(text).unwrap_or_else(|fault| panic!("{}: {fault}", text.escape_ascii()))
    }

    #[test]
    fn a_display_name_quoted_unquoted_or_none() {
        for (text, display, plain) in [
            (
                &b"\"J Rosenberg \\\\\\\"\"       <sip:a@b>"[..],
                Some(&b"\"J Rosenberg \\\\\\\"\""[..]),
                &b"J Rosenberg \\\""[..],
            ),
            (
                b"token1~` token2'+_ token3*%!.- <sip:a@b>",
                Some(b"token1~` token2'+_ token3*%!.-"),
                b"token1~` token2'+_ token3*%!.-",
            ),
            (b"caller<sip:a@b>", Some(b"caller"), b"caller"),
            (b"\"a\r\n  b\" <sip:a@b>", Some(b"\"a\r\n  b\""), b"a b"),
            (b"\"\" <sip:a@b>", Some(b"\"\""), b""),
            (
                "Алиса <sip:a@b>".as_bytes(),
                Some("Алиса".as_bytes()),
                "Алиса".as_bytes(),
            ),
            (b"  <sip:a@b>", None, b""),
            (b"sip:a@b", None, b""),
        ] {
            let address = parse(text);
            assert_eq!(address.display, display, "{}", text.escape_ascii());
            assert_eq!(address.display_unquoted().unwrap_or_default(), plain);
            assert_eq!(address.lacks_quotes(), text.starts_with("Алиса".as_bytes()));
            assert_eq!(address.uri, b"sip:a@b");
        }
    }

    #[test]
    fn without_brackets_the_parameters_are_the_headers() {
        let bare = parse(b"sip:vivekg@chair-dnrc.example.com ;   tag    = 1918181833n");
        assert_eq!(bare.uri, b"sip:vivekg@chair-dnrc.example.com");
        assert_eq!(bare.tag(), Some(&b"1918181833n"[..]));
        let bracketed = parse(b"<sip:a@b;tag=uri>;Tag=header");
        assert_eq!(bracketed.tag(), Some(&b"header"[..]));
        assert_eq!(
            bracketed.parsed_uri().unwrap().param("tag"),
            Some(Some(&b"uri"[..]))
        );
        assert_eq!(parse(b"<sip:a@b;tag=uri>").tag(), None);
    }

    #[test]
    fn p1_what_is_no_address() {
        for (text, reason) in [
            (&b""[..], Reason::Uri),
            (b"*", Reason::Uri),
            (b"<>", Reason::Uri),
            (b"<sip:a@b", Reason::Address),
            (b"sip:a@b>", Reason::Uri),
            (b"<<sip:a@b>>", Reason::Uri),
            (b"\"a\" sip:a@b", Reason::Address),
            (b"\"a\"", Reason::Address),
            (b"a b", Reason::Uri),
            (b"<sip:a@b> x", Reason::Address),
            (b"<sip:a@b>, <sip:c@d>", Reason::Address),
            (b"<sip:a b@c>", Reason::Uri),
            // A line break that is no fold ends the line.
            (b"<sip:a@b\r\n>", Reason::Uri),
            (b"<\nsip:a@b>", Reason::Uri),
            // RFC 4475 §3.1.2.13: a question mark wants brackets.
            (
                b"sip:user@example.com?Route=%3Csip:sip.example.com%3E",
                Reason::Address,
            ),
            (b"sip:a@b;x=y <sip:c@d>", Reason::Address),
            (b"<sip:a@b>;tag=", Reason::Address),
            (b"<sip:a@b>;;tag=1", Reason::Param),
        ] {
            let fault = NameAddr::parse(text).expect_err(&text.escape_ascii().to_string());
            assert_eq!(fault.reason, reason, "{}", text.escape_ascii());
        }
    }

    #[test]
    fn p1_white_space_inside_brackets_is_let_through() {
        assert_eq!(
            parse(b"\"Watson, Thomas\" < sip:t.watson@example.org >").uri,
            b"sip:t.watson@example.org"
        );
    }

    /// Both have brought proxies down: a quote that never closes, in the name and in a parameter.
    #[test]
    fn an_unterminated_quote_is_a_fault_of_its_own() {
        for text in [
            &b"\"Mr. J. User <sip:j.user@example.com>"[..],
            b"<sip:a@b>;tag=\"abc",
            b"<sip:a@b>;tag=\"abc\\\"",
            b"\"a\\",
        ] {
            let fault = NameAddr::parse(text).expect_err(&text.escape_ascii().to_string());
            assert_eq!(fault.reason, Reason::Quote, "{}", text.escape_ascii());
        }
    }

    #[test]
    fn d5_a_line_break_is_white_space_only_when_it_is_a_fold() {
        parse(b"a\r\n b <sip:a@b>\r\n ;tag=1");
        for text in [
            &b"a\r\nX: b <sip:a@b>"[..],
            b"\"a\r\nb\" <sip:a@b>",
            b"\"a\nb\" <sip:a@b>",
            b"<sip:a@b>\r\nX: y",
            b"<sip:a@b>;x=\"\r\nX: y\"",
            b"<sip:a@b\r\n>x",
            b"a\0b <sip:a@b>",
        ] {
            assert!(NameAddr::parse(text).is_err(), "{}", text.escape_ascii());
        }
    }
}
