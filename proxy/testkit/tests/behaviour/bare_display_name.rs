//! RFC 4475 §3.1.2.15: a display name that needs quotes and has none.

use sigbox_core::Settings;
use sigbox_testkit::{Script, Sim, field, plans};

use crate::world::*;

#[test]
fn p1_a_display_name_that_lacks_its_quotes_goes_on_with_them() {
    let mut sim = Sim::always(Settings::default(), plans::serial(&[TO_BOB]));
    let bob = sim.callee(BOB, Script::answers(10));
    let mut invite = invite();
    invite.from = "Bell, A\\G <sip:alice@example.com>;tag=a".into();
    invite.to = "T. Watson <sip:+4930123@example.com>".into();
    sim.send(alice(), invite.text());
    sim.run_for(ms(50));
    let heard = sim.first(bob, "INVITE").text.clone();
    assert_eq!(
        field(&heard, "From"),
        Some("\"Bell, A\\\\G\" <sip:alice@example.com>;tag=a")
    );
    // A name of tokens stays as it is.
    assert_eq!(
        field(&heard, "To"),
        Some("T. Watson <sip:+4930123@example.com>")
    );
    acknowledge(&mut sim, &invite);
    sim.run_for(ms(10));
    let ack = &sim.first(bob, "ACK").text;
    assert_eq!(field(ack, "From"), field(&heard, "From"));
    sim.run_to_end();
}
