//! Telephone numbers in Request-URIs, and their portability.

use std::fmt;

use sigbox_contracts::query::Uri;

/// The telephone number that a request calls (RFC 3966), in `tel:+4930123` or in the user of a SIP URI (RFC 3261
/// §19.1.6), with what a dip into a portability database has left beside it (RFC 4694).
///
/// ```
/// use sigbox_decider::testing::uri;
/// use sigbox_decider::{Dialled, RoutingNumber};
///
/// let uri = uri("sip:+49-30-123@example.com;user=phone");
/// let dialled = Dialled::of(&uri).unwrap();
/// assert_eq!((dialled.number(), dialled.is_dipped()), ("4930123", false));
/// let rn = RoutingNumber::parse("+49199000").unwrap();
/// assert_eq!(dialled.after_dip(Some(&rn)), "sip:+49-30-123;npdi;rn=+49199000@example.com;user=phone");
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dialled<'u> {
    uri: &'u Uri,
    number: String,
    routing_number: Option<String>,
    is_dipped: bool,
}

/// A global routing number: `+`, a digit, and then digits, hexadecimal ones included (RFC 4694 §4, `global-rn`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoutingNumber(String);

/// What was said to be a routing number is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a routing number is + and digits (RFC 4694), like +49199000")]
pub struct NoRoutingNumber;

/// Between the digits for people to read (RFC 3966 §3, `visual-separator`).
const SEPARATORS: [char; 4] = ['-', '.', '(', ')'];

impl<'u> Dialled<'u> {
    /// The number that `uri` names; `None` when it names something else, like `sip:alice@example.com` or a URN.
    pub fn of(uri: &'u Uri) -> Option<Self> {
        let mut parts = uri.user.as_deref()?.split(';');
        let number = digits(parts.next()?);
        if number.is_empty() || !number.chars().all(is_dialled) {
            return None;
        }
        let mut dialled = Self {
            uri,
            number,
            routing_number: None,
            is_dipped: false,
        };
        for part in parts {
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            dialled.parameter(name, value);
        }
        if uri.scheme == "tel" {
            for (name, value) in &uri.params {
                dialled.parameter(name, value);
            }
        }
        Some(dialled)
    }

    fn parameter(&mut self, name: &str, value: &str) {
        if name.eq_ignore_ascii_case("npdi") {
            self.is_dipped = true;
        }
        if name.eq_ignore_ascii_case("rn") && !value.is_empty() {
            self.is_dipped = true;
            self.routing_number = Some(digits(value));
        }
    }

    /// The number without `+` or `00` in front and without separators: digits, `*` and `#`.
    pub fn number(&self) -> &str {
        &self.number
    }

    /// What calls to the number go by: the routing number that came with the request, else the number; as
    /// [`Dialled::number`], but hexadecimal digits may be in it.
    pub fn routed_by(&self) -> &str {
        self.routing_number.as_deref().unwrap_or(&self.number)
    }

    /// Whether somebody has looked the number up already, by `npdi` or `rn`: it must not be done again (RFC 4694
    /// §5.1).
    pub fn is_dipped(&self) -> bool {
        self.is_dipped
    }

    /// The Request-URI after a dip: with `npdi`, and with `rn` when the number is ported (RFC 4694 §5.2). What an
    /// earlier dip has left is replaced, and the parameters are in the order of RFC 3966 §3.
    pub fn after_dip(&self, ported_to: Option<&RoutingNumber>) -> String {
        let text = self.uri.text.as_str();
        let start = text.find(':').map_or(0, |colon| colon + 1);
        let (head, rest) = text.split_at(start);
        // The user ends before the password, and that before the host; a tel URI has neither.
        let end = match rest.find('@') {
            Some(at) => rest.find(':').map_or(at, |colon| colon.min(at)),
            None => rest.len(),
        };
        let (user, tail) = rest.split_at(end);
        let mut parts = user.split(';');
        let number = parts.next().unwrap_or_default();
        let rn = ported_to.map(|rn| format!("rn={rn}"));
        let kept =
            parts.filter(|part| !["npdi", "rn", "rn-context"].contains(&name(part).as_str()));
        let mut params: Vec<_> = kept.chain(["npdi"]).chain(rn.as_deref()).collect();
        params.sort_by_cached_key(|part| order(name(part)));
        let params: String = params.iter().flat_map(|part| [";", part]).collect();
        format!("{head}{number}{params}{tail}")
    }
}

impl RoutingNumber {
    /// Reads one.
    ///
    /// # Errors
    /// [`NoRoutingNumber`] for everything else, local routing numbers included.
    pub fn parse(text: &str) -> Result<Self, NoRoutingNumber> {
        let rest = text.strip_prefix('+').ok_or(NoRoutingNumber)?;
        let is_global = rest.starts_with(|first: char| first.is_ascii_digit());
        let is_hex = |symbol: char| symbol.is_ascii_hexdigit() || SEPARATORS.contains(&symbol);
        match is_global && rest.chars().all(is_hex) {
            true => Ok(Self(text.to_owned())),
            false => Err(NoRoutingNumber),
        }
    }

    /// As [`Dialled::routed_by`] has it: without `+` and separators.
    pub fn digits(&self) -> String {
        digits(&self.0)
    }
}

impl fmt::Display for RoutingNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn digits(text: &str) -> String {
    let text = text.replace(SEPARATORS, "");
    let rest = text.strip_prefix('+').or(text.strip_prefix("00"));
    rest.unwrap_or(&text).to_owned()
}

fn is_dialled(symbol: char) -> bool {
    symbol.is_ascii_digit() || symbol == '*' || symbol == '#'
}

fn name(parameter: &str) -> String {
    let (name, _) = parameter.split_once('=').unwrap_or((parameter, ""));
    name.to_ascii_lowercase()
}

fn order(name: String) -> (u8, String) {
    let place = match name.as_str() {
        "isub" | "ext" => 0,
        "phone-context" => 1,
        _ => 2,
    };
    (place, name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::uri;

    fn number(text: &str) -> Option<String> {
        Some(Dialled::of(&uri(text))?.number().to_owned())
    }

    #[test]
    fn a_number_is_read_however_it_is_written() {
        for text in [
            "sip:+4930123@example.com",
            "sip:004930123@example.com",
            "sip:4930123:secret@example.com",
            "sip:+49-(30)-1.23;phone-context=x@example.com;user=phone",
            "tel:+49-30-123",
        ] {
            assert_eq!(number(text).as_deref(), Some("4930123"), "{text}");
        }
        assert_eq!(number("sip:*21#@example.com").as_deref(), Some("*21#"));
    }

    #[test]
    fn what_is_no_number_is_none() {
        for text in [
            "sip:alice@example.com",
            "sip:example.com",
            "urn:service:sos",
            "sip:+@example.com",
            "sip:+49x@example.com",
        ] {
            assert_eq!(number(text), None, "{text}");
        }
    }

    #[test]
    fn a_dip_that_was_done_is_seen_in_both_schemes() {
        for (text, is_dipped, routed_by) in [
            ("sip:+4930123@example.com", false, "4930123"),
            // A parameter of the URI is none of the number.
            ("sip:+4930123@example.com;npdi", false, "4930123"),
            ("sip:+4930123;npdi@example.com", true, "4930123"),
            (
                "sip:+4930123;NPDI;RN=+49-199-00@example.com",
                true,
                "4919900",
            ),
            ("tel:+4930123;rn=+49199d0;npdi", true, "49199d0"),
            ("tel:+4930123;rn=+4919900", true, "4919900"),
        ] {
            let uri = uri(text);
            let dialled = Dialled::of(&uri).unwrap();
            assert_eq!(
                (dialled.is_dipped(), dialled.routed_by()),
                (is_dipped, routed_by),
                "{text}"
            );
        }
    }

    #[test]
    fn a_dip_writes_its_parameters_into_the_number() {
        let rn = RoutingNumber::parse("+49199000").unwrap();
        for (before, ported, after) in [
            (
                "sip:+4930123@example.com:5070;user=phone",
                true,
                "sip:+4930123;npdi;rn=+49199000@example.com:5070;user=phone",
            ),
            (
                "sips:+4930123@[2001:db8::1]",
                false,
                "sips:+4930123;npdi@[2001:db8::1]",
            ),
            (
                "sip:+4930123;tgrp=a;ext=5;cic=+491:secret@example.com",
                true,
                "sip:+4930123;ext=5;cic=+491;npdi;rn=+49199000;tgrp=a:secret@example.com",
            ),
            (
                "sip:+4930123;rn=+491;npdi@example.com",
                true,
                "sip:+4930123;npdi;rn=+49199000@example.com",
            ),
            (
                "tel:+49-30-123;phone-context=example.com",
                true,
                "tel:+49-30-123;phone-context=example.com;npdi;rn=+49199000",
            ),
        ] {
            let uri = uri(before);
            let dialled = Dialled::of(&uri).unwrap();
            assert_eq!(dialled.after_dip(ported.then_some(&rn)), after, "{before}");
        }
    }

    #[test]
    fn a_routing_number_is_global() {
        for text in ["+49199000", "+49-199-D0", "+1"] {
            assert!(RoutingNumber::parse(text).is_ok(), "{text}");
        }
        for text in [
            "", "+", "49199", "D123", "+D123", "+49 199", "+49;x", "+49@a",
        ] {
            assert_eq!(RoutingNumber::parse(text), Err(NoRoutingNumber), "{text}");
        }
        assert_eq!(
            RoutingNumber::parse("+49-199-D0").unwrap().digits(),
            "49199D0"
        );
    }
}
