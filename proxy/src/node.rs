//! One running proxy: its sockets, shards, admin server and signals.
//!
//! [`Node::start`] binds everything before it starts anything, so that a port that is taken is an
//! error and not half a proxy. [`run`] is what `sigbox run` does: start, then wait for signals.

mod announce;
mod bind;
mod certificates;
mod lookup;
mod precedence;
mod signals;
mod watch;

use std::any::Any;
use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::thread;

use arc_swap::ArcSwap;
use sigbox_core::Counters;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::{Semaphore, mpsc, oneshot};
use tracing::{error, info, warn};

pub use bind::BindError;

use self::watch::Watch;

use crate::admin::{Admin, Health};
use crate::api::{self, Access, Api, Audit, Controls, Looking};
use crate::bans::{self, Bans};
use crate::bus::Presence;
use crate::config::{Config, Severity};
use crate::decisions::Decisions;
use crate::gateways::GatewayBoard;
use crate::memory::MemoryGuard;
use crate::metrics::{Metrics, ReceiveBuffers};
use crate::shard::{
    Announcement, Clock, Control, Parts, Shard, ShardError, ShardHandle, Steer, channels,
};
use crate::tables::{Registry, Replica, Store, StoreError};
use crate::tls::{Certificates, Files, TlsError};

/// How often a busy shard looks after its connection to NATS: every so many turns of its own.
const TURNS_PER_POLL: u32 = 4;

/// Why a node cannot start, or did not end well.
#[derive(Debug, thiserror::Error)]
pub enum NodeError {
    /// A SIP address cannot be bound.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// The admin address cannot be bound.
    #[error("cannot serve HTTP on {address}: {source}{}", admin_hint(source))]
    Admin {
        /// The configured address.
        address: SocketAddr,
        /// What the system says.
        source: std::io::Error,
    },
    /// The admin server's certificates cannot be used.
    #[error("cannot serve HTTPS: {0}; see `tls` under [admin]")]
    Tls(#[from] TlsError),
    /// What was pushed before cannot be used.
    #[error("the tables cannot be loaded: {0}; see `dir` under [data]")]
    Tables(#[from] StoreError),
    /// A shard cannot start.
    #[error("shard {shard} cannot start: {source}")]
    Shard {
        /// Its number.
        shard: usize,
        /// What is wrong.
        source: ShardError,
    },
    /// A shard stopped working while the node ran.
    #[error("shard {shard} died: {what}")]
    Died {
        /// Its number.
        shard: usize,
        /// The panic's message.
        what: String,
    },
    /// The system has no thread, signal or random number for us.
    #[error("{what}: {source}")]
    System {
        /// What was tried.
        what: &'static str,
        /// What the system says.
        source: std::io::Error,
    },
}

fn admin_hint(error: &std::io::Error) -> &'static str {
    match error.kind() {
        std::io::ErrorKind::AddrInUse => {
            "; is another sigbox running? Change `listen` under [admin], port 0 takes any that is free"
        }
        _ => "; see `listen` under [admin]",
    }
}

fn system(what: &'static str) -> impl FnOnce(std::io::Error) -> NodeError {
    move |source| NodeError::System { what, source }
}

/// Runs a node until it is told to stop: SIGTERM or SIGINT drain it, SIGHUP reads the configuration
/// again, and so does a change of the file if it is watched. `log_drops` reads how many log lines were dropped.
///
/// # Errors
/// [`NodeError`] when it cannot start or a shard died. A drained node is `Ok`.
pub fn run(
    config: Config,
    log_drops: impl Fn() -> u64 + Send + Sync + 'static,
) -> Result<(), NodeError> {
    let runtime = Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(system("cannot start the main runtime"))?;
    // Signals are taken before anything else, so that none is lost during the start.
    let signals = {
        let _context = runtime.enter();
        signals::Signals::listen().map_err(system("cannot take signals"))?
    };
    // So is what happens to the file.
    let watch = config.runtime.watch.then(|| {
        let path = &config.path;
        let certificates = config.admin.tls.iter().flat_map(Files::paths);
        Watch::start(std::iter::once(path.as_path()).chain(certificates))
            .inspect_err(|error| warn!(path = %path.display(), %error, "cannot watch the configuration file; SIGHUP reads it again"))
            .ok()
    });
    let mut node = Node::start(config)?;
    node.metrics.set_log_drops(log_drops);
    runtime.block_on(async {
        let ended = signals.serve(&mut node, watch.flatten()).await;
        node.leave().await;
        ended
    })
}

/// A running node. Dropping it does not stop its shards; [`Node::drain`] does.
#[derive(Debug)]
pub struct Node {
    config: Config,
    bans: Arc<Bans>,
    listeners: Vec<SocketAddr>,
    metrics: Arc<Metrics>,
    health: Arc<Health>,
    admin: Admin,
    shards: Vec<ShardHandle>,
    ends: mpsc::UnboundedReceiver<End>,
    running: usize,
    tables: Arc<Registry>,
    presence: Arc<Presence>,
    /// Who may use the API.
    access: Arc<Access>,
    /// The admin server's, if it has any.
    certificates: Option<Arc<Certificates>>,
    /// Reloads that the API asks for.
    reloads: mpsc::Receiver<oneshot::Sender<Result<(), String>>>,
}

/// A shard ended.
#[derive(Debug)]
struct End {
    shard: usize,
    panic: Option<String>,
}

impl Node {
    /// Binds the sockets, then starts the admin server and the shards. When this returns, calls are
    /// taken.
    ///
    /// # Errors
    /// [`NodeError`]; nothing is left running then but what ends with the process.
    pub fn start(mut config: Config) -> Result<Self, NodeError> {
        let shards = config.runtime.shards;
        let bound = bind::bind(&config.listen, &config.runtime)?;
        config.set_bound(&bound.addresses);

        let metrics = Arc::new(Metrics::new(config.node.as_str()));
        let mut buffers = ReceiveBuffers::default();
        for sockets in bound.sockets.iter().flatten() {
            let watched = buffers.watch(&sockets.under_way, &sockets.beginning);
            watched.map_err(system("cannot look at a socket"))?;
        }
        metrics.set_receive_buffers(buffers);
        let (handles, queues): (Vec<_>, Vec<_>) = (0..shards)
            .map(|_| channels(config.runtime.shard_queue))
            .unzip();
        let ready_without_nats = config.admin.ready_without_nats;
        let health = Arc::new(Health::new(shards, ready_without_nats, metrics.clone()));
        let clock = Clock::start();
        let board = board(&config, clock, &handles);
        metrics.set_gateways(board.clone());
        let bans = Arc::new(Bans::new(config.bans.clone()));
        let live = Arc::new(ArcSwap::from_pointee(config.clone()));
        metrics.set_rate_limits(live.clone(), bans.clone());
        let controls = Controls {
            config: live.clone(),
            bans: bans.clone(),
            clock,
        };
        let shared = Arc::new(config.clone());
        let store = Store::open(config.data_dir.as_deref())?;
        let told = handles.clone();
        let replicas = config.tables.replicas;
        let replica = replicas.map(|_| Arc::new(Replica::new(config.node.to_string())));
        let (others, running) = (board.clone(), live.clone());
        let tables = Registry::open(
            store,
            shared.clone(),
            replica.clone(),
            clock,
            move |tables, changes| {
                others.replace(tables.gateways().clone());
                running.store(Arc::new(tables.config()));
                tell(&told, || Control::Tables(tables.clone()));
                for change in changes {
                    announce::announce(&told, Announcement::Data(Box::new(change)));
                }
            },
        )?;
        let tables = Arc::new(tables);
        board.replace(tables.tables().gateways().clone());
        live.store(Arc::new(tables.tables().config()));
        let audit = Audit::open(config.data_dir.as_deref(), metrics.clone());
        let audit = Arc::new(audit.map_err(system("cannot open the audit log"))?);
        let (reload, reloads) = mpsc::channel(4);
        let steer = Steer::new(shards);
        let decisions = Arc::new(Decisions::new(config.admin.decisions, shards));
        let looking = Looking {
            decisions: decisions.clone(),
            shards: handles.clone(),
            steer: steer.clone(),
            turn: Arc::new(Semaphore::new(1)),
        };
        let access = Arc::new(Access::new(
            config.admin.tokens.clone(),
            config.admin.clients.clone(),
        ));
        let api = Api {
            node: config.node.as_str().into(),
            access: access.clone(),
            audit: audit.clone(),
            metrics: metrics.clone(),
            tables: tables.clone(),
            health: health.clone(),
            controls,
            looking,
            gateways: board.clone(),
            reload,
        };
        let api = api::router(api);
        let address = config.admin.listen;
        let certificates = certificates::open(&config, &metrics)?;
        let (secured, seen) = (certificates.clone(), metrics.clone());
        let admin = Admin::start_with(address, secured, health.clone(), seen, api)
            .map_err(|source| NodeError::Admin { address, source })?;
        if let Some(certificates) = certificates.clone() {
            admin.handle().spawn(certificates.remind());
        }
        if let (Some(replica), Some(replicas)) = (replica, replicas) {
            let (nats, registry) = (config.nats.clone(), tables.clone());
            admin.handle().spawn(replica.run(nats, replicas, registry));
        }
        let process = u64::from_le_bytes(random()?);
        let presence = Presence::new(&config.nats, config.node.clone(), process, health.clone());
        let presence = Arc::new(presence);
        admin
            .handle()
            .spawn(presence.clone().run(config.nats.clone()));
        admin.handle().spawn(audit.clone().sweep());
        admin
            .handle()
            .spawn(announce::audit(audit.follow(), handles.clone()));
        let memory = MemoryGuard::start(config.overload.memory, admin.handle());
        let (wanted_bans, wanted) = bans::channel();
        let serve_bans = bans.clone().serve(wanted, move || clock.now());
        admin.handle().spawn(serve_bans);
        let lookups = lookup::start(admin.handle(), handles.clone());
        let (ended, ends) = mpsc::unbounded_channel();
        let undrained = Arc::new(AtomicUsize::new(shards));
        let mut starting = Vec::with_capacity(shards);
        for (index, (sockets, queues)) in bound.sockets.into_iter().zip(queues).enumerate() {
            let counters = Arc::new(Counters::default());
            let parts = Parts {
                // At most 64 shards, by configuration.
                index: u8::try_from(index).unwrap_or(u8::MAX),
                config: shared.clone(),
                tables: tables.tables(),
                sockets,
                queues,
                peers: handles.clone(),
                undrained: undrained.clone(),
                lookups: lookups.clone(),
                steer: steer.clone(),
                clock,
                seed: random()?,
                process,
                metrics: metrics.register_shard(counters.clone()),
                counters,
                shared: metrics.clone(),
                health: health.clone(),
                bans: bans.clone(),
                wanted_bans: wanted_bans.clone(),
                kept: decisions.of_shard(index).unwrap_or_default(),
                memory: memory.clone(),
            };
            let (started, start) = oneshot::channel();
            let (ended, health) = (ended.clone(), health.clone());
            thread::Builder::new()
                .name(format!("shard-{index}"))
                .spawn(move || {
                    let run = AssertUnwindSafe(|| run_shard(parts, started, &health));
                    let panic = catch_unwind(run).err().map(|panic| message_of(&*panic));
                    // Nobody waits for it any more when the node is gone.
                    let _ = ended.send(End {
                        shard: index,
                        panic,
                    });
                })
                .map_err(system("cannot start a thread"))?;
            starting.push(start);
        }
        for (shard, start) in starting.into_iter().enumerate() {
            match start.blocking_recv() {
                Ok(Ok(())) => {}
                Ok(Err(StartError::Runtime(source))) => {
                    return Err(system("cannot start a shard's runtime")(source));
                }
                Ok(Err(StartError::Shard(source))) => {
                    return Err(NodeError::Shard { shard, source });
                }
                Err(_) => {
                    let what = "it did not start".to_owned();
                    return Err(NodeError::Died { shard, what });
                }
            }
        }
        let node = Self {
            listeners: bound.addresses,
            metrics,
            health,
            admin,
            shards: handles,
            ends,
            running: shards,
            bans,
            config,
            tables,
            presence,
            access,
            certificates,
            reloads,
        };
        node.announce();
        Ok(node)
    }

    /// One line for each thing that can be reached.
    fn announce(&self) {
        for listener in &self.config.settings.listeners {
            let (transport, address) = (listener.transport.name(), listener.address);
            info!(transport, %address, "listening");
        }
        let transport = match self.certificates {
            Some(_) => "https",
            None => "http",
        };
        info!(transport, address = %self.admin.address(), "listening");
        info!(
            version = env!("CARGO_PKG_VERSION"),
            node = %self.config.node,
            shards = self.shards.len(),
            nats = ?self.config.nats.servers,
            "started"
        );
    }

    /// Where it takes SIP, in the order of the configuration, with the ports it really has.
    pub fn listeners(&self) -> &[SocketAddr] {
        &self.listeners
    }

    /// Where the admin server listens.
    pub fn admin(&self) -> SocketAddr {
        self.admin.address()
    }

    /// What it measures.
    pub fn metrics(&self) -> &Arc<Metrics> {
        &self.metrics
    }

    /// Takes over `config`, keeping the sockets it has; `done` is called once everything goes by it, which tables with many
    /// rows may take seconds for.
    fn apply(&mut self, mut config: Config, done: impl FnOnce() + Send + 'static) {
        config.set_bound(&self.listeners);
        self.config = config;
        let shared = Arc::new(self.config.clone());
        self.bans.set_policy(shared.bans.clone());
        let admin = &shared.admin;
        self.access
            .replace(admin.tokens.clone(), admin.clients.clone());
        tell(&self.shards, || Control::Reload(shared.clone()));
        let tables = self.tables.clone();
        self.admin.handle().spawn(async move {
            tables.reconfigure(shared).await;
            done();
        });
    }

    /// Pushed tables.
    pub fn tables(&self) -> &Arc<Registry> {
        &self.tables
    }

    /// Reads the configuration file again. When it is wrong, what runs goes on running. Whoever has asked is told when all of
    /// it has taken effect, or what is wrong, a line for each fault.
    pub fn reload(&mut self, asked: Option<oneshot::Sender<Result<(), String>>>) {
        let tell = |result| {
            // They may have gone.
            let _ = asked.map(|asked| asked.send(result));
        };
        let path = self.config.path.clone();
        match self.config.reload(&path) {
            Ok(config) => {
                for line in config.warnings.lines() {
                    warn!(file = %path.display(), "{line}");
                }
                let metrics = self.metrics.clone();
                self.apply(config, move || {
                    metrics.reloaded(true);
                    info!(path = %path.display(), "configuration reloaded");
                    tell(Ok(()));
                });
                self.renew_certificates();
            }
            Err(report) => {
                for line in report.lines() {
                    error!(file = %path.display(), "{line}");
                }
                self.metrics.reloaded(false);
                error!(
                    path = %path.display(),
                    errors = report.count(Severity::Error),
                    "configuration not reloaded; the last good one stays; run: sigbox check -c {}",
                    path.display()
                );
                tell(Err(report.lines().collect::<Vec<_>>().join("\n")));
            }
        }
    }

    /// Takes no more calls; [`Node::ended`] returns when those there are have ended, or after the
    /// configured time.
    pub fn drain(&self) {
        self.health.drain();
        info!(
            limit_s = self.config.runtime.drain.as_secs_f64(),
            "draining"
        );
        tell(&self.shards, || Control::Drain);
    }

    /// Waits until every shard has ended.
    ///
    /// # Errors
    /// [`NodeError::Died`] as soon as one has panicked: half a proxy is worse than none, which
    /// others notice.
    pub async fn ended(&mut self) -> Result<(), NodeError> {
        ended(&mut self.ends, &mut self.running).await
    }

    /// Waits until every shard has ended, or somebody asks for a reload.
    async fn turn(&mut self) -> Turn {
        tokio::select! {
            ended = ended(&mut self.ends, &mut self.running) => Turn::Ended(ended),
            Some(answer) = self.reloads.recv() => Turn::Reload(answer),
        }
    }
}

/// What a node has to do something about.
enum Turn {
    Ended(Result<(), NodeError>),
    Reload(oneshot::Sender<Result<(), String>>),
}

async fn ended(
    ends: &mut mpsc::UnboundedReceiver<End>,
    running: &mut usize,
) -> Result<(), NodeError> {
    while *running > 0 {
        let Some(End { shard, panic }) = ends.recv().await else {
            break;
        };
        *running -= 1;
        if let Some(what) = panic {
            error!(shard, what, "a shard died");
            return Err(NodeError::Died { shard, what });
        }
    }
    info!("stopped");
    Ok(())
}

fn tell(shards: &[ShardHandle], control: impl Fn() -> Control) {
    for shard in shards {
        // One that has ended already has nothing to be told.
        let _ = shard.control.send(control());
    }
}

/// The board of a node's gateways; the first shard tells others what operators do.
fn board(config: &Config, clock: Clock, shards: &[ShardHandle]) -> Arc<GatewayBoard> {
    let first = shards.first().cloned();
    let sets = config.settings.gateways.clone();
    Arc::new(GatewayBoard::new(sets, clock, move |change| {
        if let Some(shard) = &first {
            // One that has ended tells nobody any more.
            let _ = shard.control.send(Control::Gateway(Box::new(change)));
        }
    }))
}

enum StartError {
    Runtime(std::io::Error),
    Shard(ShardError),
}

fn run_shard(parts: Parts, started: oneshot::Sender<Result<(), StartError>>, health: &Health) {
    let runtime = match shard_runtime() {
        Ok(runtime) => runtime,
        Err(error) => {
            let _ = started.send(Err(StartError::Runtime(error)));
            return;
        }
    };
    runtime.block_on(async {
        match Shard::start(parts).await {
            Ok(shard) => {
                health.shard_started();
                let _stopped = Stopped(health);
                let _ = started.send(Ok(()));
                // A task of its own: waking the future that the thread blocks on costs a system call
                // each time, as if it were on another thread; waking a task of the runtime costs none.
                if let Err(ended) = tokio::spawn(shard.run()).await
                    && let Ok(panic) = ended.try_into_panic()
                {
                    resume_unwind(panic);
                }
            }
            Err(error) => {
                let _ = started.send(Err(StartError::Shard(error)));
            }
        }
    });
    // The client's tasks do not hold the thread up.
    runtime.shutdown_background();
}

/// Reports the end of a shard, a panic's too.
struct Stopped<'a>(&'a Health);

impl Drop for Stopped<'_> {
    fn drop(&mut self) {
        self.0.shard_stopped();
    }
}

fn shard_runtime() -> std::io::Result<Runtime> {
    Builder::new_current_thread()
        .enable_all()
        .event_interval(TURNS_PER_POLL)
        .max_blocking_threads(2)
        .build()
}

fn message_of(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("a panic without a message")
        .to_owned()
}

fn random<const BYTES: usize>() -> Result<[u8; BYTES], NodeError> {
    let mut bytes = [0; BYTES];
    getrandom::fill(&mut bytes)
        .map_err(|error| system("no random numbers")(std::io::Error::other(error)))?;
    Ok(bytes)
}
