//! The INVITE server transaction: RFC 3261 §17.2.1 with RFC 6026 §7.1.
//!
//! ```text
//!             1xx        300-699          ACK
//! Proceeding ----+  +----------------> Completed ----> Confirmed --Timer I--> Terminated
//!     ^  |       |  |  2xx                 | Timer H                              ^
//!     +--+<------+  +-----> Accepted       +--------------------------------------+
//!                               |  Timer L                                        |
//!                               +-------------------------------------------------+
//! ```

use super::{Act, Deadline, Entry, Machine};
use crate::settings::Timers;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ServerInvite {
    Proceeding,
    Completed,
    Confirmed,
    Accepted,
    Terminated,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// The INVITE came again.
    Invite,
    /// An ACK with the INVITE's branch.
    Ack,
    /// The proxy above sends a provisional response.
    Provisional,
    /// The proxy above sends a 2xx.
    Success,
    /// The proxy above sends a 300 to 699.
    Failure,
    /// Timer G.
    Retransmit,
    /// Timer H, I or L.
    Expire,
}

impl Event {
    /// What sending a response with this status is to the machine.
    pub(crate) const fn of(status: u16) -> Self {
        match status {
            ..200 => Self::Provisional,
            200..300 => Self::Success,
            _ => Self::Failure,
        }
    }
}

impl ServerInvite {
    /// The table.
    pub(crate) fn on(self, event: Event) -> Option<(Self, Act)> {
        use Act::*;
        use Event as E;
        Some(match (self, event) {
            (Self::Proceeding, E::Invite) => (Self::Proceeding, Resend),
            (Self::Proceeding, E::Provisional) => (Self::Proceeding, Send),
            (Self::Proceeding, E::Success) => (Self::Accepted, Send),
            (Self::Proceeding, E::Failure) => (Self::Completed, Send),
            (Self::Completed, E::Invite | E::Retransmit) => (Self::Completed, Resend),
            (Self::Completed, E::Ack) => (Self::Confirmed, Absorb),
            // RFC 3261 §16.7 step 5: a 2xx goes upstream even after another final response.
            (Self::Completed, E::Success) => (Self::Completed, Send),
            (Self::Confirmed, E::Invite | E::Ack) => (Self::Confirmed, Absorb),
            (Self::Confirmed, E::Success) => (Self::Confirmed, Send),
            (Self::Accepted, E::Invite) => (Self::Accepted, Absorb),
            (Self::Accepted, E::Ack) => (Self::Accepted, Pass),
            (Self::Accepted, E::Success) => (Self::Accepted, Send),
            (Self::Completed | Self::Confirmed | Self::Accepted, E::Expire) => {
                (Self::Terminated, End)
            }
            _ => return None,
        })
    }

    /// Whether a final response has been sent.
    pub(crate) const fn is_final(self) -> bool {
        !matches!(self, Self::Proceeding)
    }
}

impl Machine for ServerInvite {
    fn entry(self, reliable: bool, timers: &Timers) -> Entry {
        let (deadline, retransmit) = match self {
            Self::Proceeding | Self::Terminated => (Deadline::Never, None),
            // Timer H, and Timer G where the transport needs it.
            Self::Completed => (
                Deadline::After(timers.t1 * 64),
                (!reliable).then_some((timers.t1, timers.t2)),
            ),
            // Timer I.
            Self::Confirmed if reliable => (Deadline::After(std::time::Duration::ZERO), None),
            Self::Confirmed => (Deadline::After(timers.t4), None),
            // Timer L.
            Self::Accepted => (Deadline::After(timers.t1 * 64), None),
        };
        Entry {
            deadline,
            retransmit,
        }
    }
}

#[cfg(test)]
impl ServerInvite {
    pub(crate) const ALL: &[Self] = &[
        Self::Proceeding,
        Self::Completed,
        Self::Confirmed,
        Self::Accepted,
        Self::Terminated,
    ];
}

#[cfg(test)]
impl Event {
    pub(crate) const ALL: &[Self] = &[
        Self::Invite,
        Self::Ack,
        Self::Provisional,
        Self::Success,
        Self::Failure,
        Self::Retransmit,
        Self::Expire,
    ];
}
