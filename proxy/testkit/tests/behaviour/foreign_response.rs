//! T8: responses that belong to no branch of ours.

use sigbox_core::{Counter, Settings};
use sigbox_testkit::{Script, Sim, field, plans, response_to};

use crate::world::*;

/// RFC 3261 §16.7 step 1, §17.1.3, §18.1.2, RFC 6026 §7.3
#[test]
fn t8_they_are_dropped_and_counted() {
    let mut sim = Sim::always(Settings::default(), plans::serial(&[TO_BOB]));
    let bob = sim.callee(BOB, Script::dead());
    call(&mut sim, ms(50));
    let good = response_to(&sim.first(bob, "INVITE").text, 200, "b", bob);
    let own_via = format!("Via: {}\r\n", field(&good, "Via").unwrap());
    let callers_via = good
        .split("\r\n")
        .filter(|line| line.starts_with("Via: "))
        .nth(1)
        .unwrap();
    let forged = [
        (
            own_via.replace("z9hG4bKsb00", "z9hG4bKsb0f"),
            Counter::DropForeignBranch,
        ),
        (
            own_via.replace("z9hG4bKsb00", "z9hG4bKxx00"),
            Counter::DropForeignBranch,
        ),
    ];
    for (number, (via, counter)) in (1..).zip(forged) {
        sim.send(bob, good.replace(&own_via, &via));
        sim.run_for(ms(5));
        assert_eq!(sim.count(counter), number, "{via}");
    }
    let changed = [
        (
            "CSeq: 1 INVITE",
            "CSeq: 9 INVITE",
            Counter::DropCseqMismatch,
            1,
        ),
        (
            "CSeq: 1 INVITE",
            "CSeq: 1 BYE",
            Counter::DropCseqMismatch,
            2,
        ),
        (
            "SIP/2.0 200",
            "SIP/2.0 4294967301",
            Counter::DropMalformed,
            1,
        ),
        (callers_via, "X-Was: a Via", Counter::DropViaCount, 1),
    ];
    for (from, to, counter, count) in changed {
        sim.send(bob, good.replace(from, to));
        sim.run_for(ms(5));
        assert_eq!(sim.count(counter), count, "{to}");
    }
    assert_eq!(sim.labels(alice()), ["100"]);
    sim.send(bob, good);
    sim.run_for(ms(5));
    assert_eq!(sim.labels(alice()), ["100", "200"]);
    sim.run_to_end();
}
