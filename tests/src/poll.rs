//! Waiting for a state that nothing announces.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use crate::PATIENCE;

/// Looks again and again until `look` finds something, for [`PATIENCE`] at most.
///
/// For states that can only be read (a gauge, a socket table). Whatever announces itself, on a socket or in a log, is
/// waited for there instead.
pub fn until<T>(what: &str, mut look: impl FnMut() -> Result<Option<T>>) -> Result<T> {
    let give_up = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look()? {
            return Ok(found);
        }
        if Instant::now() >= give_up {
            bail!("waited {PATIENCE:?} for {what}");
        }
        thread::park_timeout(Duration::from_millis(10));
    }
}
