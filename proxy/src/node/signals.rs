//! What the node does about signals, and when its configuration file changes.

use std::future::pending;
use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing::{info, warn};

use super::watch::Watch;
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

    /// Serves them, and `watch`, until the node has ended: one thing after the other, so that no two
    /// reloads meet. The second request to stop is a request to stop now.
    pub(super) async fn serve(
        mut self,
        node: &mut Node,
        mut watch: Option<Watch>,
    ) -> Result<(), NodeError> {
        let mut stopping = false;
        loop {
            let changed = async {
                match &mut watch {
                    Some(watch) => watch.changed().await,
                    None => pending().await,
                }
            };
            let stop = tokio::select! {
                turn = node.turn() => match turn {
                    Turn::Ended(ended) => return ended,
                    Turn::Reload(answer) => {
                        node.reload(Some(answer));
                        continue;
                    }
                },
                _ = self.terminate.recv() => true,
                _ = self.interrupt.recv() => true,
                _ = self.hang_up.recv() => {
                    if let Some(watch) = &mut watch {
                        watch.note();
                    }
                    false
                }
                () = changed => {
                    info!("the configuration file, or a certificate, has changed");
                    false
                }
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
                (false, _) => node.reload(None),
            }
        }
    }
}
