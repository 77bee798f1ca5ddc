//! Looking names up, away from the shards.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::{Semaphore, mpsc};

use crate::shard::{Control, Lookup, ShardHandle};

/// How many lookups may wait; the next one fails at once.
const QUEUE: usize = 1_024;

/// How many lookups run at once. Each holds a thread of the system's resolver.
const AT_ONCE: usize = 16;

/// How long one may take; the branch that waits fails then, and the next route is tried.
const LIMIT: Duration = Duration::from_secs(5);

/// Serves lookups on `runtime`; answers go to the shard that asked.
pub(super) fn start(runtime: &Handle, shards: Vec<ShardHandle>) -> mpsc::Sender<Lookup> {
    let (sender, mut lookups) = mpsc::channel::<Lookup>(QUEUE);
    let free = Arc::new(Semaphore::new(AT_ONCE));
    runtime.spawn(async move {
        while let Some(Lookup {
            shard,
            ticket,
            name,
        }) = lookups.recv().await
        {
            let Some(handle) = shards.get(shard).cloned() else {
                continue;
            };
            // The semaphore is never closed; without a permit the lookup only waits less.
            let permit = free.clone().acquire_owned().await.ok();
            tokio::spawn(async move {
                let addresses = addresses_of(&name).await;
                drop(permit);
                // A shard that has ended waits for nothing.
                let _ = handle.control.send(Control::Looked(ticket, addresses));
            });
        }
    });
    sender
}

/// The addresses of a name, in the resolver's order; none when there are none in time.
async fn addresses_of(name: &str) -> Vec<IpAddr> {
    match tokio::time::timeout(LIMIT, tokio::net::lookup_host((name, 0))).await {
        Ok(Ok(found)) => {
            let mut addresses: Vec<IpAddr> = Vec::new();
            for address in found.map(|address| address.ip()) {
                if !addresses.contains(&address) {
                    addresses.push(address);
                }
            }
            addresses
        }
        Ok(Err(error)) => {
            tracing::debug!(name, %error, "a name was not found");
            Vec::new()
        }
        Err(_) => {
            tracing::debug!(name, "a name was not found in time");
            Vec::new()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_local_name_has_addresses_and_another_has_none() {
        let addresses = addresses_of("localhost").await;
        assert!(
            !addresses.is_empty() && addresses.iter().all(IpAddr::is_loopback),
            "{addresses:?}"
        );
        assert_eq!(addresses_of("no such host").await, Vec::<IpAddr>::new());
    }
}
