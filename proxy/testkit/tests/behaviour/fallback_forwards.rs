//! D19: what a fallback forwarded rings and answers like any other call.

use sigbox_core::{Counter, FallbackCause};
use sigbox_testkit::{Script, plans};

use crate::world::*;

/// RFC 3261 §16.7 step 5
#[test]
fn d19_responses_to_a_fallback_branch_are_relayed() {
    for cause in [None, Some(FallbackCause::NoResponders)] {
        let settings = falling_back_to(plans::serial(&[TO_BOB]));
        let mut sim = match cause {
            None => silent(settings),
            Some(cause) => failing(settings, cause),
        };
        let bob = sim.callee(
            BOB,
            Script::responds(&[(0, 100), (50, 180), (500, 183), (900, 200)]),
        );
        let invite = call(&mut sim, secs(2));
        assert_eq!(sim.labels(alice()), ["100", "180", "183", "200"]);
        acknowledge(&mut sim, &invite);
        sim.run_for(ms(10));
        assert_eq!(sim.labels(bob), ["INVITE", "ACK"]);
        assert_eq!(sim.count(Counter::DropLateResponse), 0);
        sim.run_to_end();
    }
}
