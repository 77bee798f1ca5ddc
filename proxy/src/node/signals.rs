//! What the node does about signals.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing::warn;

use super::{Node, NodeError, Turn};

pub(super) struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hang_up: Signal,
}

impl Signals {
    /// Takes the signals from now on. Must be called on a runtime.
    pub(super) fn listen() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hang_up: signal(SignalKind::hangup())?,
        })
    }

    /// Serves them until the node has ended. The second request to stop is a request to stop now.
    pub(super) async fn serve(mut self, node: &mut Node) -> Result<(), NodeError> {
        let mut stopping = false;
        loop {
            let stop = tokio::select! {
                turn = node.turn() => match turn {
                    Turn::Ended(ended) => return ended,
                    Turn::Reload(answer) => {
                        // Whoever asked may be gone.
                        let _ = answer.send(node.reload());
                        continue;
                    }
                },
                _ = self.terminate.recv() => true,
                _ = self.interrupt.recv() => true,
                _ = self.hang_up.recv() => false,
            };
            match (stop, stopping) {
                (true, true) => {
                    warn!("told to stop twice: stopping with calls still open");
                    return Ok(());
                }
                (true, false) => {
                    stopping = true;
                    node.drain();
                }
                // What is wrong is in the log.
                (false, _) => drop(node.reload()),
            }
        }
    }
}
