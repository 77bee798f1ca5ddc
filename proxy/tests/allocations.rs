//! How often memory is asked for on the way of a query and its answer.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::hint::black_box;
use std::time::{Duration, SystemTime};

use sigbox::bus::headers::QueryHeaders;
use sigbox::decision::{PlanContext, QueryOptions, plan_of, write_query};
use sigbox_contracts::{Decision, Limits};
use sigbox_testkit::{Replay, Step};

/// How often `run` allocates when it has run before.
fn allocations<T>(mut run: impl FnMut() -> T) -> u64 {
    drop(run());
    allocation_counter::measure(|| drop(black_box(run()))).count_total
}

#[test]
fn a_query_about_an_ordinary_invite_is_written_without_allocating() {
    let replay = Replay::before(Step::Decision);
    let suspended = replay.suspended().unwrap();
    let local = &replay.settings().listeners[0];
    let options = QueryOptions {
        node: "edge-1".into(),
        headers: vec!["p-preferred-identity".into(), "date".into()],
        body: true,
        max_bytes: QueryOptions::MAX_BYTES,
    };
    let mut out = Vec::new();
    let written = allocations(|| write_query(&suspended, local, &options, &mut out).unwrap());
    assert_eq!(written, 0, "{}", out.escape_ascii());
}

/// A table, six lists of one value, those values, and three of the lists again: the client's type
/// has no other way.
#[test]
fn the_headers_of_a_query_take_what_their_type_takes() {
    let replay = Replay::before(Step::Decision);
    let suspended = replay.suspended().unwrap();
    let mut headers = QueryHeaders::new(0, Duration::ZERO);
    let made = allocations(|| headers.of(&suspended, SystemTime::UNIX_EPOCH));
    assert_eq!(made, 16);
}

/// In the document the version, the list and a URI; in the plan a list and a URI.
#[test]
fn a_decision_takes_a_few_texts() {
    let replay = Replay::before(Step::Decision);
    let context = PlanContext {
        settings: replay.settings(),
        max_routes: 32,
    };
    let document = br#"{"version": "1.0", "routes": [{"dst_uri": "sip:203.0.113.9:5060"}]}"#;
    let read = allocations(|| {
        let decision = Decision::parse(document, &Limits::default()).unwrap();
        plan_of(&decision, &context).unwrap()
    });
    assert_eq!(read, 5);
}
