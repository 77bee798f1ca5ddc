//! What is allocated on the path of a call, on a core that has carried calls before: only what a
//! transaction keeps.
//!
//! Each count is exact. More is a loss; less is a gain, to be written down here.

use sigbox_testkit::{Replay, Step};

fn allocations(step: Step) -> u64 {
    let mut replay = Replay::before(step);
    allocation_counter::measure(|| replay.step()).count_total
}

#[test]
fn an_invite_that_is_suspended() {
    // The transaction (`Core::on_new`), the request (`Stored::new`), what is known about its
    // decision (`Context::decide`), the 100 as it was sent (`Context::sent`).
    assert_eq!(allocations(Step::Invite), 4);
}

#[test]
fn a_decision_that_forwards_it() {
    // The plan, which branches share (`Context::on_decision`).
    assert_eq!(allocations(Step::Decision), 1);
}

#[test]
fn responses_to_it() {
    // The 180 is longer than the 100 that it takes the place of (`Context::sent`).
    assert_eq!(allocations(Step::Ringing), 1);
    // A 2xx is not kept: the callee sends it again.
    assert_eq!(allocations(Step::Answer), 0);
}

#[test]
fn an_ack() {
    assert_eq!(allocations(Step::Ack), 0);
}

#[test]
fn a_bye_and_its_answer() {
    // The transaction and the request.
    assert_eq!(allocations(Step::Bye), 2);
    // The answer, which the tail keeps (`Context::sent`).
    assert_eq!(allocations(Step::ByeAnswer), 1);
}

#[test]
fn a_whole_call_and_its_timers() {
    let mut replay = Replay::before(Step::Invite);
    let call = allocation_counter::measure(|| replay.finish());
    // The steps above: nothing grows with the number of calls carried.
    assert_eq!(call.count_total, 4 + 1 + 1 + 2 + 1);
    let timers = allocation_counter::measure(|| replay.run_out());
    assert_eq!(timers.count_total, 0);
}
