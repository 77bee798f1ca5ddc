//! Calls with random deciders, phones and networks: none hangs, leaks or rings on.

use std::net::SocketAddr;

use sigbox_core::{Failover, HeaderEdits, Party, Plan, RoutePlan};
use sigbox_testkit::{Request, Script, Sim, Verdict, plans};

use crate::world::*;

#[test]
fn t7_every_call_ends_and_nobody_rings_on() {
    let phones = ["192.0.2.20", "192.0.2.30", "192.0.2.40", "192.0.2.50"];
    for seed in 0..2_000_u64 {
        let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        let mut draw = move |bound: u64| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 11) % bound
        };
        let mut settings = falling_back_to(if draw(2) == 0 {
            plans::serial(&["sip:192.0.2.40", "sip:192.0.2.50"])
        } else {
            plans::reject(480)
        });
        settings.decision.max_attempts = 1 + draw(4) as u8;
        settings.timers.trying = ms(draw(2) * 150);
        settings.limits.suspended = if draw(10) == 0 { 0 } else { 100 };
        let pick = draw(u64::MAX);
        let mut inner = pick | 1;
        let mut sim = Sim::new(settings, move |_, _| {
            let mut draw = |bound: u64| {
                inner ^= inner << 13;
                inner ^= inner >> 7;
                inner ^= inner << 17;
                (inner >> 11) % bound
            };
            let count = 1 + draw(4);
            let routes = (0..count)
                .map(|_| {
                    let hop = match draw(8) {
                        0 => "sip:nowhere.invalid".to_owned(),
                        1 => "sip:gw.example.net".to_owned(),
                        2 => "sip:192.0.2.1".to_owned(),
                        _ => format!("sip:{}", phones[draw(4) as usize]),
                    };
                    let mut route =
                        plans::timed(&hop, draw(3) as u16, 1 + draw(3_000), 1 + draw(5_000));
                    if draw(4) == 0 {
                        let mut edits = HeaderEdits::new();
                        edits
                            .from(Party {
                                display: None,
                                uri: Some("sip:x@y.invalid".into()),
                            })
                            .unwrap();
                        route.edits = Some(Box::new(edits));
                    }
                    route
                })
                .collect();
            let plan = match draw(6) {
                0 => Plan::Pass,
                1 => plans::reject(403),
                _ => Plan::Route(RoutePlan::new(routes, Failover::Any, draw(2) == 0).unwrap()),
            };
            match draw(8) {
                0 => Verdict::Silent,
                1 => Verdict::Extend(ms(draw(300)), ms(draw(2_000)), Ok(plan)),
                2 => Verdict::After(ms(1), Err(sigbox_core::FallbackCause::Invalid)),
                _ => Verdict::After(ms(draw(300)), Ok(plan)),
            }
        });
        sim.network.seed = seed;
        sim.network.jitter = ms(draw(3) * 300);
        sim.network.loss = draw(3) * 10;
        sim.network.duplication = draw(2) * 20;
        sim.names
            .insert("gw.example.net".into(), vec!["192.0.2.50".parse().unwrap()]);
        for phone in phones {
            let address = format!("{phone}:5060");
            let late = draw(6_000);
            let script = match draw(8) {
                0 => Script::dead(),
                1 => Script::rings(),
                2 => Script::answers(late),
                3 => Script::refuses([302, 404, 486, 503, 603][draw(5) as usize]),
                4 => Script::responds(&[(late, 180), (late + draw(3_000), 200)]),
                5 => Script {
                    cancellable: false,
                    ..Script::rings()
                },
                6 => Script::responds(&[(0, 100), (late, 486)]),
                _ => Script::responds(&[(late, 200)]),
            };
            sim.callee(&address, script);
            if draw(12) == 0 {
                sim.unreachable.push(address.parse().unwrap());
            }
        }
        let method = ["INVITE", "INVITE", "INVITE", "MESSAGE"][draw(4) as usize];
        let request = Request::new(method, "sip:+4930123@192.0.2.40", alice(), "c1");
        let hang_up = draw(3) == 0;
        let at = draw(8_000);
        sim.send(alice(), request.text());
        let steps = 40;
        for step in 0..steps {
            sim.run_for(ms(200));
            if hang_up && step * 200 >= at && method == "INVITE" && step % 5 == 0 {
                sim.send(alice(), request.hop_by_hop("CANCEL", None).text());
            }
            if draw(4) == 0 && !sim.seen(alice()).iter().any(|seen| seen.status() >= 200) {
                sim.send(alice(), request.text());
            }
            let last = sim
                .seen(alice())
                .iter()
                .filter(|seen| seen.status() >= 200 && seen.text.contains("1 INVITE"))
                .map(|seen| seen.text.clone())
                .next_back();
            if let Some(answer) = last
                && draw(3) == 0
            {
                let ack = if answer.starts_with("SIP/2.0 2") {
                    request.in_dialog("ACK", &answer, 1)
                } else {
                    request.hop_by_hop("ACK", Some(&answer))
                };
                sim.send(alice(), ack.text());
            }
        }
        let heard = sim.now();
        sim.run_for(secs(2_000));
        let finals = sim
            .seen(alice())
            .iter()
            .filter(|seen| seen.status() >= 200 && seen.text.contains(&format!("1 {method}")))
            .count();
        assert_eq!(sim.core.len(), 0, "seed {seed} left at {heard:?}");
        assert!(
            finals > 0 || method == "MESSAGE" || sim.network.loss > 0,
            "seed {seed} no final: {:?}",
            sim.labels(alice())
        );
        // Nobody rings on after the end.
        if sim.network.loss == 0 && method == "INVITE" {
            let answered = sim
                .seen(alice())
                .iter()
                .find(|seen| seen.status() / 100 == 2 && seen.text.contains("1 INVITE"));
            if let Some(answered) = answered {
                for phone in phones {
                    let address: SocketAddr = format!("{phone}:5060").parse().unwrap();
                    let late = sim.seen(address).iter().filter(|seen| {
                        seen.label() == "CANCEL" && seen.at_ms > answered.at_ms + 60_000
                    });
                    assert_eq!(late.count(), 0, "seed {seed} {phone}");
                }
            }
        }
    }
}
