//! What a core holds, in bytes that it has asked the allocator for: for each finished call while
//! its timers linger, for each suspended one, and after both are over.
//!
//! The counts per call are exact. More is a loss; less is a gain, to be written down here.

use allocation_counter::measure;
use sigbox_testkit::{Replay, Step};

const CALLS: u32 = 5_000;

/// Calls that all linger, and what they hold.
fn carried() -> (Replay, i64) {
    let mut replay = Replay::before(Step::Invite);
    let carried = measure(|| replay.carry(CALLS));
    // It never needs much more than in the end: nothing doubles.
    assert!(carried.bytes_max < carried.bytes_current as u64 + 100_000);
    (replay, carried.bytes_current)
}

#[test]
fn a_finished_call() {
    let (_, held) = carried();
    // Two slots of 48 bytes, 4 bytes each of the table that finds them, two records of 19 bytes, and
    // in the BYE's the answer to it.
    assert_eq!(held / i64::from(CALLS), 497);
}

#[test]
fn a_suspended_invite() {
    let mut replay = Replay::before(Step::Invite);
    let held = measure(|| replay.suspend(CALLS)).bytes_current;
    // The transaction, the request, the decision, the 100; and a slot.
    assert_eq!(held / i64::from(CALLS), 2_257);
}

#[test]
fn nothing_after_a_burst() {
    let (mut replay, held) = carried();
    let given_back = -measure(|| replay.run_out()).bytes_current;
    // What is kept for the next call does not depend on how large the burst was.
    assert!(held - given_back < 50_000, "{} are kept", held - given_back);

    let again = measure(|| {
        replay.carry(CALLS);
        replay.run_out();
    });
    assert!(again.bytes_current <= 0, "{} more", again.bytes_current);
}

#[test]
fn nothing_after_suspended_invites() {
    let mut replay = Replay::before(Step::Invite);
    let both = measure(|| {
        replay.suspend(CALLS);
        replay.run_out();
    });
    // All of them run out at once: of what that puts out, room for a little is kept as well.
    assert!(
        both.bytes_current < 150_000,
        "{} are kept",
        both.bytes_current
    );
}
