//! What is left of a finished transaction: just enough to absorb retransmissions.

mod record;

use sigbox_wire::Message;

use self::record::Acks;
use crate::context::Context;
use crate::counters::Counter;
use crate::env::Env;
use crate::flow::Flow;
use crate::parties;
use crate::relay::pop_via;
use crate::segments::{Record, Segments};

/// A finished transaction, as it is read from its record: about twenty bytes, and the response where
/// one may be asked for again.
pub(crate) struct Tail<'a> {
    kind: Kind,
    cseq: u32,
    /// Where responses go.
    upstream: Flow,
    /// The final response to a request other than INVITE, empty on a reliable transport; of an INVITE,
    /// the caller's From and To when they were rewritten.
    kept: &'a [u8],
    /// The ACKs of branches that failed.
    acks: Acks<'a>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// A 2xx went upstream: more of them are passed on.
    Accepted,
    /// Another final response was acknowledged.
    Confirmed,
    NonInvite,
}

impl<'a> Tail<'a> {
    /// Keeps what is needed of a finished transaction.
    pub(crate) fn keep(context: &Context, segments: &mut Segments) -> Record {
        let kind = match (context.is_invite(), context.is_accepted()) {
            (true, true) => Kind::Accepted,
            (true, false) => Kind::Confirmed,
            (false, _) => Kind::NonInvite,
        };
        let senders = match kind {
            Kind::NonInvite => Vec::new(),
            _ if context.rewrites_parties() => parties::senders(context.message()),
            Kind::Accepted | Kind::Confirmed => Vec::new(),
        };
        let kept = match kind {
            Kind::NonInvite => &context.last[..],
            Kind::Accepted | Kind::Confirmed => &senders[..],
        };
        let acks = || {
            let branches = context.branches.iter().enumerate();
            branches.filter_map(|(index, branch)| {
                Some((index as u8, branch.flow?, branch.ack.as_deref()?))
            })
        };
        segments.push(record::longest(kept, acks()), |out| {
            record::write(kind, context.cseq, &context.upstream, kept, acks(), out);
        })
    }

    /// Reads what [`Tail::keep`] kept; whatever follows it is not looked at.
    pub(crate) fn read(bytes: &'a [u8]) -> Option<Self> {
        record::read(bytes)
    }

    /// The request came again.
    pub(crate) fn on_retransmission(&self, env: &mut Env<'_>) {
        env.count(Counter::RetransmissionReceived);
        if self.kind == Kind::NonInvite && !self.kept.is_empty() {
            env.count(Counter::RetransmissionSent);
            env.send(self.upstream, None, |out| {
                out.extend_from_slice(self.kept);
            });
        }
    }

    /// An ACK with the INVITE's branch; `true` when it is to be forwarded.
    pub(crate) fn on_ack(&self, env: &Env<'_>) -> bool {
        let accepted = self.kind == Kind::Accepted;
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
        match (self.kind, response.status()) {
            // RFC 6026 §7.2: every 2xx to an INVITE is passed on.
            (Kind::Accepted | Kind::Confirmed, 200..300) if invite && leads_back => {
                env.count(Counter::RetransmissionReceived);
                let mut splicer = std::mem::take(env.splicer);
                splicer.clear();
                pop_via(&mut splicer, response);
                parties::turn_back(&mut splicer, response, self.kept);
                env.count(Counter::Sent2xx);
                env.send(self.upstream, None, |out| {
                    splicer.finish(response.raw(), out);
                });
                *env.splicer = splicer;
            }
            (_, 300..) if invite => {
                env.count(Counter::RetransmissionReceived);
                for (_, flow, ack) in self.acks.filter(|(branch, ..)| *branch == index) {
                    env.send(flow, None, |out| out.extend_from_slice(ack));
                }
            }
            _ => env.count(Counter::DropLateResponse),
        }
    }
}
