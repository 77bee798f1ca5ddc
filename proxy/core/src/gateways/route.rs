//! Routes that name a gateway set become routes to gateways, when their turn comes.

use std::sync::Arc;

use sigbox_wire::{Uri, is_emergency};

use super::{Algorithm, Gateway, GatewayChange, Skip, Why};
use crate::context::{Best, Context};
use crate::counters::Counter;
use crate::env::Env;
use crate::forward::rank;
use crate::io::Output;
use crate::plan::{MAX_ROUTES, Plan, Route, RoutePlan, Target};

/// The gateway that a route leads to.
#[derive(Clone, Debug)]
pub struct GatewayRef(Arc<Gateway>);

impl PartialEq for GatewayRef {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl std::ops::Deref for GatewayRef {
    type Target = Arc<Gateway>;

    fn deref(&self) -> &Arc<Gateway> {
        &self.0
    }
}

impl Context {
    /// Puts gateways in the place of sets in the next group that is to be tried, or in `all` that are left. A set of
    /// which no gateway can be used is like a route that failed.
    pub(crate) fn expand_gateways(&mut self, env: &mut Env<'_>, all: bool) {
        let left = self
            .routes()
            .and_then(|plan| plan.routes().get(self.next_route..));
        let left = left.unwrap_or_default();
        let first = left.first().map(|route| route.group);
        let mut next = left
            .iter()
            .take_while(|route| all || Some(route.group) == first);
        if !next.any(|route| route.gateways.is_some()) {
            return;
        }
        let Some(plan) = self.plan.clone() else {
            return;
        };
        let Plan::Route(plan) = &*plan else { return };
        let left = plan.routes().get(self.next_route..).unwrap_or_default();
        let mut routes: Vec<Route> = Vec::with_capacity(left.len());
        let (mut rest, mut base) = (left, 0_u16);
        while let Some(first) = rest.first() {
            let is_same = |route: &&Route| route.group == first.group;
            let (group, after) = rest.split_at(rest.iter().take_while(is_same).count());
            rest = after;
            if !routes.is_empty() && !all {
                routes.extend(group.iter().map(|route| in_group(route, base)));
                base += 1;
                continue;
            }
            let room = MAX_ROUTES.saturating_sub(after.len() + routes.len());
            let expanded = self.expand_group(env, group, room.max(1));
            let groups = expanded.iter().map(|route| route.group + 1).max();
            routes.extend(expanded.into_iter().map(|route| {
                let group = base + route.group;
                Route { group, ..route }
            }));
            base += groups.unwrap_or_default();
        }
        routes.truncate(MAX_ROUTES);
        if routes.is_empty() {
            self.next_route = plan.routes().len();
            return;
        }
        if let Ok(plan) = RoutePlan::new(routes, plan.failover.clone(), plan.requery) {
            self.plan = Some(Arc::new(Plan::Route(plan)));
            self.next_route = 0;
        }
    }

    /// The routes of one group, at most `room`, with groups from 0: what forks in parallel with a set forks with the
    /// first of its gateways.
    fn expand_group(&mut self, env: &mut Env<'_>, group: &[Route], room: usize) -> Vec<Route> {
        let mut routes = Vec::with_capacity(group.len());
        for route in group {
            let Some(name) = &route.gateways else {
                routes.push(in_group(route, 0));
                continue;
            };
            let Some(set) = env.settings.gateways.set(name) else {
                // It was there when the plan was made.
                env.count(Counter::GatewaysUnknown);
                self.note_unavailable();
                continue;
            };
            let (secret, counters) = (&mut *env.secret, env.counters);
            let candidates = set.candidates(
                env.now,
                self.message(),
                || secret.draw(),
                |skip| counters.add(counter_of(skip)),
            );
            let is_parallel = *set.algorithm() == Algorithm::Parallel;
            let mut tries = 0;
            for gateway in candidates {
                let Some(uri) = self.dialled(route, &gateway) else {
                    env.count(Counter::GatewaySkippedUser);
                    continue;
                };
                routes.push(Route {
                    uri,
                    listener: gateway.listener().or(route.listener),
                    gateway: Some(GatewayRef(gateway)),
                    gateways: None,
                    ..in_group(route, if is_parallel { 0 } else { tries })
                });
                tries += 1;
            }
            if tries == 0 {
                env.count(Counter::GatewaysNoneUsable);
                self.note_unavailable();
            }
        }
        // Of many sets in one group, the first tries of each go before the others.
        routes.sort_by_key(|route| route.group);
        routes.truncate(room);
        routes
    }

    /// The Request-URI for a gateway: the route's, with what the gateway wants cut and put in front. `Some(None)`
    /// keeps the request's own; `None` when what comes out is no URI.
    fn dialled(&self, route: &Route, gateway: &Gateway) -> Option<Option<Target>> {
        let definition = gateway.definition();
        if definition.strip == 0 && definition.prefix.is_empty() {
            return Some(route.uri.clone());
        }
        let text = match &route.uri {
            Some(uri) => uri.text(),
            None => std::str::from_utf8(self.message().request_uri()).ok()?,
        };
        let user = Uri::parse(text.as_bytes()).ok()?.user?;
        let start = user.as_ptr() as usize - text.as_ptr() as usize;
        let left = user
            .get(usize::from(definition.strip)..)
            .unwrap_or_default();
        let (before, after) = (text.get(..start)?, text.get(start + user.len()..)?);
        let left = std::str::from_utf8(left).ok()?;
        let text = format!("{before}{}{left}{after}", definition.prefix);
        Target::parse(&text).ok().map(Some)
    }

    /// Whether the route that is about to be opened may be: its gateway may have become unusable since it was chosen.
    /// An INVITE counts as a call of the gateway from now on, until its branch is closed.
    pub(crate) fn is_admitted(&mut self, env: &mut Env<'_>, route: usize) -> bool {
        let route = self.routes().and_then(|plan| plan.routes().get(route));
        let Some(gateway) = route.and_then(|route| route.gateway.clone()) else {
            return true;
        };
        let as_call = self.is_invite();
        let emergency = is_emergency(self.message().request_uri());
        let secret = &mut *env.secret;
        match gateway.admit(env.now, as_call, emergency, || secret.draw()) {
            Ok(()) => {}
            Err(skip) => {
                env.count(counter_of(skip));
                self.note_unavailable();
                return false;
            }
        }
        gateway.standing.count_request();
        let step = gateway.standing.revive(env.now, &gateway.terms.set);
        tell(env, &gateway, step, Why::Recovered);
        true
    }

    /// What a route says that was not even tried.
    fn note_unavailable(&mut self) {
        const UNAVAILABLE: u16 = 503;
        let best = self.best.as_ref();
        if best.is_none_or(|best| rank(UNAVAILABLE) < rank(best.status)) {
            self.best = Some(Best {
                status: UNAVAILABLE,
                branch: 0,
                text: None,
            });
        }
    }
}

/// Puts out a change of a gateway's state that a request brought about.
pub(super) fn tell(
    env: &mut Env<'_>,
    gateway: &Arc<Gateway>,
    step: Option<super::GatewayStep>,
    why: Why,
) {
    if let Some((from, to)) = step {
        env.out.push(Output::Gateway(Box::new(GatewayChange {
            gateway: gateway.clone(),
            from,
            to,
            why,
            by_probe: false,
            at: env.now,
        })));
    }
}

fn in_group(route: &Route, group: u16) -> Route {
    Route {
        group,
        ..route.clone()
    }
}

fn counter_of(skip: Skip) -> Counter {
    match skip {
        Skip::Disabled => Counter::GatewaySkippedDisabled,
        Skip::Inactive => Counter::GatewaySkippedInactive,
        Skip::RetryAfter => Counter::GatewaySkippedRetryAfter,
        Skip::Full => Counter::GatewaySkippedFull,
        Skip::Congested => Counter::GatewaySkippedCongested,
    }
}
