//! A command that ends when somebody asks it to.

use std::future::Future;
use std::process::ExitCode;

use anyhow::Result;
use tokio::signal::unix::{SignalKind, signal};

use super::exit;

/// What a shell reports of a program that SIGINT ended.
const INTERRUPTED: u8 = 130;

/// Runs `work` on a runtime of its own. SIGINT, SIGTERM and SIGHUP drop it, and with it everything
/// that it started.
///
/// Returns 0 when the work says yes, 1 when it says no, 2 when it fails (after printing why) and
/// 130 when it was interrupted.
pub(super) fn until_interrupted(work: impl Future<Output = Result<bool>>) -> ExitCode {
    let runtime = match tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => return failed(&error.into()),
    };
    let outcome = runtime.block_on(async {
        tokio::select! {
            outcome = work => outcome.map(Some),
            outcome = any_signal() => outcome.map(|()| None),
        }
    });
    match outcome {
        Ok(Some(true)) => ExitCode::SUCCESS,
        Ok(Some(false)) => ExitCode::from(exit::FAILED),
        Ok(None) => ExitCode::from(INTERRUPTED),
        Err(error) => failed(&error),
    }
}

async fn any_signal() -> Result<()> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut hangup = signal(SignalKind::hangup())?;
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
        _ = hangup.recv() => {}
    }
    Ok(())
}

fn failed(error: &anyhow::Error) -> ExitCode {
    eprintln!("error: {error:#}");
    ExitCode::from(exit::RUNTIME)
}
