//! Writing a query into a buffer that has been used before allocates nothing.

use sigbox::decision::{QueryOptions, write_query};
use sigbox_testkit::{Replay, Step};

#[test]
fn a_query_about_an_ordinary_invite_is_written_without_allocating() {
    let replay = Replay::before(Step::Decision);
    let suspended = replay.suspended();
    let local = &replay.settings().listeners[0];
    let options = QueryOptions {
        node: "edge-1".into(),
        headers: vec!["p-preferred-identity".into(), "date".into()],
        body: true,
        max_bytes: QueryOptions::MAX_BYTES,
    };
    let mut out = Vec::with_capacity(QueryOptions::MAX_BYTES);
    let counted = allocation_counter::measure(|| {
        let written = suspended.map(|suspended| write_query(&suspended, local, &options, &mut out));
        assert_eq!(written, Some(Ok(())));
    });
    assert_eq!(counted.count_total, 0, "{}", out.escape_ascii());
}
