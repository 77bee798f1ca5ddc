//! Calls as they should go.

use std::time::Duration;

use sigbox_load::{Behaviour, CallerSettings, Scenario};

use crate::wire::{CALLED, CALLER, Fate, Wire, address, calls, one_call};

#[test]
fn a_call_is_set_up_and_ended() {
    let ran = Wire::new(one_call(), &[Behaviour::Answer], 0).run(|_| Fate::Deliver);
    let kinds: Vec<_> = ran.log.iter().map(|sent| sent.kind()).collect();
    assert_eq!(
        kinds,
        [
            "INVITE",
            "180 INVITE",
            "200 INVITE",
            "ACK",
            "BYE",
            "200 BYE"
        ]
    );
    assert_eq!(
        ran.log[0].line("INVITE "),
        "sip:+49300000@127.0.0.1:5080 SIP/2.0"
    );
    assert_eq!(ran.log[4].line("To: "), ran.log[2].line("To: "));
    assert_eq!(
        (ran.caller.calls.completed, ran.caller.calls.disturbed),
        (1, 0)
    );
    assert_eq!((ran.called.established, ran.called.ended), (1, 1));
    let setup = ran.called.latency.setup.unwrap();
    assert!((setup.p50_us - 3_000.0).abs() < 5.0, "{setup:?}");
    let bye = ran.caller.latency.bye.unwrap();
    assert!((bye.p50_us - 2_000.0).abs() < 5.0, "{bye:?}");
}

#[test]
fn many_calls_overlap_and_places_are_used_again() {
    let ran = Wire::new(calls(1_000, 5.0), &[Behaviour::Answer], 0).run(|_| Fate::Deliver);
    assert_eq!(ran.caller.calls.completed, 5_000);
    assert_eq!(ran.caller.calls.disturbed, 0);
    assert_eq!((ran.caller.stray, ran.called.stray), (0, 0));
    assert_eq!(ran.caller.responses["INVITE 200"], 5_000);
    let mut call_ids: Vec<_> = ran
        .of_kind("INVITE")
        .map(|sent| sent.line("Call-ID: "))
        .collect();
    call_ids.sort();
    call_ids.dedup();
    assert_eq!(call_ids.len(), 5_000);
}

#[test]
fn requests_in_the_dialog_follow_record_route() {
    // The proxy nearest to the caller; the one at port 9 is the one nearest to the called.
    let proxy = address(8);
    let ran = Wire::new(one_call(), &[Behaviour::Answer], 0).run(|sent| {
        if sent.to == proxy {
            let other = if sent.from == address(CALLER) {
                CALLED
            } else {
                CALLER
            };
            return Fate::Become(proxy, address(other), sent.bytes.clone());
        }
        let text = sent.text();
        let added = "SIP/2.0\r\nRecord-Route: <sip:127.0.0.1:9;lr>, <sip:127.0.0.1:8;lr>\r\n";
        let text = text.replacen("SIP/2.0\r\n", added, 1);
        if text.starts_with("INVITE") {
            Fate::Become(address(CALLER), address(CALLED), text.into_bytes())
        } else {
            Fate::Deliver
        }
    });
    assert_eq!(ran.caller.calls.completed, 1);
    for kind in ["ACK", "BYE"] {
        let sent = ran.of_kind(kind).next().unwrap();
        assert_eq!(sent.to, proxy, "{}", sent.text());
        assert_eq!(sent.line(&format!("{kind} ")), "sip:127.0.0.1:5080 SIP/2.0");
        let text = sent.text();
        assert!(
            text.contains("Route: <sip:127.0.0.1:8;lr>\r\nRoute: <sip:127.0.0.1:9;lr>\r\n"),
            "{text}"
        );
    }
}

#[test]
fn a_refusal_is_acknowledged_in_its_transaction() {
    let refused = [Behaviour::Refuse(503)];
    let ran = Wire::new(one_call(), &refused, 0).run(|_| Fate::Deliver);
    let (invite, ack) = (
        ran.of_kind("INVITE").next().unwrap(),
        ran.of_kind("ACK").next().unwrap(),
    );
    assert_eq!(ack.line("Via: "), invite.line("Via: "));
    assert_eq!(ack.line("ACK "), invite.line("INVITE "));
    assert_eq!(
        ack.line("To: "),
        ran.of_kind("503 INVITE").next().unwrap().line("To: ")
    );
    assert_eq!(ran.caller.calls.failed, 1);
    assert_eq!(ran.caller.failures["INVITE 503"], 1);
    assert_eq!(
        (ran.called.refused, ran.called.retransmissions_sent),
        (1, 0)
    );

    let expecting = CallerSettings {
        expect: Some(503),
        ..one_call()
    };
    let ran = Wire::new(expecting, &refused, 0).run(|_| Fate::Deliver);
    assert_eq!(
        (ran.caller.calls.completed, ran.caller.calls.disturbed),
        (1, 0)
    );
}

#[test]
fn a_caller_hangs_up_while_it_rings() {
    let settings = CallerSettings {
        cancel_after: Some(Duration::from_millis(300)),
        ..one_call()
    };
    let ran = Wire::new(settings, &[Behaviour::Ring], 0).run(|_| Fate::Deliver);
    let kinds: Vec<_> = ran.log.iter().map(|sent| sent.kind()).collect();
    assert_eq!(
        kinds,
        [
            "INVITE",
            "180 INVITE",
            "CANCEL",
            "200 CANCEL",
            "487 INVITE",
            "ACK"
        ]
    );
    assert_eq!(ran.times("CANCEL"), [300]);
    assert_eq!(
        (ran.caller.calls.completed, ran.caller.calls.disturbed),
        (1, 0)
    );
    assert_eq!(ran.called.cancelled, 1);
}

#[test]
fn a_call_that_rings_is_not_answered_by_a_party_that_answers_others() {
    let settings = CallerSettings {
        cancel_after: Some(Duration::from_millis(300)),
        rings: true,
        ..calls(100, 1.0)
    };
    // 487 comes before the 200 to the CANCEL in every second call.
    let mut cancels = 0;
    let ran = Wire::new(settings, &[Behaviour::Answer], 0).run(|sent| {
        cancels += u32::from(sent.kind() == "200 CANCEL");
        match sent.kind().as_str() {
            "200 CANCEL" if cancels % 2 == 0 => Fate::Delay(Duration::from_millis(5)),
            _ => Fate::Deliver,
        }
    });
    assert_eq!(ran.caller.calls.completed, 100);
    assert_eq!(ran.called.cancelled, 100);
    let endings = ran.caller.endings;
    assert_eq!((endings.cancels, endings.cancelled), (100, 100));
    assert_eq!((endings.byes, endings.ended), (0, 0));
}

#[test]
fn a_rejected_cancel_took_no_effect() {
    let settings = CallerSettings {
        cancel_after: Some(Duration::from_millis(300)),
        ..one_call()
    };
    let ran = Wire::new(settings, &[Behaviour::Ring], 0).run(|sent| {
        if sent.kind() != "200 CANCEL" {
            return Fate::Deliver;
        }
        let text = sent.text().replacen("200 OK", "481 No", 1);
        Fate::Become(sent.from, sent.to, text.into_bytes())
    });
    let endings = ran.caller.endings;
    assert_eq!((endings.cancels, endings.cancelled), (1, 0));
}

#[test]
fn refused_for_now_is_not_failed() {
    let ran = Wire::new(calls(100, 1.0), &[Behaviour::Refuse(503)], 0).run(|sent| {
        if sent.kind() != "503 INVITE" {
            return Fate::Deliver;
        }
        let text = sent.text().replacen("CSeq", "Retry-After: 5\r\nCSeq", 1);
        Fate::Become(sent.from, sent.to, text.into_bytes())
    });
    let calls = ran.caller.calls;
    assert_eq!((calls.refused, calls.failed, calls.completed), (100, 0, 0));
    assert_eq!((calls.disturbed, calls.lost_or_repeated), (100, 100));
    assert_eq!(ran.of_kind("ACK").count(), 100);
    assert!(ran.caller.failures.is_empty());
}

#[test]
fn what_is_done_while_calls_arrive_is_told_from_what_is_done_after() {
    let settings = CallerSettings {
        after: Duration::from_secs(2),
        hold: Duration::from_millis(500),
        ..calls(100, 1.0)
    };
    let ran = Wire::new(settings, &[Behaviour::Answer], 0).run(|_| Fate::Deliver);
    assert_eq!(ran.times("INVITE").first(), Some(&2_000));
    let calls = ran.caller.calls;
    assert_eq!(calls.completed, 100);
    // The last call arrives after 990 ms, and a call takes a little more than 500 ms.
    assert_eq!(calls.completed_while_arriving, 49);
    let endings = ran.caller.endings;
    assert_eq!((endings.byes, endings.ended), (100, 100));
}

#[test]
fn responses_that_nobody_waits_for_are_only_sent() {
    let settings = CallerSettings {
        scenario: Scenario::Response,
        ..calls(100, 1.0)
    };
    let ran = Wire::new(settings, &[Behaviour::Answer], 0).run(|_| Fate::Deliver);
    assert_eq!(ran.of_kind("200 INVITE").count(), 100);
    assert_eq!(ran.log.len(), 100);
    assert_eq!(ran.called.foreign, 100);
    assert_eq!(
        (ran.caller.calls.completed, ran.caller.calls.disturbed),
        (100, 0)
    );
    let branch = |sent: &crate::wire::Sent| sent.line("Via: SIP/2.0/UDP 127.0.0.1:5080;");
    assert_ne!(branch(&ran.log[0]), branch(&ran.log[1]));
}

#[test]
fn cancel_waits_for_a_provisional_response() {
    let settings = CallerSettings {
        cancel_after: Some(Duration::from_millis(300)),
        ..one_call()
    };
    let ran = Wire::new(settings, &[Behaviour::Ring], 0).run(|sent| match sent.kind().as_str() {
        "180 INVITE" => Fate::Delay(Duration::from_millis(400)),
        _ => Fate::Deliver,
    });
    assert_eq!(ran.times("CANCEL"), [402]);
    assert_eq!(ran.caller.calls.completed, 1);
}

#[test]
fn other_requests_are_answered() {
    for (scenario, method) in [
        (Scenario::Register, "REGISTER"),
        (Scenario::Options, "OPTIONS"),
    ] {
        let settings = CallerSettings {
            scenario,
            ..calls(100, 1.0)
        };
        let ran = Wire::new(settings, &[Behaviour::Answer], 0).run(|_| Fate::Deliver);
        assert_eq!(
            (ran.caller.calls.completed, ran.caller.calls.disturbed),
            (100, 0)
        );
        assert_eq!(ran.caller.responses[&format!("{method} 200")], 100);
        assert_eq!(ran.caller.latency.request.unwrap().count, 100);
        assert_eq!(ran.called.requests, 100);
    }
}

#[test]
fn latencies_count_from_when_a_call_was_due() {
    let mut wire = Wire::new(calls(100, 1.0), &[Behaviour::Answer], 0);
    wire.stall(Duration::from_secs(1));
    let ran = wire.run(|_| Fate::Deliver);
    // Every call went out at 1,000 ms, and they were due from 0 to 990 ms.
    assert!(ran.times("INVITE").iter().all(|at| *at == 1_000));
    let latency = ran.caller.latency.invite_to_200.unwrap();
    assert!(
        (latency.max_us / 1_002_000.0 - 1.0).abs() < 0.002,
        "{latency:?}"
    );
    assert!(
        (latency.p50_us / 507_000.0 - 1.0).abs() < 0.02,
        "{latency:?}"
    );
    let lag = ran.caller.latency.generator_lag.unwrap();
    assert!((lag.max_us / 1_000_000.0 - 1.0).abs() < 0.002, "{lag:?}");
}
