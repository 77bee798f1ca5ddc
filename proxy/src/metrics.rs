//! What is measured, in Prometheus's terms.
//!
//! The per-message path only writes plain numbers that belong to its own shard
//! ([`ShardMetrics`], [`sigbox_core::Counters`]); they are added up when someone scrapes.

mod api;
mod collector;
mod gateways;
mod histogram;
mod namesakes;
mod process;
mod rate_limits;
mod receive_buffers;
mod shard;
mod tls;

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use arc_swap::ArcSwap;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;
use sigbox_core::Counters;

use rate_limits::{RateLimitCollector, RateLimited};

use crate::gateways::GatewayBoard;
pub use histogram::{BUCKETS_MS, Histogram};
pub(crate) use process::resident_bytes;
pub(crate) use receive_buffers::ReceiveBuffers;
pub use shard::{ShardCounter, ShardMetrics};

use crate::bans::Bans;
use crate::config::Config;

/// The content type of [`Metrics::render`]: the OpenMetrics text format, which Prometheus reads.
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// The kinds of [`Metrics::nats_event`].
const NATS_EVENTS: [&str; 10] = [
    "connected",
    "disconnected",
    "lame_duck",
    "draining",
    "closed",
    "slow_consumer",
    "authorization_violation",
    "server_error",
    "client_error",
    "publish_failed",
];
const APPLIED: &str = "applied";
const REFUSED: &str = "refused";

/// Everything one node measures.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    shards: Arc<Shards>,
    nats_events: Family<KindLabel, Counter>,
    breaker_open: Family<SubjectLabels, Gauge>,
    query_limit: Family<SubjectLabels, Gauge>,
    breaker_transitions: Family<TransitionLabels, Counter>,
    reloads: Family<ResultLabel, Counter>,
    rate_limits: Arc<OnceLock<RateLimited>>,
    tls: tls::TlsMetrics,
    api: api::ApiMetrics,
    namesakes: namesakes::Namesakes,
}

/// The shards that have registered.
#[derive(Debug, Default)]
struct Shards {
    receive_buffers: OnceLock<ReceiveBuffers>,
    gateways: OnceLock<Arc<GatewayBoard>>,
    list: Mutex<Vec<Shard>>,
    /// Lines the log writer had no room for.
    log_dropped: Mutex<Option<LogDrops>>,
    nats_connected: AtomicU64,
}

#[derive(Clone, Debug)]
struct Shard {
    core: Arc<Counters>,
    shell: Arc<ShardMetrics>,
}

struct LogDrops(Box<dyn Fn() -> u64 + Send + Sync>);

impl fmt::Debug for LogDrops {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LogDrops")
    }
}

/// State of one circuit breaker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BreakerState {
    /// Queries go out.
    Closed,
    /// Queries fall back at once.
    Open,
    /// A few queries go out to see.
    HalfOpen,
}

impl BreakerState {
    /// The label.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Open => "open",
            Self::HalfOpen => "half_open",
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct KindLabel {
    kind: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ResultLabel {
    result: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct SubjectLabels {
    tenant: String,
    class: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct TransitionLabels {
    tenant: String,
    class: &'static str,
    to: &'static str,
}

impl Metrics {
    /// The metrics of the node of that name; shards register themselves.
    pub fn new(node: &str) -> Self {
        let mut all = Registry::default();
        let start = Gauge::<i64>::default();
        start.set(unix_seconds());
        let help = "When the process started, Unix time in seconds";
        all.register("process_start_time_seconds", help, start);
        all.register_collector(Box::new(process::Process));
        let registry = all.sub_registry_with_prefix("sigbox");
        let shards = Arc::new(Shards::default());
        let nats_events = Family::<KindLabel, Counter>::default();
        let breaker_open = Family::default();
        let query_limit = Family::default();
        let breaker_transitions = Family::default();
        let reloads = Family::<ResultLabel, Counter>::default();
        // What can be told apart from the start is there from the start: an alert sees the first one.
        for kind in NATS_EVENTS {
            drop(nats_events.get_or_create(&KindLabel { kind }));
        }
        for result in [APPLIED, REFUSED] {
            drop(reloads.get_or_create(&ResultLabel { result }));
        }
        let build = [
            ("version", env!("CARGO_PKG_VERSION").to_owned()),
            ("node", node.to_owned()),
        ];
        registry.register(
            "build",
            "The running software and the node's name",
            Info::new(build.to_vec()),
        );
        registry.register(
            "nats_events",
            "Events of the connections to NATS",
            nats_events.clone(),
        );
        registry.register(
            "breaker_open",
            "Shards whose circuit breaker for a query subject is not closed",
            breaker_open.clone(),
        );
        registry.register(
            "query_limit",
            "How many queries may be out at once, over all shards; follows how early answers come",
            query_limit.clone(),
        );
        registry.register(
            "breaker_transitions",
            "Circuit breakers that changed state, by the state they changed to",
            breaker_transitions.clone(),
        );
        registry.register("reloads", "Configuration reloads", reloads.clone());
        let tls = tls::TlsMetrics::default();
        tls.register(registry);
        let api = api::ApiMetrics::default();
        api.register(registry);
        let namesakes = namesakes::Namesakes::default();
        namesakes.register(registry);
        registry.register_collector(Box::new(Arc::clone(&shards)));
        let rate_limits = Arc::default();
        registry.register_collector(Box::new(RateLimitCollector(Arc::clone(&rate_limits))));
        Self {
            registry: all,
            shards,
            nats_events,
            breaker_open,
            query_limit,
            breaker_transitions,
            reloads,
            rate_limits,
            tls,
            api,
            namesakes,
        }
    }

    /// Adds one shard: its core's counters, and what is returned for the shard's own.
    pub fn register_shard(&self, core: Arc<Counters>) -> Arc<ShardMetrics> {
        let shell = Arc::new(ShardMetrics::default());
        let shard = Shard {
            core,
            shell: Arc::clone(&shell),
        };
        self.shards
            .list
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(shard);
        shell
    }

    /// Where the number of dropped log lines is read from.
    pub fn set_log_drops(&self, read: impl Fn() -> u64 + Send + Sync + 'static) {
        *self
            .shards
            .log_dropped
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = Some(LogDrops(Box::new(read)));
    }

    /// The configuration whose limits are shown, and the bans; only the first call counts.
    pub(crate) fn set_rate_limits(&self, config: Arc<ArcSwap<Config>>, bans: Arc<Bans>) {
        // A node starts once.
        let _ = self.rate_limits.set(RateLimited { config, bans });
    }

    /// The sockets whose receive buffers are looked at; only the first call counts.
    pub(crate) fn set_receive_buffers(&self, buffers: ReceiveBuffers) {
        // A node binds once.
        let _ = self.shards.receive_buffers.set(buffers);
    }

    /// Where gateways are read from; only the first call counts.
    pub fn set_gateways(&self, board: Arc<GatewayBoard>) {
        // A node has one board.
        let _ = self.shards.gateways.set(board);
    }

    /// A shard's NATS connection is up. Counted up and down, because shards that set a number they have read overtake
    /// each other.
    pub fn nats_up(&self) {
        self.shards.nats_connected.fetch_add(1, Ordering::Relaxed);
    }

    /// One that was up is lost.
    pub fn nats_down(&self) {
        self.shards.nats_connected.fetch_sub(1, Ordering::Relaxed);
    }

    /// An event of a NATS connection, by kind: `connected`, `disconnected`, `lame_duck`,
    /// `slow_consumer`, … A closed set: each kind is a time series.
    pub fn nats_event(&self, kind: &'static str) {
        self.nats_events.get_or_create(&KindLabel { kind }).inc();
    }

    /// A shard has this query subject, with a closed breaker and a limit of open queries.
    pub fn subject_added(&self, tenant: &str, class: &'static str, limit: u32) {
        let tenant = tenant.to_owned();
        let labels = SubjectLabels { tenant, class };
        drop(self.breaker_open.get_or_create(&labels));
        self.query_limit.get_or_create(&labels).inc_by(limit.into());
    }

    /// A shard's limit of open queries at one subject changed by so many.
    pub fn query_limit_changed(&self, tenant: &str, class: &'static str, by: i64) {
        let tenant = tenant.to_owned();
        let labels = SubjectLabels { tenant, class };
        self.query_limit.get_or_create(&labels).inc_by(by);
    }

    /// A shard's breaker for one query subject changed state.
    pub fn breaker_changed(
        &self,
        tenant: &str,
        class: &'static str,
        from: BreakerState,
        to: BreakerState,
    ) {
        let open = self.breaker_open.get_or_create(&SubjectLabels {
            tenant: tenant.to_owned(),
            class,
        });
        match (from == BreakerState::Closed, to == BreakerState::Closed) {
            (true, false) => drop(open.inc()),
            (false, true) => drop(open.dec()),
            _ => {}
        }
        let labels = TransitionLabels {
            tenant: tenant.to_owned(),
            class,
            to: to.label(),
        };
        self.breaker_transitions.get_or_create(&labels).inc();
    }

    /// The configuration was read again.
    pub fn reloaded(&self, applied: bool) {
        let result = if applied { APPLIED } else { REFUSED };
        self.reloads.get_or_create(&ResultLabel { result }).inc();
    }

    /// The sum over all shards of one number of the core.
    pub fn core_count(&self, counter: sigbox_core::Counter) -> u64 {
        self.shards
            .snapshot()
            .iter()
            .map(|shard| shard.core.count(counter))
            .sum()
    }

    /// The sum over all shards of one gauge of the core.
    pub fn core_gauge(&self, gauge: sigbox_core::Gauge) -> u64 {
        self.shards
            .snapshot()
            .iter()
            .map(|shard| shard.core.gauge(gauge))
            .sum()
    }

    /// The sum over all shards of one number of the shell.
    pub fn shell_count(&self, counter: ShardCounter) -> u64 {
        self.shards
            .snapshot()
            .iter()
            .map(|shard| shard.shell.count(counter))
            .sum()
    }

    /// All of it as text, of type [`CONTENT_TYPE`].
    ///
    /// # Errors
    /// None that can happen: writing into a `String` does not fail.
    pub fn render(&self) -> Result<String, fmt::Error> {
        let mut text = String::with_capacity(16 * 1024);
        prometheus_client::encoding::text::encode(&mut text, &self.registry)?;
        Ok(text)
    }
}

impl Shards {
    fn snapshot(&self) -> Vec<Shard> {
        self.list
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

fn unix_seconds() -> i64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn metrics_of_two_shards() -> (Metrics, [Arc<Counters>; 2], [Arc<ShardMetrics>; 2]) {
        let metrics = Metrics::new("edge-1");
        let cores = [Arc::new(Counters::default()), Arc::new(Counters::default())];
        let shells = [0, 1].map(|shard| metrics.register_shard(Arc::clone(&cores[shard])));
        (metrics, cores, shells)
    }

    #[test]
    fn numbers_of_all_shards_are_added_up() {
        let (metrics, cores, shells) = metrics_of_two_shards();
        cores[0].add(sigbox_core::Counter::FallbackTimeout);
        cores[1].add(sigbox_core::Counter::FallbackTimeout);
        shells[0].add(ShardCounter::UdpReceived);
        shells[1].add_many(ShardCounter::UdpReceived, 4);
        shells[1].decision_took(std::time::Duration::from_micros(1_500));
        shells[0].invalid(sigbox_contracts::InvalidReason::NoRoutes);
        metrics.nats_up();
        metrics.nats_up();
        metrics.nats_up();
        metrics.nats_down();
        metrics.set_log_drops(|| 7);
        let text = metrics.render().unwrap();
        for line in [
            "sigbox_fallbacks_total{cause=\"timeout\"} 2",
            "sigbox_fallbacks_total{cause=\"no_responders\"} 0",
            "sigbox_udp_received_total 5",
            "sigbox_decision_duration_seconds_count 1",
            "sigbox_decision_duration_seconds_bucket{le=\"0.001\"} 0",
            "sigbox_decision_duration_seconds_bucket{le=\"0.002\"} 1",
            "sigbox_decision_duration_seconds_bucket{le=\"+Inf\"} 1",
            "sigbox_decision_duration_seconds_sum 0.0015",
            "sigbox_decision_invalid_total{reason=\"no_routes\"} 1",
            "sigbox_nats_connected 2",
            "sigbox_log_dropped_total 7",
            "sigbox_transactions 0",
            "sigbox_reloads_total{result=\"refused\"} 0",
            "sigbox_nats_events_total{kind=\"disconnected\"} 0",
        ] {
            assert!(
                text.lines().any(|found| found == line),
                "{line} is not in\n{text}"
            );
        }
        for start in [
            "sigbox_build_info{version=",
            "process_start_time_seconds 1",
            "process_cpu_seconds_total ",
            "process_resident_memory_bytes ",
        ] {
            assert!(
                text.lines().any(|line| line.starts_with(start)),
                "{start} is not in\n{text}"
            );
        }
        assert!(text.ends_with("# EOF\n"));
    }

    #[test]
    fn every_family_appears_once_and_says_what_it_is() {
        let (metrics, ..) = metrics_of_two_shards();
        metrics.nats_event("connected");
        metrics.breaker_changed(
            "default",
            "invite",
            BreakerState::Closed,
            BreakerState::Open,
        );
        metrics.reloaded(true);
        let text = metrics.render().unwrap();
        let helped: Vec<_> = text
            .lines()
            .filter_map(|line| line.strip_prefix("# HELP "))
            .collect();
        let mut names: Vec<_> = helped
            .iter()
            .filter_map(|line| line.split(' ').next())
            .collect();
        names.sort_unstable();
        let all = names.len();
        names.dedup();
        assert_eq!(names.len(), all, "a family appears twice in\n{text}");
        for line in helped {
            let (name, help) = line.split_once(' ').unwrap();
            assert!(help.len() > 12, "{name} has no help");
        }
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let name = line.split(['{', ' ']).next().unwrap();
            assert!(
                names.iter().any(|family| name.starts_with(family)),
                "{name} has no help"
            );
        }
    }

    #[test]
    fn a_breaker_counts_as_open_until_it_is_closed() {
        use BreakerState::{Closed, HalfOpen, Open};
        let metrics = Metrics::new("edge-1");
        let open = || {
            let text = metrics.render().unwrap();
            let line = text
                .lines()
                .find(|line| line.starts_with("sigbox_breaker_open{"))
                .unwrap();
            line.rsplit(' ').next().unwrap().to_owned()
        };
        for (from, to, expected) in [
            (Closed, Open, "1"),
            (Open, HalfOpen, "1"),
            (HalfOpen, Open, "1"),
            (Open, HalfOpen, "1"),
            (HalfOpen, Closed, "0"),
        ] {
            metrics.breaker_changed("default", "invite", from, to);
            assert_eq!(open(), expected, "{from:?} to {to:?}");
        }
    }
}
