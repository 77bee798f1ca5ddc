//! Authorization, Proxy-Authorization, WWW-Authenticate, Proxy-Authenticate (RFC 3261 §22, RFC 8760).

use std::borrow::Cow;

use nom::branch::alt;
use nom::bytes::complete::{take_while, take_while1};
use nom::combinator::opt;
use nom::multi::separated_list1;
use nom::{Err, Parser};

use crate::chars::{is_value, trim, trim_end};
use crate::grammar::{Parsed, lws, quoted, separator, sws, token, unquote, whole};
use crate::malformed::{Malformed, Reason};
use crate::values::Values;

/// A scheme and its parameters. Challenges have the same form, see [`Challenge`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Credentials<'a> {
    /// `Digest`, in the case it came in.
    pub scheme: &'a [u8],
    /// The parameters.
    pub params: AuthParams<'a>,
}

/// What a server asks for: the same form as the credentials that answer it.
pub type Challenge<'a> = Credentials<'a>;

/// Comma-separated `name=value`, as written; or a single token, as Bearer has it (RFC 8898).
///
/// Iterating yields `(name, value)` with quotes as written; a token without `=` has no name.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct AuthParams<'a>(&'a [u8]);

impl<'a> AuthParams<'a> {
    /// As written.
    pub const fn as_bytes(self) -> &'a [u8] {
        self.0
    }

    /// The parameters in order.
    pub fn iter(self) -> impl Iterator<Item = (&'a [u8], &'a [u8])> + 'a {
        Values::new(self.0)
            .filter(|value| !value.is_empty())
            .map(|value| match value.iter().position(|byte| *byte == b'=') {
                Some(equal) => (trim(&value[..equal]), trim(&value[equal + 1..])),
                None => (&[][..], value),
            })
    }
}

impl<'a> Credentials<'a> {
    /// Parses a header value.
    ///
    /// # Errors
    ///
    /// [`Reason::Credentials`], or [`Reason::Quote`] for a string that does not end.
    pub fn parse(value: &'a [u8]) -> Result<Self, Malformed> {
        whole(trim_end(value), Reason::Credentials, |input| {
            let (after, ((), scheme)) = (sws, token).parse(input)?;
            let (after, spaced) = opt(lws).parse(after)?;
            if spaced.is_none() {
                return Ok((
                    after,
                    Credentials {
                        scheme,
                        params: AuthParams::default(),
                    },
                ));
            }
            let (rest, ()) = match list(after) {
                Err(Err::Error(_)) if !scheme.eq_ignore_ascii_case(b"Digest") => token68(after)?,
                listed => listed?,
            };
            let params = AuthParams(&after[..after.len() - rest.len()]);
            Ok((rest, Credentials { scheme, params }))
        })
    }

    /// The value of a parameter, in any case, out of its quotes. Of two with one name the first
    /// counts.
    pub fn get(&self, name: &str) -> Option<Cow<'a, [u8]>> {
        self.params
            .iter()
            .find(|(n, _)| n.eq_ignore_ascii_case(name.as_bytes()))
            .map(|(_, value)| unquote(value))
    }

    /// Whether the scheme is `Digest`.
    pub fn is_digest(&self) -> bool {
        self.scheme.eq_ignore_ascii_case(b"Digest")
    }
}

fn list(input: &[u8]) -> Parsed<'_, ()> {
    separated_list1(separator(b','), auth_param)
        .parse(input)
        .map(|(rest, _)| (rest, ()))
}

fn auth_param(input: &[u8]) -> Parsed<'_, ()> {
    (token, separator(b'='), alt((quoted, take_while1(is_value))))
        .parse(input)
        .map(|(rest, _)| (rest, ()))
}

fn token68(input: &[u8]) -> Parsed<'_, ()> {
    let is_token68 = |b: u8| b.is_ascii_alphanumeric() || b"-._~+/".contains(&b);
    (take_while1(is_token68), take_while(|b| b == b'='))
        .parse(input)
        .map(|(rest, _)| (rest, ()))
}

#[cfg(test)]
mod tests {
    use super::Credentials;
    use crate::malformed::Reason;

    #[test]
    fn digest_parameters_in_any_case_and_out_of_their_quotes() {
        let value = b"Digest username=\"al\\\"ice, or so\",realm=\"example.com\" ,\r\n \
            nonce=\"abc==\", uri=\"sip:example.com;a=b\", QOP=auth,nc=00000001, response=\"6629\"";
        let digest = Credentials::parse(value).unwrap();
        assert!(digest.is_digest());
        assert_eq!(
            digest.get("username").as_deref(),
            Some(&b"al\"ice, or so"[..])
        );
        assert_eq!(
            digest.get("uri").as_deref(),
            Some(&b"sip:example.com;a=b"[..])
        );
        assert_eq!(digest.get("nonce").as_deref(), Some(&b"abc=="[..]));
        assert_eq!(digest.get("qop").as_deref(), Some(&b"auth"[..]));
        assert_eq!(digest.get("cnonce"), None);
        assert_eq!(digest.params.iter().count(), 7);
    }

    #[test]
    fn other_schemes_pass() {
        // RFC 4475 §3.3.7
        let other = Credentials::parse(b"NoOneKnowsThisScheme opaque-data=here").unwrap();
        assert_eq!(other.get("Opaque-Data").as_deref(), Some(&b"here"[..]));
        let bearer = Credentials::parse(b"Bearer eyJhbGciOi.J9/x==").unwrap();
        assert_eq!(bearer.params.as_bytes(), b"eyJhbGciOi.J9/x==");
        assert_eq!(
            Credentials::parse(b"Negotiate").unwrap().scheme,
            b"Negotiate"
        );
    }

    #[test]
    fn what_does_not_parse_is_refused_whole() {
        for (value, reason) in [
            (&b""[..], Reason::Credentials),
            (b"Digest realm=\"a\",", Reason::Credentials),
            (b"Digest realm=\"a\" nonce=\"b\"", Reason::Credentials),
            (b"Digest ,realm=a", Reason::Credentials),
            (b"Digest realm=", Reason::Credentials),
            (b"Digest realm=\"a", Reason::Quote),
        ] {
            let fault = Credentials::parse(value).unwrap_err();
            assert_eq!(fault.reason, reason, "{}", value.escape_ascii());
        }
    }
}
