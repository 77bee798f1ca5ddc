//! A simulated network, virtual clock and scripted phones around sigbox-core.
//!
//! A [`Sim`] owns one [`Core`](sigbox_core::Core) and everything around it: a clock that jumps from
//! event to event, a network between addresses ([`Network`] delays, loses, duplicates, reorders),
//! phones that play a [`Script`], and a decider that is a closure. Nothing is real, so a
//! 32-second timer takes microseconds, and the same seed gives the same run.
//!
//! After every step the rules that no run may break are checked; see [`Invariants`].

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test harness panics"
)]

mod decider;
mod invariants;
mod network;
mod phone;
mod replay;
mod sim;
mod soak;
mod text;

pub use decider::{Asked, Verdict, plans};
pub use invariants::Invariants;
pub use network::{Network, Partition};
pub use phone::{Callee, Script};
pub use replay::{Replay, Step};
pub use sim::{Seen, Sim};
pub use soak::World;
pub use text::{Request, field, fields, response_to};
