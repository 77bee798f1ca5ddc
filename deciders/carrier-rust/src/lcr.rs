use std::cmp::Ordering;

use anyhow::{Context, Result};
use serde_json::Value;
use sigbox_decider::contracts::Slug;
use sigbox_decider::{Found, Snapshot, prelude::*};

use crate::portability::Dip;

/// Final responses after which the next carrier is tried: those that speak of the carrier. What speaks of the callee (busy,
/// unknown, declined) ends the call.
const FAILOVER: [StatusMatch; 4] = [
    StatusMatch::Exact(402),
    StatusMatch::Exact(403),
    StatusMatch::Exact(408),
    StatusMatch::Class(5),
];

/// The names of the tables that are rate decks, in the order that decides between equals.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Decks(Vec<String>);

/// What one deck asks for a call.
struct Offer {
    /// `None` is dearer than any price.
    price: Option<f64>,
    prefix: usize,
    carrier: String,
    target: Target,
    reason: String,
}

impl Decks {
    /// Reads names with commas between them; an empty text means the two of the samples.
    pub(crate) fn parse(text: &str) -> Result<Self> {
        let text = if text.trim().is_empty() {
            "rates-a,rates-b"
        } else {
            text
        };
        let names = text.split(',').map(|name| {
            let name = name.trim();
            Slug::new(name)
                .map(|name| name.to_string())
                .with_context(|| format!("DECKS: {name:?} is no name of a table"))
        });
        names.collect::<Result<_>>().map(Self)
    }
}

/// The carriers of a number, cheapest first: the longest prefix of each deck is what that carrier asks. Between equal
/// prices the longer prefix comes first, and then the deck that is named first. A row with `action` reject in any deck
/// refuses the call, whatever the others say.
pub(crate) fn route(snapshot: &Snapshot, decks: &Decks, dip: &Dip) -> Answer {
    let with_dip = |answer: Answer| match &dip.reason {
        Some(reason) => answer.because(reason),
        None => answer,
    };
    let names = || decks.0.iter().map(String::as_str);
    if names().all(|deck| snapshot.table(deck).is_empty()) {
        let names = decks.0.join(", ");
        return with_dip(pass()).because(format!("no rates yet in {names}"));
    }
    let mut offers = Vec::new();
    for deck in names() {
        let Some(found) = snapshot.table(deck).longest_prefix(&dip.number) else {
            continue;
        };
        if found.text("action").as_deref() == Some("reject") {
            let status = found.row.get("status").and_then(Value::as_u64);
            let status = status.and_then(|status| u16::try_from(status).ok());
            return with_dip(reject(status.unwrap_or(403)))
                .because(format!("{} is blocked", found.reason));
        }
        offers.extend(Offer::of(deck, &found, dip));
    }
    if offers.is_empty() {
        return with_dip(reject(404)).because(format!("no rate for {}", dip.number));
    }
    // Stable, so that the order of the decks is what is left.
    offers.sort_by(Offer::compare);
    let reasons: Vec<_> = offers.iter().map(Offer::explained).collect();
    let answer = serial(offers.into_iter().map(|offer| offer.target)).failover(FAILOVER);
    reasons.into_iter().fold(with_dip(answer), Answer::because)
}

impl Offer {
    /// `None` when the row leads nowhere: this carrier does not go there.
    fn of(deck: &str, found: &Found, dip: &Dip) -> Option<Self> {
        let (hop, set) = (found.text("dst_uri"), found.text("gateways"));
        if hop.is_none() && set.is_none() {
            return None;
        }
        let carrier = found.text("carrier").unwrap_or_else(|| deck.to_owned());
        let mut target = to(hop.unwrap_or_default()).header("X-Carrier", &carrier);
        if let Some(set) = set {
            target = target.gateways(set);
        }
        if let Some(uri) = &dip.uri {
            target = target.uri(uri);
        }
        let timer = |field: &str| found.row.get(field).and_then(Value::as_u64).map(millis);
        if let Some(time) = timer("fr_timer") {
            target = target.timeout(time);
        }
        if let Some(time) = timer("fr_inv_timer") {
            target = target.ring_timeout(time);
        }
        Some(Self {
            price: found.row.get("price").and_then(price),
            prefix: found
                .text("prefix")
                .map_or(0, |prefix| prefix.trim_start_matches('+').len()),
            carrier,
            target,
            reason: found.reason.clone(),
        })
    }

    fn compare(&self, other: &Self) -> Ordering {
        let dear = |offer: &Self| offer.price.unwrap_or(f64::INFINITY);
        let by_price = dear(self).total_cmp(&dear(other));
        by_price.then(other.prefix.cmp(&self.prefix))
    }

    fn explained(&self) -> String {
        match self.price {
            Some(price) => format!("{} -> {} at {price}", self.reason, self.carrier),
            None => format!("{} -> {} without a price", self.reason, self.carrier),
        }
    }
}

/// A price is zero or more, in decimal digits: `0.010`. What is no price is none, so that it does not come first.
fn price(value: &Value) -> Option<f64> {
    let price = match value {
        Value::Number(number) => number.as_f64()?,
        Value::String(text)
            if text
                .bytes()
                .all(|byte| byte.is_ascii_digit() || byte == b'.') =>
        {
            text.parse().ok()?
        }
        _ => return None,
    };
    (price.is_finite() && price >= 0.0).then_some(price)
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use sigbox_decider::Tables;
    use sigbox_tables::Kind;

    use super::*;

    fn to_number(number: &str) -> Dip {
        Dip {
            number: number.to_owned(),
            uri: None,
            reason: None,
        }
    }

    #[test]
    fn a_ported_number_takes_its_request_uri_and_its_reason_along() {
        let tables = Tables::new();
        let deck = "prefix,carrier,dst_uri,price\n49,a,sip:192.0.2.1,0.01\n";
        tables.set_csv("rates-a", Kind::Prefixes, deck).unwrap();
        let dip = Dip {
            uri: Some("sip:+49301;npdi;rn=+49199@example.com".to_owned()),
            reason: Some("ported v1: number 49301 -> +49199".to_owned()),
            ..to_number("49199")
        };
        let answer = route(&tables.now(), &Decks::parse("").unwrap(), &dip);
        let decision = Decision::from(answer);
        assert_eq!(decision.routes[0].uri, dip.uri);
        assert_eq!(
            decision.reasons,
            [
                "ported v1: number 49301 -> +49199",
                "rates-a v1: prefix 49 -> a at 0.01"
            ]
        );
    }

    #[test]
    fn decks_have_the_names_that_they_are_given() {
        let tables = Tables::new();
        let deck = "prefix,dst_uri\n49,sip:192.0.2.1\n";
        tables.set_csv("gold", Kind::Prefixes, deck).unwrap();
        let decided = |decks: &str| {
            let decks = Decks::parse(decks).unwrap();
            Decision::from(route(&tables.now(), &decks, &to_number("4930")))
        };
        assert_eq!(decided(" silver , gold ").routes.len(), 1);
        assert_eq!(decided("").reasons, ["no rates yet in rates-a, rates-b"]);
        assert!(Decks::parse("gold,,silver").is_err());
        assert!(Decks::parse("Gold Deck").is_err());
    }

    #[test]
    fn what_is_no_price_is_none() {
        for (value, expected) in [
            (json!("0.010"), Some(0.01)),
            (json!(0.5), Some(0.5)),
            (json!(".5"), Some(0.5)),
            (json!("0"), Some(0.0)),
            (json!(-1), None),
            (json!("-1"), None),
            (json!("1e3"), None),
            (json!("NaN"), None),
            (json!("."), None),
            (json!(""), None),
            (json!(true), None),
        ] {
            assert_eq!(price(&value), expected, "{value}");
        }
    }
}
