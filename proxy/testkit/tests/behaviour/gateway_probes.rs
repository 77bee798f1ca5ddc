//! OPTIONS probes: what goes out, and what their answers do.

use sigbox_core::{Algorithm, Failure, SetDefinition, StatusMatch, Target};
use sigbox_testkit::{Script, field};

use crate::gateways::*;
use crate::world::*;

fn probed() -> SetDefinition {
    SetDefinition {
        probing: probing(),
        ..carriers(Algorithm::Priority)
    }
}

/// RFC 3261 §8.1.1, §11.1
#[test]
fn a_probe_is_an_options_request_like_any() {
    let (mut sim, gateways) = world(probed(), [(); 3].map(|()| Script::answers(0)));
    sim.run_for(secs(5));
    for (gateway, address) in gateways.into_iter().zip(GATEWAYS) {
        assert_eq!(sim.labels(gateway), ["OPTIONS"]);
        let probe = &sim.first(gateway, "OPTIONS").text;
        assert!(probe.starts_with(&format!("OPTIONS sip:{address} SIP/2.0\r\n")));
        let value = |name| field(probe, name).unwrap();
        assert!(value("Via").starts_with("SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK"));
        assert!(value("From").starts_with("<sip:probe@192.0.2.1:5060>;tag="));
        assert_eq!(value("To"), format!("<sip:{address}>"));
        assert_eq!(value("CSeq"), "1 OPTIONS");
        assert_eq!(value("Max-Forwards"), "70");
        assert_eq!(value("User-Agent"), "sigbox");
        assert_eq!(value("Accept"), "application/sdp");
        assert_eq!(value("Content-Length"), "0");
    }
    let ids: std::collections::BTreeSet<_> = gateways
        .iter()
        .map(|gateway| {
            field(&sim.first(*gateway, "OPTIONS").text, "Call-ID")
                .unwrap()
                .to_owned()
        })
        .collect();
    assert_eq!(ids.len(), 3);
    assert_eq!(states(&sim), ["active"; 3]);
    assert!(gateway(&sim, 1).latency().is_some());
    assert_eq!(sim.core.live(), 0, "a probe is no transaction of anybody");
    end(sim);
}

#[test]
fn probes_keep_their_interval_with_a_tenth_of_jitter() {
    let (mut sim, gateways) = world(probed(), [(); 3].map(|()| Script::answers(0)));
    sim.run_for(secs(200));
    for gateway in gateways {
        let times: Vec<_> = sim.seen(gateway).iter().map(|seen| seen.at_ms).collect();
        assert!(times[0] <= 1_001, "the first after {} ms", times[0]);
        let gaps: Vec<_> = times.windows(2).map(|pair| pair[1] - pair[0]).collect();
        assert!(
            gaps.iter().all(|gap| (8_998..=11_002).contains(gap)),
            "{gaps:?}"
        );
        assert!(gaps.iter().any(|gap| gap != &gaps[0]), "no jitter");
    }
    end(sim);
}

#[test]
fn a_gateway_that_does_not_answer_is_down_in_time_and_up_again() {
    let set = SetDefinition {
        inactive_after: 3,
        active_after: 2,
        ..probed()
    };
    let (mut sim, gateways) = world(
        set,
        [Script::dead(), Script::answers(0), Script::answers(0)],
    );
    // Three probes, eleven seconds apart at most, the first within a second, and two seconds each.
    sim.run_for(secs(1 + 11 + 11 + 2));
    assert_eq!(states(&sim), ["inactive", "active", "active"]);
    let whole: Vec<_> = sim
        .changes
        .iter()
        .map(|line| line.split_once(' ').unwrap().1)
        .collect();
    assert_eq!(
        whole,
        [
            "carriers/gw1 active>trying timeout",
            "carriers/gw1 trying>inactive timeout"
        ]
    );
    assert_eq!(gateway(&sim, 1).failures(Failure::Timeout, true), 3);
    // UDP: each was sent again after 0.5 and 1.5 s.
    assert_eq!(sim.seen(gateways[0]).len(), 9);
    call_number(&mut sim, 1, ms(50));
    assert_eq!(invites(&sim, gateways[1]), 1);

    sim.callee(GATEWAYS[0], Script::answers(0));
    sim.run_for(secs(11));
    assert_eq!(states(&sim)[0], "inactive", "one answer is not enough");
    sim.run_for(secs(11));
    assert_eq!(states(&sim)[0], "active");
    assert!(sim.changes[2].ends_with("carriers/gw1 inactive>active answered"));
    call_number(&mut sim, 2, ms(50));
    assert_eq!(invites(&sim, gateways[0]), 1);
    end(sim);
}

#[test]
fn which_answers_count_can_be_said() {
    let mut set = probed();
    set.inactive_after = 1;
    if let Some(probing) = &mut set.probing {
        probing.accept = vec![StatusMatch::Status(404)];
        probing.from = Some(Target::parse("sip:monitor@example.net").unwrap());
    }
    let (mut sim, gateways) = world(set, [(); 3].map(|()| Script::answers(0)));
    sim.run_for(secs(2));
    assert_eq!(states(&sim), ["inactive"; 3], "they answer 200");
    let probe = &sim.first(gateways[0], "OPTIONS").text;
    assert!(
        field(probe, "From")
            .unwrap()
            .starts_with("<sip:monitor@example.net>;tag=")
    );
    assert!(sim.changes[0].ends_with("active>inactive status"));
    end(sim);
}

#[test]
fn a_gateway_with_a_name_is_looked_up_for_each_probe() {
    let mut set = probed();
    set.inactive_after = 1;
    set.gateways[0].uri = Target::parse("sip:gw.example.net").unwrap();
    set.gateways[1].uri = Target::parse("sip:nowhere.invalid").unwrap();
    let (mut sim, gateways) = world(set, [(); 3].map(|()| Script::answers(0)));
    let addresses = ["2001:db8::1", "192.0.2.51"].map(|ip| ip.parse().unwrap());
    sim.names
        .insert("gw.example.net".into(), addresses.to_vec());
    sim.run_for(secs(2));
    assert_eq!(sim.labels(gateways[0]), ["OPTIONS"]);
    assert_eq!(states(&sim), ["active", "inactive", "active"]);
    assert!(sim.changes[0].ends_with("active>inactive unresolved"));
    end(sim);
}

#[test]
fn what_cannot_be_sent_fails_the_probe_at_once() {
    let mut set = probed();
    set.inactive_after = 1;
    let (mut sim, gateways) = world(set, [(); 3].map(|()| Script::answers(0)));
    sim.unreachable.push(gateways[1]);
    sim.run_for(secs(2));
    assert_eq!(states(&sim), ["active", "inactive", "active"]);
    assert!(sim.changes[0].ends_with("active>inactive unreachable"));
    end(sim);
}

#[test]
fn a_gateway_that_is_switched_off_is_not_probed() {
    let mut set = probed();
    set.gateways[2].enabled = false;
    let (mut sim, gateways) = world(set, [(); 3].map(|()| Script::answers(0)));
    gateway(&sim, 1).set_enabled(false, sim.now());
    sim.run_for(secs(30));
    assert!(sim.seen(gateways[0]).is_empty());
    assert!(!sim.seen(gateways[1]).is_empty());
    assert!(sim.seen(gateways[2]).is_empty());
    assert_eq!(states(&sim), ["disabled", "active", "disabled"]);
    end(sim);
}

#[test]
fn a_proxy_that_drains_stops_probing_and_waits_for_no_probe() {
    let (mut sim, gateways) = world(probed(), [(); 3].map(|()| Script::dead()));
    sim.run_for(secs(2));
    assert!(!sim.core.is_empty());
    sim.input(sigbox_core::Input::Drain);
    assert!(sim.core.is_empty());
    let before = sim.seen(gateways[0]).len();
    sim.run_for(secs(60));
    assert_eq!(sim.seen(gateways[0]).len(), before);
    sim.run_to_end();
}
