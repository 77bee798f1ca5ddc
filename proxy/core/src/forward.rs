//! Forwarding a request (RFC 3261 §16.6): choosing targets, opening branches, writing the bytes.

use std::net::{IpAddr, SocketAddr};

use sigbox_wire::{HeaderId, Message, Splicer, Via, write_decimal};

use crate::branch;
use crate::breadth;
use crate::clock::Instant;
use crate::context::{Because, Best, Branch, Cancel, Client, Context, Phase};
use crate::counters::Counter;
use crate::env::Env;
use crate::flow::{Flow, ListenerId};
use crate::gateways::Why;
use crate::header_edits::HeaderEdits;
use crate::io::{Output, Tried};
use crate::key::{BranchToken, Ticket};
use crate::parties;
use crate::plan::{Hop, HopHost};
use crate::route_headers::edit_routes;
use crate::settings::{Redirects, Settings};
use crate::transaction::{ClientInvite, ClientNonInvite, Timed};

/// How many branches one transaction may open over all groups and attempts.
const MAX_BRANCHES: usize = 128;

impl Context {
    /// A request that follows its own Route set: one branch, nobody asked.
    pub(crate) fn follow_route_set(&mut self, env: &mut Env<'_>, hop: Option<Hop>) {
        self.phase = Phase::Forwarding;
        let index = self.open(env, 0, self.breadth);
        self.head_for(env, index, hop);
        self.settle_group(env);
    }

    /// Opens the next group of routes; when there is none, ends the search.
    pub(crate) fn advance(&mut self, env: &mut Env<'_>) {
        loop {
            self.expand_gateways(env, false);
            let group = self.routes().and_then(|plan| {
                let routes = plan.routes().get(self.next_route..)?;
                let group = routes.first()?.group;
                Some(
                    routes
                        .iter()
                        .take_while(|route| route.group == group)
                        .count(),
                )
            });
            let Some(count) = group else {
                return self.end_search(env);
            };
            // What may not fork in parallel forks in series (RFC 5393 §5.3.3).
            let count = count.min(self.breadth.into());
            if self.branches.len() + count > MAX_BRANCHES {
                return self.end_search(env);
            }
            self.group_start = self.branches.len();
            let first = self.next_route;
            self.next_route += count;
            for route in first..first + count {
                if !self.is_admitted(env, route) {
                    continue;
                }
                let breadth = breadth::share(self.breadth, count, route - first);
                let index = self.open(env, route, breadth);
                let hop = self.next_hop(index);
                self.head_for(env, index, hop);
            }
            // Every branch may have failed on the spot; then the next group is due at once.
            if self.group_is_open() || self.phase == Phase::Done {
                return;
            }
            if !self.group_leads_on() {
                return self.end_search(env);
            }
        }
    }

    /// Opens one branch and gives its index.
    fn open(&mut self, env: &Env<'_>, route: usize, breadth: u8) -> usize {
        self.branches.push(Branch {
            plan: self.plan.clone(),
            route: route as u8,
            breadth,
            client: Client::Resolving,
            flow: None,
            cancel: Cancel::No,
            because: Because::Caller,
            ack: None,
            sent_at: env.now,
            outcome: 0,
        });
        self.branches.len() - 1
    }

    /// Sends a branch to where it leads, or has that looked up (RFC 3261 §16.6 steps 7 and 10).
    fn head_for(&mut self, env: &mut Env<'_>, index: usize, hop: Option<Hop>) {
        match hop {
            Some(Hop {
                transport,
                host: HopHost::Address(address),
            }) => {
                self.send_to(env, index, transport, address);
            }
            Some(Hop {
                host: HopHost::Name(name, _),
                ..
            }) => {
                let name = env.out.text(|out| out.extend_from_slice(name.as_bytes()));
                let ticket = Ticket(BranchToken {
                    key: env.key,
                    index: index as u8,
                });
                env.out.push(Output::Lookup { ticket, name });
            }
            None => self.fail_branch(env, index, Counter::BranchUnresolved),
        }
    }

    /// The address lookup of a branch is done.
    pub(crate) fn on_looked(&mut self, env: &mut Env<'_>, index: u8, addresses: &[IpAddr]) {
        let index = usize::from(index);
        let waiting = self
            .branches
            .get(index)
            .is_some_and(|branch| matches!(branch.client, Client::Resolving) && branch.is_open());
        if !waiting {
            return;
        }
        let hop = self.next_hop(index);
        match (hop, addresses) {
            (
                Some(Hop {
                    transport,
                    host: HopHost::Name(_, port),
                }),
                [_, ..],
            ) => {
                // The first address we have a socket for.
                let usable =
                    addresses
                        .iter()
                        .map(|ip| SocketAddr::new(*ip, port))
                        .find(|address| {
                            env.settings
                                .listener_for(transport, *address, self.flow.listener)
                                .is_some()
                        });
                let address = usable.unwrap_or(SocketAddr::new(addresses[0], port));
                self.send_to(env, index, transport, address);
            }
            _ => self.fail_branch(env, index, Counter::BranchUnresolved),
        }
        self.settle_group(env);
    }

    /// Where a branch is to be sent (RFC 3261 §16.6 steps 6 and 7).
    fn next_hop(&self, index: usize) -> Option<Hop> {
        let route = self.route(&self.branches[index]);
        if let Some(route) = route {
            if let Some(target) = route.next_hop() {
                return target.hop().cloned();
            }
            if let Some(path) = &route.path {
                return Some(path.hop().clone());
            }
            if let Some(target) = &route.uri {
                return target.hop().cloned();
            }
        }
        let request = self.message();
        let own_set = if route.is_some() {
            usize::MAX
        } else {
            usize::from(self.own_routes)
        };
        let next_route = request.addresses(HeaderId::Route).nth(own_set);
        let uri = match next_route {
            Some(route) => route.ok()?.parsed_uri().ok()?,
            None => request.uri().ok()?,
        };
        Hop::of(&uri).ok()?
    }

    fn send_to(
        &mut self,
        env: &mut Env<'_>,
        index: usize,
        transport: crate::flow::Transport,
        address: SocketAddr,
    ) {
        let chosen = self
            .route(&self.branches[index])
            .and_then(|route| route.listener);
        let preferred = self.routed_listener.unwrap_or(self.flow.listener);
        let listener = env
            .settings
            .listener_for(transport, address, chosen.unwrap_or(preferred))
            .filter(|listener| chosen.is_none_or(|chosen| chosen == *listener));
        let Some(listener) = listener else {
            return self.fail_branch(env, index, Counter::BranchNoListener);
        };
        if env.settings.owns_address(transport, address) {
            return self.fail_branch(env, index, Counter::BranchSelf);
        }
        let flow = Flow {
            transport,
            listener,
            connection: None,
            peer: address,
        };
        let timers = self.timers(&self.branches[index], &env.settings.timers);
        let reliable = transport.is_reliable();
        let client = if self.is_invite() {
            Client::Invite(Timed::new(
                ClientInvite::Calling,
                env.now,
                reliable,
                &timers,
            ))
        } else {
            Client::NonInvite(Timed::new(
                ClientNonInvite::Trying,
                env.now,
                reliable,
                &timers,
            ))
        };
        let branch = &mut self.branches[index];
        branch.client = client;
        branch.flow = Some(flow);
        branch.sent_at = env.now;
        env.count(Counter::RequestsForwarded);
        self.send_request(env, index);
    }

    /// Puts the branch's request on the wire; retransmissions are the same bytes, made anew.
    pub(crate) fn send_request(&self, env: &mut Env<'_>, index: usize) {
        let branch = &self.branches[index];
        let Some(flow) = branch.flow else { return };
        let token = BranchToken {
            key: env.key,
            index: index as u8,
        };
        self.edit(env, index, &flow);
        let splicer = std::mem::take(env.splicer);
        let mut splicer = splicer;
        env.send(flow, Some(token), |out| {
            splicer.finish(self.request.view().raw(), out)
        });
        *env.splicer = splicer;
    }

    /// Collects the edits that turn the received request into the branch's (RFC 3261 §16.6 steps 1, 2, 3,
    /// 4, 5, 6 and 8).
    pub(crate) fn edit(&self, env: &mut Env<'_>, index: usize, flow: &Flow) {
        let request = self.request.view();
        let branch = &self.branches[index];
        let route = self.route(branch);
        let token = BranchToken {
            key: env.key,
            index: index as u8,
        };
        let (settings, secret, shard) = (env.settings, &*env.secret, env.shard);
        let offer = self.via_offer(index);
        let splicer = &mut *env.splicer;
        splicer.clear();
        if let Some(uri) = route.and_then(|route| route.uri.as_ref()) {
            splicer.replace(request.request_uri_range(), |out| {
                out.extend_from_slice(uri.request_uri().as_bytes());
            });
        }
        splicer.insert(request.headers_start(), |out| {
            write_via(
                settings,
                flow,
                |out| {
                    branch::write(secret, shard, token, out);
                    out.extend_from_slice(offer.as_bytes());
                },
                out,
            );
        });
        let edits = route.and_then(|route| route.edits.as_deref());
        if !self.in_dialog && is_dialog_forming(request) {
            // Rewritten addresses are turned back in the whole dialog, which must come by here.
            let parties = edits.and_then(|edits| parties::record(request, edits));
            if settings.record_route || parties.is_some() {
                let parties = parties.unwrap_or_default();
                splicer.insert(request.headers_start(), |out| {
                    let way = (self.flow.listener, flow.listener);
                    write_record_route(settings, way, &parties, out);
                });
            }
        }
        let path = route.and_then(|route| route.path.as_ref());
        let skipped = if route.is_some() {
            usize::MAX
        } else {
            usize::from(self.own_routes)
        };
        if let Some(path) = path {
            splicer.insert(request.headers_start(), |out| {
                write_line(out, "Route", path.text())
            });
        }
        edit_routes(splicer, request, skipped);
        if let Ok(via) = request.via() {
            stamp_via(splicer, request, &via, self.flow.peer);
        }
        edit_max_forwards(splicer, request, request.max_forwards().ok().flatten());
        breadth::edit(splicer, request, branch.breadth);
        if let Some(edits) = edits {
            edit_headers(splicer, request, edits);
        }
        if let Some(parties) = &self.parties {
            parties.edit(splicer, request);
        }
    }

    /// Marks a branch that could not be sent at all.
    pub(crate) fn fail_branch(&mut self, env: &mut Env<'_>, index: usize, why: Counter) {
        env.count(why);
        self.gateway_failed(
            env,
            index,
            match why {
                Counter::BranchUnresolved => Why::Unresolved,
                _ => Why::Unreachable,
            },
        );
        let branch = &mut self.branches[index];
        if matches!(branch.client, Client::Resolving) {
            branch.client = Client::Unsent;
        }
        let status = if why == Counter::BranchSelf { 482 } else { 503 };
        self.conclude(index, status, None);
    }

    /// Notes the final outcome of a branch; `text` is the response as it would go upstream.
    pub(crate) fn conclude(&mut self, index: usize, status: u16, text: Option<Box<[u8]>>) {
        if !self.branches[index].is_open() {
            return;
        }
        self.close(index, status);
        let better = self
            .best
            .as_ref()
            .is_none_or(|best| rank(status) < rank(best.status));
        if better {
            self.best = Some(Best {
                status,
                branch: index as u8,
                text,
            });
        }
    }

    /// Whether a branch of the current group is still open.
    pub(crate) fn group_is_open(&self) -> bool {
        self.branches[self.group_start..]
            .iter()
            .any(Branch::is_open)
    }

    /// Whether the outcomes of the current group lead on to the next.
    fn group_leads_on(&self) -> bool {
        let outcome = self.branches[self.group_start..]
            .iter()
            .map(|branch| branch.outcome)
            .min_by_key(|status| rank(*status));
        let is_wanted = |status| {
            let plan = self.routes();
            plan.is_some_and(|plan| plan.failover.includes(status))
        };
        let is_whole = !self.group_is_cut();
        !self.cancelled
            && outcome.is_none_or(|status| is_wanted(status) || !is_whole && status < 600)
    }

    /// Whether routes of the present group are left, as there was not breadth for all of them.
    fn group_is_cut(&self) -> bool {
        let routes = self.routes().map_or(&[][..], |plan| plan.routes());
        let before = self.next_route.checked_sub(1).and_then(|at| routes.get(at));
        let next = routes.get(self.next_route);
        before.is_some_and(|before| next.is_some_and(|next| next.group == before.group))
    }

    /// After a branch's outcome: goes on to the next group, or ends.
    pub(crate) fn settle_group(&mut self, env: &mut Env<'_>) {
        if self.phase != Phase::Forwarding || self.group_is_open() {
            return;
        }
        if env.settings.redirects == Redirects::Ask && !self.moved.is_empty() {
            if self.ask_again(env) {
                return;
            }
            // It was asked often enough.
            self.moved.clear();
        }
        if self.follow_redirects() || self.group_leads_on() {
            self.advance(env);
        } else {
            self.end_search(env);
        }
    }

    fn end_search(&mut self, env: &mut Env<'_>) {
        if !self.ask_again(env) {
            self.send_best(env);
        }
    }

    /// What was tried since the last query, for records and for the next query.
    pub(crate) fn attempted(&self, now: Instant) -> Vec<Tried> {
        let earlier = self
            .decision
            .as_ref()
            .map_or(0, |decision| decision.tried.len());
        let request = self.message();
        self.branches
            .iter()
            .enumerate()
            .skip(earlier)
            .map(|(index, branch)| {
                let uri = match self.route(branch).and_then(|route| route.uri.as_ref()) {
                    Some(uri) => uri.text().into(),
                    None => String::from_utf8_lossy(request.request_uri()).into(),
                };
                Tried {
                    uri,
                    target: branch
                        .flow
                        .map_or("".into(), |flow| flow.to_string().into()),
                    status: branch.outcome,
                    reason: sigbox_wire::reason_phrase(branch.outcome).into(),
                    took: now - branch.sent_at,
                    contacts: self.moved_to(index),
                    gateway: self.route(branch).and_then(|route| route.gateway.clone()),
                }
            })
            .collect()
    }
}

/// The order of preference among final responses (RFC 3261 §16.7 step 6): 6xx, then the lowest
/// class; within 4xx those that tell the caller what to change; 503 last of its class.
pub(crate) fn rank(status: u16) -> (u16, u16) {
    match status {
        600.. => (0, status),
        401 | 407 | 415 | 420 | 484 => (status / 100, 0),
        // Our own timeout says less than any answer of a callee.
        408 => (4, 2),
        503 => (5, 2),
        _ => (status / 100, 1),
    }
}

/// Methods that may create a dialog: outside of one they get a Record-Route (RFC 3261 §16.6 step 4, RFC 3515, RFC 6665).
fn is_dialog_forming(request: Message<'_>) -> bool {
    use sigbox_wire::Method;
    matches!(
        request.method(),
        Method::Invite | Method::Subscribe | Method::Refer | Method::Notify
    )
}

/// Our Via line for a message sent along `flow` (RFC 3261 §16.6 step 8, §18.1.1).
pub(crate) fn write_via(
    settings: &Settings,
    flow: &Flow,
    branch: impl FnOnce(&mut Vec<u8>),
    out: &mut Vec<u8>,
) {
    if let Some(listener) = settings.listener(flow.listener) {
        out.extend_from_slice(listener.via().as_bytes());
    }
    branch(out);
    out.extend_from_slice(b"\r\n");
}

/// One Record-Route, or two when the request leaves by another socket than it came in by
/// (RFC 3261 §16.6 step 4, RFC 5658): the upper one is ours towards the callee, and has the parameter about rewritten
/// addresses, if there is one.
fn write_record_route(
    settings: &Settings,
    (incoming, outgoing): (ListenerId, ListenerId),
    parties: &str,
    out: &mut Vec<u8>,
) {
    let both = [
        Some(outgoing),
        Some(incoming).filter(|incoming| *incoming != outgoing),
    ];
    for id in both.into_iter().flatten() {
        let Some(listener) = settings.listener(id) else {
            continue;
        };
        let line = listener.record_route();
        match line.strip_suffix(">\r\n").filter(|_| id == outgoing) {
            Some(open) => {
                for part in [open, parties, ">\r\n"] {
                    out.extend_from_slice(part.as_bytes());
                }
            }
            None => out.extend_from_slice(line.as_bytes()),
        }
    }
}

/// Notes in the top Via where the request really came from (RFC 3261 §18.2.1, RFC 3581).
pub(crate) fn stamp_via<'a>(
    splicer: &mut Splicer,
    request: Message<'a>,
    via: &Via<'a>,
    source: SocketAddr,
) {
    let start = request.offset_of(via.raw);
    splicer.replace(start..start + via.raw.len(), |out| {
        via.write_stamped(source, out)
    });
}

/// One less than `hops`, or 70 when there is none (RFC 3261 §16.6 step 3).
pub(crate) fn edit_max_forwards(splicer: &mut Splicer, request: Message<'_>, hops: Option<u8>) {
    match (request.header(HeaderId::MaxForwards), hops) {
        (Some(header), Some(hops)) => {
            splicer.replace(header.value_range.clone(), |out| {
                write_decimal(hops.saturating_sub(1).into(), out);
            });
        }
        _ => {
            splicer.insert(request.headers_start(), |out| {
                write_line(out, "Max-Forwards", "70")
            });
        }
    }
}

fn edit_headers(splicer: &mut Splicer, request: Message<'_>, edits: &HeaderEdits) {
    parties::rewrite(splicer, request, edits);
    for name in edits.removals() {
        for header in request.named(name.as_bytes()) {
            splicer.remove(header.line.clone());
        }
    }
    for (name, value) in edits.sets() {
        for header in request.named(name.as_bytes()) {
            splicer.remove(header.line.clone());
        }
        splicer.insert(request.headers_end(), |out| write_line(out, name, value));
    }
    splicer.insert(request.headers_end(), |out| {
        out.extend_from_slice(edits.extra())
    });
}

pub(crate) fn write_line(out: &mut Vec<u8>, name: &str, value: &str) {
    for part in [name, ": ", value, "\r\n"] {
        out.extend_from_slice(part.as_bytes());
    }
}
