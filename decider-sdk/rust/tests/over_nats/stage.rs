use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};
use async_nats::{Client, HeaderMap, Message, Subscriber};
use e2e::{NatsServer, PATIENCE};
use futures_util::StreamExt;
use serde_json::Value;
use sigbox_decider::contracts::event::CancelledEvent;
use sigbox_decider::contracts::{Event, VERSION};
use sigbox_decider::testing::query;
use sigbox_decider::{Class, Counts, Decider, Query, Running};
use tokio::time::timeout;

/// What every test here starts with: a server, a decider that listens, and a client that asks like a proxy.
pub(crate) struct Stage {
    pub(crate) nats: NatsServer,
    pub(crate) proxy: Proxy,
    pub(crate) decider: Running,
}

impl Stage {
    pub(crate) async fn with(decider: Decider) -> Result<Self> {
        let nats = NatsServer::start()?;
        let decider = decider.servers(nats.url()).start().await?;
        let proxy = Proxy::connect(&nats).await?;
        proxy.wait_for(&decider).await?;
        Ok(Self {
            nats,
            proxy,
            decider,
        })
    }

    /// What happened to the queries about INVITEs so far.
    pub(crate) fn counts(&self) -> Result<Counts> {
        self.decider
            .counts(Class::Invite)
            .context("a handler for INVITE")
    }
}

/// The asking side.
pub(crate) struct Proxy {
    pub(crate) client: Client,
    inbox: String,
    replies: Subscriber,
}

impl Proxy {
    pub(crate) async fn connect(nats: &NatsServer) -> Result<Self> {
        let client = async_nats::connect(nats.url()).await?;
        let inbox = client.new_inbox();
        let replies = client.subscribe(inbox.clone()).await?;
        Ok(Self {
            client,
            inbox,
            replies,
        })
    }

    /// Returns when the server knows all subscriptions of `decider`: its own ping was the last of them.
    pub(crate) async fn wait_for(&self, decider: &Running) -> Result<()> {
        let subject = format!("$SRV.PING.decider.{}", decider.id());
        let answered = async {
            while self
                .client
                .request(subject.clone(), "".into())
                .await
                .is_err()
            {}
        };
        timeout(PATIENCE, answered)
            .await
            .context("the decider to register")
    }

    /// A query about an INVITE to `uri`.
    pub(crate) fn query(&self, uri: &str) -> Asking<'_> {
        let query = query("INVITE", uri);
        Asking {
            proxy: self,
            query,
            budget: PATIENCE,
            late: Duration::ZERO,
        }
    }

    /// The next reply to any query.
    pub(crate) async fn reply(&mut self) -> Result<Message> {
        let reply = timeout(PATIENCE, self.replies.next())
            .await
            .context("a reply")?;
        reply.context("the connection")
    }

    /// Asks and waits for the reply.
    pub(crate) async fn ask(&mut self, uri: &str) -> Result<Message> {
        self.query(uri).send().await?;
        self.reply().await
    }

    /// Announces that the caller of a query has hung up.
    pub(crate) async fn hang_up(&self, id: &str) -> Result<()> {
        let Query {
            node,
            tenant,
            class,
            call_id,
            ..
        } = query("INVITE", "sip:a@example.com");
        let version = VERSION.to_owned();
        let id = id.to_owned();
        let event = CancelledEvent {
            version,
            id,
            node,
            tenant,
            class,
            call_id,
            at: 0.0,
        };
        let document = serde_json::to_vec(&Event::Cancelled(event))?;
        self.client
            .publish("sigbox.v1.event.cancelled.default", document.into())
            .await?;
        Ok(())
    }
}

/// A query on its way.
pub(crate) struct Asking<'p> {
    proxy: &'p Proxy,
    query: Query,
    budget: Duration,
    late: Duration,
}

impl Asking<'_> {
    pub(crate) fn id(mut self, id: &str) -> Self {
        id.clone_into(&mut self.query.id);
        self
    }

    pub(crate) fn tenant(mut self, tenant: &str) -> Self {
        tenant.clone_into(&mut self.query.tenant);
        self
    }

    pub(crate) fn budget(mut self, budget: Duration) -> Self {
        self.budget = budget;
        self
    }

    /// As if it had been held back until this long after its deadline.
    pub(crate) fn late(mut self, late: Duration) -> Self {
        (self.budget, self.late) = (Duration::ZERO, late);
        self
    }

    pub(crate) async fn send(self) -> Result<()> {
        let document = serde_json::to_vec(&self.query)?;
        self.send_raw(document).await
    }

    pub(crate) async fn send_raw(self, payload: Vec<u8>) -> Result<()> {
        let deadline = SystemTime::now().duration_since(UNIX_EPOCH)? + self.budget - self.late;
        let mut headers = HeaderMap::new();
        headers.insert("Sigbox-Id", self.query.id.as_str());
        headers.insert("Sigbox-Attempt", "1");
        headers.insert("Sigbox-Mode", "live");
        headers.insert("Sigbox-Budget-Ms", self.budget.as_millis().to_string());
        headers.insert("Sigbox-Deadline", deadline.as_millis().to_string());
        let subject = format!("sigbox.v1.query.{}.{}", self.query.tenant, self.query.class);
        let (client, inbox) = (&self.proxy.client, self.proxy.inbox.clone());
        client
            .publish_with_reply_and_headers(subject, inbox, headers, payload.into())
            .await?;
        Ok(())
    }
}

/// The document of a reply that is a decision.
pub(crate) fn decision(reply: &Message) -> Result<Value> {
    Ok(serde_json::from_slice(&reply.payload)?)
}

/// Code and text of a reply that is a service error.
pub(crate) fn error(reply: &Message) -> Option<(String, String)> {
    let headers = reply.headers.as_ref()?;
    let text = |name: &str| headers.get(name).map(|value| value.as_str().to_owned());
    Some((
        text("Nats-Service-Error-Code")?,
        text("Nats-Service-Error")?,
    ))
}
