//! D13: decisions that forward nothing.

use std::time::Duration;

use sigbox_core::{HeaderEdits, Plan, Reject, Settings};
use sigbox_testkit::{Sim, plans};

use crate::world::*;

/// RFC 3261 §17.2.1
#[test]
fn d13_reject_is_sent_until_it_is_acknowledged() {
    let mut headers = HeaderEdits::new();
    headers.set("X-Why", "blocked prefix").unwrap();
    let plan = Plan::Reject(Reject {
        status: 603,
        reason: Some("Not Today".into()),
        headers,
        retry_after: Some((secs(30), secs(60))),
    });
    let mut sim = Sim::always(Settings::default(), plan);
    let invite = call(&mut sim, ms(2_000));
    let times: Vec<_> = sim
        .seen(alice())
        .iter()
        .skip(1)
        .map(|seen| seen.at_ms)
        .collect();
    // Timer G: T1, doubling.
    assert_eq!(times, [2, 502, 1502]);
    let text = &sim.first(alice(), "603").text;
    assert!(text.starts_with("SIP/2.0 603 Not Today\r\n"));
    assert!(text.contains("\r\nX-Why: blocked prefix\r\n"));
    let after: u64 = sigbox_testkit::field(text, "Retry-After")
        .unwrap()
        .parse()
        .unwrap();
    assert!((30..=60).contains(&after));
    assert!(sigbox_testkit::field(text, "To").unwrap().contains(";tag="));

    acknowledge_failure(&mut sim, &invite, "603");
    let before = sim.seen(alice()).len();
    sim.run_for(secs(10));
    assert_eq!(sim.seen(alice()).len(), before);
    sim.run_to_end();
}

/// RFC 3261 §17.2.1
#[test]
fn d13_an_unacknowledged_reject_ends_with_timer_h() {
    let mut sim = Sim::always(Settings::default(), plans::reject(404));
    call(&mut sim, Duration::ZERO);
    sim.run_for(secs(40));
    assert_eq!(sim.core.len(), 0);
    let last = sim.seen(alice()).last().unwrap().at_ms;
    assert!(last < 32_100, "the last one after {last} ms");
}

#[test]
fn d13_redirect_names_the_contacts_in_order() {
    let plan = plans::redirect(302, &["sip:desk@192.0.2.20", "sip:mobile@192.0.2.30"]);
    let mut sim = Sim::always(Settings::default(), plan);
    let invite = call(&mut sim, ms(10));
    let text = sim.first(alice(), "302").text.clone();
    let contacts = "\r\nContact: <sip:desk@192.0.2.20>\r\nContact: <sip:mobile@192.0.2.30>\r\n";
    assert!(
        text.starts_with("SIP/2.0 302 Moved Temporarily\r\n") && text.contains(contacts),
        "{text}"
    );
    acknowledge_failure(&mut sim, &invite, "302");
    sim.run_to_end();
}
