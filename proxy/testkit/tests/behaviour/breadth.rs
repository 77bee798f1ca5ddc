//! Max-Breadth: how many branches a request may have at once (RFC 5393 §5.3).

use sigbox_core::{Counter, Failover, Plan, RoutePlan, Settings, StatusMatch};
use sigbox_testkit::{Script, Sim, field, fields, plans};

use crate::world::*;

fn forked(max_breadth: Option<&str>) -> Sim {
    let plan = plans::parallel(&[TO_BOB, TO_CAROL]);
    let mut sim = Sim::always(Settings::default(), plan);
    sim.callee(BOB, Script::responds(&[(0, 180), (1_000, 486)]));
    sim.callee(CAROL, Script::responds(&[(0, 180), (1_000, 486)]));
    let line = max_breadth.map(|value| format!("Max-Breadth: {value}"));
    let invite = line.iter().fold(invite(), |invite, line| invite.with(line));
    sim.send(alice(), invite.text());
    sim
}

fn breadth(sim: &Sim, phone: &str) -> String {
    let text = &sim.first(phone.parse().unwrap(), "INVITE").text;
    assert_eq!(fields(text, "Max-Breadth").count(), 1, "{text}");
    field(text, "Max-Breadth").unwrap().to_owned()
}

#[test]
fn parallel_branches_share_what_came() {
    for (came, shares) in [
        (None, ["30", "30"]),
        (Some("5"), ["3", "2"]),
        (Some("99"), ["30", "30"]),
    ] {
        let mut sim = forked(came);
        sim.run_for(ms(100));
        assert_eq!([BOB, CAROL].map(|phone| breadth(&sim, phone)), shares);
        sim.run_to_end();
    }
}

#[test]
fn a_request_that_may_not_fork_is_forked_in_series() {
    let mut sim = forked(Some("1"));
    sim.run_for(ms(900));
    assert!(sim.seen(CAROL.parse().unwrap()).is_empty(), "Bob's turn");
    sim.run_for(ms(500));
    assert_eq!([BOB, CAROL].map(|phone| breadth(&sim, phone)), ["1", "1"]);
    sim.run_to_end();
}

#[test]
fn without_any_breadth_it_is_440() {
    let mut sim = forked(Some("0"));
    sim.run_for(ms(100));
    assert_eq!(sim.labels(alice()), ["440"]);
    assert_eq!(sim.count(Counter::RejectMaxBreadth), 1);
    assert!(sim.asked.is_empty());
    let mut sim = forked(Some("many"));
    sim.run_for(ms(100));
    assert_eq!(sim.labels(alice()), ["400"]);
}

#[test]
fn within_a_dialog_it_is_passed_on() {
    let mut sim = Sim::always(Settings::default(), plans::serial(&[TO_BOB]));
    let bob = sim.callee(BOB, Script::answers(0));
    let invite = call(&mut sim, ms(100));
    acknowledge(&mut sim, &invite);
    let answer = sim.first(alice(), "200").text.clone();
    let bye = invite.in_dialog("BYE", &answer, 2).with("Max-Breadth: 7");
    sim.send(alice(), bye.text());
    sim.run_for(ms(10));
    assert_eq!(field(&sim.first(bob, "BYE").text, "Max-Breadth"), Some("7"));
    sim.run_to_end();
}

#[test]
fn the_group_is_finished_in_series_whatever_leads_on_from_it() {
    let routes = vec![plans::route(TO_BOB, 0), plans::route(TO_CAROL, 0)];
    let only = Failover::Only(vec![StatusMatch::Status(503)]);
    let plan = Plan::Route(RoutePlan::new(routes, only, false).unwrap());
    let mut sim = Sim::always(Settings::default(), plan);
    sim.callee(BOB, Script::refuses(486));
    sim.callee(CAROL, Script::answers(0));
    let invite = invite().with("Max-Breadth: 1");
    sim.send(alice(), invite.text());
    sim.run_for(ms(100));
    assert_eq!(sim.labels(alice()), ["100", "180", "200"]);
    acknowledge(&mut sim, &invite);
    sim.run_to_end();
}
