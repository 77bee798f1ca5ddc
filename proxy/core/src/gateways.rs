//! Gateway sets: named groups of next hops, of which an algorithm chooses for each request.
//!
//! ```text
//! route { gateways: "carriers" } --carried out--> candidates in order --opened--> branches
//!                                                        |                           |
//!                              state, calls, latency  <--+---- responses, timeouts --+---- probes
//! ```
//!
//! A [`GatewaySets`] is a snapshot that all shards share and a reload replaces. What is learned about a gateway (its
//! state, calls under way, latency) lives in atomics that the next snapshot takes over, as long as set, id and URI
//! stay the same.

mod calls;
mod change;
mod choose;
mod definition;
mod overload;
mod probe;
mod route;
mod standing;
mod traffic;

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

pub(crate) use calls::Calls;
pub use change::{GatewayChange, Why};
pub use definition::{
    Algorithm, GatewayDefinition, GatewayError, HashOn, MAX_GATEWAYS, MAX_SETS, Probing,
    SetDefinition,
};
pub(crate) use probe::{Probe, Prober};
pub use route::GatewayRef;
pub use standing::{Failure, GatewayState, LastFailure, Skip};

use crate::clock::Instant;
use crate::flow::ListenerId;
use crate::plan::Target;
use standing::Standing;

/// Every gateway set there is, by name.
#[derive(Debug, Default)]
pub struct GatewaySets {
    /// Sorted by name.
    sets: Vec<GatewaySet>,
}

/// One set.
#[derive(Debug)]
pub struct GatewaySet {
    terms: Arc<Terms>,
    gateways: Vec<Arc<Gateway>>,
    /// How many requests round robin has served.
    turn: Arc<AtomicUsize>,
}

/// What holds for every gateway of a set: its definition without the gateways.
#[derive(Debug)]
struct Terms {
    name: Arc<str>,
    set: SetDefinition,
    /// Calls count until their BYE, not only until they are answered.
    counts_calls: bool,
}

/// One gateway of a set.
#[derive(Debug)]
pub struct Gateway {
    terms: Arc<Terms>,
    definition: GatewayDefinition,
    standing: Arc<Standing>,
}

impl GatewaySets {
    /// Sets as defined. A gateway that `previous` has in a set of that name, with that id and URI, keeps its state,
    /// calls and latency; nothing of `previous` is changed. Every other one is new: it stands as it does since `now`.
    ///
    /// # Errors
    /// [`GatewayError`] for the first definition that cannot be used.
    pub fn build(
        previous: Option<&Self>,
        definitions: Vec<SetDefinition>,
        now: Instant,
    ) -> Result<Self, GatewayError> {
        definition::check(&definitions)?;
        let mut sets: Vec<_> = definitions
            .into_iter()
            .map(|mut set| {
                let known = previous.and_then(|sets| sets.set(&set.name));
                let gateways = std::mem::take(&mut set.gateways);
                let limited = gateways.iter().any(|gateway| gateway.max_calls > 0);
                let terms = Arc::new(Terms {
                    name: (&*set.name).into(),
                    counts_calls: limited || set.algorithm == Algorithm::LeastCalls,
                    set,
                });
                GatewaySet {
                    gateways: gateways
                        .into_iter()
                        .map(|definition| {
                            let same = known.and_then(|set| set.gateway(&definition.id));
                            let same = same.filter(|one| one.definition.uri == definition.uri);
                            Arc::new(Gateway {
                                terms: terms.clone(),
                                definition,
                                standing: same.map_or_else(
                                    || Arc::new(Standing::new(now)),
                                    |one| one.standing.clone(),
                                ),
                            })
                        })
                        .collect(),
                    terms,
                    turn: known.map(|set| set.turn.clone()).unwrap_or_default(),
                }
            })
            .collect();
        sets.sort_by(|one, other| one.name().cmp(other.name()));
        Ok(Self { sets })
    }

    /// The set of that name.
    pub fn set(&self, name: &str) -> Option<&GatewaySet> {
        let at = self.sets.binary_search_by(|set| set.name().cmp(name));
        self.sets.get(at.ok()?)
    }

    /// All of them, by name.
    pub fn iter(&self) -> impl Iterator<Item = &GatewaySet> {
        self.sets.iter()
    }

    /// What they were built from, to be built anew with others beside or in their place.
    pub fn definitions(&self) -> impl Iterator<Item = SetDefinition> {
        self.sets.iter().map(|set| SetDefinition {
            gateways: (set.gateways.iter())
                .map(|gateway| gateway.definition.clone())
                .collect(),
            ..set.terms.set.clone()
        })
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.sets.is_empty()
    }
}

impl GatewaySet {
    /// Its name, a slug.
    pub fn name(&self) -> &str {
        &self.terms.name
    }

    /// How gateways are chosen.
    pub fn algorithm(&self) -> &Algorithm {
        &self.terms.set.algorithm
    }

    /// All that was said about it; its gateways are in [`GatewaySet::gateways`].
    pub fn definition(&self) -> &SetDefinition {
        &self.terms.set
    }

    /// How its gateways are probed, if they are.
    pub fn probing(&self) -> Option<&Probing> {
        self.terms.set.probing.as_ref()
    }

    /// All of them, in the order of their definition.
    pub fn gateways(&self) -> &[Arc<Gateway>] {
        &self.gateways
    }

    /// The gateway with that id.
    pub fn gateway(&self, id: &str) -> Option<&Arc<Gateway>> {
        self.gateways.iter().find(|gateway| gateway.id() == id)
    }
}

impl Gateway {
    /// The name of its set.
    pub fn set(&self) -> &Arc<str> {
        &self.terms.name
    }

    /// Its id within the set.
    pub fn id(&self) -> &str {
        &self.definition.id
    }

    /// Where it is.
    pub fn uri(&self) -> &Target {
        &self.definition.uri
    }

    /// All that was said about it.
    pub fn definition(&self) -> &GatewayDefinition {
        &self.definition
    }

    /// The socket to send to it from, when that is fixed.
    pub(crate) fn listener(&self) -> Option<ListenerId> {
        self.definition.listener
    }

    /// Where it stands; one that its definition switches off is [`GatewayState::Disabled`].
    pub fn state(&self) -> GatewayState {
        if self.definition.enabled {
            self.standing.state()
        } else {
            GatewayState::Disabled
        }
    }

    /// Since when; one that has never changed its state, since it came.
    pub fn since(&self) -> Instant {
        self.standing.since()
    }

    /// Calls under way: INVITEs without a final response, and answered calls where those are counted.
    pub fn calls(&self) -> u32 {
        self.standing.calls()
    }

    /// The time to its first response, an exponentially weighted mean; `None` before the first.
    pub fn latency(&self) -> Option<std::time::Duration> {
        self.standing.latency()
    }

    /// Failures in a row.
    pub fn failures_in_a_row(&self) -> u32 {
        self.standing.failures_in_a_row()
    }

    /// Requests sent to it since it is known.
    pub fn requests(&self) -> u64 {
        self.standing.requests()
    }

    /// Probes sent to it since it is known.
    pub fn probes(&self) -> u64 {
        self.standing.probes()
    }

    /// How often requests, or probes, failed in that way.
    pub fn failures(&self, failure: Failure, of_probes: bool) -> u64 {
        self.standing.failures(failure, of_probes)
    }

    /// The last failure of a request or a probe.
    pub fn last_failure(&self) -> Option<LastFailure> {
        self.standing.last_failure()
    }

    /// Until when it asked to be left alone (Retry-After), if that is not over at `now`.
    pub fn held_back(&self, now: Instant) -> Option<Instant> {
        self.standing.held_back(now)
    }

    /// How many percent of the requests it asked not to get at `now` (RFC 7339).
    pub fn loss(&self, now: Instant) -> u32 {
        self.standing.loss(now)
    }

    /// Switches it off, or on again as [`GatewayState::Active`]; `None` when it is so already, or when its
    /// definition has switched it off. Any thread may call this.
    pub fn set_enabled(&self, enabled: bool, now: Instant) -> Option<GatewayStep> {
        if !self.definition.enabled {
            return None;
        }
        self.standing.set_enabled(enabled, now)
    }
}

/// A change of state: from, to.
pub type GatewayStep = (GatewayState, GatewayState);
