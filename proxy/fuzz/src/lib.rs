//! What must hold for any bytes a peer or a decider may send.
//!
//! Each function here is one fuzz target: it takes bytes and panics when something does not hold.
//! `tests/` has a test of the same name for each, which runs the committed corpus and some random
//! inputs; `scripts/fuzz` runs the same tests under libFuzzer. See docs/fuzzing.md.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a fuzz target panics"
)]

#[path = "../../wire/tests/wire/ask.rs"]
mod ask;
mod decision;
mod message;
mod name_addr;
mod sequence;
mod stream;
mod uri;
mod via;
mod within;

pub use decision::decision;
pub use message::message;
pub use name_addr::name_addr;
pub use sequence::sequence;
pub use stream::stream;
pub use uri::uri;
pub use via::via;
