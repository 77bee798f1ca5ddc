//! T2: a final response crosses the CANCEL.

use sigbox_core::Settings;
use sigbox_testkit::{Script, Sim, plans};

use crate::world::*;

#[test]
fn t2_the_final_response_is_forwarded_once() {
    for status in [200, 486, 503] {
        let mut sim = Sim::always(Settings::default(), plans::serial(&[TO_BOB]));
        // The answer leaves Bob while the CANCEL is on its way to him.
        let bob = sim.callee(BOB, Script::responds(&[(0, 180), (100, status)]));
        let invite = call(&mut sim, ms(0));
        sim.run_for(ms(101));
        sim.send(alice(), invite.hop_by_hop("CANCEL", None).text());
        sim.run_for(ms(100));
        let upstream = if status == 503 {
            "500".into()
        } else {
            status.to_string()
        };
        let finals: Vec<_> = sim
            .seen(alice())
            .iter()
            .filter(|seen| seen.text.contains("CSeq: 1 INVITE") && seen.status() >= 200)
            .collect();
        assert_eq!(finals.len(), 1, "{status}");
        assert_eq!(finals[0].label(), upstream);
        assert!(
            sim.labels(bob).contains(&"CANCEL".into()),
            "{status}: it did cross"
        );
        if status == 200 {
            acknowledge_to(&mut sim, &invite);
            sim.run_for(ms(10));
            assert_eq!(sim.labels(bob).last().unwrap(), "ACK");
        } else {
            acknowledge_failure(&mut sim, &invite, &upstream);
        }
        sim.run_to_end();
    }
}

fn acknowledge_to(sim: &mut Sim, invite: &sigbox_testkit::Request) {
    let answer = sim
        .seen(alice())
        .iter()
        .find(|seen| seen.text.contains("1 INVITE") && seen.status() == 200);
    let answer = answer.unwrap().text.clone();
    sim.send(alice(), invite.in_dialog("ACK", &answer, 1).text());
}
