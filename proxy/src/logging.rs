//! Structured logs on standard error.
//!
//! A line is handed to a writer thread through a bounded queue; when the reader of our standard
//! error is slower than we are, lines are dropped and counted, and no call waits. Every event is
//! one line: control characters in text that came from the network are escaped.

mod line;

use std::borrow::Cow;
use std::io;

use tracing::Level;
use tracing_appender::non_blocking::{ErrorCounter, NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::EnvFilter;

use crate::config::{Log, LogFormat};
use line::Lines;

/// The variable that holds a filter, such as `info,sigbox::bus=debug`.
pub const VARIABLE: &str = "SIGBOX_LOG";

/// How many lines may wait for the writer.
const QUEUE_LINES: usize = 8_192;

/// The running log. Dropping it writes what is queued, for at most a second.
#[derive(Debug)]
pub struct Logging {
    _guard: WorkerGuard,
    dropped: ErrorCounter,
}

/// Why there can be no log.
#[derive(Debug, thiserror::Error)]
pub enum LoggingError {
    /// `SIGBOX_LOG` does not hold a filter.
    #[error("{VARIABLE} is not a log filter: {0}")]
    Filter(#[from] tracing_subscriber::filter::ParseError),
    /// `SIGBOX_LOG` is not text.
    #[error("{VARIABLE} is not UTF-8")]
    Variable,
    /// Another one was started before.
    #[error("a log is already running in this process")]
    Running,
}

impl Logging {
    /// Sends what is logged in this process to standard error from now on.
    ///
    /// # Errors
    /// When `SIGBOX_LOG` is wrong, or a log runs already.
    pub fn start(log: Log) -> Result<Self, LoggingError> {
        let filter = filter(log)?;
        let (writer, guard) = NonBlockingBuilder::default()
            .buffered_lines_limit(QUEUE_LINES)
            .lossy(true)
            .thread_name("log")
            .finish(io::stderr());
        let dropped = writer.error_counter();
        let subscriber = tracing_subscriber::fmt()
            .with_env_filter(filter)
            .with_ansi(false)
            .with_writer(Lines(writer));
        let started = match log.format {
            LogFormat::Text => subscriber.finish().try_init_global(),
            LogFormat::Json => subscriber
                .json()
                .flatten_event(true)
                .finish()
                .try_init_global(),
        };
        started.map(|()| Self {
            _guard: guard,
            dropped,
        })
    }

    /// Reads how many lines were dropped so far.
    pub fn drops(&self) -> impl Fn() -> u64 + Send + Sync + 'static {
        let dropped = self.dropped.clone();
        move || dropped.dropped_lines() as u64
    }
}

trait TryInitGlobal {
    fn try_init_global(self) -> Result<(), LoggingError>;
}

impl<S: tracing::Subscriber + Send + Sync + 'static> TryInitGlobal for S {
    fn try_init_global(self) -> Result<(), LoggingError> {
        tracing::subscriber::set_global_default(self).map_err(|_| LoggingError::Running)
    }
}

fn filter(log: Log) -> Result<EnvFilter, LoggingError> {
    match std::env::var(VARIABLE) {
        Ok(text) if !text.trim().is_empty() => Ok(EnvFilter::try_new(quieted(&text))?),
        Ok(_) | Err(std::env::VarError::NotPresent) => Ok(default_filter(log.level)),
        Err(std::env::VarError::NotUnicode(_)) => Err(LoggingError::Variable),
    }
}

/// A filter whose general level is info leaves the NATS client out as the default does, unless it
/// names it.
fn quieted(text: &str) -> Cow<'_, str> {
    let mut directives = text.split(',').map(str::trim);
    let is_info = directives
        .clone()
        .any(|directive| directive.eq_ignore_ascii_case("info"));
    if is_info && !directives.any(|directive| directive.starts_with("async_nats")) {
        Cow::Owned(format!("{text},async_nats=warn"))
    } else {
        Cow::Borrowed(text)
    }
}

/// The NATS client has a line for each attempt to reconnect, which the bus sums up in one.
fn default_filter(level: Level) -> EnvFilter {
    let quiet = level.min(Level::WARN);
    EnvFilter::new(match level {
        Level::DEBUG | Level::TRACE => level.to_string(),
        _ => format!("{level},async_nats={quiet}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nats_client_is_quiet_unless_someone_looks_for_a_fault() {
        assert_eq!(
            default_filter(Level::INFO).to_string(),
            "async_nats=warn,info"
        );
        assert_eq!(
            default_filter(Level::ERROR).to_string(),
            "async_nats=error,error"
        );
        assert_eq!(default_filter(Level::DEBUG).to_string(), "debug");
        assert_eq!(
            quieted("info,sigbox::shard=debug"),
            "info,sigbox::shard=debug,async_nats=warn"
        );
        for asked in ["debug", "info,async_nats=debug", "sigbox=info"] {
            assert_eq!(quieted(asked), asked);
        }
    }
}
