//! What is lost is sent again, at the intervals of RFC 3261, and counted.

use std::time::Duration;

use sigbox_load::{Behaviour, CallerSettings, Scenario};

use crate::wire::{Fate, Wire, calls, one_call};

#[test]
fn an_invite_is_repeated_with_doubling_intervals_and_given_up() {
    let ran = Wire::new(one_call(), &[Behaviour::Silent], 0).run(|_| Fate::Deliver);
    assert_eq!(
        ran.times("INVITE"),
        [0, 500, 1_500, 3_500, 7_500, 15_500, 31_500]
    );
    assert_eq!(ran.caller.calls.failed, 1);
    assert_eq!(ran.caller.failures["INVITE timeout"], 1);
    assert_eq!(ran.caller.retransmissions_sent["INVITE"], 6);
    assert_eq!(ran.called.retransmissions_seen["INVITE"], 6);
    assert!(
        (ran.caller.took_s - 32.05).abs() < 0.001,
        "{}",
        ran.caller.took_s
    );
}

#[test]
fn a_provisional_response_stops_the_invite() {
    let settings = CallerSettings {
        wait: Duration::from_secs(5),
        ..one_call()
    };
    let ran = Wire::new(settings, &[Behaviour::Ring], 0).run(|_| Fate::Deliver);
    assert_eq!(ran.times("INVITE"), [0]);
    let calls = ran.caller.calls;
    assert_eq!(
        (calls.unfinished, calls.disturbed, calls.lost_or_repeated),
        (1, 1, 1)
    );
}

#[test]
fn a_200_is_repeated_until_the_ack() {
    let mut acks = 0;
    let ran =
        Wire::new(one_call(), &[Behaviour::Answer], 0).run(|sent| match sent.kind().as_str() {
            "ACK" if acks < 3 => {
                acks += 1;
                Fate::Lose
            }
            // The caller is to stay until then.
            "200 BYE" => Fate::Delay(Duration::from_secs(4)),
            _ => Fate::Deliver,
        });
    assert_eq!(ran.times("200 INVITE"), [1, 501, 1_501, 3_501]);
    assert_eq!(ran.times("ACK"), [2, 502, 1_502, 3_502]);
    assert_eq!(ran.caller.retransmissions_seen, 3);
    assert_eq!(ran.called.retransmissions_sent, 3);
    assert_eq!((ran.called.established, ran.called.bye_before_ack), (1, 1));
    assert_eq!(ran.caller.calls.disturbed, 1);
}

#[test]
fn a_bye_is_repeated_up_to_t2() {
    let ran =
        Wire::new(one_call(), &[Behaviour::Answer], 0).run(|sent| match sent.kind().as_str() {
            "BYE" => Fate::Lose,
            _ => Fate::Deliver,
        });
    let times = ran.times("BYE");
    let gaps: Vec<_> = times.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert_eq!(
        gaps,
        [
            500, 1_000, 2_000, 4_000, 4_000, 4_000, 4_000, 4_000, 4_000, 4_000
        ]
    );
    assert_eq!(ran.caller.failures["BYE timeout"], 1);
}

#[test]
fn a_register_is_repeated_even_after_a_provisional_response() {
    let settings = CallerSettings {
        scenario: Scenario::Register,
        ..one_call()
    };
    let ran = Wire::new(settings, &[Behaviour::Answer], 0).run(|sent| {
        let text = sent.text();
        match text.strip_prefix("SIP/2.0 200 OK") {
            Some(rest) => {
                let trying = format!("SIP/2.0 100 Trying{rest}").into_bytes();
                Fate::Become(sent.from, sent.to, trying)
            }
            None => Fate::Deliver,
        }
    });
    assert_eq!(ran.times("REGISTER").len(), 11);
    assert_eq!(ran.caller.failures["REGISTER timeout"], 1);
}

#[test]
fn each_first_copy_dropped_costs_one_retransmission() {
    let settings = CallerSettings {
        hold: Duration::from_secs(1),
        ..calls(1_000, 2.0)
    };
    let ran = Wire::new(settings, &[Behaviour::Answer], 10).run(|_| Fate::Deliver);
    assert_eq!(
        (ran.caller.calls.completed, ran.caller.calls.failed),
        (2_000, 0)
    );
    assert_eq!(ran.called.dropped, 600);
    assert_eq!(ran.caller.retransmissions_sent["INVITE"], 200);
    assert_eq!(ran.called.retransmissions_seen["INVITE"], 200);
    assert_eq!(ran.caller.retransmissions_sent["BYE"], 200);
    assert_eq!(ran.called.retransmissions_seen["BYE"], 200);
    // A dropped ACK shows as a 200 that comes again.
    assert_eq!(ran.caller.retransmissions_seen, 200);
    assert_eq!(ran.called.retransmissions_sent, 200);
    assert_eq!(ran.called.bye_before_ack, 0);
    let calls = ran.caller.calls;
    assert_eq!(calls.disturbed, calls.lost_or_repeated);
    assert!((200..=600).contains(&calls.disturbed), "{calls:?}");
}
