//! Gateways as metrics: what the shards share, read when someone scrapes.

use std::fmt;

use prometheus_client::encoding::{DescriptorEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;
use sigbox_core::{Failure, Gateway, GatewaySets, GatewayState};

/// Writes every family that has a series.
pub(super) fn encode(encoder: &mut DescriptorEncoder<'_>, sets: &GatewaySets) -> fmt::Result {
    if sets.is_empty() {
        return Ok(());
    }
    let all = || sets.iter().flat_map(|set| set.gateways());
    let mut state = encoder.encode_descriptor(
        "gateway_state",
        "Gateways by state: 1 for the one it is in",
        None,
        MetricType::Gauge,
    )?;
    for gateway in all() {
        let (own, [set, id]) = (gateway.state(), names(gateway));
        for known in GatewayState::ALL {
            let labels = [set, id, ("state", known.name())];
            let is_own = i64::from(known == own);
            state.encode_family(&labels)?.encode_gauge(&is_own)?;
        }
    }
    let mut calls = encoder.encode_descriptor(
        "gateway_calls",
        "Calls under way at a gateway",
        None,
        MetricType::Gauge,
    )?;
    for gateway in all() {
        let count = i64::from(gateway.calls());
        calls.encode_family(&names(gateway))?.encode_gauge(&count)?;
    }
    let mut latency = encoder.encode_descriptor(
        "gateway_latency_seconds",
        "Mean time to a gateway's first response, exponentially weighted",
        None,
        MetricType::Gauge,
    )?;
    for gateway in all() {
        if let Some(mean) = gateway.latency() {
            let seconds = mean.as_secs_f64();
            latency
                .encode_family(&names(gateway))?
                .encode_gauge(&seconds)?;
        }
    }
    for (family, help, is_probes) in [
        ("gateway_requests", "Requests sent to a gateway", false),
        ("gateway_probes", "Probes sent to a gateway", true),
    ] {
        let mut metric = encoder.encode_descriptor(family, help, None, MetricType::Counter)?;
        for gateway in all() {
            let count = if is_probes {
                gateway.probes()
            } else {
                gateway.requests()
            };
            metric
                .encode_family(&names(gateway))?
                .encode_counter::<NoLabelSet, u64, u64>(&count, None)?;
        }
    }
    for (family, help, of_probes) in [
        (
            "gateway_failures",
            "Requests that failed by a gateway's doing, by reason",
            false,
        ),
        (
            "gateway_probe_failures",
            "Probes that failed, by reason",
            true,
        ),
    ] {
        let mut metric = encoder.encode_descriptor(family, help, None, MetricType::Counter)?;
        for gateway in all() {
            let [set, id] = names(gateway);
            for failure in Failure::ALL {
                let count = gateway.failures(failure, of_probes);
                metric
                    .encode_family(&[set, id, ("reason", failure.label())])?
                    .encode_counter::<NoLabelSet, u64, u64>(&count, None)?;
            }
        }
    }
    Ok(())
}

fn names(gateway: &Gateway) -> [(&'static str, &str); 2] {
    [("set", gateway.set()), ("gateway", gateway.id())]
}
