//! D2, D3: nobody listens, the connection is gone, the answer is no decision.

use sigbox_core::{Counter, FallbackCause};
use sigbox_testkit::{Script, Sim, Verdict, plans};

use crate::world::*;

#[test]
fn d2_d3_d5_every_failure_leads_to_the_fallback_at_once() {
    let causes = [
        (FallbackCause::NoResponders, Counter::FallbackNoResponders),
        (FallbackCause::Disconnected, Counter::FallbackDisconnected),
        (FallbackCause::Congested, Counter::FallbackCongested),
        (FallbackCause::CircuitOpen, Counter::FallbackCircuitOpen),
        (FallbackCause::Invalid, Counter::FallbackInvalid),
        (FallbackCause::ServiceError, Counter::FallbackServiceError),
    ];
    for (cause, counter) in causes {
        let mut sim = failing(falling_back_to(plans::serial(&[TO_BOB])), cause);
        let bob = sim.callee(BOB, Script::answers(0));
        call(&mut sim, ms(20));
        assert_eq!(sim.first(bob, "INVITE").at_ms, 2, "{cause:?}");
        assert_eq!(sim.labels(alice()), ["100", "180", "200"]);
        assert_eq!(sim.count(counter), 1, "{cause:?}");
        sim.run_to_end();
    }
}

#[test]
fn a_decider_may_pass() {
    let settings = falling_back_to(plans::reject(404));
    let mut sim = Sim::new(settings, |_, _| {
        Verdict::After(ms(5), Ok(sigbox_core::Plan::Pass))
    });
    let invite = call(&mut sim, ms(20));
    assert_eq!(sim.labels(alice()), ["100", "404"]);
    assert_eq!(sim.count(Counter::FallbackPass), 1);
    acknowledge_failure(&mut sim, &invite, "404");
    sim.run_to_end();
}

#[test]
fn d3_a_fallback_rule_may_be_for_some_causes_only() {
    let mut settings = falling_back_to(plans::reject(480));
    settings.rules.fallback[0].condition.causes = vec![FallbackCause::Timeout];
    let mut sim = failing(settings, FallbackCause::Disconnected);
    call(&mut sim, ms(20));
    assert_eq!(sim.labels(alice()), ["100", "503"]);
}
