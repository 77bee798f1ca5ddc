//! A load generator for SIP proxies: callers (UAC) and called (UAS), UDP on loopback.
//!
//! Calls arrive in an open loop: their times are fixed before the run, and every latency counts from the time at which
//! the request was due, so that a stalled proxy cannot hide by stalling its caller (coordinated omission).
//!
//! The two parties are state machines without I/O ([`Caller`], [`Answerer`]): datagrams and the time go in, datagrams go
//! out into an [`Outbox`] per socket. [`drive`] runs one of them, or both on one thread, over real sockets, with batched
//! system calls and one wake-up for whatever is due or has come; the tests run both under a virtual clock.

mod answerer;
mod arrivals;
mod behaviour;
mod both;
mod call_key;
mod caller;
mod clock;
mod cost;
mod dialog;
mod drive;
mod latency;
mod limits;
mod load;
mod message;
mod outbox;
mod report;
mod schedule;
mod signals;
mod socket;
mod summary;
mod template;

pub use answerer::{Answerer, AnswererSettings};
pub use behaviour::{Behaviour, Listener, ListenerError};
pub use caller::{Caller, CallerSettings, Scenario};
pub use clock::Moment;
pub use drive::{Party, Stop, drive};
pub use limits::{Limits, Plan, PlanError};
pub use load::{Answering, Calling, Load};
pub use outbox::Outbox;
pub use report::{AnswererReport, CallerReport, Calls, Endings, Report};
pub use signals::stop_on_signals;
pub use socket::{LoopbackError, LoopbackSocket};
