//! A command that ends when somebody asks it to.

use std::future::Future;
use std::io;
use std::process::ExitCode;

use anyhow::Result;
use tokio::signal::unix::{SignalKind, signal};

use super::exit;

/// What a shell reports of a program that SIGINT ended.
const INTERRUPTED: u8 = 130;

/// Runs `work` on a runtime of its own and makes an exit code of its answer: 0 for yes, 1 for no, 2
/// for a failure (after printing why), 130 when it was interrupted before it had an answer.
pub(super) fn block_on(work: impl Future<Output = Result<Option<bool>>>) -> ExitCode {
    let outcome = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(anyhow::Error::from)
        .and_then(|runtime| runtime.block_on(work));
    match outcome {
        Ok(Some(true)) => ExitCode::SUCCESS,
        Ok(Some(false)) => ExitCode::from(exit::FAILED),
        Ok(None) => ExitCode::from(INTERRUPTED),
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::from(exit::RUNTIME)
        }
    }
}

/// From this call on SIGINT, SIGTERM and SIGHUP no longer end the process; the future ends at the
/// first of them. Needs a tokio runtime.
///
/// # Errors
/// When the handlers cannot be installed.
pub(super) fn interruption() -> io::Result<impl Future<Output = ()>> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut hangup = signal(SignalKind::hangup())?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            _ = hangup.recv() => {}
        }
    })
}
