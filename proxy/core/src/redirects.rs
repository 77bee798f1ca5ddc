//! 3xx responses of branches (RFC 3261 §16.7 step 4): passed on, followed, or told to the decider.

use std::cmp::Reverse;
use std::sync::Arc;

use sigbox_wire::{HeaderId, Message, NameAddr, Scheme, Uri};

use crate::context::Context;
use crate::env::Env;
use crate::header_edits::HeaderEdits;
use crate::plan::{MAX_ROUTES, Plan, Redirect, RedirectContact, Route, RoutePlan, Target};
use crate::settings::{Redirects, Settings};

/// The longest contact that is looked at, in bytes.
const MAX_CONTACT: usize = 512;

/// Where a branch says that the callee is.
#[derive(Debug)]
pub(crate) struct Moved {
    branch: u8,
    uri: Target,
    /// Preference in thousandths.
    q: u16,
}

impl Context {
    /// Takes the contacts of a branch's 3xx to follow them; `false` when it is a final response like
    /// any.
    pub(crate) fn on_redirect(
        &mut self,
        env: &Env<'_>,
        index: usize,
        response: Message<'_>,
    ) -> bool {
        let redirects = env.settings.redirects;
        let is_decided = match redirects {
            Redirects::Relay => false,
            Redirects::Follow => self.decision.is_some(),
            // What a rule routed is none of a decider's business.
            Redirects::Ask => self.decision.as_ref().is_some_and(|one| one.attempt > 0),
        };
        // A 305 names a proxy, a 380 other services (RFC 3261 §21.3).
        if !is_decided || self.cancelled || !(300..=302).contains(&response.status()) {
            return false;
        }
        // However often they send it on, and to ever new addresses.
        let room = MAX_ROUTES.saturating_sub(self.moved.len() + self.branches.len());
        let contacts = response.addresses(HeaderId::Contact).flatten();
        let mut targets: Vec<Moved> = contacts
            .filter_map(|contact| {
                // No phone is at a longer one, and a query has only so much room.
                let text = Some(contact.uri).filter(|uri| uri.len() <= MAX_CONTACT)?;
                let uri = Target::parse(std::str::from_utf8(text).ok()?).ok()?;
                let branch = index as u8;
                let q = preference(&contact);
                let is_wanted = redirects == Redirects::Ask || self.may_follow(env.settings, &uri);
                is_wanted.then_some(Moved { branch, uri, q })
            })
            .take(room)
            .collect();
        targets.sort_by_key(|target| Reverse(target.q));
        let found = !targets.is_empty();
        self.moved.extend(targets);
        found && redirects == Redirects::Follow
    }

    /// Whether a contact is a target that was not tried and will not be, nor less secure than the request asked for. One
    /// here is not: it would have to be decided anew.
    fn may_follow(&self, settings: &Settings, uri: &Target) -> bool {
        let request = self.message();
        let is = |one: &[u8]| one == uri.text().as_bytes();
        let mut tried = self.branches.iter().map(|branch| {
            let uri = self.route(branch).and_then(|route| route.uri.as_ref());
            uri.map_or(request.request_uri(), |uri| uri.text().as_bytes())
        });
        let left = self
            .routes()
            .and_then(|plan| plan.routes().get(self.next_route..));
        let mut planned = left
            .into_iter()
            .flatten()
            .filter_map(|route| route.uri.as_ref());
        let is_secure = |uri: &[u8]| Uri::parse(uri).is_ok_and(|uri| uri.scheme == Scheme::Sips);
        let leads_here = |uri: &[u8]| {
            let uri = Uri::parse(uri);
            uri.is_ok_and(|uri| settings.owns(&uri).is_some())
        };
        uri.hop().is_some()
            && !leads_here(uri.text().as_bytes())
            && !tried.any(is)
            && !planned.any(|other| other == uri)
            && !self.moved.iter().any(|other| other.uri == *uri)
            && (!is_secure(request.request_uri()) || is_secure(uri.text().as_bytes()))
    }

    /// Puts the targets that branches named before those of the plan that are left; `false` when
    /// there are none.
    pub(crate) fn follow_redirects(&mut self) -> bool {
        let is_over = self.cancelled || self.best.as_ref().is_some_and(|best| best.status >= 600);
        let mut moved = std::mem::take(&mut self.moved);
        let Some(plan) = self.routes().filter(|_| !is_over && !moved.is_empty()) else {
            return false;
        };
        moved.sort_by_key(|target| Reverse(target.q));
        let mut routes: Vec<Route> = Vec::with_capacity(moved.len());
        let (mut group, mut q) = (0, moved[0].q);
        for target in moved {
            if target.q != q {
                (group, q) = (group + 1, target.q);
            }
            let origin = self.branches.get(usize::from(target.branch));
            let origin = origin.and_then(|branch| self.route(branch));
            routes.push(Route {
                uri: Some(target.uri),
                group,
                // What the decider wanted to be said and how long it would wait is about the call.
                edits: origin.and_then(|route| route.edits.clone()),
                branch_flags: origin.map_or(0, |route| route.branch_flags),
                fr_timer: origin.and_then(|route| route.fr_timer),
                fr_inv_timer: origin.and_then(|route| route.fr_inv_timer),
                ..Route::default()
            });
        }
        let left = plan.routes().get(self.next_route..).unwrap_or_default();
        let room = MAX_ROUTES.saturating_sub(routes.len());
        routes.extend(left.iter().take(room).map(|route| Route {
            group: route.group.saturating_add(group + 1),
            ..route.clone()
        }));
        let Ok(plan) = RoutePlan::new(routes, plan.failover.clone(), plan.requery) else {
            return false;
        };
        self.plan = Some(Arc::new(Plan::Route(plan)));
        self.next_route = 0;
        true
    }

    /// The targets that a branch named.
    pub(crate) fn moved_to(&self, index: usize) -> Box<[Box<str>]> {
        let own = self
            .moved
            .iter()
            .filter(|target| usize::from(target.branch) == index);
        own.map(|target| target.uri.text().into()).collect()
    }

    /// A route plan as the answer of a redirect server: every route is a contact, those of earlier
    /// groups preferred.
    pub(crate) fn as_redirect(&self, plan: &RoutePlan) -> Redirect {
        let request = self.message();
        let request_uri = String::from_utf8_lossy(request.request_uri());
        let (mut rank, mut group) = (0, plan.routes().first().map_or(0, |route| route.group));
        let mut contacts = Vec::with_capacity(plan.routes().len());
        for route in plan.routes() {
            if route.group != group {
                (rank, group) = (rank + 1, route.group);
            }
            let uri = route.uri.as_ref().map_or(&*request_uri, Target::text);
            let text = match route.next_hop() {
                Some(hop) => at_hop(uri, hop.text()),
                None => uri.to_owned(),
            };
            let Ok(uri) = Target::parse(&text) else {
                continue;
            };
            let q = Some(1_000 - 100 * rank.min(10));
            contacts.push(RedirectContact {
                uri,
                q,
                expires: None,
            });
        }
        if rank == 0 {
            contacts.iter_mut().for_each(|contact| contact.q = None);
        }
        Redirect {
            status: 302,
            reason: None,
            headers: HeaderEdits::new(),
            contacts,
        }
    }
}

/// The q of a Contact in thousandths; 1 when there is none (RFC 3261 §20.10).
fn preference(contact: &NameAddr<'_>) -> u16 {
    let q = contact.params.into_iter().find_map(|(name, value)| {
        let value = std::str::from_utf8(value?).ok()?;
        name.eq_ignore_ascii_case(b"q")
            .then(|| value.parse().ok())?
    });
    let thousandths = |q: f32| (q.clamp(0.0, 1.0) * 1_000.0) as u16;
    q.map_or(1_000, thousandths)
}

/// The user of `uri` at the host of `hop`, as secure as it was.
fn at_hop(uri: &str, hop: &str) -> String {
    let user = |text: &str| {
        let uri = Uri::parse(text.as_bytes()).ok()?;
        Some(String::from_utf8_lossy(uri.user?).into_owned())
    };
    match (user(hop), user(uri), hop.split_once(':')) {
        (None, Some(user), Some((scheme, rest))) => {
            let is_secure = uri
                .get(..5)
                .is_some_and(|start| start.eq_ignore_ascii_case("sips:"));
            let scheme = if is_secure { "sips" } else { scheme };
            format!("{scheme}:{user}@{rest}")
        }
        _ => hop.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_next_hop_gets_the_user() {
        for (uri, hop, both) in [
            (
                "sip:bob@a",
                "sip:192.0.2.1:5080;transport=tcp",
                "sip:bob@192.0.2.1:5080;transport=tcp",
            ),
            ("sip:bob@a", "sip:carol@b", "sip:carol@b"),
            ("sip:a", "sip:b", "sip:b"),
            ("sips:bob@a", "sip:b", "sips:bob@b"),
            ("tel:+4930", "sip:b", "sip:+4930@b"),
        ] {
            assert_eq!(at_hop(uri, hop), both);
        }
    }

    #[test]
    fn the_preference_of_a_contact() {
        for (text, q) in [
            ("<sip:a>", 1_000),
            ("<sip:a>;Q=0.25", 250),
            ("<sip:a>;q=0", 0),
            ("<sip:a>;q=7", 1_000),
            ("<sip:a>;q=x", 1_000),
        ] {
            assert_eq!(
                preference(&NameAddr::parse(text.as_bytes()).unwrap()),
                q,
                "{text}"
            );
        }
    }
}
