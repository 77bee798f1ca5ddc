//! The non-INVITE server transaction: RFC 3261 §17.2.2.
//!
//! ```text
//! Trying --1xx--> Proceeding --200-699--> Completed --Timer J--> Terminated
//!    |                                        ^
//!    +----------------200-699-----------------+
//! ```

use super::{Act, Deadline, Entry, Machine};
use crate::settings::Timers;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ServerNonInvite {
    Trying,
    Proceeding,
    Completed,
    Terminated,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// The request came again.
    Request,
    /// The proxy above sends a provisional response.
    Provisional,
    /// The proxy above sends a final response.
    Final,
    /// Timer J.
    Expire,
}

impl Event {
    /// What sending a response with this status is to the machine.
    pub(crate) const fn of(status: u16) -> Self {
        if status < 200 {
            Self::Provisional
        } else {
            Self::Final
        }
    }
}

impl ServerNonInvite {
    /// The table.
    pub(crate) fn on(self, event: Event) -> Option<(Self, Act)> {
        use Act::*;
        use Event as E;
        Some(match (self, event) {
            (Self::Trying, E::Request) => (Self::Trying, Absorb),
            (Self::Trying | Self::Proceeding, E::Provisional) => (Self::Proceeding, Send),
            (Self::Trying | Self::Proceeding, E::Final) => (Self::Completed, Send),
            (Self::Proceeding, E::Request) => (Self::Proceeding, Resend),
            (Self::Completed, E::Request) => (Self::Completed, Resend),
            (Self::Completed, E::Final) => (Self::Completed, Absorb),
            (Self::Completed, E::Expire) => (Self::Terminated, End),
            _ => return None,
        })
    }

    /// Whether a final response has been sent.
    pub(crate) const fn is_final(self) -> bool {
        matches!(self, Self::Completed | Self::Terminated)
    }
}

impl Machine for ServerNonInvite {
    fn entry(self, reliable: bool, timers: &Timers) -> Entry {
        let deadline = match self {
            // Timer J.
            Self::Completed if reliable => Deadline::After(std::time::Duration::ZERO),
            Self::Completed => Deadline::After(timers.t1 * 64),
            _ => Deadline::Never,
        };
        Entry {
            deadline,
            retransmit: None,
        }
    }
}

#[cfg(test)]
impl ServerNonInvite {
    pub(crate) const ALL: &[Self] = &[
        Self::Trying,
        Self::Proceeding,
        Self::Completed,
        Self::Terminated,
    ];
}

#[cfg(test)]
impl Event {
    pub(crate) const ALL: &[Self] = &[Self::Request, Self::Provisional, Self::Final, Self::Expire];
}
