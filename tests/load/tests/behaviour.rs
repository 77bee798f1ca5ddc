//! What the two sides do, and what they count, under a virtual clock.

#[path = "behaviour/wire.rs"]
mod wire;

#[path = "behaviour/calls.rs"]
mod calls;
#[path = "behaviour/disorder.rs"]
mod disorder;
#[path = "behaviour/retransmissions.rs"]
mod retransmissions;
