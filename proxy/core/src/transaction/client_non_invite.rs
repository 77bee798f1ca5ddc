//! The non-INVITE client transaction: RFC 3261 §17.1.2. A CANCEL of ours is one too.
//!
//! ```text
//! Trying --1xx--> Proceeding --200-699--> Completed --Timer K--> Terminated
//!    |                |                       ^                      ^
//!    +----------------+--------200-699--------+                      |
//!    +----------------+---------------Timer F, transport error-------+
//! ```

use std::time::Duration;

use super::{Act, Deadline, Entry, Machine};
use crate::settings::Timers;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ClientNonInvite {
    Trying,
    Proceeding,
    Completed,
    Terminated,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    Provisional,
    Final,
    /// Timer E.
    Retransmit,
    /// Timer F or K.
    Expire,
    /// The request could not be sent.
    TransportError,
}

impl Event {
    /// What receiving a response with this status is to the machine.
    pub(crate) const fn of(status: u16) -> Self {
        if status < 200 {
            Self::Provisional
        } else {
            Self::Final
        }
    }
}

impl ClientNonInvite {
    /// The table.
    pub(crate) fn on(self, event: Event) -> Option<(Self, Act)> {
        use Act::*;
        use Event as E;
        Some(match (self, event) {
            (Self::Trying | Self::Proceeding, E::Provisional) => (Self::Proceeding, Pass),
            (Self::Trying | Self::Proceeding, E::Final) => (Self::Completed, Pass),
            (Self::Trying, E::Retransmit) => (Self::Trying, Resend),
            (Self::Proceeding, E::Retransmit) => (Self::Proceeding, Resend),
            (Self::Trying | Self::Proceeding, E::Expire) => (Self::Terminated, TimeOut),
            (Self::Trying | Self::Proceeding, E::TransportError) => (Self::Terminated, Fail),
            (Self::Completed, E::Final) => (Self::Completed, Absorb),
            (Self::Completed, E::Expire) => (Self::Terminated, End),
            _ => return None,
        })
    }

    /// Whether the final response is still to come.
    pub(crate) const fn is_pending(self) -> bool {
        matches!(self, Self::Trying | Self::Proceeding)
    }
}

impl Machine for ClientNonInvite {
    fn entry(self, reliable: bool, timers: &Timers) -> Entry {
        let (deadline, retransmit) = match self {
            // Timers F and E.
            Self::Trying => (
                Deadline::After(timers.fr),
                (!reliable).then_some((timers.t1, timers.t2)),
            ),
            Self::Proceeding => (
                Deadline::Keep,
                (!reliable).then_some((timers.t2, timers.t2)),
            ),
            // Timer K.
            Self::Completed if reliable => (Deadline::After(Duration::ZERO), None),
            Self::Completed => (Deadline::After(timers.t4), None),
            Self::Terminated => (Deadline::Never, None),
        };
        Entry {
            deadline,
            retransmit,
        }
    }
}

#[cfg(test)]
impl ClientNonInvite {
    pub(crate) const ALL: &[Self] = &[
        Self::Trying,
        Self::Proceeding,
        Self::Completed,
        Self::Terminated,
    ];
}

#[cfg(test)]
impl Event {
    pub(crate) const ALL: &[Self] = &[
        Self::Provisional,
        Self::Final,
        Self::Retransmit,
        Self::Expire,
        Self::TransportError,
    ];
}
