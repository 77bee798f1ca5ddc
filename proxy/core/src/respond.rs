//! Responses to the caller: our own and those of branches.

use crate::context::{Context, Phase, Server};
use crate::counters::Counter;
use crate::env::{Answer, Env, sent_counter};
use crate::io::{Finished, Output};
use crate::transaction::{
    Act, ServerInvite, ServerInviteEvent, ServerNonInvite, ServerNonInviteEvent,
};

impl Context {
    /// Answers the request from here.
    pub(crate) fn answer(
        &mut self,
        env: &mut Env<'_>,
        status: u16,
        reason: Option<&str>,
        extra: &[u8],
    ) {
        if self.step_server(env, status) != Some(Act::Send) {
            return;
        }
        let answer = Answer {
            status,
            reason,
            fingerprint: self.fingerprint,
            extra,
        };
        let bytes = env.reply(self.request.view(), self.flow.peer, self.upstream, &answer);
        self.sent(env, status, bytes);
    }

    /// Sends a response of a branch, as `write` writes it, upstream.
    pub(crate) fn relay(
        &mut self,
        env: &mut Env<'_>,
        status: u16,
        write: impl FnOnce(&mut Vec<u8>),
    ) {
        if self.step_server(env, status) != Some(Act::Send) {
            return;
        }
        env.count(sent_counter(status));
        let bytes = env.send(self.upstream, None, write);
        self.sent(env, status, bytes);
    }

    fn step_server(&mut self, env: &Env<'_>, status: u16) -> Option<Act> {
        let (reliable, timers) = (self.flow.transport.is_reliable(), &env.settings.timers);
        match &mut self.server {
            Server::Invite(server) => {
                let (next, act) = server.state.on(ServerInviteEvent::of(status))?;
                server.enter(next, env.now, reliable, timers);
                Some(act)
            }
            Server::NonInvite(server) => {
                let (next, act) = server.state.on(ServerNonInviteEvent::of(status))?;
                server.enter(next, env.now, reliable, timers);
                Some(act)
            }
        }
    }

    /// What is kept and told after a response has gone upstream.
    fn sent(&mut self, env: &mut Env<'_>, status: u16, bytes: std::ops::Range<usize>) {
        self.trying_at = None;
        let first_final = status >= 200 && self.phase != Phase::Done;
        if self.is_accepted() || self.flow.transport.is_reliable() {
            self.last = Vec::new();
        } else if self.phase != Phase::Done {
            let response = env.out.bytes(&bytes);
            if self.last.capacity() < response.len() {
                // Growing would copy the response that this one replaces.
                self.last = response.to_vec();
            } else {
                self.last.clear();
                self.last.extend_from_slice(response);
            }
        }
        if !first_final {
            return;
        }
        self.phase = Phase::Done;
        if self.is_accepted() {
            *env.answered_at = Some(env.now);
        }
        self.record_finished(env, status);
    }

    fn record_finished(&self, env: &mut Env<'_>, status: u16) {
        if env.settings.records.transactions
            && let Some(decision) = &self.decision
        {
            let method = env
                .out
                .text(|out| out.extend_from_slice(self.request.view().method().as_bytes()));
            let call_id = env
                .out
                .text(|out| out.extend_from_slice(self.request.view().call_id()));
            let mut branches = decision.tried.clone();
            branches.extend(self.attempted(env.now));
            env.out.push(Output::Finished(Box::new(Finished {
                id: decision.id,
                tenant: decision.tenant.clone(),
                class: decision.class,
                status,
                took: env.now - self.arrived,
                method,
                call_id,
                branches,
            })));
        }
    }

    /// The request came again.
    pub(crate) fn on_retransmission(&mut self, env: &mut Env<'_>) {
        env.count(Counter::RetransmissionReceived);
        let act = match &self.server {
            Server::Invite(server) => server.state.on(ServerInviteEvent::Invite).map(|to| to.1),
            Server::NonInvite(server) => server
                .state
                .on(ServerNonInviteEvent::Request)
                .map(|to| to.1),
        };
        if act == Some(Act::Resend) {
            self.resend_last(env);
        }
    }

    /// The ACK of a final response that was not a 2xx; `true` when it must be forwarded instead.
    pub(crate) fn on_ack(&mut self, env: &mut Env<'_>) -> bool {
        let Server::Invite(server) = &mut self.server else {
            return false;
        };
        match server.state.on(ServerInviteEvent::Ack) {
            Some((_, Act::Pass)) => true,
            Some((next, _)) => {
                let reliable = self.flow.transport.is_reliable();
                server.enter(next, env.now, reliable, &env.settings.timers);
                if next == ServerInvite::Confirmed {
                    self.last = Vec::new();
                }
                env.count(Counter::DropAbsorbedAck);
                false
            }
            None => {
                env.count(Counter::DropStrayAck);
                false
            }
        }
    }

    /// Timers G, H, I, J and L, and the delayed 100.
    pub(crate) fn server_timeout(&mut self, env: &mut Env<'_>) {
        if self.trying_at.is_some_and(|at| at <= env.now) {
            self.trying_at = None;
            self.answer(env, 100, None, b"");
        }
        let reliable = self.flow.transport.is_reliable();
        let timers = &env.settings.timers;
        match &mut self.server {
            Server::Invite(server) => {
                if server.deadline.is_some_and(|at| at <= env.now) {
                    if let Some((next, _)) = server.state.on(ServerInviteEvent::Expire) {
                        server.enter(next, env.now, reliable, timers);
                    }
                } else if server.retransmit_at.is_some_and(|at| at <= env.now) {
                    server.back_off(env.now);
                    if let Some((_, Act::Resend)) = server.state.on(ServerInviteEvent::Retransmit) {
                        self.resend_last(env);
                    }
                }
            }
            Server::NonInvite(server) => {
                if server.deadline.is_some_and(|at| at <= env.now)
                    && let Some((next, _)) = server.state.on(ServerNonInviteEvent::Expire)
                {
                    server.enter(next, env.now, reliable, timers);
                }
            }
        }
    }

    fn resend_last(&mut self, env: &mut Env<'_>) {
        if self.last.is_empty() {
            return;
        }
        env.count(Counter::RetransmissionSent);
        env.send(self.upstream, None, |out| out.extend_from_slice(&self.last));
    }

    /// Ends a non-INVITE transaction without a response (RFC 4320 §4.2: no 408).
    pub(crate) fn give_up_silently(&mut self, env: &mut Env<'_>) {
        self.phase = Phase::Done;
        self.trying_at = None;
        self.record_finished(env, 408);
        if let Server::NonInvite(server) = &mut self.server {
            server.enter(
                ServerNonInvite::Terminated,
                env.now,
                true,
                &env.settings.timers,
            );
        }
    }
}
