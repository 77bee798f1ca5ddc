//! D12: as many transactions are suspended as may be.

use sigbox_core::{Counter, Limits, Settings};
use sigbox_testkit::plans;

use crate::world::*;

#[test]
fn d12_new_ones_fall_back_at_once() {
    let limits = Limits {
        suspended: 3,
        ..Limits::default()
    };
    let mut sim = silent(Settings {
        limits,
        ..falling_back_to(plans::reject(480))
    });
    for number in 0..5 {
        let mut invite = invite();
        invite.branch = format!("z9hG4bK-{number}");
        invite.call_id = format!("c{number}@192.0.2.10");
        sim.send(alice(), invite.text());
    }
    sim.run_for(ms(5));
    assert_eq!(sim.asked.len(), 3);
    assert_eq!(sim.count(Counter::FallbackCapacity), 2);
    assert_eq!(
        sim.labels(alice())
            .iter()
            .filter(|label| *label == "480")
            .count(),
        2
    );
    // The others time out and make room.
    sim.run_for(ms(300));
    assert_eq!(sim.count(Counter::FallbackTimeout), 3);
    let mut late = invite();
    late.branch = "z9hG4bK-late".into();
    sim.send(alice(), late.text());
    sim.run_for(ms(5));
    assert_eq!(sim.asked.len(), 4);
    sim.run_to_end();
}
