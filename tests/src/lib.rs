//! End-to-end tests: the real binary, real sockets, a real nats-server, SIPp, PostgreSQL.
//!
//! The library is what the tests in `tests/` are written with. It shares no code with the product: [`Message`] reads what
//! is on the wire with its own eyes, [`FakeDecider`] speaks NATS and JSON by hand. Everything binds a free port on
//! 127.0.0.1, is bounded by [`PATIENCE`], and is stopped when dropped.

pub mod artifact;
pub mod call;
pub mod decider;
pub mod gateway;
pub mod http;
pub mod https;
pub mod message;
pub mod metrics;
pub mod nats;
pub mod phone;
pub mod poll;
pub mod postgres;
pub mod process;
pub mod samples;
pub mod sigbox;
pub mod sipp;
pub mod stage;

use std::time::Duration;

pub use artifact::{repository, sample_file};
pub use call::{Call, Dialog};
pub use decider::{Answer, FakeDecider, Query};
pub use gateway::Gateway;
pub use message::Message;
pub use metrics::Metrics;
pub use nats::NatsServer;
pub use phone::Phone;
pub use postgres::Postgres;
pub use process::Process;
pub use sigbox::{Setup, Sigbox};
pub use sipp::{Sipp, SippResult};
pub use stage::Stage;

/// How long anything may take before a test gives up. Generous: it only bounds a failure, it never paces a success.
pub const PATIENCE: Duration = Duration::from_secs(10);
