//! Write a sigbox decider in Rust.
//!
//! sigbox is a SIP proxy that asks where calls go: it suspends a call, publishes a query on NATS, and goes on when a
//! decider has answered. This crate is the decider's side: it subscribes, hands each query to your handler with the
//! time that is left, checks what comes back, and sends it.
//!
//! ```no_run
//! use sigbox_decider::{Decider, prelude::*};
//!
//! #[tokio::main(flavor = "current_thread")]
//! async fn main() -> Result<(), sigbox_decider::Error> {
//!     Decider::new("lcr", "1.0.0")
//!         .on(Class::Invite, |call: Call| async move {
//!             match call.request_uri().user() {
//!                 Some(user) if user.starts_with("+49") => {
//!                     route([to("sip:192.0.2.20").timeout(secs(5)), to("sip:192.0.2.21")]).because("prefix +49")
//!                 }
//!                 _ => reject(404),
//!             }
//!         })
//!         .run()
//!         .await
//! }
//! ```
//!
//! - Handlers return an [`Answer`], a [`Decision`], or a `Result` of one; see [`IntoReply`]. An error or a panic becomes
//!   NATS service error 500 and the proxy applies its local rules.
//! - [`Call::remaining`], [`Call::cancelled`] and [`Call::extend`] are the time a handler has.
//! - [`Dialled`] is the telephone number of a call, and its portability.
//! - [`Tables`] are what operators push to the proxies: rates, numbers, anything by a key.
//! - [`testing::Harness`] asks a decider without NATS.
//! - Logs are `tracing` events; the program chooses the subscriber.

mod answer;
mod call;
mod connection;
mod counters;
mod decider;
mod dialled;
mod envelope;
mod error;
mod handler;
mod lifetime;
mod registration;
mod reply;
mod running;
mod service;
mod settings;
mod tables;
mod target;
pub mod testing;
mod worker;

pub use answer::{
    Answer, IntoContact, IntoRetryAfter, IntoStatusMatch, parallel, pass, redirect, reject, route,
    serial,
};
pub use async_nats;
pub use call::{Call, ExtendError, UriExt};
pub use counters::Counts;
pub use decider::Decider;
pub use dialled::{Dialled, NoRoutingNumber, RoutingNumber};
pub use error::Error;
pub use handler::{Failure, IntoReply};
pub use lifetime::Withdrawn;
pub use reply::Unsent;
pub use running::Running;
pub use sigbox_contracts as contracts;
pub use sigbox_contracts::header::Mode;
pub use sigbox_contracts::{Class, Decision, Query, Route};
pub use tables::{Found, Snapshot, TableView, Tables};
pub use target::{Target, contact, millis, secs, to};

/// What a handler needs: `use sigbox_decider::prelude::*;`.
pub mod prelude {
    pub use crate::contracts::decision::{Contact, StatusMatch};
    pub use crate::{
        Answer, Call, Class, Decision, Target, UriExt, contact, millis, parallel, pass, redirect,
        reject, route, secs, serial, to,
    };
}
