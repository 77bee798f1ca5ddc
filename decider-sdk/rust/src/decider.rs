use std::future::Future;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_nats::ConnectOptions;
use futures_util::stream::SelectAll;
use sigbox_contracts::Class;
use sigbox_contracts::subject::{EventKind, QUEUE_GROUP};
use tracing::info;

use crate::call::Call;
use crate::connection::{self, Connectivity};
use crate::error::Error;
use crate::handler::{Handler, IntoReply, erase};
use crate::registration::Registration;
use crate::reply::Link;
use crate::running::Running;
use crate::service::Service;
use crate::settings::Given;
use crate::tables::Tables;
use crate::worker::{Bounds, Queries, Worker};

/// A decider in the making: its name, a handler per class of query, and how to reach NATS.
///
/// What code does not say comes from the environment: `NATS_URL` (default `nats://127.0.0.1:4222`; several with
/// commas), `NATS_CREDS` (a credentials file), `SIGBOX_PREFIX` (default `sigbox`) and `SIGBOX_TENANT` (default `*`,
/// all tenants).
#[must_use = "a decider does nothing until it runs"]
pub struct Decider {
    name: String,
    version: String,
    description: String,
    handlers: Vec<(Class, Handler)>,
    given: Given,
    tables: Option<Tables>,
}

impl Decider {
    /// A decider that registers as the NATS service `name` (`[A-Za-z0-9_-]+`) with a semantic `version`. Several
    /// processes with one name share the queries between them.
    pub fn new(name: impl Into<String>, version: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            version: version.into(),
            description: String::new(),
            handlers: Vec::new(),
            given: Given::default(),
            tables: None,
        }
    }

    /// Answers queries of `class` with `handler`; one handler per class.
    ///
    /// Handlers run concurrently on tokio, up to [`Decider::concurrency`] at once. A handler must not block its
    /// thread; what blocks belongs into `tokio::task::spawn_blocking`. When its answer is not wanted any more
    /// ([`Call::cancelled`]), it has a second to finish and is then dropped.
    pub fn on<H, F>(mut self, class: Class, handler: H) -> Self
    where
        H: Fn(Call) -> F + Send + Sync + 'static,
        F: Future<Output: IntoReply> + Send + 'static,
    {
        self.handlers.push((class, erase(handler)));
        self
    }

    /// Has `tables` hold what is pushed to the proxies, from when the decider runs. It goes on without when nothing is.
    pub fn follow(mut self, tables: &Tables) -> Self {
        self.tables = Some(tables.clone());
        self
    }

    /// A sentence for `nats service info`.
    pub fn description(mut self, description: impl Into<String>) -> Self {
        self.description = description.into();
        self
    }

    /// NATS addresses, separated by commas: `nats://host:4222`, with `user:password@` or `token@` before the host.
    pub fn servers(mut self, servers: impl Into<String>) -> Self {
        self.given.servers = Some(servers.into());
        self
    }

    /// What every subject starts with.
    pub fn prefix(mut self, prefix: impl Into<String>) -> Self {
        self.given.prefix = Some(prefix.into());
        self
    }

    /// The tenant whose queries are answered; `*` is all of them.
    pub fn tenant(mut self, tenant: impl Into<String>) -> Self {
        self.given.tenant = Some(tenant.into());
        self
    }

    /// A NATS credentials file.
    pub fn credentials(mut self, file: impl Into<PathBuf>) -> Self {
        self.given.credentials = Some(file.into());
        self
    }

    /// Anything else for the connection, like TLS. The name, the ping interval, the reconnect behaviour and the event
    /// callback are the decider's.
    pub fn connection(mut self, options: ConnectOptions) -> Self {
        self.given.connection = Some(options);
        self
    }

    /// How many queries may be in hand at once, over all classes; 256 unless set. The next one is answered with
    /// service error 503, and the proxy falls back at once.
    pub fn concurrency(mut self, queries: usize) -> Self {
        self.given.concurrency = Some(queries);
        self
    }

    /// How long a stop waits for handlers that are still deciding; 10 s unless set.
    pub fn drain_time(mut self, time: Duration) -> Self {
        self.given.drain_time = Some(time);
        self
    }

    /// Runs until SIGTERM or SIGINT, then drains: takes no more queries, finishes those in hand, and returns.
    ///
    /// NATS may be started later, stop and come back: the decider waits for it and connects again for ever.
    ///
    /// # Errors
    /// [`Error`] for what cannot work from the start.
    pub async fn run(self) -> Result<(), Error> {
        let asked_to_stop = stop_signal().map_err(Error::Signals)?;
        self.run_until(asked_to_stop).await
    }

    /// [`Decider::run`] until `stop` resolves instead of a signal.
    ///
    /// # Errors
    /// As [`Decider::run`].
    pub async fn run_until(self, stop: impl Future<Output = ()>) -> Result<(), Error> {
        tokio::pin!(stop);
        let mut running = tokio::select! {
            running = self.start() => running?,
            () = &mut stop => return Ok(()),
        };
        tokio::select! {
            ended = running.ended() => ended,
            () = &mut stop => running.stop().await,
        }
    }

    /// Starts in the background, for a decider that is part of a larger program. Returns when NATS has been reached
    /// and the subscriptions are on their way, which may take as long as NATS takes.
    ///
    /// # Errors
    /// [`Error`] for what cannot work from the start.
    pub async fn start(mut self) -> Result<Running, Error> {
        let tables = self.tables.take();
        let (service, given) = self.into_parts()?;
        let settings = given.resolve(|name| std::env::var(name).ok())?;
        let service = Arc::new(service);
        let (prefix, tenant) = (settings.prefix.clone(), settings.tenant.clone());
        let bounds = Bounds {
            concurrency: settings.concurrency,
            drain_time: settings.drain_time,
        };
        let connectivity = Arc::new(Connectivity::default());
        let client = connection::open(settings, &service, Arc::clone(&connectivity)).await?;

        // The commands wait in the client until there is a connection.
        let mut queries = SelectAll::new();
        for (index, endpoint) in service.endpoints.iter().enumerate() {
            let subject = endpoint.subject(&prefix, tenant.as_ref());
            let subscriber = client
                .queue_subscribe(subject, QUEUE_GROUP.to_owned())
                .await?;
            queries.push(Queries::new(index, subscriber));
        }
        let cancelled = client
            .subscribe(prefix.event_subscription(EventKind::Cancelled, tenant.as_ref()))
            .await?;
        let registration =
            Registration::new(&client, Arc::clone(&service), &prefix, tenant.as_ref()).await?;
        client.flush().await.map_err(|_| Error::Closed)?;

        let id = registration.id().to_owned();
        info!(decider = service.decider(), id, classes = service.classes(), %prefix,
            tenant = tenant.as_ref().map_or("*", |tenant| tenant.as_str()), "ready");
        let following = tables.map(|tables| {
            let member = format!("{}-{id}", service.name);
            tokio::spawn(tables.follow(client.clone(), prefix.clone(), member)).abort_handle()
        });
        let link = Arc::new(Link::new(client, &service.decider(), connectivity));
        let worker = Worker::new(
            Arc::clone(&service),
            link,
            registration,
            queries,
            cancelled,
            bounds,
        );
        Ok(Running::spawn(worker, service, id, following))
    }

    pub(crate) fn into_parts(self) -> Result<(Service, Given), Error> {
        let service = Service::new(self.name, self.version, self.description, self.handlers)?;
        Ok((service, self.given))
    }
}

/// Resolves when the process is asked to stop.
#[cfg(unix)]
fn stop_signal() -> io::Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{SignalKind, signal};

    let (mut terminate, mut interrupt) = (
        signal(SignalKind::terminate())?,
        signal(SignalKind::interrupt())?,
    );
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}

/// Resolves when the process is asked to stop.
#[cfg(not(unix))]
fn stop_signal() -> io::Result<impl Future<Output = ()>> {
    Ok(async {
        // Without a way to be told, the process runs until it is killed.
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    })
}
