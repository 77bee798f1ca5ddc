//! What is under way for one call, for people who look.
//!
//! Finished transactions that only absorb retransmissions are not in it: nothing of their request is left.

use std::net::SocketAddr;
use std::time::Duration;

use uuid::Uuid;

use crate::clock::Instant;
use crate::context::{Context, Phase};
use crate::core::Core;

/// One transaction that is not finished.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Underway {
    /// The method.
    pub method: String,
    /// The Request-URI as it was received.
    pub request_uri: String,
    /// Who sent it.
    pub source: SocketAddr,
    /// The id of its last decision; `None` when nothing was decided.
    pub id: Option<Uuid>,
    /// `deciding`, `forwarding`, or `done` when the caller has its final response.
    pub phase: &'static str,
    /// How long ago it came.
    pub age: Duration,
    /// Its branches, in the order in which they began.
    pub branches: Vec<BranchUnderway>,
}

/// A branch of an [`Underway`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BranchUnderway {
    /// Where it was sent; `None` before its address is known.
    pub target: Option<SocketAddr>,
    /// Its final status; `None` while it is open.
    pub status: Option<u16>,
    /// How long ago it was sent.
    pub age: Duration,
}

impl Core {
    /// The live transactions with this Call-ID, `most` of them. Looks at every transaction there is.
    pub fn underway(&self, now: Instant, call_id: &[u8], most: usize) -> Vec<Underway> {
        let live = self.store.live();
        live.filter(|context| context.message().call_id() == call_id)
            .take(most)
            .map(|context| seen(context, now))
            .collect()
    }
}

fn seen(context: &Context, now: Instant) -> Underway {
    let message = context.message();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Underway {
        method: text(message.method().as_bytes()),
        request_uri: text(message.request_uri()),
        source: context.flow.peer,
        id: context.decision.as_ref().map(|decision| decision.id),
        phase: match context.phase {
            Phase::Deciding { .. } => "deciding",
            Phase::Forwarding => "forwarding",
            Phase::Done => "done",
        },
        age: now - context.arrived,
        branches: context
            .branches
            .iter()
            .map(|branch| BranchUnderway {
                target: branch.flow.map(|flow| flow.peer),
                status: (branch.outcome != 0).then_some(branch.outcome),
                age: now - branch.sent_at,
            })
            .collect(),
    }
}
