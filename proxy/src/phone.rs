//! Scripted phones: `sigbox call` and the demo's callers and callees.
//!
//! A phone is a state machine without a socket or a clock ([`Caller`], [`Callee`]; the trait
//! [`Agent`]), run over UDP by [`run`] on an [`Endpoint`], which writes every message into a
//! [`Trace`] that all phones share. A [`Ladder`] is drawn from the trace, with a lane for the
//! decider from the events that sigbox publishes on NATS.

pub mod agent;
pub mod callee;
pub mod caller;
pub mod compose;
pub mod dialog;
pub mod endpoint;
pub mod events;
pub mod ladder;
pub mod resend;
pub mod terminal;
pub mod trace;
pub mod wrap;

pub use agent::{Agent, run};
pub use callee::{Callee, CalleeScript, Then};
pub use caller::{Answer, CallReport, CallScript, Caller, Cancel, Ending};
pub use endpoint::Endpoint;
pub use events::Listener;
pub use ladder::Ladder;
pub use terminal::Terminal;
pub use trace::Trace;
