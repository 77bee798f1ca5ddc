//! What sigbox announces on NATS, collected while calls are placed.

use std::str::FromStr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result};
use async_nats::ServerAddr;
use futures_util::StreamExt;
use sigbox_contracts::Event;
use sigbox_contracts::event::{DecisionEvent, Outcome};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// How long to try to reach the server.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// A subscription to every event of every tenant.
#[derive(Debug)]
pub struct Listener {
    client: async_nats::Client,
    events: Arc<Mutex<Vec<Event>>>,
    changed: watch::Receiver<usize>,
    reader: JoinHandle<()>,
}

impl Listener {
    /// Connects to `url`, which may name a user and a password or a token, and subscribes; events
    /// published after this returns are seen.
    ///
    /// # Errors
    /// When the server cannot be reached, or lets nobody in.
    pub async fn connect(url: &str, prefix: &str) -> Result<Self> {
        let server = ServerAddr::from_str(url).with_context(|| format!("not a NATS URL: {url}"))?;
        let mut options = async_nats::ConnectOptions::new()
            .name("sigbox-phone")
            .connection_timeout(CONNECT_TIMEOUT);
        match (server.username(), server.password()) {
            (Some(user), Some(password)) => {
                options = options.user_and_password(user.into(), password.into());
            }
            (Some(token), None) => options = options.token(token.into()),
            _ => {}
        }
        // The URL may hold a password, which is nobody's to read on a terminal.
        let shown = format!("{}:{}", server.host(), server.port());
        let client = options
            .connect(server)
            .await
            .with_context(|| format!("no NATS server lets us in at {shown}"))?;
        let mut subscription = client.subscribe(format!("{prefix}.v1.event.>")).await?;
        // The answer to the flush's ping tells that the server knows the subscription.
        client.flush().await?;
        let events = Arc::new(Mutex::new(Vec::new()));
        let (announce, changed) = watch::channel(0);
        let collected = Arc::clone(&events);
        let reader = tokio::spawn(async move {
            while let Some(message) = subscription.next().await {
                // Events of a newer minor version may be unknown here; they are nobody's lane.
                if let Ok(event) = Event::parse(&message.payload) {
                    collected
                        .lock()
                        .unwrap_or_else(PoisonError::into_inner)
                        .push(event);
                    announce.send_modify(|count| *count += 1);
                }
            }
        });
        Ok(Self {
            client,
            events,
            changed,
            reader,
        })
    }

    /// The connection, for whoever wants to ask something else.
    pub fn client(&self) -> &async_nats::Client {
        &self.client
    }

    /// Everything seen so far.
    pub fn events(&self) -> Vec<Event> {
        self.events
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Waits until `enough` holds for what was seen, for at most `patience`. Returns what was seen
    /// in either case.
    pub async fn wait(&self, patience: Duration, enough: impl Fn(&[Event]) -> bool) -> Vec<Event> {
        let mut changed = self.changed.clone();
        let seen_enough = async {
            loop {
                let events = self.events();
                if enough(&events) || changed.changed().await.is_err() {
                    return;
                }
            }
        };
        // Running out of patience is an answer too: the caller looks at what came.
        let _ = tokio::time::timeout(patience, seen_enough).await;
        self.events()
    }
}

/// The decision about a call; the first one when it was asked about again.
pub fn decision_of<'a>(events: &'a [Event], call_id: &str) -> Option<&'a DecisionEvent> {
    events.iter().find_map(|event| match event {
        Event::Decision(decision) if decision.call_id == call_id => Some(&**decision),
        _ => None,
    })
}

/// Whether the query about a call was withdrawn.
pub fn is_withdrawn(events: &[Event], call_id: &str) -> bool {
    events
        .iter()
        .any(|event| matches!(event, Event::Cancelled(cancelled) if cancelled.call_id == call_id))
}

/// Whether nothing more is to be expected about a call that is over.
pub fn is_settled(events: &[Event], call_id: &str) -> bool {
    decision_of(events, call_id).is_some_and(|decision| {
        decision.outcome != Outcome::Cancelled || is_withdrawn(events, call_id)
    })
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.reader.abort();
    }
}
