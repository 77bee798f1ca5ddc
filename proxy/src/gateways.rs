//! Gateway sets as operators see them: what runs, how it stands, and the switch of each gateway.
//!
//! The shards share the sets themselves, as part of their settings; the [`GatewayBoard`] has the same ones, for the
//! metrics and the admin server.

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use serde::Serialize;
use sigbox_core::{Failure, Gateway, GatewayChange, GatewaySet, GatewaySets, Instant, Why};

use crate::shard::Clock;

/// The sets of a node. Cheap to read; replaced on reload.
pub struct GatewayBoard {
    sets: RwLock<Arc<GatewaySets>>,
    clock: Clock,
    announce: Box<dyn Fn(GatewayChange) + Send + Sync>,
}

/// A set, for documents.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SetReport {
    /// Its name.
    pub name: String,
    /// How it chooses.
    pub algorithm: &'static str,
    /// Its gateways, in the order of their definition.
    pub gateways: Vec<GatewayReport>,
}

/// A gateway, for documents. Times are Unix milliseconds.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct GatewayReport {
    /// Its id within the set.
    pub id: String,
    /// Its URI.
    pub uri: String,
    /// `active`, `trying`, `inactive` or `disabled`.
    pub state: &'static str,
    /// Since when.
    pub since: u64,
    /// Whether its definition lets it be used at all.
    pub enabled: bool,
    /// Its share.
    pub weight: u32,
    /// Its rank.
    pub priority: u32,
    /// The most calls; 0 is no limit.
    pub max_calls: u32,
    /// Calls under way.
    pub calls: u32,
    /// The mean time to a first response, in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub latency_ms: Option<f64>,
    /// Requests sent to it.
    pub requests: u64,
    /// Requests that failed by its doing.
    pub failures: u64,
    /// Failures in a row, probes included.
    pub failures_in_a_row: u32,
    /// Until when it asked to be left alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry_at: Option<u64>,
    /// The percentage of requests that it asked not to get (RFC 7339).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub loss_percent: Option<u32>,
    /// The last failure.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_failure: Option<FailureReport>,
    /// Opaque text of its definition.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub attributes: String,
}

/// A failure, for documents.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FailureReport {
    /// When, in Unix milliseconds.
    pub at: u64,
    /// `timeout`, `status`, `unreachable` or `unresolved`.
    pub reason: &'static str,
    /// The status, when there was one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// Whether it was a probe's.
    pub probe: bool,
}

/// Why a gateway cannot be switched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SwitchError {
    /// No set has that name.
    #[error("there is no gateway set of that name")]
    NoSet,
    /// The set has no such gateway.
    #[error("the set has no gateway with that id")]
    NoGateway,
    /// Its definition says `enabled = false`, which only a new definition can change.
    #[error("its definition has switched the gateway off")]
    DisabledByDefinition,
}

impl GatewayBoard {
    /// A board of `sets`; `announce` is told of every switch that an operator turns.
    pub fn new(
        sets: Arc<GatewaySets>,
        clock: Clock,
        announce: impl Fn(GatewayChange) + Send + Sync + 'static,
    ) -> Self {
        Self {
            sets: RwLock::new(sets),
            clock,
            announce: Box::new(announce),
        }
    }

    /// The sets that run.
    pub fn sets(&self) -> Arc<GatewaySets> {
        let sets = self.sets.read();
        sets.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Other sets run from now on.
    pub fn replace(&self, sets: Arc<GatewaySets>) {
        *self.sets.write().unwrap_or_else(PoisonError::into_inner) = sets;
    }

    /// Every set, by name.
    pub fn snapshot(&self) -> Vec<SetReport> {
        let now = self.clock.now();
        let sets = self.sets();
        sets.iter().map(|set| self.report(now, set)).collect()
    }

    /// The set of that name.
    pub fn set(&self, name: &str) -> Option<SetReport> {
        let now = self.clock.now();
        self.sets().set(name).map(|set| self.report(now, set))
    }

    /// Switches a gateway off, or on again as active. One that stands so already is left as it is.
    ///
    /// # Errors
    /// [`SwitchError`] when there is no such gateway, or it is not an operator's to switch.
    pub fn set_state(
        &self,
        set: &str,
        id: &str,
        enabled: bool,
    ) -> Result<GatewayReport, SwitchError> {
        let sets = self.sets();
        let set = sets.set(set).ok_or(SwitchError::NoSet)?;
        let gateway = set.gateway(id).ok_or(SwitchError::NoGateway)?;
        let now = self.clock.now();
        if enabled && !gateway.definition().enabled {
            return Err(SwitchError::DisabledByDefinition);
        }
        if let Some((from, to)) = gateway.set_enabled(enabled, now) {
            (self.announce)(GatewayChange {
                gateway: gateway.clone(),
                from,
                to,
                why: Why::Operator,
                by_probe: false,
                at: now,
            });
        }
        Ok(self.gateway_report(now, gateway))
    }

    fn report(&self, now: Instant, set: &GatewaySet) -> SetReport {
        let gateways = set.gateways().iter();
        SetReport {
            name: set.name().to_owned(),
            algorithm: set.algorithm().name(),
            gateways: gateways
                .map(|gateway| self.gateway_report(now, gateway))
                .collect(),
        }
    }

    fn gateway_report(&self, now: Instant, gateway: &Gateway) -> GatewayReport {
        let unix_ms = |at: Instant| self.clock.wall_origin_ms() + at.as_millis();
        let definition = gateway.definition();
        let failures = Failure::ALL.map(|failure| gateway.failures(failure, false));
        let loss = gateway.loss(now);
        GatewayReport {
            id: gateway.id().to_owned(),
            uri: gateway.uri().text().to_owned(),
            state: gateway.state().name(),
            since: unix_ms(gateway.since()),
            enabled: definition.enabled,
            weight: definition.weight,
            priority: definition.priority,
            max_calls: definition.max_calls,
            calls: gateway.calls(),
            latency_ms: gateway.latency().map(|mean| mean.as_secs_f64() * 1_000.0),
            requests: gateway.requests(),
            failures: failures.iter().sum(),
            failures_in_a_row: gateway.failures_in_a_row(),
            retry_at: gateway.held_back(now).map(unix_ms),
            loss_percent: (loss > 0).then_some(loss),
            last_failure: gateway.last_failure().map(|last| FailureReport {
                at: unix_ms(last.at),
                reason: last.failure.label(),
                status: last.status,
                probe: last.by_probe,
            }),
            attributes: definition.attributes.to_string(),
        }
    }
}

impl fmt::Debug for GatewayBoard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GatewayBoard").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use sigbox_core::{Algorithm, GatewayDefinition, GatewayState, SetDefinition, Target};

    use super::*;

    #[test]
    fn an_operator_s_switch_is_turned_once_and_told_once() {
        let gateway = |id: &str, enabled| GatewayDefinition {
            enabled,
            ..GatewayDefinition::new(id, Target::parse("sip:192.0.2.20").unwrap())
        };
        let gateways = vec![gateway("gw1", true), gateway("gw2", false)];
        let set = SetDefinition::new("carriers", Algorithm::Random, gateways);
        let sets = Arc::new(GatewaySets::build(None, vec![set], Instant::ZERO).unwrap());
        let told = Arc::new(Mutex::new(Vec::new()));
        let board = GatewayBoard::new(sets, Clock::start(), {
            let told = told.clone();
            move |change| told.lock().unwrap().push((change.from, change.to))
        });
        let switch = |id, enabled| board.set_state("carriers", id, enabled);
        assert_eq!(switch("gw1", true).unwrap().state, "active");
        assert_eq!(switch("gw1", false).unwrap().state, "disabled");
        assert_eq!(switch("gw1", false).unwrap().state, "disabled");
        assert_eq!(switch("gw1", true).unwrap().state, "active");
        assert_eq!(switch("gw2", false).unwrap().state, "disabled");
        assert_eq!(switch("gw2", true), Err(SwitchError::DisabledByDefinition));
        assert_eq!(switch("gw3", true), Err(SwitchError::NoGateway));
        assert_eq!(
            board.set_state("other", "gw1", true),
            Err(SwitchError::NoSet)
        );
        let (active, disabled) = (GatewayState::Active, GatewayState::Disabled);
        assert_eq!(
            *told.lock().unwrap(),
            [(active, disabled), (disabled, active)]
        );
        let states = board.snapshot()[0]
            .gateways
            .iter()
            .map(|one| one.state)
            .collect::<Vec<_>>();
        assert_eq!(states, ["active", "disabled"]);
    }
}
