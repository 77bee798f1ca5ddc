//! Gateways and calls to them, for the tests of gateway sets.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use sigbox_core::{
    Algorithm, Gateway, GatewayDefinition, GatewaySets, HashOn, Instant, Plan, Probing, Route,
    SetDefinition, Settings, Target,
};
use sigbox_testkit::{Request, Script, Sim, plans};

use crate::world::*;

/// Where three gateways are.
pub(crate) const GATEWAYS: [&str; 3] = ["192.0.2.51:5060", "192.0.2.52:5060", "192.0.2.53:5060"];

/// Every algorithm that tries one gateway after the other.
pub(crate) fn serial_algorithms() -> [Algorithm; 7] {
    [
        Algorithm::Hash(HashOn::CallId),
        Algorithm::RoundRobin,
        Algorithm::Random,
        Algorithm::Weight,
        Algorithm::Priority,
        Algorithm::LeastCalls,
        Algorithm::Latency,
    ]
}

/// The set `carriers` with `gw1` to `gw3`; tried in that order by [`Algorithm::Priority`].
pub(crate) fn carriers(algorithm: Algorithm) -> SetDefinition {
    let gateways = GATEWAYS.iter().enumerate().map(|(number, address)| {
        let uri = Target::parse(&format!("sip:{address}")).unwrap();
        GatewayDefinition {
            priority: number as u32,
            ..GatewayDefinition::new(&format!("gw{}", number + 1), uri)
        }
    });
    SetDefinition::new("carriers", algorithm, gateways.collect())
}

/// A probe every 10 s that waits 2 s.
pub(crate) fn probing() -> Option<Probing> {
    Some(Probing {
        interval: secs(10),
        timeout: secs(2),
        accept: Vec::new(),
        from: None,
    })
}

/// Settings with one set; gateways of `previous` keep what is known about them, others come now.
pub(crate) fn with_set(set: SetDefinition, previous: Option<&Sim>) -> Settings {
    let now = previous.map_or(Instant::ZERO, Sim::now);
    let previous = previous.map(|sim| &*sim.core.settings().gateways);
    Settings {
        gateways: Arc::new(GatewaySets::build(previous, vec![set], now).unwrap()),
        ..Settings::default()
    }
}

/// A route to a set, whose gateways have a second to answer.
pub(crate) fn route_to(set: &str) -> Route {
    Route {
        gateways: Some(set.into()),
        fr_timer: Some(secs(1)),
        ..Route::default()
    }
}

pub(crate) fn plan_to_carriers() -> Plan {
    plans::plan(vec![route_to("carriers")])
}

/// A world in which every request goes to that set, whose gateways are those of [`GATEWAYS`].
pub(crate) fn world(set: SetDefinition, scripts: [Script; 3]) -> (Sim, [SocketAddr; 3]) {
    let mut sim = Sim::always(with_set(set, None), plan_to_carriers());
    let mut scripts = scripts.into_iter();
    let gateways = GATEWAYS.map(|address| sim.callee(address, scripts.next().unwrap()));
    (sim, gateways)
}

pub(crate) fn gateway(sim: &Sim, number: usize) -> Arc<Gateway> {
    let sets = &sim.core.settings().gateways;
    sets.set("carriers").unwrap().gateways()[number - 1].clone()
}

/// The states of all gateways.
pub(crate) fn states(sim: &Sim) -> Vec<&'static str> {
    let sets = &sim.core.settings().gateways;
    let gateways = sets.set("carriers").unwrap().gateways();
    gateways
        .iter()
        .map(|gateway| gateway.state().name())
        .collect()
}

/// Sends an INVITE of its own Call-ID and lets `span` pass.
pub(crate) fn call_number(sim: &mut Sim, number: usize, span: Duration) -> Request {
    let invite = Request::new(
        "INVITE",
        "sip:+4930123@example.com",
        alice(),
        &format!("c{number}"),
    );
    sim.send(alice(), invite.text());
    sim.run_for(span);
    invite
}

/// The final status that Alice got for the call of that number.
pub(crate) fn outcome(sim: &Sim, number: usize) -> Option<u16> {
    let call_id = format!("Call-ID: c{number}@");
    let finals = sim
        .seen(alice())
        .iter()
        .filter(|seen| seen.status() >= 200 && seen.text.contains(&call_id));
    finals.map(|seen| seen.status()).next()
}

/// How many INVITEs a phone got, each once.
pub(crate) fn invites(sim: &Sim, phone: SocketAddr) -> usize {
    let mut branches: Vec<_> = sim
        .seen(phone)
        .iter()
        .filter(|seen| seen.label() == "INVITE")
        .map(|seen| sigbox_testkit::field(&seen.text, "Via").unwrap().to_owned())
        .collect();
    branches.dedup();
    branches.len()
}

/// Stops probing and waits for all that is left.
pub(crate) fn end(mut sim: Sim) {
    sim.input(sigbox_core::Input::Drain);
    sim.run_to_end();
}
