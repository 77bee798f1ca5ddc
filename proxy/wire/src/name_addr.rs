//! name-addr and addr-spec: From, To, Contact, Route and their like.

use std::borrow::Cow;

use memchr::memchr;

use crate::chars::{is_lws, is_uri, trim, trim_end};
use crate::grammar::{Parsed, quoted, refuse, skip_sws, unquote, whole};
use crate::malformed::{Malformed, Reason};
use crate::params::{Params, params};
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
            let (rest, params) = params(after)?;
            Ok((
                rest,
                NameAddr {
                    display,
                    uri,
                    params,
                    raw: trim(value),
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

    /// The dialog tag of a From or To.
    pub fn tag(&self) -> Option<&'a [u8]> {
        self.params.value("tag")
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
    let Some(end) = memchr(b'>', inner) else {
        return refuse(inner, Reason::Address);
    };
    let uri = trim(&inner[..end]);
    if is_plausible(uri) {
        Ok((&inner[end + 1..], uri))
    } else {
        refuse(inner, Reason::Uri)
    }
}

fn bare(input: &[u8]) -> Parsed<'_, &[u8]> {
    let ends = |byte: &u8| matches!(byte, b';' | b',' | b'?') || is_lws(*byte);
    let (uri, after) = input.split_at(input.iter().position(ends).unwrap_or(input.len()));
    if is_plausible(uri) {
        Ok((after, uri))
    } else {
        refuse(input, Reason::Uri)
    }
}

fn is_plausible(uri: &[u8]) -> bool {
    uri.first().is_some_and(u8::is_ascii_alphabetic)
        && memchr(b':', uri).is_some()
        && uri.iter().all(|byte| is_uri(*byte))
}
