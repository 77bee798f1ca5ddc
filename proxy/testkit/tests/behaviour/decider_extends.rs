//! A decider asks for more time.

use sigbox_core::{Counter, Input, Settings};
use sigbox_testkit::{Script, Sim, Verdict, plans};

use crate::world::*;

#[test]
fn the_extension_counts_from_when_it_is_asked_for() {
    let mut sim = Sim::new(Settings::default(), |_, _| {
        Verdict::Extend(ms(150), ms(900), Ok(plans::serial(&[TO_BOB])))
    });
    let bob = sim.callee(BOB, Script::answers(0));
    call(&mut sim, secs(2));
    assert_eq!(sim.first(bob, "INVITE").at_ms, 1_052);
    assert_eq!(sim.count(Counter::Extensions), 1);
    sim.run_to_end();
}

#[test]
fn no_extension_goes_beyond_the_longest_wait() {
    let mut settings = falling_back_to(plans::reject(480));
    settings.decision.max_wait = ms(500);
    let mut sim = Sim::new(settings, |_, _| {
        Verdict::Extend(ms(10), secs(60), Ok(plans::serial(&[TO_BOB])))
    });
    call(&mut sim, secs(2));
    let fallback = sim.first(alice(), "480").at_ms;
    assert!((501..=503).contains(&fallback), "after {fallback} ms");
    sim.run_to_end();
}

#[test]
fn an_extension_never_shortens() {
    let mut sim = Sim::new(falling_back_to(plans::reject(480)), |_, _| {
        Verdict::After(ms(150), Ok(plans::serial(&[TO_BOB])))
    });
    let bob = sim.callee(BOB, Script::answers(0));
    call(&mut sim, ms(10));
    let token = sim.asked[0].token;
    sim.input(Input::Extend { token, by: ms(20) });
    sim.run_for(secs(1));
    assert_eq!(sim.labels(bob), ["INVITE"]);
}
