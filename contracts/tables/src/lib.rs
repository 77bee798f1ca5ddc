//! Routing data: what operators push and rules and deciders look up.
//!
//! A *table* has a [`Kind`], which says what its rows must hold, and rows found by a key. It is read as a whole from
//! CSV, NDJSON or JSON ([`Builder`], [`read`]), never changes after that, and is small: numbers are packed into 8
//! bytes and the rest of a row is stored once however many rows share it. [`Table::longest_prefix`] and
//! [`Table::get`] find rows; [`diff`] compares two versions; [`file`] has the one form in which a version is stored,
//! replicated and named by its SHA-256; a [`Manifest`] says which versions there are and which one counts.
//!
//! The proxy and the Rust SDK use this crate; SDKs in other languages read the same files.

mod apply;
mod builder;
mod check;
pub mod diff;
mod fault;
pub mod file;
mod keys;
mod kind;
mod manifest;
mod number;
mod read;
pub mod replicated;
mod routing;
mod row;
mod sorted;
mod strict;
mod table;
mod values;

pub use apply::{Patch, apply};
pub use builder::{Builder, Check, Limits};
pub use check::known_fields;
pub use fault::{Code, Fault, Faults};
pub use kind::Kind;
pub use manifest::{Entry, Manifest, ManifestError, Version};
pub use number::Number;
pub use read::{Format, read};
pub use routing::decision_of;
pub use row::{Fields, canonical};
pub use strict::StrictFields;
pub use table::{Row, Table};
