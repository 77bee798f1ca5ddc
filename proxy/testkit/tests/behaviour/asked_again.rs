//! D16, D17: a second plan takes over; the branches of the first stay what they were.

use std::time::Duration;

use sigbox_core::{Failover, HeaderEdits, Party, Plan, Route, RoutePlan, Settings, Target};
use sigbox_testkit::{Asked, Script, Sim, Verdict, field, plans};

use crate::world::*;

fn requery(routes: Vec<Route>) -> Plan {
    Plan::Route(RoutePlan::new(routes, Failover::Any, true).unwrap())
}

fn to_uri(uri: &str) -> Route {
    Route {
        uri: Some(Target::parse(uri).unwrap()),
        ..Route::default()
    }
}

fn ack_after(second: Plan) -> String {
    let mut sim = Sim::new(Settings::default(), move |_, asked: &Asked| {
        let plan = if asked.attempt == 1 {
            requery(vec![Route {
                fr_inv_timer: Some(secs(2)),
                ..to_uri("sip:first@192.0.2.20")
            }])
        } else {
            second.clone()
        };
        Verdict::After(Duration::ZERO, Ok(plan))
    });
    let bob = sim.callee(BOB, Script::rings());
    sim.callee(CAROL, Script::rings());
    call(&mut sim, secs(4));
    assert_eq!(sim.labels(bob), ["INVITE", "CANCEL", "ACK"]);
    sim.first(bob, "ACK")
        .text
        .lines()
        .next()
        .unwrap()
        .to_owned()
}

#[test]
fn d16_the_ack_of_an_earlier_plans_branch_names_its_own_uri() {
    let line = ack_after(plans::plan(vec![to_uri("sip:second@192.0.2.30")]));
    assert_eq!(line, "ACK sip:first@192.0.2.20 SIP/2.0");
}

#[test]
fn d16_so_it_does_when_the_second_answer_is_a_rejection() {
    let line = ack_after(plans::reject(404));
    assert_eq!(line, "ACK sip:first@192.0.2.20 SIP/2.0");
}

#[test]
fn d17_a_late_2xx_of_an_earlier_plan_is_turned_back_by_that_plan() {
    let mut sim = Sim::new(Settings::default(), |_, asked: &Asked| {
        let plan = if asked.attempt == 1 {
            let mut edits = HeaderEdits::new();
            edits
                .from(Party {
                    display: Some("Hidden".into()),
                    uri: Some("sip:anonymous@anonymous.invalid".into()),
                })
                .unwrap();
            requery(vec![Route {
                edits: Some(Box::new(edits)),
                ..plans::timed(TO_BOB, 0, 1_000, 60_000)
            }])
        } else {
            plans::serial(&[TO_CAROL])
        };
        Verdict::After(Duration::ZERO, Ok(plan))
    });
    sim.callee(BOB, Script::responds(&[(1_500, 200)]));
    sim.callee(CAROL, Script::rings());
    let invite = call(&mut sim, secs(3));
    let answer = &sim.first(alice(), "200").text;
    assert_eq!(field(answer, "From"), Some(&*invite.from));
}

#[test]
fn a_6xx_is_not_followed_by_another_query() {
    let mut sim = Sim::new(Settings::default(), |_, asked: &Asked| {
        let hop = if asked.attempt == 1 { TO_BOB } else { TO_CAROL };
        Verdict::After(Duration::ZERO, Ok(requery(vec![plans::route(hop, 0)])))
    });
    sim.callee(BOB, Script::refuses(603));
    let carol = sim.callee(CAROL, Script::answers(0));
    call(&mut sim, ms(50));
    assert_eq!(sim.asked.len(), 1);
    assert!(sim.seen(carol).is_empty());
    assert_eq!(sim.labels(alice()), ["100", "603"]);
    sim.run_to_end();
}
