//! SIGINT and SIGTERM end a run in order, with its report.

use std::thread;

use nix::sys::signal::{SigSet, Signal};

use crate::drive::Stop;

/// Lets SIGINT and SIGTERM stop the run. To be called before any other thread is started; the waiting thread lives as
/// long as the process.
pub fn stop_on_signals(stop: &Stop) -> nix::Result<()> {
    let mut signals = SigSet::empty();
    signals.add(Signal::SIGINT);
    signals.add(Signal::SIGTERM);
    signals.thread_block()?;
    let stop = stop.clone();
    thread::spawn(move || {
        // It fails for an empty set only.
        let _ = signals.wait();
        stop.stop();
    });
    Ok(())
}
