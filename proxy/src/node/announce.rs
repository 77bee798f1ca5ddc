//! Telling others what did not happen on a shard.

use std::time::Duration;

use tokio::sync::broadcast;
use tokio::time::timeout;
use tracing::warn;

use super::Node;
use crate::api::Record;
use crate::shard::{Announcement, Control, ShardHandle};

/// How long a node that has ended may take to tell others so.
const FAREWELL: Duration = Duration::from_secs(1);

/// The first shard speaks for the node.
pub(super) fn announce(shards: &[ShardHandle], what: Announcement) {
    if let Some(shard) = shards.first() {
        // One that has ended tells nobody any more.
        let _ = shard.control.send(Control::Announce(what));
    }
}

/// Announces what the audit log gets, for as long as there is one.
pub(super) async fn audit(mut records: broadcast::Receiver<Record>, shards: Vec<ShardHandle>) {
    loop {
        match records.recv().await {
            Ok(record) => announce(&shards, Announcement::Audit(Box::new(record))),
            Err(broadcast::error::RecvError::Lagged(missed)) => {
                warn!(missed, "entries of the audit log were not announced");
            }
            Err(broadcast::error::RecvError::Closed) => return,
        }
    }
}

impl Node {
    /// Tells the others on NATS that this node is gone, if that takes no longer than [`FAREWELL`].
    pub(super) async fn leave(&self) {
        let (presence, replica) = (self.presence.clone(), self.tables.replica().cloned());
        let farewell = self.admin.handle().spawn(async move {
            presence.leave().await;
            if let Some(replica) = replica {
                replica.leave().await;
            }
        });
        // Those who were not told notice it when they hear nothing any more.
        let _ = timeout(FAREWELL, farewell).await;
    }
}
