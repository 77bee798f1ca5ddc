//! SIP, SIPS and TEL URIs (RFC 3261 §19.1, RFC 3966).

mod compare;

use nom::Parser;
use nom::bytes::complete::{tag, take_while, take_while1};
use nom::combinator::{opt, rest};
use nom::sequence::preceded;

use crate::chars::{is_uri, uri_run};
use crate::grammar::{Parsed, refuse, symbol, whole};
use crate::host::{Host, hostport};
use crate::malformed::{Malformed, Reason};
use crate::params::Params;
use crate::scan::first_equal;

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
        let at = uri_run(raw);
        if at < raw.len() {
            return Err(Malformed::new(Reason::Uri, at));
        }
        whole(raw, Reason::Uri, |input| {
            let (after, scheme) = scheme(input)?;
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
    /// schemes are compared byte by byte, and so are URIs with more than 64 parameters and headers.
    /// Not transitive, so this is no `PartialEq`.
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
    if first_equal(b'%', text).is_none() {
        return Ok((text, ()));
    }
    for at in memchr::memchr_iter(b'%', text) {
        if escape(&text[at..]).is_none() {
            return refuse(&text[at..], Reason::Escape);
        }
    }
    Ok((text, ()))
}

/// The scheme with its colon.
fn scheme(input: &[u8]) -> Parsed<'_, Scheme<'_>> {
    if let [b's', b'i', b'p', b':', after @ ..] = input {
        return Ok((after, Scheme::Sip));
    }
    let (after, name) =
        take_while1(|b: u8| b.is_ascii_alphanumeric() || b"+-.".contains(&b)).parse(input)?;
    let scheme = match name {
        name if name.eq_ignore_ascii_case(b"sip") => Scheme::Sip,
        name if name.eq_ignore_ascii_case(b"sips") => Scheme::Sips,
        name if name.eq_ignore_ascii_case(b"tel") => Scheme::Tel,
        [first, ..] if first.is_ascii_alphabetic() => Scheme::Other(name),
        _ => return refuse(input, Reason::Uri),
    };
    let (after, ()) = symbol(b':').parse(after)?;
    Ok((after, scheme))
}

fn sip<'a>(input: &'a [u8], scheme: Scheme<'a>, raw: &'a [u8]) -> Parsed<'a, Uri<'a>> {
    let (at_host, userinfo) = userinfo(input).map_or((input, None), |(at, info)| (at, Some(info)));
    let (user, password) = userinfo.unzip();
    let (after, (host, _, port)) = hostport(at_host, symbol(b':'))?;
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

/// The user, and the password if there is one.
type UserInfo<'a> = (&'a [u8], Option<&'a [u8]>);

/// `user[:password]@`, if it is there. The user may hold `;` and `?`, which the host may not be
/// confused by: an `@` anywhere later makes the URI malformed.
fn userinfo(input: &[u8]) -> Option<(&[u8], UserInfo<'_>)> {
    let at = first_equal(b'@', input)?;
    let (text, after) = (&input[..at], &input[at + 1..]);
    let (user, password) = match first_equal(b':', text) {
        Some(colon) => (&text[..colon], Some(&text[colon + 1..])),
        None => (text, None),
    };
    let is_whole = password.is_none_or(|password| password.iter().all(|b| is_password(*b)));
    (is_whole && !user.is_empty()).then_some((after, (user, password)))
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

#[cfg(test)]
mod tests {
    use super::{Host, Scheme, Uri};
    use crate::malformed::Reason;

    fn uri(text: &str) -> Uri<'_> {
        Uri::parse(text.as_bytes()).unwrap_or_else(|fault| panic!("{text}: {fault}"))
    }

    fn fault(text: &[u8]) -> (Reason, usize) {
        let fault = Uri::parse(text).expect_err(&text.escape_ascii().to_string());
        (fault.reason, fault.at)
    }

    #[test]
    fn every_part_of_a_sip_uri() {
        let uri = uri("sip:alice:pw@[2001:db8::1]:5070;transport=tcp;lr?subject=x&priority=urgent");
        assert_eq!(uri.scheme, Scheme::Sip);
        assert_eq!(uri.user, Some(&b"alice"[..]));
        assert_eq!(uri.password, Some(&b"pw"[..]));
        assert_eq!(
            uri.host.and_then(|host| host.ip()),
            Some("2001:db8::1".parse().unwrap())
        );
        assert_eq!(uri.port, Some(5070));
        assert_eq!(uri.param("Transport"), Some(Some(&b"tcp"[..])));
        assert_eq!(uri.param("lr"), Some(None));
        assert_eq!(uri.param("maddr"), None);
        assert_eq!(uri.headers, Some(&b"subject=x&priority=urgent"[..]));
    }

    #[test]
    fn a_user_may_look_like_anything() {
        for (text, user) in [
            (
                "sip:user;par=u%40example.net@example.com",
                "user;par=u%40example.net",
            ),
            (
                "sips:+358-555-1234567;postd=pp22@foo.com;user=phone",
                "+358-555-1234567;postd=pp22",
            ),
            ("sip:*21*#31#0171@192.0.2.1", "*21*#31#0171"),
            ("SIP:host?a=b@c", "host?a=b"),
            (
                "sip:1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*:&it+has=1,weird!*pas$wo~d_too\
                 .(doesn't-it)@example.com",
                "1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*",
            ),
        ] {
            assert_eq!(uri(text).user, Some(user.as_bytes()), "{text}");
        }
        assert_eq!(uri("sip:example.com").user, None);
    }

    #[test]
    fn params_that_peers_send_and_the_grammar_does_not_have() {
        let uri = uri("sip:192.0.2.1;lr;;did=ab==;ftag=;");
        assert_eq!(uri.params.iter().count(), 3);
        assert_eq!(uri.param("did"), Some(Some(&b"ab=="[..])));
        assert_eq!(uri.param("ftag"), Some(Some(&b""[..])));
    }

    #[test]
    fn tel_and_unknown_schemes() {
        let number = uri("tel:+1-201-555-0123;phone-context=example.com");
        assert_eq!(
            (number.scheme, number.user),
            (Scheme::Tel, Some(&b"+1-201-555-0123"[..]))
        );
        assert!(number.host.is_none());
        assert_eq!(
            number.params.value("phone-context"),
            Some(&b"example.com"[..])
        );
        let other = uri("nobodyKnowsThisScheme:totallyopaquecontent");
        assert_eq!(other.scheme, Scheme::Other(b"nobodyKnowsThisScheme"));
        assert!(other.host.is_none() && other.user.is_none());
        assert_eq!(fault(b"tel:bob"), (Reason::Uri, 5));
    }

    #[test]
    fn p1_what_is_no_uri() {
        for (text, reason) in [
            (&b""[..], Reason::Uri),
            (b"sip", Reason::Uri),
            (b"sip:", Reason::Uri),
            (b":a@b", Reason::Uri),
            (b"1sip:a@b", Reason::Uri),
            (b"<sip:user@example.com>", Reason::Uri),
            (b"sip:@example.com", Reason::Uri),
            (b"sip:a@b@c", Reason::Uri),
            (b"sip:host:5060;x=y@z", Reason::Uri),
            (b"sip:host;x=y?a=b@c@d", Reason::Uri),
            (b"sip:u@host?a=b@c", Reason::Uri),
            (b"sip:host:5060?a=b@c", Reason::Uri),
            (b"sip:a@", Reason::Uri),
            (b"sip:a@b c", Reason::Uri),
            (b"sip:a@b:", Reason::Uri),
            (b"sip:a@b:0", Reason::Port),
            (b"sip:a@b:65536", Reason::Port),
            (b"sip:a@b:99999999999999999999", Reason::Port),
            (b"sip:a@256.0.0.1", Reason::Host),
            (b"sip:a@[::1", Reason::Uri),
            (b"sip:a@[::g]", Reason::Host),
            (b"sip:2001:db8::10", Reason::Host),
        ] {
            assert_eq!(fault(text).0, reason, "{}", text.escape_ascii());
        }
    }

    /// Reading past the end of one was an old parser's undoing.
    #[test]
    fn a_percent_sign_at_the_end_is_an_unfinished_escape() {
        assert_eq!(fault(b"sip:a@b;x=%"), (Reason::Escape, 10));
        assert_eq!(fault(b"sip:a%4@b"), (Reason::Escape, 5));
        assert_eq!(fault(b"sip:a%zz@b"), (Reason::Escape, 5));
        assert_eq!(fault(b"tel:+1;x=%"), (Reason::Escape, 9));
        assert_eq!(Uri::unescape(b"a%4"), &b"a%4"[..]);
        assert_eq!(Uri::unescape(b"%61%"), &b"a%"[..]);
    }

    #[test]
    fn d5_a_uri_cannot_break_out_of_its_line() {
        for byte in [b'\r', b'\n', 0, b' ', b'\t', b'"', b'<', b'>', 0x7f] {
            let text = [&b"sip:a@b"[..], &[byte], b"Via: x"].concat();
            assert_eq!(fault(&text), (Reason::Uri, 7));
        }
    }

    /// RFC 3261 §19.1.4
    #[test]
    fn the_equal_pairs_of_rfc_3261_19_1_4() {
        for (one, two) in [
            (
                "sip:%61lice@atlanta.com;transport=TCP",
                "sip:alice@AtlanTa.CoM;Transport=tcp",
            ),
            ("sip:carol@chicago.com", "sip:carol@chicago.com;newparam=5"),
            (
                "sip:carol@chicago.com;security=on",
                "sip:carol@chicago.com;newparam=5",
            ),
            (
                "sip:biloxi.com;transport=tcp;method=REGISTER?to=sip:bob%40biloxi.com",
                "sip:biloxi.com;method=REGISTER;transport=tcp?to=sip:bob%40biloxi.com",
            ),
            (
                "sip:alice@atlanta.com?subject=p&priority=u",
                "sip:alice@atlanta.com?priority=u&subject=p",
            ),
            ("tel:+1-201-555-0123", "TEL:+12015550123"),
            ("sip:a@b;x=1;x=2", "sip:a@b;x=1;x=2"),
            ("im:a", "im:a"),
        ] {
            assert!(
                uri(one).same_as(&uri(two)) && uri(two).same_as(&uri(one)),
                "{one} {two}"
            );
        }
    }

    /// RFC 3261 §19.1.4
    #[test]
    fn the_different_pairs_of_rfc_3261_19_1_4() {
        for (one, two) in [
            (
                "SIP:ALICE@AtlanTa.CoM;Transport=udp",
                "sip:alice@AtlanTa.CoM;Transport=UDP",
            ),
            ("sip:bob@biloxi.com", "sip:bob@biloxi.com:5060"),
            ("sip:bob@biloxi.com", "sip:bob@biloxi.com;transport=udp"),
            (
                "sip:bob@biloxi.com",
                "sip:bob@biloxi.com:6000;transport=tcp",
            ),
            (
                "sip:carol@chicago.com",
                "sip:carol@chicago.com?Subject=next%20meeting",
            ),
            ("sip:bob@phone21.boxesbybob.com", "sip:bob@192.0.2.4"),
            (
                "sip:carol@chicago.com;security=on",
                "sip:carol@chicago.com;security=off",
            ),
            ("sip:a@b", "sips:a@b"),
            ("sip:a%3Bb@c", "sip:a;b@c"),
            ("sip:a@b;maddr=192.0.2.1", "sip:a@b"),
            ("sip:a@b;x=1;x=2", "sip:a@b;x=1"),
            ("tel:+12015550123", "tel:+12015550123;ext=1"),
            ("im:a", "im:b"),
        ] {
            assert!(
                !uri(one).same_as(&uri(two)) && !uri(two).same_as(&uri(one)),
                "{one} {two}"
            );
        }
    }

    #[test]
    fn with_many_parameters_only_the_bytes_count() {
        let many = ";x".repeat(65);
        let (one, two) = (format!("sip:a@b{many}"), format!("sip:a@B{many}"));
        assert!(uri(&one).same_as(&uri(&one)) && !uri(&one).same_as(&uri(&two)));
    }

    #[test]
    fn a_host_is_written_as_a_uri_has_it() {
        assert_eq!(
            Host::parse(b"[2001:DB8::1]").unwrap().to_string(),
            "[2001:db8::1]"
        );
        assert_eq!(
            uri("sip:a@Example.com").host.unwrap().to_string(),
            "Example.com"
        );
    }
}
