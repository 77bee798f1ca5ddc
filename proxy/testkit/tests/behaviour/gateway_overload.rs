//! RFC 7339: a gateway asks for fewer requests, and gets fewer.

use sigbox_core::{Algorithm, Counter, SetDefinition};
use sigbox_testkit::{Request, Script, Sim, field, response_to};

use crate::gateways::*;
use crate::world::*;

fn set(overload_control: bool) -> SetDefinition {
    SetDefinition {
        overload_control,
        ..carriers(Algorithm::Priority)
    }
}

/// A silent first gateway, whose answers the test writes.
fn scene(overload_control: bool) -> Sim {
    let (sim, _) = world(
        set(overload_control),
        [Script::dead(), Script::answers(0), Script::answers(0)],
    );
    sim
}

/// The first gateway refuses its last INVITE, with `params` in our Via.
fn refuse(sim: &mut Sim, status: u16, params: &str) {
    let gateway = GATEWAYS[0].parse().unwrap();
    let invite = sim
        .seen(gateway)
        .iter()
        .rfind(|seen| seen.label() == "INVITE")
        .unwrap();
    let offered = field(&invite.text, "Via").unwrap();
    let answered = offered.replace(";oc;oc-algo=\"loss\"", "") + params;
    let response = response_to(&invite.text, status, "g", gateway);
    sim.send(gateway, response.replace(offered, &answered));
    sim.run_for(ms(10));
}

#[test]
fn it_is_offered_only_by_sets_that_take_part() {
    for takes_part in [true, false] {
        let mut sim = scene(takes_part);
        let invite = call_number(&mut sim, 1, ms(10));
        let gateway = GATEWAYS[0].parse().unwrap();
        let via = |sim: &Sim, label: &str| {
            field(&sim.first(gateway, label).text, "Via")
                .unwrap()
                .to_owned()
        };
        let offered = via(&sim, "INVITE");
        assert_eq!(
            offered.ends_with(";oc;oc-algo=\"loss\""),
            takes_part,
            "{offered}"
        );
        // The CANCEL and the ACK of a failure have the very Via (RFC 3261 §9.1, §17.1.1.3).
        refuse(&mut sim, 180, ";oc=0");
        sim.send(alice(), invite.hop_by_hop("CANCEL", None).text());
        sim.run_for(ms(10));
        assert_eq!(via(&sim, "CANCEL"), offered);
        refuse(&mut sim, 487, "");
        assert_eq!(via(&sim, "ACK"), offered);
        let upstream = &sim.first(alice(), "487").text;
        assert!(!upstream.contains("oc"), "{upstream}");
        end(sim);
    }
}

/// How many of 400 calls reach the first gateway after it asked for that.
fn reached(takes_part: bool, params: &str, uri: &str) -> (usize, u64) {
    let mut sim = scene(takes_part);
    call_number(&mut sim, 0, ms(10));
    refuse(&mut sim, 486, params);
    sim.callee(GATEWAYS[0], Script::refuses(486));
    let gateway = GATEWAYS[0].parse().unwrap();
    let before = invites(&sim, gateway);
    for number in 1..=400 {
        let request = Request::new("INVITE", uri, alice(), &format!("c{number}"));
        sim.send(alice(), request.text());
        sim.run_for(ms(5));
    }
    let reached = invites(&sim, gateway) - before;
    let skipped = sim.count(Counter::GatewaySkippedCongested);
    end(sim);
    (reached, skipped)
}

/// RFC 7339 §4, §5, §6
#[test]
fn a_gateway_that_asks_for_a_loss_gets_that_share_less() {
    let uri = "sip:+4930123@example.com";
    let asked = ";oc=30;oc-algo=\"loss\";oc-validity=10000;oc-seq=1.1";
    let (reached_30, skipped) = reached(true, asked, uri);
    // Five standard deviations around 280.
    assert!((234..=326).contains(&reached_30), "{reached_30}");
    assert_eq!(reached_30 as u64 + skipped, 400);
    assert_eq!(reached(true, ";oc=100;oc-validity=10000", uri).0, 0);
    assert_eq!(reached(true, ";oc=0;oc-validity=10000", uri).0, 400);
    assert_eq!(reached(false, asked, uri).0, 400, "the set takes no part");
    assert_eq!(reached(true, ";oc=100;oc-algo=\"rate\"", uri).0, 400);
    // RFC 7339 §5.10.1
    assert_eq!(
        reached(true, ";oc=100;oc-validity=10000", "urn:service:sos").0,
        400
    );
}

#[test]
fn a_wish_holds_as_long_as_it_says() {
    let mut sim = scene(true);
    call_number(&mut sim, 1, ms(10));
    refuse(&mut sim, 486, ";oc=100;oc-validity=3000");
    sim.callee(GATEWAYS[0], Script::refuses(486));
    let gateway = GATEWAYS[0].parse().unwrap();
    sim.run_for(ms(2_900));
    call_number(&mut sim, 2, ms(50));
    assert_eq!(invites(&sim, gateway), 1);
    sim.run_for(ms(100));
    call_number(&mut sim, 3, ms(50));
    assert_eq!(invites(&sim, gateway), 2);
    assert_eq!(states(&sim), ["active"; 3]);
    end(sim);
}
