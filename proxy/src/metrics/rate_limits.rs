//! What limits let pass and what not, and who is banned.

use std::fmt;
use std::sync::{Arc, OnceLock};

use arc_swap::ArcSwap;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;
use sigbox_core::Over;

use crate::bans::Bans;
use crate::config::Config;

/// Where the numbers are.
#[derive(Debug)]
pub(super) struct RateLimited {
    pub(super) config: Arc<ArcSwap<Config>>,
    pub(super) bans: Arc<Bans>,
}

/// Shows them once they are known.
#[derive(Debug)]
pub(super) struct RateLimitCollector(pub(super) Arc<OnceLock<RateLimited>>);

impl Collector for RateLimitCollector {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let Some(RateLimited { config, bans }) = self.0.get() else {
            return Ok(());
        };
        let config = config.load();
        let limits = &config.settings.rate_limits.all;
        if !limits.is_empty() {
            let help = "Requests under a limit, by limit";
            let mut passed =
                encoder.encode_descriptor("limit_passed", help, None, MetricType::Counter)?;
            for limit in limits {
                passed
                    .encode_family(&[("limit", &*limit.name)])?
                    .encode_counter::<NoLabelSet, u64, u64>(&limit.passed(), None)?;
            }
            let help = "Requests over a limit, by limit and what became of them";
            let mut limited =
                encoder.encode_descriptor("limit_limited", help, None, MetricType::Counter)?;
            for limit in limits {
                for (action, count) in Over::LABELS.iter().zip(limit.limited()) {
                    if count > 0 || *action == limit.over.label() {
                        limited
                            .encode_family(&[("limit", &*limit.name), ("action", *action)])?
                            .encode_counter::<NoLabelSet, u64, u64>(&count, None)?;
                    }
                }
            }
        }
        encoder
            .encode_descriptor("bans", "Sources banned right now", None, MetricType::Gauge)?
            .encode_gauge(&(bans.count() as u64))?;
        let help = "Bans that were entered, by rules, limits and the API";
        encoder
            .encode_descriptor("bans_added", help, None, MetricType::Counter)?
            .encode_counter::<NoLabelSet, u64, u64>(&bans.added(), None)?;
        let help = "Bans that were refused, by reason";
        let mut refused =
            encoder.encode_descriptor("bans_refused", help, None, MetricType::Counter)?;
        for (reason, count) in bans.refused() {
            refused
                .encode_family(&[("reason", reason)])?
                .encode_counter::<NoLabelSet, u64, u64>(&count, None)?;
        }
        let stored = config.settings.cache.stored();
        let help = "Decisions that were remembered, as their deciders said they may be";
        encoder
            .encode_descriptor("decisions_remembered", help, None, MetricType::Counter)?
            .encode_counter::<NoLabelSet, u64, u64>(&stored, None)
    }
}
