//! Carrying out what the core wants done.

use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};
use std::ops::Range;
use std::sync::Arc;

use sigbox_contracts::Event;
use sigbox_core::{
    BranchToken, Decided, FallbackCause, GatewayChange, GatewayState, Input, ListenerId, Outcome,
    Output, Settings, Ticket, Token,
};
use smallvec::SmallVec;

use super::socket::Socket;
use super::{Lookup, Shard, datagrams};
use crate::bans::Wanted;
use crate::bus::unix_ms;
use crate::config::Config;
use crate::metrics::{ShardCounter, ShardMetrics};
use crate::tables::Tables;

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
        Outcome::Fallback(cause) | Outcome::Remembered(Some(cause)) => Some(cause.label()),
        Outcome::Decided | Outcome::Rule | Outcome::Remembered(None) | Outcome::Cancelled => None,
    }
}

/// The core's settings. It records decisions for the log too, when that shows them.
pub(super) fn core_settings(config: &Config, tables: &Arc<Tables>) -> Arc<Settings> {
    let mut settings = tables.settings(config);
    if tracing::enabled!(tracing::Level::DEBUG) {
        Arc::make_mut(&mut settings).records.decisions = true;
    }
    settings
}

/// Consecutive datagrams for one socket.
struct Run<'o> {
    listener: ListenerId,
    datagrams: SmallVec<[(SocketAddr, &'o [u8]); datagrams::BATCH]>,
    /// The branches that have to hear when one cannot be sent.
    branches: SmallVec<[Option<BranchToken>; datagrams::BATCH]>,
}

impl Run<'_> {
    fn send(
        &mut self,
        sockets: &mut [Socket],
        metrics: &ShardMetrics,
        failed: &mut VecDeque<Failed>,
    ) {
        let branches = &self.branches;
        let refused = |at: usize| {
            if let Some(branch) = branches.get(at).copied().flatten() {
                failed.push_back(Failed::Send(branch));
            }
        };
        match sockets.get_mut(usize::from(self.listener.0)) {
            Some(socket) => socket.send(&self.datagrams, metrics, refused),
            // The core knows no other listeners than there are sockets.
            None => (0..branches.len()).for_each(refused),
        }
        self.datagrams.clear();
        self.branches.clear();
    }
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
                self.send_all(&outputs);
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
            // Sent already, with the others.
            Output::Send { .. } => {}
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
            Output::Ban {
                source,
                span,
                reason,
            } => {
                let wanted = Wanted {
                    source: *source,
                    until: self.now + *span,
                    reason: reason.clone(),
                };
                if self.wanted_bans.try_send(wanted).is_err() {
                    self.metrics.add(ShardCounter::BansForgotten);
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
                if self.events.decision || self.kept.is_on() {
                    self.record(decided);
                }
            }
            Output::Gateway(change) => self.gateway_changed(change),
            Output::Finished(finished) => {
                if self.events.transaction {
                    let event = self.recorder.transaction(finished, &self.out, unix_ms());
                    self.bus.announce(&event, &finished.tenant);
                }
            }
        }
    }

    /// Tells others of a decision, and keeps it for people who look.
    fn record(&mut self, decided: &Decided) {
        let answered = self.answered.as_ref();
        let event = self
            .recorder
            .decision(decided, &self.out, answered, unix_ms());
        if self.events.decision {
            self.bus.announce(&event, &decided.tenant);
        }
        if let (true, Event::Decision(record)) = (self.kept.is_on(), event)
            && !self.kept.add(*record)
        {
            self.metrics.add(ShardCounter::DecisionsNotKept);
        }
    }

    /// Tells others of a gateway's new state.
    pub(super) fn gateway_changed(&mut self, change: &GatewayChange) {
        let gateway = &change.gateway;
        let (set, id, uri) = (&**gateway.set(), gateway.id(), gateway.uri().text());
        let (from, to, reason) = (change.from.name(), change.to.name(), change.why.label());
        let (status, probe) = (change.why.status(), change.by_probe);
        match change.to {
            GatewayState::Inactive => {
                tracing::warn!(
                    set,
                    gateway = id,
                    uri,
                    from,
                    to,
                    reason,
                    status,
                    probe,
                    "gateway changed"
                );
            }
            GatewayState::Active | GatewayState::Trying | GatewayState::Disabled => {
                tracing::info!(
                    set,
                    gateway = id,
                    uri,
                    from,
                    to,
                    reason,
                    status,
                    probe,
                    "gateway changed"
                );
            }
        }
        if self.events.gateway {
            let tenant = self.core.settings().tenant.clone();
            let event = self.recorder.gateway(change, &tenant, unix_ms());
            self.bus.announce(&event, &tenant);
        }
    }

    /// Sends what is to be sent, in order for each socket, with as few system calls as there can be.
    fn send_all(&mut self, outputs: &[Output]) {
        let mut run = Run {
            listener: ListenerId(0),
            datagrams: SmallVec::new(),
            branches: SmallVec::new(),
        };
        for output in outputs {
            let Output::Send {
                flow,
                bytes,
                branch,
            } = output
            else {
                continue;
            };
            if run.listener != flow.listener || run.datagrams.len() == datagrams::BATCH {
                run.send(&mut self.sockets, &self.metrics, &mut self.failed);
            }
            run.listener = flow.listener;
            run.datagrams.push((flow.peer, self.out.bytes(bytes)));
            run.branches.push(*branch);
        }
        run.send(&mut self.sockets, &self.metrics, &mut self.failed);
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
