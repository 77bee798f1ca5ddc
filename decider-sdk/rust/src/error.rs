use std::io;
use std::path::PathBuf;

use sigbox_contracts::Class;

/// Why a decider could not start, or could not go on.
///
/// What goes wrong with one query never ends up here: it is answered with a service error, counted and logged.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A setting that cannot work.
    #[error("{name} {value:?}: {why}")]
    Setting {
        /// The setting, with the environment variable it may have come from.
        name: &'static str,
        /// What it was set to.
        value: String,
        /// What it may be.
        why: String,
    },
    /// There is nothing to answer: [`crate::Decider::on`] was never called.
    #[error("the decider has no handler; add one with .on(Class::Invite, ...)")]
    NoHandler,
    /// A class with two handlers.
    #[error("class {0} has two handlers; one class is answered by one handler")]
    TwoHandlers(Class),
    /// The NATS credentials file could not be read.
    #[error("credentials file {path}: {source}", path = path.display())]
    Credentials {
        /// The file, from [`crate::Decider::credentials`] or `NATS_CREDS`.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The NATS addresses cannot be used. An unreachable server is not an error: the decider waits for it.
    #[error("NATS: {0}")]
    Connect(#[from] async_nats::ConnectError),
    /// A subject that NATS does not take.
    #[error("NATS: {0}")]
    Subscribe(#[from] async_nats::SubscribeError),
    /// The connection is gone for good.
    #[error("the connection to NATS was closed")]
    Closed,
    /// The signals that ask a process to stop cannot be listened to.
    #[error("signals: {0}")]
    Signals(io::Error),
}
