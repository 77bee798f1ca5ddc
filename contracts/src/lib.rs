//! What sigbox and deciders say to each other: the [`Query`] a proxy publishes, the [`Decision`] a decider
//! answers with, the [`Event`]s and new [`Data`] the proxy announces, and the NATS subjects and headers they travel on.
//!
//! Every document is JSON. Readers ignore fields they do not know, writers never send `null`, so adding a field
//! is a minor change ([`VERSION`]); a breaking change gets a new major version in the subject (`v2`).
//! Times are milliseconds unless a field says otherwise.
//!
//! The types here are the source: `contracts/schema/*.json` is generated from them, and the golden documents in
//! `contracts/examples` run through the proxy and every SDK.

pub mod data;
pub mod decision;
pub mod event;
pub mod header;
pub mod invalid;
pub mod query;
mod read;
pub mod schema;
pub mod subject;

pub use data::Data;
pub use decision::{Action, Decision, Limits, Route, Routing};
pub use event::Event;
pub use invalid::{Invalid, InvalidReason};
pub use query::Query;
pub use subject::{Class, Prefix, Slug};

/// Version written into every document. Readers accept any `1.x`.
pub const VERSION: &str = "1.0";
