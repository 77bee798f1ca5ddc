//! Overload control between this proxy and a gateway (RFC 7339), with the loss algorithm of its section 6.

use std::time::Duration;

use sigbox_wire::{Message, Via};

use super::Gateway;
use crate::clock::Instant;

/// What our Via says to a gateway that may ask for fewer requests (RFC 7339 §4.1, §5.1).
pub(super) const OFFER: &str = ";oc;oc-algo=\"loss\"";

/// How long a wish holds that does not say so (RFC 7339 §4.3).
const USUAL_VALIDITY: Duration = Duration::from_millis(500);

/// The longest wish that is believed.
const LONGEST_VALIDITY: Duration = Duration::from_secs(60);

/// A wish for fewer requests.
#[derive(Debug, PartialEq, Eq)]
struct Wish {
    /// Percent.
    loss: u32,
    validity: Duration,
    /// Microseconds of what is written as seconds; larger is later.
    sequence: Option<u64>,
}

impl Gateway {
    /// Does as the gateway's response asks, when its set takes part.
    pub(super) fn heed(&self, now: Instant, response: Message<'_>) {
        if !self.terms.set.overload_control {
            return;
        }
        let wish = response.via().ok().and_then(|via| wish_of(&via));
        if let Some(wish) = wish {
            self.standing
                .throttle(wish.loss, now + wish.validity, wish.sequence);
        }
    }
}

/// The wish in our own Via as it came back; none when the gateway only left there what we wrote.
fn wish_of(via: &Via<'_>) -> Option<Wish> {
    let loss = number(via.params.get("oc")??)?;
    let algorithm = via.params.value("oc-algo");
    // One that is not ours was not agreed on (RFC 7339 §5.1).
    let is_loss = |name: &[u8]| name.trim_ascii().eq_ignore_ascii_case(b"loss");
    let unquoted = |name: &[u8]| {
        is_loss(
            name.strip_prefix(b"\"")
                .and_then(|name| name.strip_suffix(b"\""))
                .unwrap_or(name),
        )
    };
    if loss > 100 || algorithm.is_some_and(|name| !unquoted(name)) {
        return None;
    }
    let validity = match via.params.value("oc-validity") {
        None => USUAL_VALIDITY,
        Some(millis) => Duration::from_millis(number(millis)?),
    };
    Some(Wish {
        loss: loss as u32,
        validity: validity.min(LONGEST_VALIDITY),
        sequence: via.params.value("oc-seq").and_then(sequence),
    })
}

fn number(text: &[u8]) -> Option<u64> {
    let is_number = !text.is_empty() && text.iter().all(u8::is_ascii_digit);
    let text = std::str::from_utf8(text).ok().filter(|_| is_number)?;
    text.parse().ok()
}

/// `1282321615.782`: whole seconds and up to six digits of a fraction.
fn sequence(text: &[u8]) -> Option<u64> {
    let mut parts = text.splitn(2, |byte| *byte == b'.');
    let seconds = number(parts.next()?)?.checked_mul(1_000_000)?;
    let Some(fraction) = parts.next() else {
        return Some(seconds);
    };
    let fraction = &fraction[..fraction.len().min(6)];
    let scale = 10_u64.pow(6 - fraction.len() as u32);
    seconds.checked_add(number(fraction)? * scale)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wish(params: &str) -> Option<Wish> {
        let value = format!("SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKx{params}");
        wish_of(&Via::parse(value.as_bytes()).unwrap())
    }

    /// RFC 7339 §4, §5.1
    #[test]
    fn wishes_are_read_and_our_own_offer_is_none() {
        let full = Wish {
            loss: 20,
            validity: Duration::from_millis(1_000),
            sequence: Some(1_282_321_615_782_000),
        };
        assert_eq!(
            wish(";oc=20;oc-algo=\"loss\";oc-validity=1000;oc-seq=1282321615.782"),
            Some(full)
        );
        let short = |loss, millis| {
            Some(Wish {
                loss,
                validity: Duration::from_millis(millis),
                sequence: None,
            })
        };
        assert_eq!(wish(";oc=100"), short(100, 500));
        assert_eq!(wish(";oc=0;oc-validity=0"), short(0, 0));
        assert_eq!(wish(";oc=5;oc-validity=99999999"), short(5, 60_000));
        for none in [
            OFFER,
            "",
            ";oc=101",
            ";oc=-1",
            ";oc=x",
            ";oc=50;oc-algo=\"rate\"",
            ";oc=50;oc-validity=x",
        ] {
            assert_eq!(wish(none), None, "{none}");
        }
    }

    #[test]
    fn sequences_are_in_order() {
        let sequences = ["9", "9.1", "9.10", "9.2", "10.000001", "10.0000019"]
            .map(|text| sequence(text.as_bytes()).unwrap());
        assert!(sequences.is_sorted());
        assert_eq!(sequence(b"9."), None);
        assert_eq!(sequence(b"99999999999999999999.1"), None);
    }
}
