//! Carrying out what the core wants done.

use std::net::IpAddr;
use std::ops::Range;
use std::sync::Arc;

use sigbox_core::{
    BranchToken, FallbackCause, Flow, Input, Outcome, Output, Settings, Ticket, Token, Transport,
};

use super::socket::Sent;
use super::{Lookup, Shard};
use crate::bus::unix_ms;
use crate::config::Config;
use crate::metrics::ShardCounter;

/// What did not work at once, and the core must hear.
#[derive(Debug)]
pub(super) enum Failed {
    /// A request could not be sent.
    Send(BranchToken),
    /// A query could not be asked.
    Ask(Token, FallbackCause),
    /// A name could not be looked up.
    LookUp(Ticket),
}

impl Failed {
    fn input(&self) -> Input<'static> {
        const NOWHERE: &[IpAddr] = &[];
        match *self {
            Self::Send(branch) => Input::SendFailed { branch },
            Self::Ask(token, cause) => Input::Decision {
                token,
                answer: Err(cause),
            },
            Self::LookUp(ticket) => Input::Looked {
                ticket,
                addresses: NOWHERE,
            },
        }
    }
}

/// Why the fallback rules decided, if they did.
fn cause_of(outcome: Outcome) -> Option<&'static str> {
    match outcome {
        Outcome::Fallback(cause) => Some(cause.label()),
        Outcome::Decided | Outcome::Rule | Outcome::Cancelled => None,
    }
}

/// The core's settings. It records decisions for the log too, when that shows them.
pub(super) fn core_settings(config: &Config) -> Arc<Settings> {
    let mut settings = config.settings.clone();
    if tracing::enabled!(tracing::Level::DEBUG) {
        Arc::make_mut(&mut settings).records.decisions = true;
    }
    settings
}

impl Shard {
    /// Gives one thing to the core and carries out what comes of it.
    pub(super) fn feed(&mut self, input: Input<'_>) {
        self.now = self.clock.now();
        self.core.handle(self.now, input, &mut self.out);
        self.carry_out();
    }

    /// Carries out the core's outputs at `now`, and those that come of failing to.
    pub(super) fn carry_out(&mut self) {
        loop {
            if !self.out.is_empty() {
                let outputs = self.out.take();
                for output in &outputs {
                    self.carry_out_one(output);
                }
                self.out.recycle(outputs);
            }
            let Some(failed) = self.failed.pop_front() else {
                return;
            };
            self.core
                .handle(self.clock.now(), failed.input(), &mut self.out);
        }
    }

    fn carry_out_one(&mut self, output: &Output) {
        match output {
            Output::Send {
                flow,
                bytes,
                branch,
            } => {
                if !self.send(flow, bytes)
                    && let Some(branch) = branch
                {
                    self.failed.push_back(Failed::Send(*branch));
                }
            }
            Output::Query { token } => {
                if let Err(cause) = self.ask(*token) {
                    self.failed.push_back(Failed::Ask(*token, cause));
                }
            }
            Output::CancelQuery {
                token,
                id,
                tenant,
                class,
                call_id,
            } => {
                self.bus.withdraw(self.now, *token);
                if self.events.cancelled {
                    let call_id = self.out.bytes(call_id);
                    let event = self
                        .recorder
                        .cancelled(*id, tenant, *class, call_id, unix_ms());
                    self.bus.announce(&event, tenant);
                }
            }
            Output::Lookup { ticket, name } => self.look_up(*ticket, name),
            Output::Decided(decided) => {
                tracing::debug!(
                    id = %decided.id,
                    call_id = %String::from_utf8_lossy(self.out.bytes(&decided.call_id)),
                    outcome = ?decided.outcome,
                    cause = cause_of(decided.outcome),
                    action = decided.action,
                    rule = decided.rule.as_deref(),
                    took_us = decided.took.as_micros(),
                    "decided"
                );
                if self.events.decision {
                    let answered = self.answered.as_ref();
                    let event = self
                        .recorder
                        .decision(decided, &self.out, answered, unix_ms());
                    self.bus.announce(&event, &decided.tenant);
                }
            }
            Output::Finished(finished) => {
                if self.events.transaction {
                    let event = self.recorder.transaction(finished, &self.out, unix_ms());
                    self.bus.announce(&event, &finished.tenant);
                }
            }
        }
    }

    /// `false` when it cannot be sent at all.
    fn send(&mut self, flow: &Flow, bytes: &Range<usize>) -> bool {
        let socket = self.sockets.get_mut(usize::from(flow.listener.0));
        match (flow.transport, socket) {
            (Transport::Udp, Some(socket)) => {
                socket.send(flow.peer, self.out.bytes(bytes), &self.metrics) != Sent::Failed
            }
            // Only UDP sockets can be configured so far.
            _ => {
                self.metrics.add(ShardCounter::UdpDropSendFailed);
                false
            }
        }
    }

    fn ask(&mut self, token: Token) -> Result<(), FallbackCause> {
        // It was decided or withdrawn by an output before this one.
        let Some(suspended) = self.core.suspended(self.now, token) else {
            return Ok(());
        };
        let listener = usize::from(suspended.flow.listener.0);
        let Some(local) = self.core.settings().listeners.get(listener) else {
            return Ok(());
        };
        self.bus.ask(self.now, token, &suspended, local)
    }

    fn look_up(&mut self, ticket: Ticket, name: &Range<usize>) {
        self.metrics.add(ShardCounter::Lookups);
        let name = String::from_utf8_lossy(self.out.bytes(name)).into_owned();
        let lookup = Lookup {
            shard: self.index,
            ticket,
            name,
        };
        if self.lookups.try_send(lookup).is_err() {
            self.metrics.add(ShardCounter::LookupsFailed);
            self.failed.push_back(Failed::LookUp(ticket));
        }
    }
}
