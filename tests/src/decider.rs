//! A decider that does exactly what a test tells it, on plain NATS and JSON.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{self, JoinHandle};

use anyhow::{Context, Result, anyhow};
use async_nats::{Client, ConnectOptions, Event, HeaderMap, Message};
use futures_util::StreamExt;
use serde_json::Value;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use crate::PATIENCE;
use crate::phone::Phone;

/// A routing query as it came over NATS.
#[derive(Clone, Debug)]
pub struct Query {
    /// `sigbox.v1.query.<tenant>.<class>`
    pub subject: String,
    /// Where the answer goes.
    pub reply: String,
    /// NATS headers, the last value of each.
    pub headers: BTreeMap<String, String>,
    /// The document.
    pub json: Value,
}

/// What a [`FakeDecider`] does with a query.
#[derive(Clone, Debug)]
pub enum Answer {
    /// Replies with this document.
    Json(Value),
    /// Replies with these bytes.
    Bytes(Vec<u8>),
    /// Replies with a NATS service error: code and text.
    Error(u16, String),
    /// Says nothing. The test may answer later with [`FakeDecider::answer`].
    Silence,
}

impl Answer {
    /// Routes to one next hop.
    pub fn route_to(hop: &str) -> Self {
        Self::routes("serial", &[hop.to_owned()])
    }

    /// Tries next hops one after another.
    pub fn serial(hops: &[String]) -> Self {
        Self::routes("serial", hops)
    }

    /// Rings all next hops at once.
    pub fn parallel(hops: &[String]) -> Self {
        Self::routes("parallel", hops)
    }

    fn routes(routing: &str, hops: &[String]) -> Self {
        let routes: Vec<Value> = hops
            .iter()
            .map(|hop| serde_json::json!({ "dst_uri": hop }))
            .collect();
        Self::Json(
            serde_json::json!({ "version": "1.0", "action": "route", "routing": routing, "routes": routes }),
        )
    }
}

#[derive(Debug)]
enum Command {
    Answer { reply: String, answer: Answer },
    Flush(Sender<()>),
    Leave(Sender<()>),
}

/// Subscribed to every query (in the queue group `deciders`) and every event.
#[derive(Debug)]
pub struct FakeDecider {
    queries: Receiver<Query>,
    events: Receiver<Value>,
    connections: Receiver<()>,
    commands: Option<UnboundedSender<Command>>,
    thread: Option<JoinHandle<()>>,
}

impl FakeDecider {
    /// Connects, subscribes, and from then on answers each query with what `decide` returns.
    pub fn start(url: &str, decide: impl FnMut(&Query) -> Answer + Send + 'static) -> Result<Self> {
        Self::launch(url, Some("sigbox.v1.query.*.*"), decide)
    }

    /// Routes every call to one phone.
    pub fn routing_to(url: &str, phone: &Phone) -> Result<Self> {
        let answer = Answer::route_to(&phone.hop());
        Self::start(url, move |_| answer.clone())
    }

    /// Only listens to events; queries find no responder here.
    pub fn observer(url: &str) -> Result<Self> {
        Self::launch(url, None, |_| Answer::Silence)
    }

    /// A decider that leaves every query to [`FakeDecider::answer`].
    pub fn silent(url: &str) -> Result<Self> {
        Self::start(url, |_| Answer::Silence)
    }

    fn launch(
        url: &str,
        subject: Option<&'static str>,
        decide: impl FnMut(&Query) -> Answer + Send + 'static,
    ) -> Result<Self> {
        let (query_sender, queries) = channel();
        let (event_sender, events) = channel();
        let (connected, connections) = channel();
        let (ready, became_ready) = channel();
        let (commands, orders) = unbounded_channel();
        let url = url.to_owned();
        let outputs = Outputs {
            queries: query_sender,
            events: event_sender,
            connected,
        };
        let thread = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build();
            let outcome = runtime.map_err(anyhow::Error::from).and_then(|runtime| {
                runtime.block_on(serve(&url, subject, decide, outputs, orders, &ready))
            });
            if let Err(error) = outcome {
                let _ = ready.send(Err(error));
            }
        });
        became_ready
            .recv_timeout(PATIENCE)
            .context("the fake decider did not start")??;
        Ok(Self {
            queries,
            events,
            connections,
            commands: Some(commands),
            thread: Some(thread),
        })
    }

    /// The next query, in the order of arrival.
    pub fn next_query(&self) -> Result<Query> {
        self.queries.recv_timeout(PATIENCE).context("no query came")
    }

    /// Queries that have come and were not yet taken.
    pub fn pending(&self) -> Vec<Query> {
        self.queries.try_iter().collect()
    }

    /// The next event of a kind; others before it are passed over.
    pub fn next_event(&self, kind: &str) -> Result<Value> {
        loop {
            let event = self
                .events
                .recv_timeout(PATIENCE)
                .with_context(|| format!("no {kind} event came"))?;
            if event["event"] == kind {
                return Ok(event);
            }
        }
    }

    /// The next that is told about a table; events before it are passed over.
    pub fn next_data(&self) -> Result<Value> {
        loop {
            let event = self.events.recv_timeout(PATIENCE);
            let event = event.context("nothing came about a table")?;
            if event.get("event").is_none() {
                return Ok(event);
            }
        }
    }

    /// Answers a query, now, whatever was answered before.
    pub fn answer(&self, query: &Query, answer: Answer) -> Result<()> {
        self.order(Command::Answer {
            reply: query.reply.clone(),
            answer,
        })?;
        self.flush()
    }

    /// Waits until the server has taken all that was sent.
    pub fn flush(&self) -> Result<()> {
        let (done, is_done) = channel();
        self.order(Command::Flush(done))?;
        is_done
            .recv_timeout(PATIENCE)
            .context("flushing the decider's connection")
    }

    /// Waits until the connection is back after the server was away, and its subscriptions with it.
    pub fn reconnected(&self) -> Result<()> {
        self.connections
            .recv_timeout(PATIENCE)
            .context("the fake decider did not reconnect")?;
        self.flush()
    }

    /// Unsubscribes from queries and keeps listening to events: from then on there is no responder.
    pub fn leave(&self) -> Result<()> {
        let (done, is_done) = channel();
        self.order(Command::Leave(done))?;
        is_done
            .recv_timeout(PATIENCE)
            .context("unsubscribing the decider")
    }

    fn order(&self, command: Command) -> Result<()> {
        let commands = self
            .commands
            .as_ref()
            .context("the fake decider was stopped")?;
        commands
            .send(command)
            .map_err(|_| anyhow!("the fake decider has ended"))
    }
}

impl Drop for FakeDecider {
    fn drop(&mut self) {
        // The thread ends when nobody can give it orders any more.
        self.commands = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

struct Outputs {
    queries: Sender<Query>,
    events: Sender<Value>,
    connected: Sender<()>,
}

async fn serve(
    url: &str,
    subject: Option<&'static str>,
    mut decide: impl FnMut(&Query) -> Answer,
    outputs: Outputs,
    mut orders: UnboundedReceiver<Command>,
    ready: &Sender<Result<()>>,
) -> Result<()> {
    let connected = outputs.connected;
    let first = AtomicBool::new(true);
    let client = ConnectOptions::new()
        .event_callback(move |event| {
            // The first connection is `start`'s own business.
            let is_reconnect =
                matches!(event, Event::Connected) && !first.swap(false, Ordering::Relaxed);
            let connected = connected.clone();
            async move {
                if is_reconnect {
                    let _ = connected.send(());
                }
            }
        })
        .reconnect_delay_callback(|_| std::time::Duration::from_millis(20))
        .connect(url)
        .await?;
    let mut queries = match subject {
        Some(subject) => Some(
            client
                .queue_subscribe(subject, "deciders".to_owned())
                .await?,
        ),
        None => None,
    };
    let data = client.subscribe("sigbox.v1.data.*").await?;
    let events = client.subscribe("sigbox.v1.event.>").await?;
    let mut events = futures_util::stream::select(events, data);
    settle(&client).await?;
    let _ = ready.send(Ok(()));
    loop {
        tokio::select! {
            Some(message) = async { queries.as_mut()?.next().await }, if queries.is_some() => {
                if let Some(query) = read(&message) {
                    let answer = decide(&query);
                    // Known to the test before it can see any effect of the answer.
                    let reply = query.reply.clone();
                    let _ = outputs.queries.send(query);
                    publish(&client, reply, answer).await?;
                }
            }
            Some(message) = events.next() => {
                if let Ok(event) = serde_json::from_slice(&message.payload) {
                    let _ = outputs.events.send(event);
                }
            }
            order = orders.recv() => match order {
                None => return Ok(()),
                Some(Command::Answer { reply, answer }) => publish(&client, reply, answer).await?,
                Some(Command::Flush(done)) => {
                    settle(&client).await?;
                    let _ = done.send(());
                }
                Some(Command::Leave(done)) => {
                    if let Some(mut subscription) = queries.take() {
                        subscription.unsubscribe().await?;
                    }
                    settle(&client).await?;
                    let _ = done.send(());
                }
            }
        }
    }
}

/// Waits until the server has done all that this connection has asked for: what it echoes comes after that. Flushing only
/// hands it to the socket, and another connection may be faster.
async fn settle(client: &Client) -> Result<()> {
    let inbox = client.new_inbox();
    let mut echo = client.subscribe(inbox.clone()).await?;
    client.publish(inbox, Vec::new().into()).await?;
    echo.next().await.context("the connection ended")?;
    echo.unsubscribe().await?;
    Ok(())
}

fn read(message: &Message) -> Option<Query> {
    let headers = message
        .headers
        .iter()
        .flat_map(HeaderMap::iter)
        .filter_map(|(name, values)| Some((name.to_string(), values.last()?.to_string())));
    Some(Query {
        subject: message.subject.to_string(),
        reply: message.reply.as_ref()?.to_string(),
        headers: headers.collect(),
        json: serde_json::from_slice(&message.payload).ok()?,
    })
}

async fn publish(client: &Client, reply: String, answer: Answer) -> Result<()> {
    let mut headers = HeaderMap::new();
    headers.insert("Sigbox-Decider", "fake/0");
    let body = match answer {
        Answer::Silence => return Ok(()),
        Answer::Json(document) => document.to_string().into_bytes(),
        Answer::Bytes(bytes) => bytes,
        Answer::Error(code, text) => {
            headers.insert("Nats-Service-Error-Code", code.to_string());
            headers.insert("Nats-Service-Error", text);
            Vec::new()
        }
    };
    client
        .publish_with_headers(reply, headers, body.into())
        .await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::NatsServer;

    async fn ask(url: &str) -> Result<Message> {
        let client = async_nats::connect(url).await?;
        Ok(client
            .request("sigbox.v1.query.default.invite", "{\"n\":1}".into())
            .await?)
    }

    fn block_on<T>(future: impl Future<Output = Result<T>>) -> Result<T> {
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?
            .block_on(future)
    }

    #[test]
    fn queries_are_answered_and_seen() -> Result<()> {
        let nats = NatsServer::start()?;
        let decider = FakeDecider::start(&nats.url(), |_| Answer::Error(503, "busy".to_owned()))?;
        let reply = block_on(ask(&nats.url()))?;
        let headers = reply.headers.context("headers")?;
        assert_eq!(
            headers
                .get("Nats-Service-Error-Code")
                .map(ToString::to_string)
                .as_deref(),
            Some("503")
        );
        assert_eq!(decider.next_query()?.json["n"], 1);
        Ok(())
    }

    #[test]
    fn a_decider_that_left_is_no_responder() -> Result<()> {
        let nats = NatsServer::start()?;
        let decider = FakeDecider::silent(&nats.url())?;
        decider.leave()?;
        let error = block_on(ask(&nats.url())).unwrap_err();
        assert!(format!("{error:#}").contains("no responders"), "{error:#}");
        assert!(decider.pending().is_empty());
        Ok(())
    }

    #[test]
    fn a_decider_survives_a_restart_of_the_server() -> Result<()> {
        let mut nats = NatsServer::start()?;
        let decider = FakeDecider::start(&nats.url(), |_| Answer::Bytes(b"again".to_vec()))?;
        nats.restart()?;
        decider.reconnected()?;
        assert_eq!(block_on(ask(&nats.url()))?.payload.as_ref(), b"again");
        Ok(())
    }
}
