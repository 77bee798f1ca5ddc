//! One shard: a thread with its own core, sockets and connection to NATS.
//!
//! Everything a shard does is one hand-written future, [`Shard::poll`]: it takes a bounded number of
//! things from each source in turn, feeds them to the core, and carries out what the core puts out
//! before it takes the next. There is no task, channel or lock per call, and nothing in here waits.

mod admission;
mod asked;
mod clock;
mod datagrams;
mod drain;
mod lag;
mod output;
mod parts;
mod socket;
mod steer;

use std::collections::VecDeque;
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::task::{Context, Poll};
use std::time::Duration;

use sigbox_contracts::decision::CacheHint;
use sigbox_contracts::event::NodeState;
use sigbox_core::{Core, Flow, Input, Instant, ListenerId, Outputs, Plan, Token, Transport};
use sigbox_wire::Begins;
use tokio::sync::mpsc;
use tokio::task::unconstrained;
use tokio::time::Sleep;

pub use clock::Clock;
pub use parts::{
    Announcement, Control, Handoff, Look, Lookup, Parts, ShardHandle, ShardQueues, Sockets,
    channels,
};
pub use steer::Steer;

use self::admission::{Admission, Change, Fate, Waiting};
use self::datagrams::Received;
use self::drain::Drain;
use self::lag::Lag;
use self::output::Failed;
use self::socket::{Side, Socket};
use self::steer::Course;
use crate::bans::{Bans, Wanted};
use crate::bus::{Bus, BusError, Incoming, Link, Reply};
use crate::config::{Config, Events};
use crate::decision::{Answered, PlanContext, Recorder};
use crate::decisions::Kept;
use crate::memory::MemoryGuard;
use crate::metrics::{ShardCounter, ShardMetrics};
use crate::tables::Tables;

/// How many things are taken from one source before the others have their turn.
const BATCH: usize = 64;

/// The same for messages of other shards.
const HANDOFFS: usize = 256;

/// How many datagrams by which something may begin are read in one turn from a socket that has more.
const BEGINNINGS: usize = 128;

/// How long a socket for what is under way is read in one turn, when it does not get empty.
const READING: Duration = Duration::from_millis(5);

/// Why a shard cannot start.
#[derive(Debug, thiserror::Error)]
pub enum ShardError {
    /// A socket cannot be watched.
    #[error("a socket cannot be used: {0}")]
    Socket(#[from] io::Error),
    /// NATS cannot be used.
    #[error(transparent)]
    Bus(#[from] BusError),
}

/// A running shard.
pub struct Shard {
    index: usize,
    core: Core,
    out: Outputs,
    clock: Clock,
    /// The time of the core's present step; what it puts out is carried out at that time.
    now: Instant,
    sockets: Vec<Socket>,
    bus: Bus,
    steer: Steer,
    peers: Vec<ShardHandle>,
    queues: ShardQueues,
    lookups: mpsc::Sender<Lookup>,
    admission: Admission,
    /// New calls wait while the deciders have no room for them: all need them.
    waits_for_deciders: bool,
    memory: Arc<MemoryGuard>,
    tables: Arc<Tables>,
    config: Arc<Config>,
    bans: Arc<Bans>,
    wanted_bans: mpsc::Sender<Wanted>,
    /// How far it is behind, for limits that follow that.
    lag: Lag,
    received: Received,
    /// What failed while outputs were carried out; the core hears of it afterwards.
    failed: VecDeque<Failed>,
    /// Queries that a connection took along when it went.
    lost: Vec<Token>,
    /// What the answer that is being carried out said besides its plan.
    answered: Option<Answered>,
    timer: Pin<Box<Sleep>>,
    /// When `timer` fires; `None` when it need not.
    armed: Option<Instant>,
    drain: Drain,
    /// How long draining may take.
    drain_limit: Duration,
    undrained: Arc<AtomicUsize>,
    /// Others have been told that the node started, which takes a connection to NATS.
    is_announced: bool,
    max_routes: usize,
    events: Events,
    recorder: Recorder,
    kept: Arc<Kept>,
    metrics: Arc<ShardMetrics>,
}

impl Shard {
    /// Makes a shard of its parts. Must be called on its own runtime.
    ///
    /// # Errors
    /// [`ShardError`] when it cannot use a socket or what is configured for NATS.
    pub async fn start(parts: Parts) -> Result<Self, ShardError> {
        let Parts {
            index,
            config,
            health,
            shared,
            metrics,
            ..
        } = parts;
        let sockets = parts
            .sockets
            .into_iter()
            .map(Socket::new)
            .collect::<io::Result<_>>()?;
        let bus = Bus::connect(
            &config,
            parts.process,
            index,
            health,
            shared,
            metrics.clone(),
        );
        let origin = parts.clock.wall_origin_ms();
        let settings = output::core_settings(&config, &parts.tables);
        Ok(Self {
            index: index.into(),
            core: Core::new(settings, index, parts.seed, origin, parts.counters),
            out: Outputs::new(),
            clock: parts.clock,
            now: parts.clock.now(),
            sockets,
            bus: bus.await?,
            steer: parts.steer,
            peers: parts.peers,
            queues: parts.queues,
            lookups: parts.lookups,
            admission: Admission::new(config.overload.queue, config.overload.max_wait),
            waits_for_deciders: config.settings.rules.need_deciders(),
            memory: parts.memory,
            tables: parts.tables,
            config: config.clone(),
            bans: parts.bans,
            wanted_bans: parts.wanted_bans,
            lag: Lag::new(config.settings.rate_limits.follow_lag(), origin),
            received: Received::new(),
            failed: VecDeque::new(),
            lost: Vec::new(),
            answered: None,
            timer: Box::pin(tokio::time::sleep(Duration::ZERO)),
            armed: None,
            drain: Drain::No,
            drain_limit: config.runtime.drain,
            undrained: parts.undrained,
            is_announced: false,
            max_routes: config.exchange.max_routes,
            events: config.events,
            recorder: Recorder::new(config.node.as_str()),
            kept: parts.kept,
            metrics,
        })
    }

    /// Runs until it is drained. The last events have left, as far as NATS takes them, when this
    /// returns.
    pub async fn run(mut self) {
        // The batches below are the fairness here; the runtime's own budget would make sockets and
        // channels look empty in the middle of one.
        unconstrained(poll_fn(|cx| self.poll(cx))).await;
        self.announce_node(NodeState::Stopped);
        let open = self.core.live();
        if open > 0 {
            tracing::warn!(
                shard = self.index,
                open,
                "stopped with transactions still open"
            );
        }
        self.bus.close().await;
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.begin_turn();
        let mut again = self.poll_control(cx);
        self.fail_lost_queries();
        again |= self.poll_bus(cx);
        again |= self.poll_sockets(cx);
        again |= self.poll_handoffs(cx);
        again |= self.admit_waiting();
        again |= self.poll_timer(cx);
        self.check_drained();
        self.end_turn();
        if self.drain == Drain::Stopped {
            return Poll::Ready(());
        }
        if again {
            // The connection to NATS has its turn in between.
            cx.waker().wake_by_ref();
        }
        Poll::Pending
    }

    fn poll_control(&mut self, cx: &mut Context<'_>) -> bool {
        for _ in 0..BATCH {
            let Poll::Ready(Some(control)) = self.queues.control.poll_recv(cx) else {
                return false;
            };
            match control {
                Control::Reload(config) => self.reload(config),
                Control::Tables(tables) => self.take_tables(tables),
                Control::Drain => self.start_draining(),
                Control::Gateway(change) => self.gateway_changed(&change),
                Control::Look(look) => self.look(look),
                Control::Announce(what) => self.announce(&what),
                Control::Stop => self.drain = Drain::Stopped,
                Control::Looked(ticket, addresses) => {
                    if addresses.is_empty() {
                        self.metrics.add(ShardCounter::LookupsFailed);
                    }
                    self.feed(Input::Looked {
                        ticket,
                        addresses: &addresses,
                    });
                }
            }
        }
        true
    }

    /// Other tables count, all of them from here on.
    fn take_tables(&mut self, tables: Arc<Tables>) {
        self.tables = tables;
        let settings = output::core_settings(&self.config, &self.tables);
        self.feed(Input::Reload(settings));
    }

    fn reload(&mut self, config: Arc<Config>) {
        self.max_routes = config.exchange.max_routes;
        self.drain_limit = config.runtime.drain;
        self.admission
            .set_limits(config.overload.queue, config.overload.max_wait);
        self.waits_for_deciders = config.settings.rules.need_deciders();
        self.events = config.events;
        self.lag.follow(config.settings.rate_limits.follow_lag());
        self.bus.reload(&config);
        self.feed(Input::Reload(output::core_settings(&config, &self.tables)));
        self.config = config;
    }

    fn poll_bus(&mut self, cx: &mut Context<'_>) -> bool {
        for _ in 0..BATCH {
            let Poll::Ready(incoming) = self.bus.poll_incoming(cx) else {
                return false;
            };
            match incoming {
                Incoming::Changed => self.fail_lost_queries(),
                Incoming::Closed => return false,
                Incoming::Answer(message) => {
                    let now = self.clock.now();
                    let context = PlanContext {
                        settings: self.core.settings(),
                        max_routes: self.max_routes,
                    };
                    let Some(answer) = self.bus.read(now, &message, &context) else {
                        continue;
                    };
                    let token = answer.token;
                    self.answered = answer.answered;
                    if let (Some(hint), Reply::Final(Ok(plan))) = (answer.cache, &answer.verdict) {
                        self.remember(token, &hint, plan);
                    }
                    match answer.verdict {
                        Reply::Final(answer) => self.feed(Input::Decision { token, answer }),
                        Reply::Extend(by) => self.feed(Input::Extend { token, by }),
                    }
                    self.answered = None;
                }
            }
        }
        true
    }

    /// Keeps a decision that its decider says may be used again.
    fn remember(&self, token: Token, hint: &CacheHint, plan: &Plan) {
        let now = self.clock.now();
        let Some(suspended) = self.core.suspended(now, token) else {
            return;
        };
        let until = now + Duration::from_millis(hint.ttl_ms);
        let (cache, plan) = (&self.core.settings().cache, Arc::new(plan.clone()));
        cache.put(now, suspended.tenant, hint.key.as_bytes(), plan, until);
    }

    fn fail_lost_queries(&mut self) {
        let mut lost = std::mem::take(&mut self.lost);
        if self.bus.lost(self.clock.now(), &mut lost) == Some(Link::Up) && !self.is_announced {
            self.is_announced = true;
            self.announce_node(NodeState::Started);
        }
        for token in lost.drain(..) {
            let answer = Err(sigbox_core::FallbackCause::Disconnected);
            self.feed(Input::Decision { token, answer });
        }
        self.lost = lost;
    }

    fn poll_sockets(&mut self, cx: &mut Context<'_>) -> bool {
        let mut received = std::mem::take(&mut self.received);
        let mut again = false;
        // A socket that is empty has left its waker; one that would have more keeps the flag.
        for position in 0..self.sockets.len() {
            let mut until = None;
            while self.poll_socket(cx, position, Side::UnderWay, &mut received, until.is_some()) {
                if self.now > *until.get_or_insert(self.now + READING) {
                    again = true;
                    break;
                }
            }
        }
        for position in 0..self.sockets.len() {
            again |= (0..BEGINNINGS / datagrams::BATCH).all(|batch| {
                self.poll_socket(cx, position, Side::Beginning, &mut received, batch > 0)
            });
            self.sockets[position].poll_backlog(cx, &self.metrics);
        }
        self.received = received;
        again
    }

    /// Takes one batch of datagrams; `false` when there is none. `is_busy` when there were many already.
    fn poll_socket(
        &mut self,
        cx: &mut Context<'_>,
        position: usize,
        side: Side,
        received: &mut Received,
        is_busy: bool,
    ) -> bool {
        let Poll::Ready(read) = self.sockets[position].poll_receive(cx, side, received) else {
            return false;
        };
        self.now = self.clock.now();
        self.look_at_wall_clock(self.now);
        match read {
            Err(error) => {
                self.metrics.add(ShardCounter::UdpReceiveErrors);
                tracing::debug!(%error, "a datagram could not be read");
                true
            }
            Ok(()) => {
                // At most 65,536 listeners, by configuration.
                let listener = ListenerId(u16::try_from(position).unwrap_or_default());
                for (peer, bytes) in received.datagrams() {
                    self.metrics.add(ShardCounter::UdpReceived);
                    self.metrics
                        .add_many(ShardCounter::UdpReceivedBytes, bytes.len() as u64);
                    self.on_datagram(listener, peer, bytes, is_busy);
                }
                self.carry_out();
                true
            }
        }
    }

    fn on_datagram(&mut self, listener: ListenerId, peer: SocketAddr, bytes: &[u8], is_busy: bool) {
        // Whatever it is: what is under way, too.
        if self.bans.holds(peer.ip(), self.now) {
            return self.metrics.add(ShardCounter::UdpDropBanned);
        }
        match self.steer.course(self.index, bytes) {
            Course::Here => self.take_in(listener, peer, bytes, is_busy),
            Course::KeepAlive => self.metrics.add(ShardCounter::UdpKeepAlives),
            Course::NotSip => self.metrics.add(ShardCounter::UdpDropNotSip),
            Course::Shard(shard) => {
                let handoff = Handoff {
                    listener,
                    peer,
                    bytes: bytes.into(),
                };
                let queue = &self.peers[shard].handoffs;
                // The second half is kept for messages of calls under way.
                let is_half_full = queue.capacity() < queue.max_capacity() / 2;
                let is_too_late = is_half_full && Begins::of(bytes) != Begins::Nothing;
                let passed = !is_too_late && queue.try_send(handoff).is_ok();
                self.metrics.add(if passed {
                    ShardCounter::Handoffs
                } else {
                    ShardCounter::UdpDropQueueFull
                });
            }
        }
    }

    /// Hands a message to the core, unless it is one that can wait and has to.
    fn take_in(&mut self, listener: ListenerId, peer: SocketAddr, bytes: &[u8], is_busy: bool) {
        let is_short = self.memory.is_short();
        let must_wait =
            is_busy || is_short || !self.admission.is_empty() || self.room_for_calls() == 0;
        let begins = if must_wait {
            Begins::of(bytes)
        } else {
            Begins::Nothing
        };
        if begins == Begins::Nothing {
            return self.on_message(listener, peer, bytes);
        }
        match self.admission.place(begins == Begins::Call, self.now) {
            Some(place) if !is_short => {
                self.metrics.add(ShardCounter::RequestsQueued);
                place.push_back(Waiting {
                    listener,
                    peer,
                    arrived: self.now,
                    bytes: bytes.into(),
                });
            }
            _ => {
                let fate = self.admission.turn_away(self.now);
                self.meet(listener, peer, bytes, fate);
            }
        }
    }

    /// About how many more calls can be asked about now, when those for which there is no room wait.
    fn room_for_calls(&mut self) -> usize {
        if self.waits_for_deciders {
            self.bus.room_for_calls()
        } else {
            usize::MAX
        }
    }

    /// Takes in some of the requests that wait; whether there are more that could be.
    fn admit_waiting(&mut self) -> bool {
        if !self.admission.is_empty() {
            self.now = self.clock.now();
            let room = self.room_for_calls();
            self.admission.begin_turn(self.now, room);
            while let Some((request, fate)) = self.admission.next(self.now) {
                self.meet(request.listener, request.peer, &request.bytes, fate);
            }
            self.carry_out();
        }
        match self.admission.change(self.now) {
            None => {}
            Some(Change::Overloaded) => {
                let deciders = self.room_for_calls() == 0;
                tracing::warn!(
                    shard = self.index,
                    memory = self.memory.is_short(),
                    deciders,
                    "overloaded: new requests are refused with 503 or dropped"
                );
            }
            Some(Change::Relieved { refused, dropped }) => tracing::info!(
                shard = self.index,
                refused,
                dropped,
                "no longer overloaded: no request was turned away for 5 s"
            ),
        }
        let room = self.room_for_calls();
        self.admission.can_go_on(room)
    }

    fn meet(&mut self, listener: ListenerId, peer: SocketAddr, bytes: &[u8], fate: Fate) {
        match fate {
            Fate::Admitted => self.on_message(listener, peer, bytes),
            Fate::Refused => {
                let flow = udp(listener, peer);
                let input = Input::Excess { flow, bytes };
                self.core.handle(self.now, input, &mut self.out);
            }
            Fate::Dropped => self.metrics.add(ShardCounter::UdpDropOverload),
        }
    }

    /// Hands a message to the core. What that wants done is for [`Self::carry_out`], once for many.
    fn on_message(&mut self, listener: ListenerId, peer: SocketAddr, bytes: &[u8]) {
        let flow = udp(listener, peer);
        let input = Input::Message { flow, bytes };
        self.core.handle(self.now, input, &mut self.out);
    }

    fn poll_handoffs(&mut self, cx: &mut Context<'_>) -> bool {
        self.now = self.clock.now();
        self.look_at_wall_clock(self.now);
        let mut again = true;
        for taken in 0..HANDOFFS {
            let Poll::Ready(Some(handoff)) = self.queues.handoffs.poll_recv(cx) else {
                again = false;
                break;
            };
            let is_busy = taken >= datagrams::BATCH;
            self.take_in(handoff.listener, handoff.peer, &handoff.bytes, is_busy);
        }
        self.carry_out();
        again
    }

    fn poll_timer(&mut self, cx: &mut Context<'_>) -> bool {
        let now = self.clock.now();
        if self.core.next_timeout().is_some_and(|at| at <= now) {
            self.now = now;
            self.core.handle_timeout(now, &mut self.out);
            self.carry_out();
        }
        let core = &self.core;
        self.bus
            .expire(now, |token| core.suspended(now, token).is_some());
        let drained = self.drain_timeout();
        let timeouts = self.core.next_timeout().into_iter().chain(drained);
        let Some(next) = timeouts.chain(self.admission.next_timeout()).min() else {
            return false;
        };
        // Setting a timer costs more than waking up once for nothing, so one that fires too early is
        // left alone.
        if self.armed.is_none_or(|at| at > next) {
            self.timer.as_mut().reset(self.clock.runtime_instant(next));
            self.armed = Some(next);
        }
        if self.timer.as_mut().poll(cx).is_ready() {
            self.armed = None;
            return true;
        }
        false
    }
}

/// The way of a datagram.
fn udp(listener: ListenerId, peer: SocketAddr) -> Flow {
    Flow {
        transport: Transport::Udp,
        listener,
        connection: None,
        peer,
    }
}
