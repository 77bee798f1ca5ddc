//! D1: the decider never answers.

use sigbox_core::{Counter, Input, Settings};
use sigbox_testkit::{Script, plans};

use crate::world::*;

#[test]
fn d1_the_fallback_decides_at_the_deadline_exactly_once() {
    let mut sim = silent(falling_back_to(plans::serial(&[TO_BOB])));
    let bob = sim.callee(BOB, Script::answers(0));
    call(&mut sim, secs(1));
    let trying = sim.first(alice(), "100").at_ms;
    assert!(trying <= 200, "100 after {trying} ms");
    // One millisecond each way, 200 ms budget, ticks of one millisecond.
    let forwarded = sim.first(bob, "INVITE").at_ms;
    assert!(
        (201..=212).contains(&forwarded),
        "forwarded after {forwarded} ms"
    );
    assert_eq!(sim.labels(alice()), ["100", "180", "200"]);
    assert_eq!(sim.count(Counter::FallbackTimeout), 1);
    assert_eq!(sim.count(Counter::DecidedFallback), 1);

    let token = sim.asked[0].token;
    let before = sim.labels(bob).len();
    sim.input(Input::Decision {
        token,
        answer: Ok(plans::serial(&[TO_CAROL])),
    });
    sim.run_for(ms(10));
    assert_eq!(sim.count(Counter::AnswerLate), 1);
    assert_eq!(sim.labels(bob).len(), before);
    assert!(sim.seen(CAROL.parse().unwrap()).is_empty());
    sim.run_to_end();
}

#[test]
fn d1_without_a_fallback_rule_the_caller_gets_503() {
    let mut sim = silent(Settings {
        explain_fallback: true,
        ..Settings::default()
    });
    let invite = call(&mut sim, ms(300));
    assert_eq!(sim.labels(alice()), ["100", "503"]);
    assert!(
        sim.first(alice(), "503")
            .text
            .contains("\r\nX-Sigbox-Fallback: timeout\r\n")
    );
    acknowledge_failure(&mut sim, &invite, "503");
    sim.run_to_end();
}

/// RFC 3261 §17.2.1
#[test]
fn trying_can_wait_for_a_quick_answer() {
    let mut settings = Settings::default();
    settings.timers.trying = ms(150);
    let mut sim = sigbox_testkit::Sim::always(settings.clone(), plans::reject(404));
    let invite = call(&mut sim, ms(400));
    assert_eq!(sim.first(alice(), "404").at_ms, 2);
    assert!(!sim.labels(alice()).contains(&"100".into()));
    acknowledge_failure(&mut sim, &invite, "404");
    sim.run_to_end();

    let mut sim = silent(settings);
    call(&mut sim, ms(190));
    assert_eq!(sim.labels(alice()), ["100"]);
    assert_eq!(sim.first(alice(), "100").at_ms, 152);
}
