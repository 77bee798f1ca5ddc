//! SIP, SIPS and TEL URIs (RFC 3261 §19.1, RFC 3966).

mod compare;

use nom::Parser;
use nom::bytes::complete::{tag, take_till1, take_while, take_while1};
use nom::combinator::{opt, rest};
use nom::sequence::{preceded, terminated};

use crate::chars::is_uri;
use crate::grammar::{Parsed, refuse, whole};
use crate::host::{Host, hostport};
use crate::malformed::{Malformed, Reason};
use crate::params::Params;

/// The scheme of a URI, in any case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scheme<'a> {
    /// `sip`
    Sip,
    /// `sips`
    Sips,
    /// `tel`
    Tel,
    /// Any other, as written.
    Other(&'a [u8]),
}

/// A parsed URI. Everything is as written: `%41` is not `A` here, see
/// [`unescape`](Uri::unescape).
#[derive(Debug, Clone, Copy)]
pub struct Uri<'a> {
    /// What the rest is to be read as.
    pub scheme: Scheme<'a>,
    /// The user part, or the number of a TEL URI with its visual separators.
    pub user: Option<&'a [u8]>,
    /// The password, which nobody should send.
    pub password: Option<&'a [u8]>,
    /// Always there in SIP and SIPS URIs, never in others.
    pub host: Option<Host<'a>>,
    /// Never 0.
    pub port: Option<u16>,
    /// URI parameters.
    pub params: Params<'a>,
    /// What follows the `?`.
    pub headers: Option<&'a [u8]>,
    /// The URI as written.
    pub raw: &'a [u8],
}

impl<'a> Uri<'a> {
    /// Parses a whole URI. Schemes other than sip, sips and tel have only their scheme.
    ///
    /// Wider than RFC 3261 where peers are: any visible byte but `@ : < > "` in the user (`#31#`),
    /// underscores in host names, empty parameters (`;lr;`) and parameters with an empty value.
    ///
    /// # Errors
    ///
    /// [`Reason::Uri`], or [`Reason::Host`], [`Reason::Port`], [`Reason::Escape`] when it is known
    /// better. White space, controls, quotes and angle brackets are refused in every scheme.
    pub fn parse(raw: &'a [u8]) -> Result<Self, Malformed> {
        if let Some(at) = raw.iter().position(|byte| !is_uri(*byte)) {
            return Err(Malformed::new(Reason::Uri, at));
        }
        whole(raw, Reason::Uri, |input| {
            let (after, scheme) = terminated(scheme, tag(&b":"[..])).parse(input)?;
            if !matches!(scheme, Scheme::Other(_)) {
                check_escapes(after)?;
            }
            match scheme {
                Scheme::Sip | Scheme::Sips => sip(after, scheme, raw),
                Scheme::Tel => tel(after, raw),
                Scheme::Other(_) => {
                    let (end, _) = take_while1(is_uri).parse(after)?;
                    Ok((
                        end,
                        Uri {
                            scheme,
                            ..Uri::bare(raw)
                        },
                    ))
                }
            }
        })
    }

    const fn bare(raw: &'a [u8]) -> Self {
        Self {
            scheme: Scheme::Sip,
            user: None,
            password: None,
            host: None,
            port: None,
            params: Params::of(&[]),
            headers: None,
            raw,
        }
    }

    /// A URI parameter: `None` when absent, `Some(None)` when it stands without a value.
    pub fn param(&self, name: &str) -> Option<Option<&'a [u8]>> {
        self.params.get(name)
    }

    /// Equality as RFC 3261 §19.1.4 defines it for SIP and SIPS, and RFC 3966 §4 for TEL; other
    /// schemes are compared byte by byte. Not transitive, so this is no `PartialEq`.
    pub fn same_as(&self, other: &Uri<'_>) -> bool {
        compare::same(self, other)
    }

    /// `text` with its `%HH` resolved. What is no escape stays as it is.
    pub fn unescape(text: &[u8]) -> std::borrow::Cow<'_, [u8]> {
        if memchr::memchr(b'%', text).is_none() {
            return text.into();
        }
        let mut plain = Vec::with_capacity(text.len());
        let mut rest = text;
        while let [first, after @ ..] = rest {
            match escape(rest) {
                Some(byte) => {
                    plain.push(byte);
                    rest = &rest[3..];
                }
                None => {
                    plain.push(*first);
                    rest = after;
                }
            }
        }
        plain.into()
    }
}

/// The byte that `%HH` at the start of `text` stands for.
fn escape(text: &[u8]) -> Option<u8> {
    let [b'%', high, low, ..] = text else {
        return None;
    };
    let digit = |byte: &u8| {
        char::from(*byte)
            .to_digit(16)
            .and_then(|d| u8::try_from(d).ok())
    };
    Some(digit(high)? << 4 | digit(low)?)
}

fn check_escapes(text: &[u8]) -> Parsed<'_, ()> {
    for at in memchr::memchr_iter(b'%', text) {
        if escape(&text[at..]).is_none() {
            return refuse(&text[at..], Reason::Escape);
        }
    }
    Ok((text, ()))
}

fn scheme(input: &[u8]) -> Parsed<'_, Scheme<'_>> {
    let (after, name) =
        take_while1(|b: u8| b.is_ascii_alphanumeric() || b"+-.".contains(&b)).parse(input)?;
    let scheme = match name {
        name if name.eq_ignore_ascii_case(b"sip") => Scheme::Sip,
        name if name.eq_ignore_ascii_case(b"sips") => Scheme::Sips,
        name if name.eq_ignore_ascii_case(b"tel") => Scheme::Tel,
        [first, ..] if first.is_ascii_alphabetic() => Scheme::Other(name),
        _ => return refuse(input, Reason::Uri),
    };
    Ok((after, scheme))
}

fn sip<'a>(input: &'a [u8], scheme: Scheme<'a>, raw: &'a [u8]) -> Parsed<'a, Uri<'a>> {
    let (at_host, userinfo) = opt(userinfo).parse(input)?;
    let (user, password) = userinfo.unzip();
    let (after, (host, _, port)) = hostport(at_host, tag(&b":"[..]))?;
    let (after, params) = uri_params(after)?;
    let (end, headers) = opt(preceded(tag(&b"?"[..]), headers)).parse(after)?;
    let password = password.flatten();
    let uri = Uri {
        scheme,
        user,
        password,
        host: Some(host),
        port,
        params,
        headers,
        raw,
    };
    Ok((end, uri))
}

/// `user[:password]@`. The user may hold `;` and `?`, which the host may not be confused by: an `@`
/// anywhere later makes the URI malformed.
fn userinfo(input: &[u8]) -> Parsed<'_, (&[u8], Option<&[u8]>)> {
    terminated(
        (
            take_till1(|b| b == b'@' || b == b':'),
            opt(preceded(tag(&b":"[..]), take_while(is_password))),
        ),
        tag(&b"@"[..]),
    )
    .parse(input)
}

fn is_password(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-_.!~*'()&=+$,%".contains(&byte)
}

fn uri_params(input: &[u8]) -> Parsed<'_, Params<'_>> {
    match input {
        [b';', ..] => {
            let (after, text) = take_while(|b| !matches!(b, b'?' | b'@' | b',')).parse(input)?;
            Ok((after, Params::of(text)))
        }
        _ => Ok((input, Params::of(&[]))),
    }
}

fn headers(input: &[u8]) -> Parsed<'_, &[u8]> {
    if memchr::memchr(b'@', input).is_some() {
        return refuse(input, Reason::Uri);
    }
    rest(input)
}

/// RFC 3966: a number in visual separators, then parameters.
fn tel<'a>(input: &'a [u8], raw: &'a [u8]) -> Parsed<'a, Uri<'a>> {
    let (after, number) =
        take_while1(|b: u8| b.is_ascii_hexdigit() || b"+*#-.()".contains(&b)).parse(input)?;
    let (end, params) = uri_params(after)?;
    Ok((
        end,
        Uri {
            scheme: Scheme::Tel,
            user: Some(number),
            params,
            ..Uri::bare(raw)
        },
    ))
}
