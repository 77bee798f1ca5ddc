//! Asking deciders over NATS, and telling what happened.
//!
//! Never `Client::request`: it leaks an entry per timeout and waits when the connection does. A
//! query is published with a reply subject of our own ([`inbox`]), once, without waiting; what
//! cannot be handed over at once is *congested*, and so is what deciders would not get to in time
//! ([`window`]): the local rules decide now. A lost connection fails every query that was out on it
//! at once.
//!
//! Nothing is published unless the client says that it is connected. What was handed to it in the
//! instant before it noticed that the server is gone is sent after the reconnect, and so is what a
//! stopped server holds in its socket: that is what `Sigbox-Deadline` is for, which every decider
//! honours before it looks at a query.

mod answer;
pub mod breaker;
mod connect;
pub mod headers;
pub mod inbox;
mod notices;
mod pending;
mod presence;
mod services;
mod simulate;
mod subjects;
mod trouble;
mod window;

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use async_nats::connection::State;
use async_nats::{Client, Event, Message, Statistics, Subscriber};
use bytes::Bytes;
use futures_util::{FutureExt, Stream};
use sigbox_contracts::decision::CacheHint;
use sigbox_contracts::{Limits, Slug};
use sigbox_core::{Class, FallbackCause, Instant, Listener, Plan, Suspended, Token};
use sigbox_wire::is_emergency;
use tokio::sync::mpsc;
use tokio::task::unconstrained;

pub use connect::BusError;
pub(crate) use connect::login;
pub use presence::Presence;
pub use services::{Endpoint, Service, services};
pub use simulate::{SimulatedAnswer, simulate};
pub use subjects::SubjectState;

use self::answer::Said;
use self::breaker::Verdict;
use self::headers::QueryHeaders;
use self::inbox::Inbox;
use self::notices::Notices;
use self::pending::{Open, Pending};
use self::subjects::Subjects;
use self::trouble::Failure;
use crate::admin::Health;
use crate::config::Config;
use crate::decision::{Answered, PlanContext, QueryOptions, write_query};
use crate::metrics::{Metrics, ShardCounter, ShardMetrics};

/// How long the last events may take to leave when the proxy stops.
const FLUSH_LIMIT: Duration = Duration::from_secs(1);

/// One shard's way to the deciders.
#[derive(Debug)]
pub struct Bus {
    client: Client,
    statistics: Arc<Statistics>,
    answers: Subscriber,
    events: mpsc::UnboundedReceiver<Event>,
    inbox: Inbox,
    subjects: Subjects,
    /// Where calls are asked about when no rule says another tenant.
    calls: u16,
    pending: Pending,
    /// The connection of the last look: how many there had been, `None` while there is none.
    connection: Option<u64>,
    notices: Notices,
    query: QueryOptions,
    headers: QueryHeaders,
    limits: Limits,
    /// The longest the core waits for an answer, extensions included.
    max_wait: Duration,
    /// Whether anybody is told what an answer said besides its plan.
    tells: bool,
    /// Where a query is written before it is sent.
    scratch: Vec<u8>,
    metrics: Arc<ShardMetrics>,
}

/// What the bus has for the shard.
#[derive(Debug)]
pub enum Incoming {
    /// A message on the inbox, for [`Bus::read`].
    Answer(Message),
    /// The connection may have changed; [`Bus::lost`] says what that did.
    Changed,
    /// The client is gone for good. Does not happen while the shard lives.
    Closed,
}

/// What the connection to NATS did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Link {
    /// There is one, perhaps another than before.
    Up,
    /// There is none.
    Down,
}

/// One answer, read.
#[derive(Debug)]
pub struct Answer {
    /// The query it answers.
    pub token: Token,
    /// What to tell the core.
    pub verdict: Reply,
    /// What else it said; present for queries that were open, when events tell of decisions.
    pub answered: Option<Answered>,
    /// That it may be used again, if it says so.
    pub cache: Option<CacheHint>,
}

/// What an answer means for the transaction.
#[derive(Debug)]
pub enum Reply {
    /// It is decided, or nobody decides.
    Final(Result<Plan, FallbackCause>),
    /// The decider wants this much more time.
    Extend(Duration),
}

impl Bus {
    /// Starts connecting for shard `shard` of the process that drew the number `process`. Must be
    /// called on the shard's runtime.
    ///
    /// # Errors
    /// [`BusError`] for what waiting does not cure.
    pub async fn connect(
        config: &Config,
        process: u64,
        shard: u8,
        health: Arc<Health>,
        shared: Arc<Metrics>,
        metrics: Arc<ShardMetrics>,
    ) -> Result<Self, BusError> {
        let inbox = Inbox::new(&config.node, process, shard);
        let name = format!("sigbox/{}/{shard}", config.node);
        let connect::Connection {
            client,
            answers,
            events,
            refusal,
        } = connect::connect(&config.nats, name, &inbox).await?;
        let mut subjects = Subjects::new(
            shard,
            config.nats.prefix.clone(),
            config.nats.breaker,
            config.nats.adaptive,
            shared.clone(),
        );
        let calls = subjects.position(&config.settings.tenant, Class::Invite);
        Ok(Self {
            statistics: client.statistics(),
            client,
            answers,
            events,
            inbox,
            subjects,
            calls,
            pending: Pending::default(),
            connection: None,
            notices: Notices::new(shard, &config.nats.servers, refusal, health, shared),
            query: query_options(config),
            headers: QueryHeaders::new(1, config.settings.decision.budget),
            limits: config.exchange.limits(),
            max_wait: config.settings.decision.max_wait,
            tells: config.settings.records.decisions,
            scratch: Vec::with_capacity(4 * 1024),
            metrics,
        })
    }

    /// Takes over what a new configuration says. The connection itself stays as it is.
    pub fn reload(&mut self, config: &Config) {
        self.query = query_options(config);
        self.limits = config.exchange.limits();
        self.max_wait = config.settings.decision.max_wait;
        self.tells = config.settings.records.decisions;
        self.subjects.set_breaker(config.nats.breaker);
        self.subjects.set_adaptive(config.nats.adaptive);
    }

    /// The next thing that came in.
    pub fn poll_incoming(&mut self, cx: &mut Context<'_>) -> Poll<Incoming> {
        if let Poll::Ready(Some(event)) = self.events.poll_recv(cx) {
            self.notices.event(&event);
            return Poll::Ready(Incoming::Changed);
        }
        Pin::new(&mut self.answers)
            .poll_next(cx)
            .map(|message| match message {
                Some(message) => Incoming::Answer(message),
                None => Incoming::Closed,
            })
    }

    /// Publishes the query about `suspended`, which came in on `local`.
    ///
    /// # Errors
    /// Why nobody is asked, and the fallback rules are to decide now.
    pub fn ask(
        &mut self,
        now: Instant,
        token: Token,
        suspended: &Suspended<'_>,
        local: &Listener,
    ) -> Result<(), FallbackCause> {
        let connection = self.current().ok_or(FallbackCause::Disconnected)?;
        let subject = self.subjects.position(suspended.tenant, suspended.class);
        let open = Open {
            id: suspended.id,
            sent: now,
            due: now + suspended.budget,
            connection,
            subject,
            permit: self.subjects.admit(
                now,
                subject,
                is_emergency(suspended.request.request_uri()),
            )?,
            is_extended: false,
        };
        let sent = self.send(token, suspended, local, subject);
        match sent {
            Ok(()) => self.pending.insert(token, open),
            Err(_) => self.subjects.settle(now, &open, Verdict::Unknown),
        }
        sent
    }

    fn send(
        &mut self,
        token: Token,
        suspended: &Suspended<'_>,
        local: &Listener,
        subject: u16,
    ) -> Result<(), FallbackCause> {
        if let Err(error) = write_query(suspended, local, &self.query, &mut self.scratch) {
            tracing::debug!(id = %suspended.id, %error, "nobody is asked");
            return Err(FallbackCause::Invalid);
        }
        let publish = self.client.publish_with_reply_and_headers(
            self.subjects.subject(subject),
            self.inbox.subject(token),
            self.headers.of(suspended, SystemTime::now()),
            Bytes::copy_from_slice(&self.scratch),
        );
        // Polled once: whatever does not go at once does not go.
        match unconstrained(publish).now_or_never() {
            Some(Ok(())) => Ok(()),
            Some(Err(error)) => {
                self.notices.publish_failed(&error);
                Err(FallbackCause::Congested)
            }
            None => Err(FallbackCause::Congested),
        }
    }

    /// Reads a message that came in on the inbox. `None` when its subject names no query.
    pub fn read(
        &mut self,
        now: Instant,
        message: &Message,
        context: &PlanContext<'_>,
    ) -> Option<Answer> {
        let Some(token) = self.inbox.token(&message.subject) else {
            self.metrics.add(ShardCounter::AnswersUnknown);
            return None;
        };
        if !self.pending.contains(token) {
            // Late, a duplicate, or never asked: the core knows which, and counts it. The document
            // is not looked at.
            let verdict = Reply::Final(Err(FallbackCause::Invalid));
            return Some(Answer {
                token,
                verdict,
                answered: None,
                cache: None,
            });
        }
        let answer::Read {
            said,
            reasons,
            cache,
        } = answer::read(message, &self.limits, context);
        if let Said::Extend(by) = said {
            if let Some(subject) = self.pending.extend(token, now + by.min(self.max_wait)) {
                self.subjects.extended(subject);
            }
            return Some(Answer {
                token,
                verdict: Reply::Extend(by),
                answered: None,
                cache: None,
            });
        }
        let open = self.pending.take(token)?;
        self.metrics.decision_took(now - open.sent);
        let failure = said.failure();
        self.subjects.note(now, open.subject, open.id, failure);
        let (verdict, detail) = match failure {
            None => (Verdict::Answered, None),
            Some(Failure::NoResponders | Failure::Timeout) => (Verdict::Unknown, None),
            Some(Failure::ServiceError(error)) => (Verdict::Failed, Some(error.to_owned())),
            Some(Failure::Invalid(refusal)) => {
                self.metrics.invalid(refusal.reason);
                (Verdict::Failed, Some(refusal.to_string()))
            }
        };
        self.subjects.settle(now, &open, verdict);
        let cause = failure.map_or(FallbackCause::Invalid, |failure| failure.cause());
        let result = match said {
            Said::Plan(plan) => Ok(plan),
            _ => Err(cause),
        };
        let answered = self.tells.then(|| Answered {
            token,
            decider: answer::decider(message),
            reasons,
            detail,
        });
        Some(Answer {
            token,
            verdict: Reply::Final(result),
            answered,
            cache,
        })
    }

    /// Nobody waits for this answer any more.
    pub fn withdraw(&mut self, now: Instant, token: Token) {
        if let Some(open) = self.pending.take(token) {
            self.subjects.settle(now, &open, Verdict::Unknown);
        }
    }

    /// Tells the breakers about queries whose budget went by. `is_awaited` says whether the core
    /// still waits for one.
    pub fn expire(&mut self, now: Instant, mut is_awaited: impl FnMut(Token) -> bool) {
        while let Some(open) = self.pending.expire(now, &mut is_awaited) {
            self.subjects
                .note(now, open.subject, open.id, Some(Failure::Timeout));
            self.subjects.settle(now, &open, Verdict::Failed);
        }
    }

    /// Looks after the connection: what it does when that changed since the last call, and appends
    /// the queries that were lost with it. Cheap when nothing happened: it is called on every turn
    /// of the shard.
    pub fn lost(&mut self, now: Instant, into: &mut Vec<Token>) -> Option<Link> {
        let connection = self.current();
        if connection == self.connection {
            return None;
        }
        self.connection = connection;
        self.notices.connection(connection.is_some());
        for (token, open) in self.pending.take_lost(connection) {
            self.subjects.settle(now, &open, Verdict::Unknown);
            into.push(token);
        }
        Some(if connection.is_some() {
            Link::Up
        } else {
            Link::Down
        })
    }

    /// About how many more calls the deciders of the configured tenant can be asked now.
    pub fn room_for_calls(&mut self) -> usize {
        self.subjects.room(self.calls)
    }

    /// How the deciders have answered, by query subject.
    pub fn subject_states(&self) -> Vec<SubjectState> {
        self.subjects.states()
    }

    /// How many queries are out.
    pub fn pending(&self) -> usize {
        self.pending.len()
    }

    /// The present connection; `None` while there is none.
    fn current(&self) -> Option<u64> {
        (self.client.connection_state() == State::Connected)
            .then(|| self.statistics.connects.load(Ordering::Relaxed))
    }

    /// Publishes an event, or drops and counts it when that would mean waiting.
    pub fn announce(&mut self, event: &sigbox_contracts::Event, tenant: &str) {
        if let Ok(tenant) = Slug::new(tenant) {
            let subject = self.subjects.prefix().event(event.kind(), &tenant);
            self.publish(subject, event);
        }
    }

    /// The same with what is new about a table.
    pub fn announce_data(&mut self, data: &sigbox_contracts::Data) {
        if let Ok(table) = Slug::new(data.table.as_str()) {
            let subject = self.subjects.prefix().data(&table);
            self.publish(subject, data);
        }
    }

    fn publish(&mut self, subject: String, document: &impl serde::Serialize) {
        let published = self.current().is_some() && {
            let document = serde_json::to_vec(document).unwrap_or_default();
            let publish = self.client.publish(subject, document.into());
            matches!(unconstrained(publish).now_or_never(), Some(Ok(())))
        };
        let counter = if published {
            ShardCounter::EventsPublished
        } else {
            ShardCounter::EventsDropped
        };
        self.metrics.add(counter);
    }

    /// Sends what is still queued and ends.
    pub async fn close(self) {
        if self.current().is_some() {
            // What could not be sent by then is lost; the proxy does not stay for it.
            let _ = tokio::time::timeout(FLUSH_LIMIT, self.client.flush()).await;
        }
    }
}

fn query_options(config: &Config) -> QueryOptions {
    QueryOptions {
        node: config.node.as_str().into(),
        headers: config.exchange.headers.clone(),
        body: config.exchange.body,
        max_bytes: QueryOptions::MAX_BYTES,
    }
}

/// Unix time in milliseconds.
pub(crate) fn unix_ms() -> f64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
        .as_secs_f64()
        * 1_000.0
}
