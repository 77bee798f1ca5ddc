//! What the RFCs ask and what sigbox does: P1 over UDP and in a stream, and docs/conformance.md.
//!
//! One behaviour, three files of data: `messages.toml` and `rfc5118.toml` have the messages, `requirements.toml` what
//! the RFCs ask of a proxy. The page is written from them and from the sections that code and tests cite.

mod citations;
mod forwarded;
mod messages;
mod over_tcp;
mod over_udp;
mod page;
mod reason_phrases;
mod requirements;
