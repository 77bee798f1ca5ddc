//! What is left of a finished transaction: just enough to absorb retransmissions.

use sigbox_wire::{Message, Splicer};

use crate::clock::Instant;
use crate::context::Context;
use crate::counters::Counter;
use crate::env::Env;
use crate::flow::Flow;
use crate::relay::pop_via;

/// A finished transaction. About a hundred bytes, and one response where one may be asked for
/// again.
pub(crate) struct Tail {
    /// Where responses go.
    upstream: Flow,
    cseq: u32,
    kind: Kind,
    /// The ACKs of branches that failed.
    acks: Option<Box<[BranchAck]>>,
    pub(crate) until: Instant,
}

enum Kind {
    /// A 2xx went upstream: more of them are passed on.
    Accepted,
    /// Another final response was acknowledged.
    Confirmed,
    /// The final response to a request other than INVITE; empty on a reliable transport.
    NonInvite(Box<[u8]>),
}

struct BranchAck {
    index: u8,
    flow: Flow,
    text: Box<[u8]>,
}

impl Tail {
    pub(crate) fn of(context: &mut Context, until: Instant) -> Self {
        let kind = match (context.is_invite(), context.is_accepted()) {
            (true, true) => Kind::Accepted,
            (true, false) => Kind::Confirmed,
            (false, _) => Kind::NonInvite(std::mem::take(&mut context.last).into_boxed_slice()),
        };
        let acks: Box<[BranchAck]> = context
            .branches
            .iter_mut()
            .enumerate()
            .filter_map(|(index, branch)| {
                Some(BranchAck {
                    index: index as u8,
                    flow: branch.flow?,
                    text: branch.ack.take()?,
                })
            })
            .collect();
        Self {
            upstream: context.upstream,
            cseq: context.cseq,
            kind,
            acks: (!acks.is_empty()).then_some(acks),
            until,
        }
    }

    /// The request came again.
    pub(crate) fn on_retransmission(&self, env: &mut Env<'_>) {
        env.count(Counter::RetransmissionReceived);
        if let Kind::NonInvite(response) = &self.kind
            && !response.is_empty()
        {
            env.count(Counter::RetransmissionSent);
            env.send(self.upstream, None, |out| out.extend_from_slice(response));
        }
    }

    /// An ACK with the INVITE's branch; `true` when it is to be forwarded.
    pub(crate) fn on_ack(&self, env: &Env<'_>) -> bool {
        let accepted = matches!(self.kind, Kind::Accepted);
        if !accepted {
            env.count(Counter::DropAbsorbedAck);
        }
        accepted
    }

    /// A response to a branch of the finished transaction; `leads_back` says whether there is a Via
    /// below ours.
    pub(crate) fn on_response(
        &self,
        env: &mut Env<'_>,
        index: u8,
        response: Message<'_>,
        leads_back: bool,
    ) {
        let cseq = response.cseq().ok().filter(|cseq| cseq.number == self.cseq);
        let Some(cseq) = cseq else {
            return env.count(Counter::DropCseqMismatch);
        };
        let invite = cseq.method == sigbox_wire::Method::Invite;
        match (&self.kind, response.status()) {
            // RFC 6026 §7.2: every 2xx to an INVITE is passed on.
            (Kind::Accepted | Kind::Confirmed, 200..300) if invite && leads_back => {
                env.count(Counter::RetransmissionReceived);
                let mut splicer = std::mem::take(env.splicer);
                relay(&mut splicer, env, self.upstream, response);
                *env.splicer = splicer;
            }
            (_, 300..) if invite => {
                env.count(Counter::RetransmissionReceived);
                let acks = self.acks.iter().flatten();
                for ack in acks.filter(|ack| ack.index == index) {
                    env.send(ack.flow, None, |out| out.extend_from_slice(&ack.text));
                }
            }
            _ => env.count(Counter::DropLateResponse),
        }
    }
}

fn relay(splicer: &mut Splicer, env: &mut Env<'_>, upstream: Flow, response: Message<'_>) {
    splicer.clear();
    pop_via(splicer, response);
    env.count(Counter::Sent2xx);
    env.send(upstream, None, |out| splicer.finish(response.raw(), out));
}
