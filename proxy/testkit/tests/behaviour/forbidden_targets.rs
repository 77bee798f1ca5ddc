//! P6: where nothing is ever sent.

use std::net::SocketAddr;

use sigbox_core::{Counter, Settings};
use sigbox_testkit::{Script, Sim, plans};

use crate::bare::{Bare, ruled};
use crate::world::*;

#[test]
fn p6_our_address_written_as_ipv6_is_still_ours() {
    let mut sim = Sim::always(
        Settings::default(),
        plans::serial(&["sip:[::ffff:192.0.2.1]", TO_BOB]),
    );
    sim.callee(BOB, Script::answers(0));
    call(&mut sim, ms(50));
    assert_eq!(sim.count(Counter::BranchSelf), 1);
}

#[test]
fn p6_nothing_is_sent_to_multicast_or_broadcast() {
    for target in ["sip:224.0.1.75", "sip:255.255.255.255", "sip:0.0.0.0"] {
        let mut sim = Sim::always(Settings::default(), plans::serial(&[target]));
        call(&mut sim, ms(50));
        let to: SocketAddr = format!("{}:5060", &target[4..]).parse().unwrap();
        assert!(sim.seen(to).is_empty(), "{target}");
    }
}

#[test]
fn p6_bound_to_every_address_it_does_not_send_to_itself() {
    let mut bare = Bare::new(
        ruled(plans::serial(&["sip:127.0.0.1:5060"])),
        "0.0.0.0:5060",
    );
    let sent = bare.receive(alice(), &invite().text());
    assert!(sent.iter().all(|(to, _)| *to == alice()), "{sent:?}");
}
