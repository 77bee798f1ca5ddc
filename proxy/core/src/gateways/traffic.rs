//! What requests show about gateways.

use std::sync::Arc;
use std::time::Duration;

use sigbox_wire::{HeaderId, Message, Method};

use super::calls::dialog_of;
use super::overload::OFFER;
use super::route::tell;
use super::{Gateway, Why};
use crate::clock::Instant;
use crate::context::{Client, Context};
use crate::core::Core;
use crate::counters::Counter;
use crate::env::Env;
use crate::transaction::{ClientInvite, ClientNonInvite};

impl Context {
    /// The gateway that a branch leads to.
    fn gateway(&self, index: usize) -> Option<&Arc<Gateway>> {
        self.route(&self.branches[index])?.gateway.as_deref()
    }

    /// What goes behind the branch in our Via.
    pub(crate) fn via_offer(&self, index: usize) -> &'static str {
        match self.gateway(index) {
            Some(gateway) if gateway.terms.set.overload_control => OFFER,
            _ => "",
        }
    }

    /// A response to branch `index` came, which its client transaction has not seen yet.
    pub(crate) fn gateway_heard(&mut self, env: &mut Env<'_>, index: usize, response: Message<'_>) {
        let Some(gateway) = self.gateway(index).cloned() else {
            return;
        };
        let branch = &self.branches[index];
        let is_first = match branch.client {
            Client::Invite(client) => client.state == ClientInvite::Calling,
            Client::NonInvite(client) => client.state == ClientNonInvite::Trying,
            Client::Resolving | Client::Unsent => false,
        };
        if is_first {
            gateway.standing.measure(env.now - branch.sent_at);
        }
        gateway.heed(env.now, response);
        let status = response.status();
        let is_answered = (200..300).contains(&branch.outcome);
        if (200..300).contains(&status) && self.is_invite() && !is_answered {
            self.begin_call(env, &gateway, response);
        }
        if status < 200 || !self.branches[index].is_open() {
            return;
        }
        let set = &gateway.terms.set;
        if let Some(span) = retry_after(response) {
            // It says of itself that it lives.
            let span = span.min(set.max_retry_after);
            return gateway.standing.hold_back(env.now, span);
        }
        if set
            .failure_statuses
            .iter()
            .any(|entry| entry.matches(status))
        {
            return self.gateway_failed(env, index, Why::Status(status));
        }
        let step = gateway.standing.succeed(env.now, set);
        tell(env, &gateway, step, Why::Answered);
    }

    /// Branch `index` failed in that way, by its gateway's doing.
    pub(crate) fn gateway_failed(&self, env: &mut Env<'_>, index: usize, why: Why) {
        let Some(gateway) = self.gateway(index) else {
            return;
        };
        let set = &gateway.terms.set;
        let step = gateway.standing.fail(env.now, set, why, false);
        tell(env, gateway, step, why);
    }

    fn begin_call(&self, env: &mut Env<'_>, gateway: &Arc<Gateway>, response: Message<'_>) {
        if !gateway.terms.counts_calls {
            return;
        }
        let limit = env.settings.limits.gateway_calls;
        let dialog = dialog_of(env.secret, response);
        let begun = dialog.is_some_and(|dialog| env.calls.begin(env.now, dialog, gateway, limit));
        if !begun {
            env.count(Counter::GatewayCallsUncounted);
        }
    }

    /// Branch `index` has its outcome, and is no call under way any more.
    pub(crate) fn close(&mut self, index: usize, status: u16) {
        self.release_call(index);
        self.branches[index].outcome = status;
    }

    /// Every open branch of an INVITE to a gateway is one of its calls.
    fn release_call(&self, index: usize) {
        if self.is_invite()
            && self.branches[index].is_open()
            && let Some(gateway) = self.gateway(index)
        {
            gateway.standing.release_call();
        }
    }
}

impl Drop for Context {
    fn drop(&mut self) {
        for index in 0..self.branches.len() {
            self.release_call(index);
        }
    }
}

impl Core {
    /// A request within a dialog comes by.
    pub(crate) fn follow_gateway_call(&mut self, now: Instant, request: Message<'_>) {
        if self.gateway_calls().is_empty() {
            return;
        }
        let Some(dialog) = dialog_of(self.secret(), request) else {
            return;
        };
        if request.method() == Method::Bye {
            self.gateway_calls().end(dialog);
        } else {
            self.gateway_calls().go_on(now, dialog);
        }
    }
}

/// The Retry-After of a 503, in seconds (RFC 3261 §20.33); a comment or parameter behind it says nothing to us.
fn retry_after(response: Message<'_>) -> Option<Duration> {
    if response.status() != 503 {
        return None;
    }
    let value = response.header(HeaderId::RetryAfter)?.value;
    let digits = value
        .iter()
        .take_while(|byte| byte.is_ascii_digit())
        .count();
    let seconds = std::str::from_utf8(value.get(..digits)?).ok()?;
    let seconds: u32 = seconds.parse().ok()?;
    (seconds > 0).then(|| Duration::from_secs(seconds.into()))
}
