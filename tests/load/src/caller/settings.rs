//! How callers call.

use std::net::SocketAddrV4;
use std::time::Duration;

use crate::limits::Plan;
use crate::message::Method;

/// What a call is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Scenario {
    /// INVITE, 180, 200, ACK, BYE, 200.
    #[default]
    Invite,
    /// REGISTER, 200.
    Register,
    /// OPTIONS, 200.
    Options,
    /// A 200 to an INVITE that nobody sent. It is complete when it is sent.
    Response,
}

impl Scenario {
    /// Of the first request.
    pub(super) fn method(self) -> Method {
        match self {
            Self::Invite | Self::Response => Method::Invite,
            Self::Register => Method::Register,
            Self::Options => Method::Options,
        }
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Invite => "invite",
            Self::Register => "register",
            Self::Options => "options",
            Self::Response => "response",
        }
    }
}

/// How callers call.
#[derive(Clone, Debug)]
pub struct CallerSettings {
    /// Which of the callers of a run this is, 0 to 127: their Call-IDs differ by it.
    pub index: u8,
    /// What a call is.
    pub scenario: Scenario,
    /// Where requests outside of dialogs go.
    pub target: SocketAddrV4,
    /// Request-URI and To (REGISTER: the address of record). A run of `#` becomes digits of the call's number.
    pub uri: String,
    /// How many calls, and how fast.
    pub plan: Plan,
    /// From the start of the run to the first call.
    pub after: Duration,
    /// Arrivals are rounded up to a multiple of this.
    pub grid: Duration,
    /// RFC 3261 T1: the first retransmission interval. Requests are given up after 64 times this.
    pub t1: Duration,
    /// How long a call stays up between ACK and BYE.
    pub hold: Duration,
    /// Callers hang up this long after the INVITE when nobody has answered.
    pub cancel_after: Option<Duration>,
    /// The called side rings only, until it gets a CANCEL.
    pub rings: bool,
    /// The final response to INVITE, REGISTER or OPTIONS that completes a call; without it, any 2xx (and for INVITE the
    /// BYE after it).
    pub expect: Option<u16>,
    /// How long calls may go on after the last arrival.
    pub wait: Duration,
}
