//! Responses of branches (RFC 3261 §16.7): matched, judged, sent upstream.

use sigbox_wire::{HeaderId, Message, Splicer};

use crate::context::{Because, Branch, Cancel, Client, Context, LOOKUP, Phase, Server};
use crate::counters::Counter;
use crate::env::Env;
use crate::gateways::Why;
use crate::parties;
use crate::transaction::{
    Act, ClientInvite, ClientInviteEvent, ClientNonInviteEvent, ServerInvite,
};

impl Context {
    /// A response that carries the branch of our client transaction `index`; `leads_back` says
    /// whether there is a Via below ours.
    pub(crate) fn on_response(
        &mut self,
        env: &mut Env<'_>,
        index: u8,
        response: Message<'_>,
        leads_back: bool,
    ) {
        let index = usize::from(index);
        if index >= self.branches.len() {
            return env.count(Counter::DropForeignBranch);
        }
        let Ok(cseq) = response.cseq() else {
            return env.count(Counter::DropCseqMismatch);
        };
        let to_cancel = cseq.method == sigbox_wire::Method::Cancel && self.is_invite();
        let is_ours = cseq.method == self.message().method() || to_cancel;
        if cseq.number != self.cseq || !is_ours {
            return env.count(Counter::DropCseqMismatch);
        }
        let status = response.status();
        if to_cancel {
            return self.on_cancel_response(env, index, status);
        }
        // The Via below ours is the caller's; without it nobody there would know the response.
        if !leads_back {
            return env.count(Counter::DropViaCount);
        }
        self.gateway_heard(env, index, response);
        match self.branches[index].client {
            Client::Invite(client) => match client.state.on(ClientInviteEvent::of(status)) {
                Some((next, act)) => {
                    self.enter_client(env, index, next);
                    self.on_invite_response(env, index, act, response);
                }
                None => self.on_late_response(env, index, response),
            },
            Client::NonInvite(mut client) => {
                let Some((next, act)) = client.state.on(ClientNonInviteEvent::of(status)) else {
                    return env.count(Counter::DropLateResponse);
                };
                let reliable = self.is_reliable(index);
                client.enter(next, env.now, reliable, &env.settings.timers);
                self.branches[index].client = Client::NonInvite(client);
                if act == Act::Pass {
                    self.pass(env, index, response);
                }
            }
            Client::Resolving | Client::Unsent => env.count(Counter::DropStrayResponse),
        }
    }

    fn on_invite_response(
        &mut self,
        env: &mut Env<'_>,
        index: usize,
        act: Act,
        response: Message<'_>,
    ) {
        match act {
            Act::Pass if response.status() < 200 => {
                self.on_provisional(env, index, response.status());
                self.pass(env, index, response);
            }
            Act::Pass => self.pass(env, index, response),
            Act::AckAndPass => {
                self.acknowledge_first(env, index, response);
                self.pass(env, index, response);
            }
            Act::Ack => {
                env.count(Counter::RetransmissionReceived);
                self.acknowledge_again(env, index);
            }
            _ => env.count(Counter::DropLateResponse),
        }
    }

    /// A response to a client transaction that is over. A 2xx still reaches the caller
    /// (RFC 3261 §16.7 step 5), whatever else is acknowledged so that the callee stops, and a
    /// callee that starts to ring after its branch was given up is told to stop.
    fn on_late_response(&mut self, env: &mut Env<'_>, index: usize, response: Message<'_>) {
        match response.status() {
            200..300 => {
                self.enter_client(env, index, ClientInvite::Accepted);
                self.pass(env, index, response);
            }
            300.. => {
                env.count(Counter::DropLateResponse);
                self.acknowledge_first(env, index, response);
            }
            _ => {
                env.count(Counter::DropLateResponse);
                let because = if self.is_accepted() { 200 } else { 408 };
                self.cancel_branch(env, index, Because::Status(because));
            }
        }
    }

    /// Timer C starts anew with each provisional response but 100 (RFC 3261 §16.7 step 2), and a
    /// CANCEL that was held may go.
    fn on_provisional(&mut self, env: &mut Env<'_>, index: usize, status: u16) {
        let timers = self.timers(&self.branches[index], &env.settings.timers);
        let branch = &mut self.branches[index];
        match (&branch.cancel, &mut branch.client) {
            (Cancel::Wanted, _) => {
                let because = branch.because;
                self.cancel_branch(env, index, because);
            }
            (Cancel::No, Client::Invite(client)) if status > 100 => {
                client.deadline = Some(env.now + timers.fr_inv);
            }
            _ => {}
        }
    }

    /// Hands a response up from the client transaction (RFC 3261 §16.7 steps 4, 5 and 9).
    fn pass(&mut self, env: &mut Env<'_>, index: usize, response: Message<'_>) {
        let status = response.status();
        match status {
            ..=100 => {}
            101..200 => {
                // RFC 4320 §4.1: to a request other than INVITE there is only 100, and not from here.
                let wanted = self.is_invite() && self.branches[index].is_open() && !self.cancelled;
                if wanted && self.phase == Phase::Forwarding {
                    self.relay_response(env, index, response);
                }
            }
            200..300 => {
                self.close(index, status);
                if let Phase::Deciding { .. } = self.phase {
                    // A callee that was given up answers while a decider is asked again.
                    self.withdraw_query(env);
                }
                self.relay_response(env, index, response);
                // Also when this branch was given up long ago (RFC 3261 §16.7 step 10).
                self.cancel_open_branches(env, Because::Status(200));
            }
            _ => {
                if self.branches[index].is_open() && self.on_redirect(env, index, response) {
                    self.close(index, status);
                    self.settle_group(env);
                } else if self.branches[index].is_open() {
                    self.challenges.note(index as u8, response);
                    self.turn_back(env.splicer, index, response);
                    if status == 503 {
                        // RFC 3261 §16.7 step 6: what one callee cannot do now says nothing about
                        // this proxy.
                        let end = response.headers_start();
                        env.splicer.replace(0..end, |out| {
                            out.extend_from_slice(b"SIP/2.0 500 Server Internal Error\r\n");
                        });
                    }
                    let mut text = Vec::with_capacity(response.raw().len());
                    env.splicer.finish(response.raw(), &mut text);
                    self.conclude(index, status, Some(text.into_boxed_slice()));
                    if status >= 600 {
                        self.cancel_open_branches(env, Because::Status(status));
                    }
                    self.settle_group(env);
                }
            }
        }
    }

    fn relay_response(&mut self, env: &mut Env<'_>, index: usize, response: Message<'_>) {
        self.turn_back(env.splicer, index, response);
        let mut splicer = std::mem::take(env.splicer);
        self.relay(env, response.status(), |out| {
            splicer.finish(response.raw(), out)
        });
        *env.splicer = splicer;
    }

    /// Collects the edits that turn a branch's response into the caller's: our Via goes, and
    /// rewritten From and To become the caller's again.
    fn turn_back(&self, splicer: &mut Splicer, index: usize, response: Message<'_>) {
        splicer.clear();
        pop_via(splicer, response);
        let rewrites = parties::rewrites(self.route(&self.branches[index]));
        if !rewrites && self.parties.is_none() {
            return;
        }
        parties::turn_back(splicer, response, &parties::senders(self.message()));
    }

    /// The search is over: the best of what came goes upstream (RFC 3261 §16.7 step 6).
    pub(crate) fn send_best(&mut self, env: &mut Env<'_>) {
        let best = self.best.take();
        match best {
            Some(best) if best.text.is_some() && (self.is_invite() || best.status != 408) => {
                let status = if best.status == 503 { 500 } else { best.status };
                let mut text = best.text.unwrap_or_default().into_vec();
                if matches!(status, 401 | 407) {
                    self.challenges.add_to(best.branch, &mut text);
                }
                self.relay(env, status, |out| out.extend_from_slice(&text));
            }
            _ if self.cancelled => self.answer(env, 487, None, b""),
            Some(best) if best.status == 408 && !self.is_invite() => self.time_out_non_invite(env),
            Some(best) => self.answer(env, best.status, None, b""),
            None => self.answer(env, 480, None, b""),
        }
    }

    /// RFC 4320 §4.2: a 408 to a non-INVITE request comes too late to be of use and is not sent.
    /// When a route's own timer was shorter than Timer F the caller still waits, and learns it
    /// from a 504.
    fn time_out_non_invite(&mut self, env: &mut Env<'_>) {
        if env.now - self.arrived < env.settings.timers.t1 * 64 {
            self.answer(env, 504, None, b"");
        } else {
            self.give_up_silently(env);
        }
    }

    /// Timers A, B, C, D, E, F, K and M of a branch.
    pub(crate) fn client_timeout(&mut self, env: &mut Env<'_>, index: usize) {
        let due = |at: Option<crate::clock::Instant>| at.is_some_and(|at| at <= env.now);
        if let Client::Resolving = self.branches[index].client {
            if self.branches[index].sent_at + LOOKUP <= env.now {
                self.fail_branch(env, index, Counter::BranchUnresolved);
                self.settle_group(env);
            }
            return;
        }
        let act = match &mut self.branches[index].client {
            Client::Invite(client) if due(client.deadline) => {
                client.deadline = None;
                client
                    .state
                    .on(ClientInviteEvent::Expire)
                    .map(|(next, act)| {
                        client.enter(next, env.now, true, &env.settings.timers);
                        act
                    })
            }
            Client::NonInvite(client) if due(client.deadline) => {
                client.deadline = None;
                client
                    .state
                    .on(ClientNonInviteEvent::Expire)
                    .map(|(next, act)| {
                        client.enter(next, env.now, true, &env.settings.timers);
                        act
                    })
            }
            Client::Invite(client) if due(client.retransmit_at) => {
                client.back_off(env.now);
                client
                    .state
                    .on(ClientInviteEvent::Retransmit)
                    .map(|(_, act)| act)
            }
            Client::NonInvite(client) if due(client.retransmit_at) => {
                client.back_off(env.now);
                client
                    .state
                    .on(ClientNonInviteEvent::Retransmit)
                    .map(|(_, act)| act)
            }
            _ => None,
        };
        match act {
            Some(Act::Resend) => {
                env.count(Counter::RetransmissionSent);
                self.send_request(env, index);
            }
            Some(Act::TimeOut) => self.branch_timed_out(env, index),
            _ => {}
        }
    }

    /// Timer B or F, or Timer C (RFC 3261 §16.8).
    fn branch_timed_out(&mut self, env: &mut Env<'_>, index: usize) {
        if self.branches[index].is_open() {
            env.count(Counter::BranchTimeout);
            // One that rings is there.
            if !matches!(self.branches[index].client, Client::Invite(client) if client.state == ClientInvite::Proceeding)
            {
                self.gateway_failed(env, index, Why::Timeout);
            }
        }
        if let Client::Invite(client) = self.branches[index].client
            && client.state == ClientInvite::Proceeding
        {
            if matches!(self.branches[index].cancel, Cancel::Sent(_)) {
                // It does not even answer the CANCEL: over (RFC 3261 §9.1).
                self.enter_client(env, index, ClientInvite::Terminated);
            } else {
                self.cancel_branch(env, index, Because::Status(408));
            }
        }
        self.conclude(index, 408, None);
        self.settle_group(env);
    }

    /// The branch's request could not be handed to the network (RFC 3261 §16.9, §17.1.4, §18.4).
    pub(crate) fn on_send_failed(&mut self, env: &mut Env<'_>, index: u8) {
        let index = usize::from(index);
        let Some(branch) = self.branches.get_mut(index) else {
            return;
        };
        let timers = &env.settings.timers;
        let failed = match &mut branch.client {
            Client::Invite(client) => {
                let step = client.state.on(ClientInviteEvent::TransportError);
                step.inspect(|(next, _)| client.enter(*next, env.now, true, timers))
                    .is_some()
            }
            Client::NonInvite(client) => {
                let step = client.state.on(ClientNonInviteEvent::TransportError);
                step.inspect(|(next, _)| client.enter(*next, env.now, true, timers))
                    .is_some()
            }
            Client::Resolving | Client::Unsent => false,
        };
        if failed {
            env.count(Counter::BranchSendFailed);
            self.gateway_failed(env, index, Why::Unreachable);
            self.conclude(index, 503, None);
            self.settle_group(env);
        }
    }

    fn enter_client(&mut self, env: &Env<'_>, index: usize, next: ClientInvite) {
        let timers = self.timers(&self.branches[index], &env.settings.timers);
        let reliable = self.is_reliable(index);
        if let Client::Invite(client) = &mut self.branches[index].client {
            client.enter(next, env.now, reliable, &timers);
        }
    }

    fn is_reliable(&self, index: usize) -> bool {
        self.branches[index]
            .flow
            .is_some_and(|flow| flow.transport.is_reliable())
    }

    fn acknowledge_first(&mut self, env: &mut Env<'_>, index: usize, response: Message<'_>) {
        let Some((flow, bytes)) = self.acknowledge(env, index, response) else {
            return;
        };
        if !flow.transport.is_reliable() {
            self.branches[index].ack = Some(env.out.bytes(&bytes).into());
        }
    }

    fn acknowledge_again(&self, env: &mut Env<'_>, index: usize) {
        let Branch {
            flow: Some(flow),
            ack: Some(ack),
            ..
        } = &self.branches[index]
        else {
            return;
        };
        env.send(*flow, None, |out| out.extend_from_slice(ack));
    }

    /// Whether the server transaction has accepted the call.
    pub(crate) fn is_accepted(&self) -> bool {
        matches!(self.server, Server::Invite(server) if server.state == ServerInvite::Accepted)
    }

    /// Whether From or To were rewritten on any branch.
    pub(crate) fn rewrites_parties(&self) -> bool {
        let mut branches = self.branches.iter();
        self.parties.is_some() || branches.any(|branch| parties::rewrites(self.route(branch)))
    }
}

/// Takes our own Via away (RFC 3261 §16.7 step 3).
pub(crate) fn pop_via(splicer: &mut Splicer, response: Message<'_>) {
    if let Some(range) = response.first_value_range(HeaderId::Via) {
        splicer.remove(range);
    }
}
