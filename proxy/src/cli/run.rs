//! `sigbox run`: the proxy itself.

use std::path::Path;
use std::process::ExitCode;

use super::exit;
use crate::config::{Config, Log, LogFormat};
use crate::logging::Logging;
use crate::node;

/// Runs until told to stop. 0 after a clean stop, 1 for a configuration that cannot be used, 2 when
/// it cannot run.
pub(super) fn run(path: &Path, log_format: Option<LogFormat>) -> ExitCode {
    let config = match Config::load(path) {
        Ok(config) => config,
        Err(report) => {
            eprintln!("{report}");
            return exit::FAILED.into();
        }
    };
    let log = Log {
        format: log_format.unwrap_or(config.log.format),
        ..config.log
    };
    let logging = match Logging::start(log) {
        Ok(logging) => logging,
        Err(error) => {
            eprintln!("error: {error}");
            return exit::FAILED.into();
        }
    };
    for warning in config.warnings.lines() {
        tracing::warn!(file = %path.display(), "{warning}");
    }
    match node::run(config, logging.drops()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{error:#}");
            exit::RUNTIME.into()
        }
    }
}
