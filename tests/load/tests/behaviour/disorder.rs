//! 180 after 200 is seen, and counted once per call.

use std::time::Duration;

use sigbox_load::Behaviour;

use crate::wire::{Fate, Wire, calls};

fn delayed_ringing(delay: Duration) -> crate::wire::Ran {
    let mut rung = 0;
    Wire::new(calls(1_000, 1.0), &[Behaviour::Answer], 0).run(|sent| {
        if sent.kind() != "180 INVITE" {
            return Fate::Deliver;
        }
        rung += 1;
        if rung % 4 == 0 {
            Fate::Delay(delay)
        } else {
            Fate::Deliver
        }
    })
}

#[test]
fn a_180_just_after_its_200_is_out_of_order() {
    let calls = delayed_ringing(Duration::from_micros(500)).caller.calls;
    assert_eq!((calls.completed, calls.reordered), (1_000, 250));
    assert_eq!((calls.disturbed, calls.lost_or_repeated), (250, 0));
}

#[test]
fn a_180_after_the_end_of_the_call_is_out_of_order_too() {
    let ran = delayed_ringing(Duration::from_millis(40));
    assert_eq!(ran.caller.calls.reordered, 250);
    assert_eq!(ran.caller.stray, 0);
}

#[test]
fn in_order_is_not_disturbed() {
    let calls = delayed_ringing(Duration::ZERO).caller.calls;
    assert_eq!((calls.reordered, calls.disturbed), (0, 0));
}

#[test]
fn a_repeated_and_reordered_call_counts_once() {
    let mut first = true;
    let ran = Wire::new(calls(1_000, 0.001), &[Behaviour::Answer], 0).run(|sent| {
        match sent.kind().as_str() {
            "180 INVITE" => Fate::Delay(Duration::from_millis(5)),
            "BYE" if std::mem::take(&mut first) => Fate::Lose,
            _ => Fate::Deliver,
        }
    });
    let calls = ran.caller.calls;
    assert_eq!(
        (calls.disturbed, calls.lost_or_repeated, calls.reordered),
        (1, 1, 1)
    );
}
