//! D4: answers nobody waits for.

use sigbox_core::{Counter, Failover, Input, Plan, RoutePlan, Settings, Token, TransactionKey};
use sigbox_testkit::{Script, Sim, Verdict, plans};

use crate::world::*;

#[test]
fn d4_the_first_answer_wins_and_the_rest_are_counted() {
    let mut sim = Sim::always(Settings::default(), plans::serial(&[TO_BOB]));
    let bob = sim.callee(BOB, Script::answers(100));
    call(&mut sim, ms(10));
    let token = sim.asked[0].token;
    sim.input(Input::Decision {
        token,
        answer: Ok(plans::serial(&[TO_CAROL])),
    });
    sim.run_for(ms(50));
    assert_eq!(sim.count(Counter::AnswerDuplicate), 1);
    assert_eq!(sim.labels(bob), ["INVITE"]);
    assert!(sim.seen(CAROL.parse().unwrap()).is_empty());
    sim.run_to_end();
}

#[test]
fn d4_unknown_finished_and_reused_transactions_ignore_answers() {
    let mut sim = Sim::always(Settings::default(), plans::serial(&[TO_BOB]));
    sim.callee(BOB, Script::answers(0));
    call(&mut sim, ms(50));
    let token = sim.asked[0].token;
    let unknown = Token {
        key: TransactionKey::from_bits(0x7_0000_0063),
        attempt: 1,
    };
    for token in [
        unknown,
        token,
        Token {
            attempt: 2,
            ..token
        },
    ] {
        sim.input(Input::Decision {
            token,
            answer: Ok(plans::serial(&[TO_CAROL])),
        });
    }
    assert_eq!(
        sim.count(Counter::AnswerLate) + sim.count(Counter::AnswerDuplicate),
        3
    );
    sim.run_to_end();

    // The slot is in use again, by another generation.
    let mut again = invite();
    again.branch = "z9hG4bK-second".into();
    sim.send(alice(), again.text());
    sim.run_for(ms(50));
    sim.input(Input::Decision {
        token,
        answer: Ok(plans::serial(&[TO_CAROL])),
    });
    sim.run_for(ms(50));
    assert!(sim.seen(CAROL.parse().unwrap()).is_empty());
    sim.run_to_end();
}

#[test]
fn d4_an_answer_to_an_earlier_attempt_decides_nothing() {
    let mut sim = Sim::new(Settings::default(), |_, asked| match asked.attempt {
        1 => {
            let routes = vec![plans::route(TO_BOB, 0)];
            let plan = Plan::Route(RoutePlan::new(routes, Failover::Any, true).unwrap());
            Verdict::After(ms(1), Ok(plan))
        }
        _ => Verdict::Silent,
    });
    sim.callee(BOB, Script::refuses(503));
    call(&mut sim, ms(20));
    assert_eq!(sim.asked.len(), 2);
    let token = sim.asked[0].token;
    let answer = Ok(plans::serial(&[TO_CAROL]));
    sim.input(Input::Decision { token, answer });
    sim.run_for(ms(20));
    assert!(sim.seen(CAROL.parse().unwrap()).is_empty());
    assert_eq!(sim.count(Counter::AnswerLate), 1);
    sim.run_to_end();
}
