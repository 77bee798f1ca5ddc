//! What a shard is made of, and how others talk to it.

use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use sigbox_core::{Counters, GatewayChange, ListenerId, Ticket, Underway};
use tokio::sync::{mpsc, oneshot};

use super::{Clock, Steer};
use crate::admin::Health;
use crate::api::Record;
use crate::bans::{Bans, Wanted};
use crate::bus::SubjectState;
use crate::config::Config;
use crate::decisions::Kept;
use crate::memory::MemoryGuard;
use crate::metrics::{Metrics, ShardMetrics};
use crate::tables::{Active, Tables};

/// A message that arrived at one shard's socket and belongs to another.
#[derive(Debug)]
pub struct Handoff {
    /// Which socket, by listener.
    pub listener: ListenerId,
    /// Who sent it.
    pub peer: SocketAddr,
    /// The datagram.
    pub bytes: Box<[u8]>,
}

/// A name to look up away from the shard.
#[derive(Debug)]
pub struct Lookup {
    /// Who asks.
    pub shard: usize,
    /// The core's name for it.
    pub ticket: Ticket,
    /// The host name.
    pub name: String,
}

/// What somebody wants to see. An answer that nobody waits for any more is dropped.
#[derive(Debug)]
pub enum Look {
    /// The transactions under way with a Call-ID.
    Call(Box<[u8]>, oneshot::Sender<Vec<Underway>>),
    /// How the deciders have answered.
    Deciders(oneshot::Sender<Vec<SubjectState>>),
}

/// What others are told that did not happen on a shard.
#[derive(Debug)]
pub enum Announcement {
    /// The audit log got an entry.
    Audit(Box<Record>),
    /// Another version of a table counts.
    Data(Box<Active>),
}

/// What the node tells a shard.
#[derive(Debug)]
pub enum Control {
    /// A new configuration, with the listeners as they are.
    Reload(Arc<Config>),
    /// Take no more calls. When those there are have ended, or the time is over, in every shard,
    /// all of them end together: until then each may get messages that belong to another.
    Drain,
    /// An operator switched a gateway.
    Gateway(Box<GatewayChange>),
    /// Somebody wants to see something.
    Look(Look),
    /// The first shard publishes it, when that is configured.
    Announce(Announcement),
    /// Every shard is drained.
    Stop,
    /// Tables that count from now on.
    Tables(Arc<Tables>),
    /// Addresses of a name; none when it has none.
    Looked(Ticket, Vec<IpAddr>),
}

/// The ends of a shard's channels, for those who talk to it.
#[derive(Clone, Debug)]
pub struct ShardHandle {
    /// What the node has to say. Rare: reloads, draining, name lookups.
    pub control: mpsc::UnboundedSender<Control>,
    pub(super) handoffs: mpsc::Sender<Handoff>,
}

/// The other ends.
#[derive(Debug)]
pub struct ShardQueues {
    pub(super) control: mpsc::UnboundedReceiver<Control>,
    pub(super) handoffs: mpsc::Receiver<Handoff>,
}

/// Both ends of one shard's channels; `queue` messages of other shards may wait.
pub fn channels(queue: usize) -> (ShardHandle, ShardQueues) {
    let (control, controlled) = mpsc::unbounded_channel();
    let (handoffs, handed) = mpsc::channel(queue.max(1));
    (
        ShardHandle { control, handoffs },
        ShardQueues {
            control: controlled,
            handoffs: handed,
        },
    )
}

/// What a shard has of one listener: two sockets on the same port, not blocking.
#[derive(Debug)]
pub struct Sockets {
    /// For what belongs to something under way; what is sent leaves by it.
    pub under_way: UdpSocket,
    /// For requests by which something may begin.
    pub beginning: UdpSocket,
}

/// What a shard is made of.
#[derive(Debug)]
pub struct Parts {
    /// Its number, from 0.
    pub index: u8,
    /// The configuration, with the bound addresses in its settings.
    pub config: Arc<Config>,
    /// The tables that count.
    pub tables: Arc<Tables>,
    /// The sockets of each listener, in order.
    pub sockets: Vec<Sockets>,
    /// What others have for it.
    pub queues: ShardQueues,
    /// All shards by number, itself included.
    pub peers: Vec<ShardHandle>,
    /// How many shards of the process are not drained yet.
    pub undrained: Arc<AtomicUsize>,
    /// Where names are looked up.
    pub lookups: mpsc::Sender<Lookup>,
    /// The process's rule for who gets which message.
    pub steer: Steer,
    /// The process's clock.
    pub clock: Clock,
    /// The core's secret.
    pub seed: [u8; 16],
    /// The number that this process drew.
    pub process: u64,
    /// What the core counts.
    pub counters: Arc<Counters>,
    /// What the shell counts.
    pub metrics: Arc<ShardMetrics>,
    /// What all shards report to.
    pub shared: Arc<Metrics>,
    /// Readiness.
    pub health: Arc<Health>,
    /// Whose messages are dropped.
    pub bans: Arc<Bans>,
    /// Where those go whom the core bans.
    pub wanted_bans: mpsc::Sender<Wanted>,
    /// Where its decisions are kept for people who look.
    pub kept: Arc<Kept>,
    /// Whether there is memory for new calls.
    pub memory: Arc<MemoryGuard>,
}
