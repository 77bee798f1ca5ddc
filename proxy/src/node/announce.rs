//! Telling others what did not happen on a shard.

use tokio::sync::broadcast;
use tracing::warn;

use crate::api::Record;
use crate::shard::{Announcement, Control, ShardHandle};

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
