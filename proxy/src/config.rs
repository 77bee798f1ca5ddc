//! The configuration file.
//!
//! A file is read as a whole: [`Config::load`] gives either a configuration that can run, with its
//! warnings, or a [`Report`] of everything that is wrong with it, each fault with its line.
//! `docs/configuration.md` is the page for people; its tables are checked against [`KEYS`].

mod admin;
mod bans;
mod check;
mod condition;
mod decide;
mod diagnostic;
mod folder;
mod gateways;
mod keys;
mod listen;
mod nats;
mod pushed;
mod rate_limit;
mod reader;
mod reload;
mod rules;
mod schedule;
mod secrets;
mod sections;
pub(crate) mod suggest;
mod tables;
mod value;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use sigbox_contracts::{Prefix, Slug};
use sigbox_core::{Listener, Schedule, Settings, Transport};
use sigbox_tables::Manifest;

pub use bans::BanPolicy;
pub use diagnostic::{Diagnostic, Report, Severity};
pub use keys::{Holds, KEYS, Key};

/// Everything a node runs with.
#[derive(Clone, Debug)]
pub struct Config {
    /// The file it came from.
    pub path: PathBuf,
    /// The node's name: a slug, part of the inbox subject, of events and of metrics.
    pub node: Slug,
    /// What the core is told. `listeners` holds the configured addresses until
    /// [`Config::set_bound`] gives it the real ones.
    pub settings: Arc<Settings>,
    /// The listening sockets as configured; the same order as `settings.listeners`.
    pub listen: Vec<Listen>,
    /// The connection to NATS.
    pub nats: Nats,
    /// What goes into queries and what is accepted as an answer.
    pub exchange: Exchange,
    /// The hours that rules name.
    pub schedules: Vec<Arc<Schedule>>,
    /// The admin HTTP server.
    pub admin: Admin,
    /// Where the node keeps what must survive a restart; `None` keeps nothing.
    pub data_dir: Option<PathBuf>,
    /// Pushed tables.
    pub tables: Tables,
    /// Logs.
    pub log: Log,
    /// Which events are published.
    pub events: Events,
    /// Who may be banned.
    pub bans: BanPolicy,
    /// What happens when there is more to do than time or memory.
    pub overload: Overload,
    /// Threads, queues, sockets, draining.
    pub runtime: Runtime,
    /// What is odd but can run.
    pub warnings: Report,
}

/// One listening socket as configured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listen {
    /// Its transport.
    pub transport: Transport,
    /// The address to bind; port 0 lets the system choose.
    pub address: SocketAddr,
    /// The host and port for Via and Record-Route; `None` is the bound address.
    pub advertise: Option<(Box<str>, u16)>,
}

/// `[nats]`
#[derive(Clone, Debug, PartialEq)]
pub struct Nats {
    /// URLs, `nats://host:port`; never empty.
    pub servers: Vec<String>,
    /// The first tokens of every subject.
    pub prefix: Prefix,
    /// The tenant of requests whose rule names none.
    pub tenant: Slug,
    /// How to log in.
    pub login: Login,
    /// How often an idle connection is probed.
    pub ping_interval: Duration,
    /// How long one connection attempt may take.
    pub connect_timeout: Duration,
    /// The circuit breaker in front of each query subject.
    pub breaker: Breaker,
    /// Whether fewer queries are out at once when answers come late.
    pub adaptive: bool,
}

/// How to log in to NATS.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Login {
    /// Not at all.
    #[default]
    None,
    /// A `.creds` file (JWT and seed).
    Credentials(PathBuf),
    /// User and password.
    User(String, Secret),
    /// A token.
    Token(Secret),
}

/// Text that is never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// The text, for the one who logs in with it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("[redacted]")
    }
}

/// `[nats.breaker]`
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Breaker {
    /// Whether there is one.
    pub enabled: bool,
    /// How far back outcomes count.
    pub window: Duration,
    /// How many outcomes it takes before the ratio means anything.
    pub min_requests: u32,
    /// The share of failures, 0 to 1, that opens it.
    pub failure_ratio: f64,
    /// How long it stays open before it lets probes through.
    pub open: Duration,
    /// How many probes must succeed before it closes.
    pub probes: u32,
}

/// The parts of `[decision]` that the shell needs; the core's parts are in [`Settings`].
#[derive(Clone, Debug, PartialEq)]
pub struct Exchange {
    /// Headers that leave in queries, lower case.
    pub headers: Vec<Box<str>>,
    /// Whether bodies leave in queries.
    pub body: bool,
    /// The largest answer that is read, in bytes.
    pub max_reply_bytes: usize,
    /// The most routes one answer may hold.
    pub max_routes: usize,
}

impl Exchange {
    /// The limits an answer is parsed with.
    pub fn limits(&self) -> sigbox_contracts::Limits {
        sigbox_contracts::Limits {
            max_bytes: self.max_reply_bytes,
            max_routes: self.max_routes,
            ..sigbox_contracts::Limits::default()
        }
    }
}

/// `[admin]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Admin {
    /// Where it listens; a loopback address unless whoever asks must say who they are.
    pub listen: SocketAddr,
    /// Whether a node without NATS counts as ready.
    pub ready_without_nats: bool,
    /// How many of the last decisions are kept for people who look.
    pub decisions: usize,
    /// Its certificates; without any it speaks plain HTTP.
    pub tls: Option<crate::tls::Files>,
    /// Who may ask for what; everybody who reaches it for everything when there are neither these nor clients.
    pub tokens: Vec<Token>,
    /// Who may ask for what by the certificate they show.
    pub clients: Vec<Client>,
}

/// `[[admin.client]]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Client {
    /// Who it is, as in the audit log.
    pub name: Box<str>,
    /// What their certificate says.
    pub names: Named,
    /// What it is good for.
    pub scopes: Vec<Scope>,
}

/// The name by which a certificate is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Named {
    /// A DNS name among its subject alternative names, in lower case; a wildcard is a name like another.
    Dns(Box<str>),
    /// A URI among them, exactly.
    Uri(Box<str>),
    /// The only common name of its subject, exactly.
    CommonName(Box<str>),
}

impl Named {
    /// Whether `identity` has this name.
    pub fn is(&self, identity: &crate::tls::Identity) -> bool {
        match self {
            Self::Dns(name) => identity.dns.iter().any(|dns| **dns == **name),
            Self::Uri(name) => identity.uris.iter().any(|uri| **uri == **name),
            Self::CommonName(name) => identity.common_name.as_deref() == Some(name),
        }
    }
}

/// `[[admin.token]]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    /// Who has it, as in the audit log.
    pub name: Box<str>,
    /// SHA-256 of the token.
    pub sha256: [u8; 32],
    /// What it is good for.
    pub scopes: Vec<Scope>,
}

/// What a token or a certificate is good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scope {
    /// To look at everything.
    Read,
    /// To push, activate and remove tables.
    Tables,
    /// To change the state of gateways.
    Gateways,
    /// To ban sources and release them.
    Limits,
    /// To reload the configuration.
    Admin,
}

impl Scope {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::Read,
        Self::Tables,
        Self::Gateways,
        Self::Limits,
        Self::Admin,
    ];

    /// The text in configuration and documents.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Tables => "tables",
            Self::Gateways => "gateways",
            Self::Limits => "limits",
            Self::Admin => "admin",
        }
    }
}

/// `[tables]`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tables {
    /// How much one table may hold.
    pub limits: sigbox_tables::Limits,
    /// The largest upload, in bytes as it is sent and as it is unpacked.
    pub max_upload_bytes: u64,
    /// How many versions of a table are kept.
    pub versions: usize,
    /// On how many servers JetStream keeps tables; `None` when they are not shared.
    pub replicas: Option<usize>,
}

/// `[log]`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Log {
    /// How lines look.
    pub format: LogFormat,
    /// What is logged when `SIGBOX_LOG` says nothing.
    pub level: tracing::Level,
}

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object per line.
    Json,
}

/// `[events]`: which kinds are published.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Events {
    /// One per decision.
    pub decision: bool,
    /// One per finished transaction.
    pub transaction: bool,
    /// One per withdrawn query.
    pub cancelled: bool,
    /// When the node starts, drains and stops.
    pub node: bool,
    /// When a gateway's state changes.
    pub gateway: bool,
    /// What the audit log gets.
    pub audit: bool,
    /// When another version of a table counts.
    pub data: bool,
}

/// `[overload]`, but for what the core is told: [`Settings::retry_after`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Overload {
    /// How long a request outside a dialog may wait for its turn.
    pub max_wait: Duration,
    /// How many may wait in one shard.
    pub queue: usize,
    /// Resident bytes above which no such request is taken in; `None` asks the control group.
    pub memory: Option<u64>,
}

/// `[runtime]`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Runtime {
    /// Threads that each run one core; 1 to 64.
    pub shards: usize,
    /// How long to wait for open transactions when told to stop.
    pub drain: Duration,
    /// How many messages may wait for another shard.
    pub shard_queue: usize,
    /// Bytes asked for in each UDP socket's receive buffer.
    pub udp_receive_buffer: usize,
    /// Bytes asked for in each UDP socket's send buffer.
    pub udp_send_buffer: usize,
    /// Whether the file is read again when it changes.
    pub watch: bool,
}

impl Config {
    /// Reads the file at `path`.
    ///
    /// # Errors
    /// A [`Report`] with every fault; also when the file cannot be read.
    pub fn load(path: &Path) -> Result<Self, Report> {
        Self::parse(path, &diagnostic::read(path)?)
    }

    /// Reads `text` as if it were in the file at `path`.
    ///
    /// # Errors
    /// A [`Report`] with every fault.
    pub fn parse(path: &Path, text: &str) -> Result<Self, Report> {
        check::config(path, text, None, None)
    }

    /// Reads the file at `path` for somebody who only looks at it: rules are held against the tables of `pushed` besides.
    ///
    /// # Errors
    /// As [`Config::load`]; that a table is not there is a warning.
    pub fn look(path: &Path, pushed: &Manifest) -> Result<Self, Report> {
        check::config(path, &diagnostic::read(path)?, None, Some(pushed))
    }

    /// Tells the core's settings which addresses the sockets really have, in the order of
    /// [`Config::listen`]; what was port 0 has a number now.
    pub fn set_bound(&mut self, bound: &[SocketAddr]) {
        let settings = Arc::make_mut(&mut self.settings);
        for (listener, address) in settings.listeners.iter_mut().zip(bound) {
            *listener = Listener::new(listener.transport, *address, listener.advertised.take());
        }
    }
}
