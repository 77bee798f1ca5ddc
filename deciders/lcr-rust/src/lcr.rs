use std::sync::Arc;

use arc_swap::ArcSwap;
use sigbox_decider::{Decider, prelude::*};

use crate::rates::{Mode, Rate, Rates};

const EMERGENCY: [&str; 3] = ["110", "112", "911"];

/// Least-cost routing: the longest prefix of the called number decides, the cheapest carrier comes first and the next
/// one takes over when it fails. `rates` is looked at for each call, so that a reload counts at once.
pub(crate) fn decider(rates: Arc<ArcSwap<Rates>>) -> Decider {
    let handler = move |call: Call| {
        let rates = rates.load_full();
        async move { decide(&rates, &call).await }
    };
    Decider::new("lcr-rust", env!("CARGO_PKG_VERSION"))
        .description("Least-cost routing from a CSV file")
        .on(Class::Invite, handler.clone())
        .on(Class::Message, handler)
}

async fn decide(rates: &Rates, call: &Call) -> Answer {
    let dialled = call.request_uri().user().unwrap_or_default();
    let number = dialled
        .strip_prefix('+')
        .or(dialled.strip_prefix("00"))
        .unwrap_or(dialled);
    if EMERGENCY.contains(&number) {
        return emergency(rates.exact(number), number);
    }
    let Some((prefix, rows)) = rates.longest(number) else {
        return reject(404).because(format!("no prefix for {number}"));
    };
    let carriers: Vec<_> = rows.iter().map(|row| row.carrier.as_str()).collect();
    let answer = match rows[0].mode {
        Mode::Serial => serial(targets(rows)),
        Mode::Parallel => parallel(targets(rows)),
        Mode::Redirect => redirect(rows.iter().map(|row| row.uri.as_str())),
        Mode::Reject(status) => reject(status),
        Mode::Silent => {
            // To show what a proxy does when nobody answers.
            call.cancelled().await;
            pass()
        }
    };
    answer.because(format!("prefix {prefix} -> {}", carriers.join(", ")))
}

/// An emergency number is matched as a whole and never refused: without a carrier of our own for it, the proxy's local
/// rules get the call.
fn emergency(rows: Option<&[Rate]>, number: &str) -> Answer {
    rows.map_or_else(pass, |rows| serial(targets(rows)))
        .because(format!("emergency call {number}"))
}

fn targets(rows: &[Rate]) -> impl Iterator<Item = Target> {
    rows.iter().map(|row| {
        let target = to(&row.uri).header("X-Carrier", &row.carrier);
        match row.timeout {
            Some(timeout) => target.timeout(timeout),
            None => target,
        }
    })
}

#[cfg(test)]
mod tests {
    use sigbox_decider::Withdrawn;
    use sigbox_decider::contracts::Action;
    use sigbox_decider::testing::{Harness, Outcome};

    use super::*;

    const SAMPLE: &str = include_str!("../rates.csv");

    fn harness(csv: &str) -> Harness {
        Harness::new(decider(Arc::new(ArcSwap::from_pointee(
            Rates::parse(csv).unwrap(),
        ))))
    }

    fn next_hops(decision: &Decision) -> Vec<&str> {
        decision
            .routes
            .iter()
            .map(|route| route.dst_uri.as_deref().unwrap())
            .collect()
    }

    #[tokio::test]
    async fn the_longest_prefix_decides_and_the_cheapest_carrier_comes_first() {
        let harness = harness(SAMPLE);
        let munich = harness.invite("sip:+4989123@example.com").await;
        assert_eq!(
            next_hops(&munich),
            ["sip:127.0.0.1:5071", "sip:127.0.0.1:5072"]
        );
        assert_eq!(munich.reasons, ["prefix 49 -> carrier-a, carrier-b"]);
        assert_eq!(
            (munich.routes[0].fr_timer, munich.routes[1].fr_timer),
            (Some(2000), Some(5000))
        );
        assert_eq!(munich.routes[0].headers.set["X-Carrier"], "carrier-a");
        let berlin = harness.invite("sip:+4930123@example.com").await;
        assert_eq!(
            next_hops(&berlin),
            ["sip:127.0.0.1:5072", "sip:127.0.0.1:5071"]
        );
        assert_eq!(berlin.reasons, ["prefix 4930 -> carrier-b, carrier-a"]);
    }

    #[tokio::test]
    async fn a_number_is_found_however_it_is_written() {
        let harness = harness(SAMPLE);
        let expected = harness.invite("sip:+4930123@example.com").await.routes;
        for uri in [
            "sip:4930123@example.com",
            "sip:004930123@example.com",
            "tel:+4930123",
        ] {
            assert_eq!(harness.invite(uri).await.routes, expected, "{uri}");
        }
    }

    #[tokio::test]
    async fn every_mode_of_the_file_has_its_action() {
        let harness = harness(SAMPLE);
        let blocked = harness.invite("sip:+499001@example.com").await;
        assert_eq!(
            (blocked.verb(), blocked.status),
            (Action::Reject, Some(403))
        );
        let desk = harness.invite("sip:desk@example.com").await;
        assert_eq!(desk.route_groups().len(), 1, "both ring at once");
        assert_eq!(next_hops(&desk).len(), 2);
        let moved = harness.invite("sip:moved@example.com").await;
        assert_eq!(moved.verb(), Action::Redirect);
        assert_eq!(moved.contacts[0].uri, "sip:newcomer@127.0.0.1:5075");
        let text = harness.request("MESSAGE", "sip:+4930123@example.com").await;
        assert_eq!(next_hops(&text).len(), 2, "messages go the same way");
    }

    #[tokio::test]
    async fn an_unknown_number_is_not_found() {
        let harness = harness(SAMPLE);
        for uri in [
            "sip:+1212555@example.com",
            "sip:example.com",
            "sip:ünknown@example.com",
        ] {
            assert_eq!(harness.invite(uri).await.status, Some(404), "{uri}");
        }
    }

    #[tokio::test]
    async fn an_emergency_call_is_never_refused() {
        let sample = harness(SAMPLE);
        assert_eq!(
            next_hops(&sample.invite("sip:112@example.com").await).len(),
            2
        );
        let blocking =
            harness("prefix,carrier,uri,timeout_ms,cost,mode\n1,blocked,,,,reject:403\n");
        let call = blocking.invite("sip:112@example.com").await;
        assert_eq!(call.verb(), Action::Pass, "left to the proxy's rules");
        assert_eq!(
            blocking.invite("sip:1125@example.com").await.status,
            Some(403)
        );
    }

    #[tokio::test(start_paused = true)]
    async fn the_silent_mode_never_answers() {
        let outcome = harness(SAMPLE)
            .invite("sip:silent@example.com")
            .outcome()
            .await;
        assert_eq!(outcome, Outcome::Withdrawn(Withdrawn::Deadline));
    }
}
