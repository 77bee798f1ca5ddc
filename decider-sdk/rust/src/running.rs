use std::sync::Arc;

use sigbox_contracts::Class;
use tokio::sync::oneshot;
use tokio::task::{AbortHandle, JoinHandle};

use crate::counters::Counts;
use crate::error::Error;
use crate::service::Service;
use crate::worker::Worker;

/// A decider that runs in the background. Dropping it stops the decider without waiting for the drain.
pub struct Running {
    service: Arc<Service>,
    id: String,
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<Result<(), Error>>,
    /// Follows the tables, when there are any to follow.
    following: Option<AbortHandle>,
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(following) = &self.following {
            following.abort();
        }
    }
}

impl Running {
    pub(crate) fn spawn(
        worker: Worker,
        service: Arc<Service>,
        id: String,
        following: Option<AbortHandle>,
    ) -> Self {
        let (stop, stopped) = oneshot::channel();
        Self {
            service,
            id,
            stop: Some(stop),
            following,
            task: tokio::spawn(worker.run(stopped)),
        }
    }

    /// Id of this instance, as NATS services show it.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// What happened to the queries of `class`; `None` for a class without a handler.
    pub fn counts(&self, class: Class) -> Option<Counts> {
        let endpoint = self
            .service
            .endpoints
            .iter()
            .find(|endpoint| endpoint.class == class)?;
        Some(endpoint.counters.counts())
    }

    /// Takes no more queries, finishes those in hand within the drain time, and returns.
    ///
    /// # Errors
    /// [`Error::Closed`] if the connection had ended before.
    pub async fn stop(mut self) -> Result<(), Error> {
        // Nobody listens any more only if it has ended by itself, and then that is the result.
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
        (&mut self.task).await.unwrap_or(Err(Error::Closed))
    }

    /// Resolves if the decider ends without having been told to.
    ///
    /// # Errors
    /// [`Error::Closed`].
    pub async fn ended(&mut self) -> Result<(), Error> {
        (&mut self.task).await.unwrap_or(Err(Error::Closed))
    }
}
