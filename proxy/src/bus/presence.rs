//! Whether another node on NATS has the name of this one.
//!
//! The name is what tells nodes apart in events, in metrics, and in what they say about the tables they have applied. So
//! each says that it is there, on a subject with its name in it and with a number drawn at the start of the process;
//! whoever hears another number there is not alone. This has a connection of its own: no shard hears of it.

use std::collections::HashMap;
use std::future::ready;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use async_nats::connection::State;
use async_nats::{Client, ConnectOptions, Event};
use futures_util::StreamExt as _;
use serde::{Deserialize, Serialize};
use sigbox_contracts::Slug;
use tokio::sync::Notify;
use tokio::time::{Instant, MissedTickBehavior, interval};
use tracing::{debug, error, info};

use super::connect;
use crate::admin::Health;
use crate::config::Nats;

/// How often a node says that it is there.
const BEAT: Duration = Duration::from_secs(10);

/// After this a node that says nothing is gone.
const GONE: Duration = Duration::from_secs(35);

/// Processes of one name that are told apart.
const MOST: usize = 64;

/// What a node says on `<prefix>.v1.node.<name>`.
#[derive(Debug, Serialize, Deserialize)]
struct Hello {
    /// The number of the process, hexadecimal.
    instance: String,
    /// Whether it is going, and will not say anything any more.
    #[serde(default)]
    leaving: bool,
}

/// What a node knows about others of its name.
#[derive(Debug)]
pub struct Presence {
    node: Slug,
    instance: String,
    subject: String,
    health: Arc<Health>,
    /// When each was last heard.
    others: Mutex<HashMap<String, Instant>>,
    client: OnceLock<Client>,
    is_leaving: AtomicBool,
}

impl Presence {
    /// Of the node called `node`, in the process that drew `process`.
    pub fn new(nats: &Nats, node: Slug, process: u64, health: Arc<Health>) -> Self {
        Self {
            subject: nats.prefix.node(&node),
            node,
            instance: format!("{process:016x}"),
            health,
            others: Mutex::default(),
            client: OnceLock::new(),
            is_leaving: AtomicBool::new(false),
        }
    }

    /// Says that the node is there, and listens whether another one is. Ends only when it cannot connect at all.
    pub async fn run(self: Arc<Self>, nats: Nats) {
        if let Err(reason) = self.listen(&nats).await {
            // The shards have the same reason not to start.
            debug!(%reason, "nobody looks for other nodes of this name");
        }
    }

    async fn listen(&self, nats: &Nats) -> Result<(), connect::BusError> {
        let connected = Arc::new(Notify::new());
        let tell = connected.clone();
        let options = connect::login(ConnectOptions::new(), &nats.login).await?;
        let client = options
            .name(format!("sigbox/{}/presence", self.node))
            .retry_on_initial_connect()
            .ping_interval(nats.ping_interval)
            .connection_timeout(nats.connect_timeout)
            .reconnect_delay_callback(connect::pause)
            .event_callback(move |event| {
                if matches!(event, Event::Connected) {
                    tell.notify_one();
                }
                ready(())
            })
            .connect(nats.servers.as_slice())
            .await?;
        let mut heard = client.subscribe(self.subject.clone()).await?;
        // A node looks for others once.
        let _ = self.client.set(client);
        let mut beat = interval(BEAT);
        beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = connected.notified() => self.say(false).await,
                _ = beat.tick() => {
                    self.miss();
                    self.say(false).await;
                }
                message = heard.next() => {
                    let Some(message) = message else { return Ok(()) };
                    if self.hear(&message.payload) {
                        // So that it need not wait for the next beat.
                        self.say(false).await;
                    }
                }
            }
        }
    }

    /// Says that the node is there, or leaves. What is said without a connection would be said later, when it may not
    /// be true any more.
    async fn say(&self, leaving: bool) {
        let client = self.client.get();
        let connected = client.filter(|client| client.connection_state() == State::Connected);
        let Some(client) = connected.filter(|_| leaving || !self.is_leaving()) else {
            return;
        };
        let instance = self.instance.clone();
        let Ok(text) = serde_json::to_vec(&Hello { instance, leaving }) else {
            return;
        };
        if let Err(error) = client.publish(self.subject.clone(), text.into()).await {
            debug!(%error, "cannot say that the node is there");
        }
    }

    fn is_leaving(&self) -> bool {
        self.is_leaving.load(Ordering::Relaxed)
    }

    /// Tells the others of this name that it is free again. Returns when they have been told, at once without a
    /// connection.
    pub async fn leave(&self) {
        self.is_leaving.store(true, Ordering::Relaxed);
        self.say(true).await;
        let client = self.client.get();
        if let Some(client) = client.filter(|client| client.connection_state() == State::Connected)
            && let Err(error) = client.flush().await
        {
            debug!(%error, "cannot say that the node is gone");
        }
    }

    /// Whether it is somebody who was not there before.
    fn hear(&self, payload: &[u8]) -> bool {
        let hello = serde_json::from_slice::<Hello>(payload).ok();
        let Some(hello) = hello.filter(|hello| hello.instance != self.instance) else {
            return false;
        };
        let mut others = self.others.lock().unwrap_or_else(PoisonError::into_inner);
        if hello.leaving {
            let was_there = others.remove(&hello.instance).is_some();
            self.left(others.len(), was_there);
            return false;
        }
        if others.len() >= MOST && !others.contains_key(&hello.instance) {
            return false;
        }
        let is_new = others
            .insert(hello.instance.clone(), Instant::now())
            .is_none();
        if is_new {
            self.health.set_namesakes(others.len());
            error!(
                node = %self.node,
                instance = self.instance,
                other = hello.instance,
                "another node on NATS has this name, too; give each its own: `node` in the configuration"
            );
        }
        is_new
    }

    /// Forgets who was not heard for long.
    fn miss(&self) {
        let mut others = self.others.lock().unwrap_or_else(PoisonError::into_inner);
        let before = others.len();
        others.retain(|_, heard| heard.elapsed() < GONE);
        self.left(others.len(), others.len() < before);
    }

    fn left(&self, there: usize, is_less: bool) {
        self.health.set_namesakes(there);
        if is_less && there == 0 {
            info!(node = %self.node, "no other node on NATS has this name any more");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::Metrics;

    fn presence() -> (Presence, Arc<Health>) {
        let health = Arc::new(Health::new(1, true, Arc::new(Metrics::new("edge-1"))));
        let presence = Presence {
            node: Slug::new("edge-1").unwrap(),
            instance: "1".to_owned(),
            subject: "sigbox.v1.node.edge-1".to_owned(),
            health: health.clone(),
            others: Mutex::default(),
            client: OnceLock::new(),
            is_leaving: AtomicBool::new(false),
        };
        (presence, health)
    }

    #[tokio::test(start_paused = true)]
    async fn a_node_of_the_same_name_counts_until_it_leaves_or_is_silent() {
        let (presence, health) = presence();
        assert!(!presence.hear(br#"{"instance":"1"}"#), "itself");
        assert!(!presence.hear(b"{}"));
        assert_eq!(health.namesakes(), 0);
        assert!(presence.hear(br#"{"instance":"2"}"#));
        assert!(!presence.hear(br#"{"instance":"2"}"#));
        assert!(presence.hear(br#"{"instance":"3"}"#));
        assert_eq!(health.namesakes(), 2);
        presence.hear(br#"{"instance":"3","leaving":true}"#);
        assert_eq!(health.namesakes(), 1);
        tokio::time::advance(GONE - Duration::from_secs(1)).await;
        presence.miss();
        assert_eq!(health.namesakes(), 1);
        tokio::time::advance(Duration::from_secs(2)).await;
        presence.miss();
        assert_eq!(health.namesakes(), 0);
    }

    #[test]
    fn not_everybody_who_speaks_is_remembered() {
        let (presence, health) = presence();
        for other in 2..1_000 {
            presence.hear(format!("{{\"instance\":\"{other}\"}}").as_bytes());
        }
        assert_eq!(health.namesakes(), MOST);
    }
}
