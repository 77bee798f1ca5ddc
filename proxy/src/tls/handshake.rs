//! Why a handshake failed, as a label of a counter.

use std::io;

use rustls::Error;

/// The labels there are. `timeout` is for whoever waited for it.
pub const HANDSHAKE_FAILURES: [&str; 8] = [
    "timeout",
    "not_tls",
    "no_certificate",
    "bad_certificate",
    "refused_by_client",
    "incompatible",
    "closed",
    "other",
];

/// Which of them it is.
pub fn failure(error: &io::Error) -> &'static str {
    use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof};
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref());
    match (inner, error.kind()) {
        (Some(Error::InvalidMessage(_) | Error::InappropriateMessage { .. }), _) => "not_tls",
        (Some(Error::NoCertificatesPresented), _) => "no_certificate",
        (Some(Error::InvalidCertificate(_)), _) => "bad_certificate",
        (Some(Error::AlertReceived(_)), _) => "refused_by_client",
        (Some(Error::PeerIncompatible(_)), _) => "incompatible",
        (None, BrokenPipe | ConnectionAborted | ConnectionReset | UnexpectedEof) => "closed",
        _ => "other",
    }
}
