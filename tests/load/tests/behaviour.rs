//! What the two sides do, and what they count, under a virtual clock.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot go on has failed"
)]

#[path = "behaviour/wire.rs"]
mod wire;

#[path = "behaviour/calls.rs"]
mod calls;
#[path = "behaviour/disorder.rs"]
mod disorder;
#[path = "behaviour/retransmissions.rs"]
mod retransmissions;
