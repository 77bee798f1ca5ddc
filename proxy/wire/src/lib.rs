//! SIP messages as offsets into the received bytes (RFC 3261 and its updates).
//!
//! A datagram is looked at in three steps, each paying only for what it needs:
//!
//! 1. [`peek`] says what the bytes are and which shard must see them, without indexing anything.
//! 2. [`Index::parse`] finds the lines: one pass over the header, eight bytes kept per header line,
//!    no allocation up to 32 headers. A [`Message`] is the bytes and their index, and is `Copy`.
//! 3. Typed headers ([`Via`], [`NameAddr`], [`Uri`], [`CSeq`], [`Credentials`]) are parsed when
//!    asked for, as views over the same bytes.
//!
//! On a stream, a [`Framer`] says first where each message ends.
//!
//! What goes out is made by splicing: a [`Splicer`] replaces ranges of the received bytes and copies
//! the rest untouched. A [`Reply`] is the one message written from scratch.
//!
//! Nothing here reads a clock, does I/O, or panics on any input.

mod begins;
mod chars;
mod credentials;
mod cseq;
mod decimal;
mod grammar;
mod header_id;
mod host;
mod index;
mod limits;
mod lines;
mod malformed;
mod message;
mod method;
mod name_addr;
mod params;
mod peek;
mod reply;
mod scan;
mod splice;
mod start_line;
mod stored;
mod stream;
mod uri;
mod validate;
mod values;
mod via;

pub use begins::{Begins, is_emergency};
pub use credentials::{AuthParams, Challenge, Credentials};
pub use cseq::CSeq;
pub use decimal::write_decimal;
pub use header_id::HeaderId;
pub use host::Host;
pub use index::Index;
pub use limits::Limits;
pub use malformed::{Malformed, Reason};
pub use message::{Header, Message};
pub use method::Method;
pub use name_addr::NameAddr;
pub use params::{ParamIter, Params};
pub use peek::{Peek, PeekedRequest, PeekedResponse, peek};
pub use reply::{Reply, reason_phrase};
pub use splice::Splicer;
pub use stored::Stored;
pub use stream::{Frame, Framer};
pub use uri::{Scheme, Uri};
pub use validate::Essentials;
pub use via::Via;
