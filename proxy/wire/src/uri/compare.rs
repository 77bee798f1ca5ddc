//! When two URIs are the same (RFC 3261 §19.1.4, RFC 3966 §4).

use super::{Scheme, Uri, escape};
use crate::params::Params;

/// Parameters that make two URIs different when only one has them. The RFC's text has four, its
/// examples add transport.
const NEVER_IGNORED: [&str; 5] = ["transport", "user", "ttl", "method", "maddr"];

/// Comparing is quadratic in these, and a peer chooses how many it sends.
const COMPARED: usize = 64;

pub(super) fn same(one: &Uri<'_>, two: &Uri<'_>) -> bool {
    if one.raw == two.raw {
        return true;
    }
    let parts = |uri: &Uri<'_>| uri.params.iter().count() + fields(uri.headers).count();
    if parts(one) > COMPARED || parts(two) > COMPARED {
        return false;
    }
    match (one.scheme, two.scheme) {
        (Scheme::Sip, Scheme::Sip) | (Scheme::Sips, Scheme::Sips) => {
            one.host == two.host
                && one.port == two.port
                && same_option(one.user, two.user)
                && same_option(one.password, two.password)
                && same_params(one.params, two.params)
                && same_params(two.params, one.params)
                && same_headers(one.headers, two.headers)
        }
        (Scheme::Tel, Scheme::Tel) => {
            number(one).eq(number(two))
                && has_all(one.params, two.params)
                && has_all(two.params, one.params)
        }
        _ => false,
    }
}

/// A byte, or an escape that must not be resolved because its byte is reserved: `%3B` is not `;`.
fn units(text: &[u8]) -> impl Iterator<Item = (u8, bool)> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let (first, after) = rest.split_first()?;
        let Some(byte) = escape(rest) else {
            rest = after;
            return Some((*first, false));
        };
        rest = &rest[3..];
        Some((byte, b";/?:@&=+$,%".contains(&byte)))
    })
}

fn same_text(one: &[u8], two: &[u8]) -> bool {
    units(one).eq(units(two))
}

fn same_text_in_any_case(one: &[u8], two: &[u8]) -> bool {
    let lower = |(byte, is_reserved): (u8, bool)| (byte.to_ascii_lowercase(), is_reserved);
    units(one).map(lower).eq(units(two).map(lower))
}

fn same_option(one: Option<&[u8]>, two: Option<&[u8]>) -> bool {
    match (one, two) {
        (Some(one), Some(two)) => same_text(one, two),
        (None, None) => true,
        _ => false,
    }
}

fn find<'a>(params: Params<'a>, name: &[u8]) -> Option<Option<&'a [u8]>> {
    params
        .iter()
        .find(|(other, _)| same_text_in_any_case(other, name))
        .map(|(_, value)| value)
}

fn same_value(one: Option<&[u8]>, two: Option<&[u8]>) -> bool {
    same_text_in_any_case(one.unwrap_or_default(), two.unwrap_or_default())
}

/// What both have must be equal; what one has is ignored unless it changes where requests go. Goes by the parameters of
/// `one`, of which several may have one name.
fn same_params(one: Params<'_>, two: Params<'_>) -> bool {
    NEVER_IGNORED
        .iter()
        .all(|name| one.get(name).is_some() == two.get(name).is_some())
        && one.iter().all(|(name, value)| match find(two, name) {
            Some(other) => same_value(value, other),
            None => true,
        })
}

fn has_all(one: Params<'_>, two: Params<'_>) -> bool {
    one.iter()
        .all(|(name, value)| find(two, name).is_some_and(|other| same_value(value, other)))
}

/// Headers are never ignored; their order is.
fn same_headers(one: Option<&[u8]>, two: Option<&[u8]>) -> bool {
    let holds = |all: Option<&[u8]>, wanted: &[u8]| {
        fields(all).any(|field| same_text_in_any_case(field, wanted))
    };
    fields(one).count() == fields(two).count()
        && fields(one).all(|field| holds(two, field))
        && fields(two).all(|field| holds(one, field))
}

fn fields(headers: Option<&[u8]>) -> impl Iterator<Item = &[u8]> {
    headers
        .unwrap_or_default()
        .split(|byte| *byte == b'&')
        .filter(|field| !field.is_empty())
}

/// The number without its visual separators (RFC 3966 §5.1.1).
fn number<'a>(uri: &Uri<'a>) -> impl Iterator<Item = u8> + 'a {
    let digits = uri.user.unwrap_or_default().iter();
    digits
        .filter(|byte| !b"-.()".contains(byte))
        .map(u8::to_ascii_lowercase)
}
