use std::collections::HashMap;
use std::ops::ControlFlow;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, SystemTime};

use async_nats::{Message, Subscriber};
use bytes::BytesMut;
use futures_util::stream::SelectAll;
use futures_util::{FutureExt, Stream, StreamExt};
use sigbox_contracts::{Event, Query};
use tokio::sync::futures::Notified;
use tokio::sync::oneshot;
use tokio::task::{self, JoinError, JoinSet};
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tracing::{debug, error, info, warn};

use crate::call::Call;
use crate::counters::Ending;
use crate::envelope::Envelope;
use crate::error::Error;
use crate::handler::{Deciding, Failure};
use crate::lifetime::Lifetime;
use crate::registration::Registration;
use crate::reply::{Link, Reply, ReplyTo};
use crate::service::{Endpoint, Service};

/// How long a handler may go on when its answer is not wanted any more, to tidy up. Then it is dropped, so that
/// handlers that hang cannot use up the concurrency for good.
const GRACE: Duration = Duration::from_secs(1);

/// How long the last replies may take to leave.
const FLUSH_TIME: Duration = Duration::from_secs(1);

/// How a stop takes leave of NATS: how many more queries of each class it takes, and how long it waits for them.
///
/// async-nats forgets a subscription as soon as it has written UNSUB, when the server may still be sending: queries
/// on the way would be lost, and each would cost a call its whole budget. Asking for a number more is exact, because
/// server and client stop at the same query. With little traffic that number does not come, but then there is next
/// to nothing on the way either.
const LEAVE: [(u64, Duration); 2] = [
    (1024, Duration::from_millis(200)),
    (64, Duration::from_millis(100)),
];

/// Queries of one class, with the index of the endpoint that answers them.
pub(crate) struct Queries {
    endpoint: usize,
    subscriber: Subscriber,
    taken: u64,
}

impl Queries {
    pub(crate) fn new(endpoint: usize, subscriber: Subscriber) -> Self {
        Self {
            endpoint,
            subscriber,
            taken: 0,
        }
    }
}

impl Stream for Queries {
    type Item = (usize, Message);

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let Some(message) = ready!(self.subscriber.poll_next_unpin(cx)) else {
            return Poll::Ready(None);
        };
        self.taken += 1;
        Poll::Ready(Some((self.endpoint, message)))
    }
}

/// The event loop: takes queries to their handlers and the answers back.
///
/// A handler is polled once where the query was read. Most have their answer then, and it has cost no task, no wake-up
/// and no timer; the others go on as tasks of their own.
pub(crate) struct Worker {
    service: Arc<Service>,
    link: Arc<Link>,
    registration: Registration,
    queries: SelectAll<Queries>,
    cancelled: Subscriber,
    concurrency: usize,
    drain_time: Duration,
    /// Handlers that took their time, and what they are at.
    tasks: JoinSet<()>,
    in_hand: HashMap<task::Id, InHand>,
    buffer: BytesMut,
    said_busy: bool,
    said_expired: bool,
}

struct InHand {
    endpoint: usize,
    call: Call,
}

/// How to run.
pub(crate) struct Bounds {
    pub(crate) concurrency: usize,
    pub(crate) drain_time: Duration,
}

impl Worker {
    pub(crate) fn new(
        service: Arc<Service>,
        link: Arc<Link>,
        registration: Registration,
        queries: SelectAll<Queries>,
        cancelled: Subscriber,
        bounds: Bounds,
    ) -> Self {
        Self {
            service,
            link,
            registration,
            queries,
            cancelled,
            concurrency: bounds.concurrency,
            drain_time: bounds.drain_time,
            tasks: JoinSet::new(),
            in_hand: HashMap::new(),
            buffer: BytesMut::new(),
            said_busy: false,
            said_expired: false,
        }
    }

    /// Runs until `stop` is sent or dropped, then drains.
    ///
    /// # Errors
    /// [`Error::Closed`] when the connection ends by itself.
    pub(crate) async fn run(mut self, mut stop: oneshot::Receiver<()>) -> Result<(), Error> {
        loop {
            tokio::select! {
                biased;
                _ = &mut stop => break,
                Some(event) = self.cancelled.next() => self.cancel(&event),
                Some(ended) = self.tasks.join_next_with_id() => self.forget(ended),
                Some(question) = self.registration.next() => self.introduce(question).await,
                query = self.queries.next() => match query {
                    Some((endpoint, message)) => self.serve(endpoint, message).await,
                    None => return Err(Error::Closed),
                },
            }
        }
        self.drain().await;
        Ok(())
    }

    /// Stops taking queries, answers those that NATS has already handed over, and waits for the handlers.
    async fn drain(&mut self) {
        info!(in_hand = self.in_hand.len(), "stopping");
        let until = Instant::now() + self.drain_time;
        self.registration.close();
        self.take_leave(until).await;
        while !self.tasks.is_empty() {
            tokio::select! {
                biased;
                () = sleep_until(until) => break,
                Some(event) = self.cancelled.next() => self.cancel(&event),
                Some(ended) = self.tasks.join_next_with_id() => self.forget(ended),
            }
        }
        self.give_up().await;
        if self.link.connected()
            && timeout(FLUSH_TIME, self.link.client().flush())
                .await
                .is_err()
        {
            warn!("NATS did not take the last replies in time");
        }
        info!("stopped");
    }

    /// Ends the subscriptions; see [`LEAVE`].
    async fn take_leave(&mut self, until: Instant) {
        let link = Arc::clone(&self.link);
        let lost = link.connectivity().lost();
        tokio::pin!(lost);
        lost.as_mut().enable();
        if !link.connected() {
            return;
        }
        // After a reconnect the server's count begins anew and the client's goes on: they would not stop together.
        if !link.connectivity().was_lost() {
            for (more, time) in LEAVE {
                for queries in self.queries.iter_mut() {
                    // Fails only when the connection is closed, and then nothing arrives.
                    let _ = queries
                        .subscriber
                        .unsubscribe_after(queries.taken + more)
                        .await;
                }
                let enough = until.min(Instant::now() + time);
                if self.serve_until(enough, lost.as_mut()).await.is_break() {
                    return;
                }
            }
        }
        for queries in self.queries.iter_mut() {
            let _ = queries.subscriber.drain().await;
        }
        let _ = self.serve_until(until, lost).await;
    }

    /// Goes on until `until`; breaks off when no more queries can come.
    async fn serve_until(
        &mut self,
        until: Instant,
        mut lost: Pin<&mut Notified<'_>>,
    ) -> ControlFlow<()> {
        loop {
            tokio::select! {
                biased;
                () = sleep_until(until) => return ControlFlow::Continue(()),
                // What was on its way is lost, and a proxy hears of it from its own connection or by time.
                () = lost.as_mut() => return ControlFlow::Break(()),
                Some(event) = self.cancelled.next() => self.cancel(&event),
                Some(ended) = self.tasks.join_next_with_id() => self.forget(ended),
                query = self.queries.next() => match query {
                    Some((endpoint, message)) => self.serve(endpoint, message).await,
                    None => return ControlFlow::Break(()),
                },
            }
        }
    }

    /// The drain time is over: each proxy hears 503 at once and need not wait out its deadline.
    async fn give_up(&mut self) {
        for InHand { endpoint, call } in std::mem::take(&mut self.in_hand).into_values() {
            let Some(endpoint) = self.service.endpoints.get(endpoint) else {
                continue;
            };
            if call.withdrawn().is_some() {
                continue;
            }
            let remaining = call.remaining();
            call.lifetime().stop();
            warn!(id = call.id(), class = %endpoint.class, "handler did not finish within the drain time");
            let reply = endpoint.refuse(Ending::Busy, 503, "the decider is stopping");
            send(endpoint, &call, reply, remaining).await;
        }
        self.tasks.shutdown().await;
    }

    async fn serve(&mut self, index: usize, message: Message) {
        let service = Arc::clone(&self.service);
        let Some(endpoint) = service.endpoints.get(index) else {
            return;
        };
        endpoint.counters.request();
        let (started, now) = (Instant::now(), SystemTime::now());
        let envelope = Envelope::read(message.headers.as_ref());
        if let Some(late_by) = envelope.late_by(now) {
            self.drop_expired(endpoint, late_by);
            return;
        }
        let Some(subject) = message.reply else {
            endpoint.counters.end(Ending::Malformed);
            debug!(class = %endpoint.class, "dropped a query without a reply subject");
            return;
        };
        if self.tasks.len() >= self.concurrency {
            let reply = self.refuse_busy(endpoint);
            let _ = self.link.send(subject, reply, GRACE).await;
            return;
        }
        let query = match Query::parse(&message.payload) {
            Ok(query) => query,
            Err(invalid) => {
                warn!(class = %endpoint.class, %invalid, "query cannot be read");
                let reply = endpoint.refuse(Ending::Malformed, 400, &format!("query: {invalid}"));
                let _ = self.link.send(subject, reply, GRACE).await;
                return;
            }
        };
        let lifetime = Lifetime::new(started, envelope.remaining(&query, now));
        let reply_to = ReplyTo::Nats {
            link: Arc::clone(&self.link),
            subject,
        };
        let call = Call::new(query, envelope, lifetime, reply_to);
        let mut deciding = (endpoint.handler)(call.clone());
        match deciding.as_mut().now_or_never() {
            Some(came_to) => {
                if let Some(reply) =
                    service.settle(endpoint, &call, Some(came_to), &mut self.buffer)
                {
                    send(endpoint, &call, reply, call.remaining()).await;
                }
            }
            None => {
                let task =
                    self.tasks
                        .spawn(finish(Arc::clone(&service), index, call.clone(), deciding));
                self.in_hand.insert(
                    task.id(),
                    InHand {
                        endpoint: index,
                        call,
                    },
                );
            }
        }
    }

    fn drop_expired(&mut self, endpoint: &Endpoint, late_by: Duration) {
        endpoint.counters.end(Ending::Expired);
        // Once: after an outage there may be thousands, and clocks that differ expire every single one.
        if !self.said_expired {
            self.said_expired = true;
            warn!(class = %endpoint.class, ?late_by,
                "dropped a query that had expired; if this decider answers nothing, compare the clocks");
        }
    }

    fn refuse_busy(&mut self, endpoint: &Endpoint) -> Reply {
        let in_hand = self.tasks.len();
        if !self.said_busy {
            self.said_busy = true;
            warn!(in_hand, "answering 503: too many queries in hand");
        }
        endpoint.refuse(
            Ending::Busy,
            503,
            &format!("busy: {in_hand} queries in hand"),
        )
    }

    /// A caller has given up. A look at each query in hand: there are at most `concurrency`, and few callers give
    /// up within the time that a decision takes.
    fn cancel(&self, event: &Message) {
        if self.in_hand.is_empty() {
            return;
        }
        match Event::parse(&event.payload) {
            Ok(Event::Cancelled(cancelled)) => {
                for InHand { call, .. } in self.in_hand.values() {
                    if call.id() == cancelled.id {
                        call.lifetime().cancel();
                    }
                }
            }
            Ok(other) => {
                debug!(kind = %other.kind(), "another kind of event on the subject of cancelled ones")
            }
            Err(invalid) => debug!(%invalid, "event cannot be read"),
        }
    }

    fn forget(&mut self, ended: Result<(task::Id, ()), JoinError>) {
        let id = match ended {
            Ok((id, ())) => id,
            Err(failed) => {
                error!(%failed, "a handler broke down while it was dropped");
                failed.id()
            }
        };
        self.in_hand.remove(&id);
        // Half-way down, not at the first free place: a decider at its limit would log at every query.
        if self.tasks.len() <= self.concurrency / 2 {
            self.said_busy = false;
        }
    }

    async fn introduce(&self, question: Message) {
        let Some(answer) = self.registration.answer(&question) else {
            return;
        };
        let Some(subject) = question.reply else {
            return;
        };
        // Whoever asks for all deciders waits a moment for whoever answers; a lost answer is asked for again.
        let _ = timeout(GRACE, self.link.client().publish(subject, answer)).await;
    }
}

/// A handler that did not have its answer at once.
async fn finish(service: Arc<Service>, index: usize, call: Call, deciding: Deciding) {
    let Some(endpoint) = service.endpoints.get(index) else {
        return;
    };
    let came_to = within_its_life(&call, deciding).await;
    if let Some(reply) = service.settle(endpoint, &call, came_to, &mut BytesMut::new()) {
        send(endpoint, &call, reply, call.remaining()).await;
    }
}

/// Polls a handler to its end; `None` when it was still busy after the answer was not wanted any more.
pub(crate) async fn within_its_life(
    call: &Call,
    deciding: Deciding,
) -> Option<Result<sigbox_contracts::Decision, Failure>> {
    let too_long = async {
        call.cancelled().await;
        sleep(GRACE).await;
    };
    tokio::select! {
        biased;
        came_to = deciding => Some(came_to),
        () = too_long => None,
    }
}

async fn send(endpoint: &Endpoint, call: &Call, reply: Reply, within: Duration) {
    let ReplyTo::Nats { link, subject } = call.reply() else {
        return;
    };
    let is_decision = matches!(reply, Reply::Decision(_));
    match link.send(subject.clone(), reply, within).await {
        Ok(()) if is_decision => endpoint.counters.end(Ending::Answered),
        Ok(()) => {}
        Err(unsent) => {
            endpoint.counters.end(Ending::Unsent);
            endpoint.counters.error_text(unsent.to_string());
            debug!(id = call.id(), class = %endpoint.class, %unsent, "reply not sent");
        }
    }
}
