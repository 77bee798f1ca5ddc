//! The response context (RFC 3261 §16.2): one request, its server transaction, its branches.
//!
//! ```text
//!            plan            every branch final, or a 2xx
//! Deciding --------> Forwarding --------------------------> Done
//!    |  ^                |
//!    |  +----------------+  asked again (requery)
//!    +--------------------- rejected, redirected, cancelled ---> Done
//! ```
//!
//! Suspension lives here and only here: the server transaction below sits in Proceeding (or
//! Trying) meanwhile, and never hears of it.

use std::sync::Arc;

use sigbox_wire::{Message, Stored};
use smallvec::SmallVec;
use uuid::Uuid;

use crate::challenges::Challenges;
use crate::clock::Instant;
use crate::flow::{Flow, ListenerId};
use crate::io::{Class, FallbackCause, Tried};
use crate::parties::Parties;
use crate::plan::{Plan, Route, RoutePlan};
use crate::redirects::Moved;
use crate::secret::Fingerprint;
use crate::settings::Timers;
use crate::transaction::{ClientInvite, ClientNonInvite, ServerInvite, ServerNonInvite, Timed};

/// How long a branch waits for its address, however busy or lost whoever looks it up is.
pub(crate) const LOOKUP: std::time::Duration = std::time::Duration::from_secs(4);

/// One live transaction.
pub(crate) struct Context {
    pub(crate) request: Stored,
    /// The request's CSeq number.
    pub(crate) cseq: u32,
    /// The request has a To tag.
    pub(crate) in_dialog: bool,
    pub(crate) fingerprint: Fingerprint,
    /// The way the request came.
    pub(crate) flow: Flow,
    /// The way its responses go.
    pub(crate) upstream: Flow,
    pub(crate) arrived: Instant,
    pub(crate) server: Server,
    pub(crate) phase: Phase,
    /// When 100 Trying is due, if it has not been sent.
    pub(crate) trying_at: Option<Instant>,
    /// Set when the request was given to the rules or a decider.
    pub(crate) decision: Option<Box<Decision>>,
    /// What to do, once that is known.
    pub(crate) plan: Option<Arc<Plan>>,
    /// The first route of the next group.
    pub(crate) next_route: usize,
    /// How many leading Route values name this proxy.
    pub(crate) own_routes: u8,
    /// The socket that the last of those names.
    pub(crate) routed_listener: Option<ListenerId>,
    /// The addresses of the other side, in a dialog whose first request had them rewritten.
    pub(crate) parties: Option<Box<Parties>>,
    pub(crate) branches: SmallVec<[Branch; 1]>,
    /// The first branch of the group that is being tried.
    pub(crate) group_start: usize,
    /// The best final response so far (RFC 3261 §16.7 step 6).
    pub(crate) best: Option<Best>,
    /// What 401 and 407 responses asked for.
    pub(crate) challenges: Challenges,
    /// What 3xx responses named and nobody has tried yet.
    pub(crate) moved: Vec<Moved>,
    /// How many branches it may have at once.
    pub(crate) breadth: u8,
    /// The last response sent upstream, for retransmissions of the request.
    pub(crate) last: Vec<u8>,
    /// The caller sent CANCEL.
    pub(crate) cancelled: bool,
    /// The Reason headers of that CANCEL, complete lines.
    pub(crate) cancel_reason: Box<[u8]>,
}

/// What is known about the decision on a request.
pub(crate) struct Decision {
    pub(crate) id: Uuid,
    /// The same for the request on another path.
    pub(crate) request: Fingerprint,
    pub(crate) tenant: Arc<str>,
    pub(crate) class: Class,
    pub(crate) attempt: u8,
    pub(crate) asked_at: Instant,
    /// A final answer for the current attempt has come.
    pub(crate) answered: bool,
    pub(crate) tried: Vec<Tried>,
    /// Why the fallback rules decided, when responses are to say so.
    pub(crate) fallback: Option<FallbackCause>,
}

/// Where a response context stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// A decider has been asked.
    Deciding {
        /// When the fallback rules decide.
        deadline: Instant,
        /// How far a decider may push that.
        latest: Instant,
    },
    /// There are branches.
    Forwarding,
    /// A final response has been sent upstream.
    Done,
}

/// The server transaction.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Server {
    Invite(Timed<ServerInvite>),
    NonInvite(Timed<ServerNonInvite>),
}

impl Server {
    pub(crate) fn is_final(&self) -> bool {
        match self {
            Self::Invite(server) => server.state.is_final(),
            Self::NonInvite(server) => server.state.is_final(),
        }
    }

    /// Nothing but time and retransmissions can move it any more.
    fn is_settled(&self) -> bool {
        match self {
            Self::Invite(server) => {
                server.state.is_final() && server.state != ServerInvite::Completed
            }
            Self::NonInvite(server) => server.state.is_final(),
        }
    }

    pub(crate) fn next(&self) -> Option<Instant> {
        match self {
            Self::Invite(server) => server.next(),
            Self::NonInvite(server) => server.next(),
        }
    }

    pub(crate) fn deadline(&self) -> Option<Instant> {
        match self {
            Self::Invite(server) => server.deadline,
            Self::NonInvite(server) => server.deadline,
        }
    }
}

/// One branch: a client transaction and what came of it.
#[derive(Clone, Debug)]
pub(crate) struct Branch {
    /// The plan it was opened by: a later answer of a decider replaces the context's, not this.
    pub(crate) plan: Option<Arc<Plan>>,
    /// Its position in the plan; meaningless without a plan.
    pub(crate) route: u8,
    /// How many branches it may have at once further on.
    pub(crate) breadth: u8,
    pub(crate) client: Client,
    /// Where it was sent; known once its address is.
    pub(crate) flow: Option<Flow>,
    pub(crate) cancel: Cancel,
    /// Why it is cancelled, once it is.
    pub(crate) because: Because,
    pub(crate) sent_at: Instant,
    /// The ACK of its final response, for retransmissions of that.
    pub(crate) ack: Option<Box<[u8]>>,
    /// Its final status, its own or the one it counts as; 0 while open.
    pub(crate) outcome: u16,
}

/// The client transaction of a branch.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Client {
    /// Its address is being looked up.
    Resolving,
    Invite(Timed<ClientInvite>),
    NonInvite(Timed<ClientNonInvite>),
    /// It was never sent.
    Unsent,
}

/// The CANCEL of a branch.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Cancel {
    No,
    /// Held until a provisional response comes (RFC 3261 §9.1).
    Wanted,
    Sent(Timed<ClientNonInvite>),
}

/// Why a branch is cancelled, for the CANCEL's Reason (RFC 3326 §2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Because {
    /// The caller gave up, and may have said why.
    Caller,
    /// This final status: of another branch, or 408 of a timer here.
    Status(u16),
}

impl Branch {
    /// Its final response is still to come, and counts.
    pub(crate) fn is_open(&self) -> bool {
        self.outcome == 0
    }

    /// Some message of the other side is still expected.
    fn is_pending(&self) -> bool {
        let client = match self.client {
            Client::Resolving => true,
            Client::Invite(client) => client.state.is_pending(),
            Client::NonInvite(client) => client.state.is_pending(),
            Client::Unsent => false,
        };
        client || matches!(self.cancel, Cancel::Sent(cancel) if cancel.state.is_pending())
    }

    pub(crate) fn next(&self) -> Option<Instant> {
        let client = match &self.client {
            Client::Invite(client) => client.next(),
            Client::NonInvite(client) => client.next(),
            Client::Resolving => Some(self.sent_at + LOOKUP),
            Client::Unsent => None,
        };
        let cancel = match &self.cancel {
            Cancel::Sent(cancel) => cancel.next(),
            Cancel::No | Cancel::Wanted => None,
        };
        soonest(client, cancel)
    }

    pub(crate) fn deadline(&self) -> Option<Instant> {
        match &self.client {
            Client::Invite(client) => client.deadline,
            Client::NonInvite(client) => client.deadline,
            Client::Resolving | Client::Unsent => None,
        }
    }
}

/// A final response that may be sent upstream.
pub(crate) struct Best {
    pub(crate) status: u16,
    /// The branch that answered it.
    pub(crate) branch: u8,
    /// As it will be sent; `None` when it is to be made here.
    pub(crate) text: Option<Box<[u8]>>,
}

impl Context {
    pub(crate) fn message(&self) -> Message<'_> {
        self.request.view()
    }

    pub(crate) fn is_invite(&self) -> bool {
        matches!(self.server, Server::Invite(_))
    }

    /// The route plan, when there is one.
    pub(crate) fn routes(&self) -> Option<&RoutePlan> {
        match self.plan.as_deref() {
            Some(Plan::Route(plan)) => Some(plan),
            _ => None,
        }
    }

    /// The route of a branch; `None` for a request that follows its own Route set.
    pub(crate) fn route<'b>(&self, branch: &'b Branch) -> Option<&'b Route> {
        match branch.plan.as_deref() {
            Some(Plan::Route(plan)) => plan.routes().get(usize::from(branch.route)),
            _ => None,
        }
    }

    /// The timers of a branch: the configured ones, with its route's in their place.
    pub(crate) fn timers(&self, branch: &Branch, timers: &Timers) -> Timers {
        let mut timers = timers.clone();
        if let Some(route) = self.route(branch) {
            timers.fr = route.fr_timer.unwrap_or(timers.fr);
            timers.fr_inv = route.fr_inv_timer.unwrap_or(timers.fr_inv);
        }
        timers
    }

    /// When something is due next.
    pub(crate) fn next_timeout(&self) -> Option<Instant> {
        let phase = match self.phase {
            Phase::Deciding { deadline, .. } => Some(deadline),
            Phase::Forwarding | Phase::Done => None,
        };
        let own = soonest(soonest(phase, self.trying_at), self.server.next());
        self.branches
            .iter()
            .fold(own, |sooner, branch| soonest(sooner, branch.next()))
    }

    /// Whether only retransmissions can still come: the final response is out and, for an INVITE,
    /// acknowledged or a 2xx; and no branch has anything to say.
    pub(crate) fn is_finished(&self) -> bool {
        self.phase == Phase::Done
            && self.server.is_settled()
            && !self.branches.iter().any(Branch::is_pending)
    }

    /// Until when retransmissions can come.
    pub(crate) fn lingers_until(&self) -> Option<Instant> {
        self.branches
            .iter()
            .map(Branch::deadline)
            .fold(self.server.deadline(), Option::max)
    }
}

/// The earlier of two, when there are any.
fn soonest(a: Option<Instant>, b: Option<Instant>) -> Option<Instant> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}
