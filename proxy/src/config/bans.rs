//! Who may be banned.

use std::net::IpAddr;

use ipnet::IpNet;
use sigbox_core::{Action, GatewaySets, HopHost, Plan, Rules, Target};

use super::condition;
use super::reader::Section;

/// Who is never banned, and how many may be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BanPolicy {
    /// `limits.never_ban`
    pub never: Vec<IpNet>,
    /// The numeric addresses of gateways, and those that local rules route to.
    pub gateways: Vec<IpAddr>,
    /// `limits.max_bans`
    pub most: usize,
}

/// The policy of `[limits]`; what `rules` route to and the members of gateway `sets` are protected.
pub(super) fn policy(limits: &Section<'_>, rules: &Rules, sets: &GatewaySets) -> BanPolicy {
    let mut gateways = Vec::new();
    let mut protect = |target: Option<&Target>| {
        let hop = target.and_then(|target| target.hop());
        if let Some(HopHost::Address(address)) = hop.map(|hop| &hop.host)
            && !gateways.contains(&address.ip())
        {
            gateways.push(address.ip());
        }
    };
    let members = sets.iter().flat_map(|set| set.gateways());
    members.for_each(|gateway| protect(Some(gateway.uri())));
    for rule in rules.before.iter().chain(&rules.fallback) {
        let Action::Decide(plan) = rule.action.unlimited() else {
            continue;
        };
        let Plan::Route(plan) = &**plan else { continue };
        for route in plan.routes() {
            protect(route.next_hop.as_ref().or(route.uri.as_ref()));
        }
    }
    BanPolicy {
        never: limits.list("never_ban", condition::source),
        gateways,
        most: limits.number("max_bans").unwrap_or_default(),
    }
}
