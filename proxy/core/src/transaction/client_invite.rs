//! The INVITE client transaction: RFC 3261 §17.1.1.2 with RFC 6026 §7.2, and the proxy's Timer C
//! (RFC 3261 §16.6 step 11) as the deadline of Proceeding.
//!
//! ```text
//!            1xx                  300-699
//! Calling ---------> Proceeding ----------> Completed --Timer D--> Terminated
//!    |  |                |                      ^                     ^ ^
//!    |  |     300-699    |                      |                     | |
//!    |  +----------------+----------------------+                     | |
//!    |        2xx        |  2xx                                       | |
//!    +-------------------+-----------------> Accepted ----Timer M-----+ |
//!    |  Timer B, transport error                                        |
//!    +------------------------------------------------------------------+
//! ```

use std::time::Duration;

use super::{Act, Deadline, Entry, Machine};
use crate::settings::Timers;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ClientInvite {
    Calling,
    Proceeding,
    Completed,
    Accepted,
    Terminated,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    Provisional,
    Success,
    Failure,
    /// Timer A.
    Retransmit,
    /// Timer B, C, D or M.
    Expire,
    /// The request could not be sent.
    TransportError,
}

impl Event {
    /// What receiving a response with this status is to the machine.
    pub(crate) const fn of(status: u16) -> Self {
        match status {
            ..200 => Self::Provisional,
            200..300 => Self::Success,
            _ => Self::Failure,
        }
    }
}

impl ClientInvite {
    /// The table.
    pub(crate) fn on(self, event: Event) -> Option<(Self, Act)> {
        use Act::*;
        use Event as E;
        Some(match (self, event) {
            (Self::Calling | Self::Proceeding, E::Provisional) => (Self::Proceeding, Pass),
            (Self::Calling | Self::Proceeding, E::Success) => (Self::Accepted, Pass),
            (Self::Calling | Self::Proceeding, E::Failure) => (Self::Completed, AckAndPass),
            (Self::Calling, E::Retransmit) => (Self::Calling, Resend),
            (Self::Calling, E::Expire) => (Self::Terminated, TimeOut),
            (Self::Calling, E::TransportError) => (Self::Terminated, Fail),
            // Timer C does not end the transaction: the proxy cancels it and waits for the final
            // response (RFC 3261 §16.8).
            (Self::Proceeding, E::Expire) => (Self::Proceeding, TimeOut),
            (Self::Completed, E::Failure) => (Self::Completed, Ack),
            (Self::Completed, E::Expire) => (Self::Terminated, End),
            (Self::Accepted, E::Success) => (Self::Accepted, Pass),
            (Self::Accepted, E::Expire) => (Self::Terminated, End),
            _ => return None,
        })
    }

    /// Whether the callee's final response is still to come.
    pub(crate) const fn is_pending(self) -> bool {
        matches!(self, Self::Calling | Self::Proceeding)
    }
}

impl Machine for ClientInvite {
    fn entry(self, reliable: bool, timers: &Timers) -> Entry {
        let (deadline, retransmit) = match self {
            // Timers B and A; Timer A doubles without bound.
            Self::Calling => (
                Deadline::After(timers.fr),
                (!reliable).then_some((timers.t1, Duration::MAX)),
            ),
            // Timer C.
            Self::Proceeding => (Deadline::After(timers.fr_inv), None),
            // Timer D.
            Self::Completed if reliable => (Deadline::After(Duration::ZERO), None),
            Self::Completed => (Deadline::After(timers.t1 * 64), None),
            // Timer M.
            Self::Accepted => (Deadline::After(timers.t1 * 64), None),
            Self::Terminated => (Deadline::Never, None),
        };
        Entry {
            deadline,
            retransmit,
        }
    }
}

#[cfg(test)]
impl ClientInvite {
    pub(crate) const ALL: &[Self] = &[
        Self::Calling,
        Self::Proceeding,
        Self::Completed,
        Self::Accepted,
        Self::Terminated,
    ];
}

#[cfg(test)]
impl Event {
    pub(crate) const ALL: &[Self] = &[
        Self::Provisional,
        Self::Success,
        Self::Failure,
        Self::Retransmit,
        Self::Expire,
        Self::TransportError,
    ];
}
