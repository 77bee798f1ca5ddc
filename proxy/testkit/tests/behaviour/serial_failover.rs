//! D13: routes tried one after the other.

use sigbox_core::{Counter, Failover, Plan, RoutePlan, Settings, StatusMatch};
use sigbox_testkit::{Script, Sim, plans};

use crate::world::*;

/// RFC 3261 §16.5
#[test]
fn d13_the_second_route_answers_when_the_first_refuses() {
    let mut sim = Sim::always(Settings::default(), plans::serial(&[TO_BOB, TO_CAROL]));
    let bob = sim.callee(BOB, Script::refuses(503));
    let carol = sim.callee(CAROL, Script::answers(100));
    let invite = call(&mut sim, secs(1));
    assert_eq!(sim.labels(bob), ["INVITE", "ACK"]);
    assert_eq!(sim.labels(alice()), ["100", "180", "200"]);
    acknowledge(&mut sim, &invite);
    sim.run_for(ms(10));
    assert_eq!(sim.labels(carol), ["INVITE", "ACK"]);
    sim.run_to_end();
}

#[test]
fn d13_each_branch_has_its_own_timers() {
    let routes = vec![
        plans::timed(TO_BOB, 0, 1_500, 60_000),
        plans::timed(TO_CAROL, 1, 5_000, 2_000),
    ];
    let mut sim = Sim::always(Settings::default(), plans::plan(routes));
    let bob = sim.callee(BOB, Script::dead());
    let carol = sim.callee(CAROL, Script::rings());
    let invite = call(&mut sim, secs(10));
    // Bob was asked at 2 ms and never said a word.
    let second = sim.first(carol, "INVITE").at_ms;
    assert!(
        (1_502..=1_552).contains(&second),
        "the second route after {second} ms"
    );
    // Carol rang at `second` and not again; that is one millisecond to the proxy.
    let cancelled = sim.first(carol, "CANCEL").at_ms - second;
    assert!(
        (2_000..=2_050).contains(&cancelled),
        "cancelled after {cancelled} ms"
    );
    assert_eq!(sim.labels(bob), ["INVITE", "INVITE"]);
    assert_eq!(
        sim.labels(alice()),
        ["100", "180", "408", "408", "408", "408"]
    );
    acknowledge_failure(&mut sim, &invite, "408");
    assert_eq!(sim.count(Counter::BranchTimeout), 2);
    sim.run_to_end();
}

#[test]
fn d13_failover_says_which_statuses_move_on() {
    let routes = || vec![plans::route(TO_BOB, 0), plans::route(TO_CAROL, 1)];
    let only = |list| Plan::Route(RoutePlan::new(routes(), Failover::Only(list), false).unwrap());
    let cases = [
        (only(vec![StatusMatch::Class(5)]), 486, false),
        (only(vec![StatusMatch::Class(5)]), 500, true),
        (only(vec![StatusMatch::Status(486)]), 486, true),
        (plans::plan(routes()), 486, true),
        (plans::plan(routes()), 603, false),
    ];
    for (plan, status, moves_on) in cases {
        let mut sim = Sim::always(Settings::default(), plan);
        sim.callee(BOB, Script::refuses(status));
        let carol = sim.callee(CAROL, Script::answers(0));
        call(&mut sim, ms(50));
        assert_eq!(!sim.seen(carol).is_empty(), moves_on, "{status}");
        sim.run_to_end();
    }
}

/// RFC 3261 §16.7 steps 4 and 6
#[test]
fn t5_the_best_of_several_refusals_goes_upstream_and_503_becomes_500() {
    let cases = [
        ([486, 503], 486),
        ([503, 404], 404),
        ([503, 503], 500),
        ([500, 404], 404),
        ([404, 407], 407),
    ];
    for ([first, second], best) in cases {
        let mut sim = Sim::always(Settings::default(), plans::serial(&[TO_BOB, TO_CAROL]));
        sim.callee(BOB, Script::refuses(first));
        sim.callee(CAROL, Script::refuses(second));
        call(&mut sim, ms(50));
        assert_eq!(
            sim.labels(alice()),
            ["100".to_owned(), best.to_string()],
            "{first} {second}"
        );
        sim.run_to_end();
    }
}

#[test]
fn d16_a_decider_is_asked_again_with_what_was_tried() {
    use sigbox_testkit::Verdict;
    let mut sim = Sim::new(Settings::default(), |_, asked| {
        let hop = if asked.attempt == 1 { TO_BOB } else { TO_CAROL };
        let routes = vec![plans::route(hop, 0)];
        let plan = Plan::Route(RoutePlan::new(routes, Failover::Any, true).unwrap());
        Verdict::After(ms(5), Ok(plan))
    });
    sim.callee(BOB, Script::refuses(503));
    sim.callee(CAROL, Script::refuses(486));
    call(&mut sim, ms(200));
    let tried: Vec<_> = sim.asked.iter().map(|asked| asked.tried.clone()).collect();
    assert_eq!(tried, [vec![], vec![503], vec![503, 486]]);
    assert_eq!(sim.labels(alice()), ["100", "486"]);
    sim.run_to_end();
}

/// RFC 3261 §16.9, §17.1.4, §18.4
#[test]
fn t13_a_target_that_cannot_be_sent_to_leads_to_the_next_at_once() {
    let mut sim = Sim::always(Settings::default(), plans::serial(&[TO_BOB, TO_CAROL]));
    let bob = sim.callee(BOB, Script::answers(0));
    sim.unreachable.push(bob);
    let carol = sim.callee(CAROL, Script::answers(0));
    call(&mut sim, ms(50));
    assert_eq!(sim.first(carol, "INVITE").at_ms, 2);
    assert_eq!(sim.count(Counter::BranchSendFailed), 1);
    sim.run_to_end();
}

#[test]
fn a_callee_that_rings_after_its_branch_was_given_up_is_cancelled() {
    let routes = vec![
        plans::timed(TO_BOB, 0, 1_000, 60_000),
        plans::route(TO_CAROL, 1),
    ];
    let mut sim = Sim::always(Settings::default(), plans::plan(routes));
    let bob = sim.callee(BOB, Script::responds(&[(1_500, 180)]));
    sim.callee(CAROL, Script::answers(5_000));
    call(&mut sim, secs(3));
    assert!(
        sim.labels(bob).contains(&"CANCEL".into()),
        "{:?}",
        sim.labels(bob)
    );
    assert_eq!(sim.labels(alice()), ["100", "180"], "only Carol's");
    sim.run_to_end();
}
