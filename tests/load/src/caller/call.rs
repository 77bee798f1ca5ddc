//! One call of a caller.

use crate::clock::Moment;
use crate::dialog::Dialog;

/// Where a call is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Its place may be used.
    #[default]
    Free,
    /// The first request is out and nothing came back.
    Calling,
    /// A provisional response came.
    Proceeding,
    /// Acknowledged; BYE is to follow.
    Up,
    /// BYE is out.
    Leaving,
    /// Over; late messages are still recognised.
    Over,
}

/// How far a CANCEL is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Cancel {
    #[default]
    None,
    /// To be sent with the first provisional response (RFC 3261 §9.1).
    Wanted,
    /// Sent.
    Sent,
    /// Answered with 200.
    Confirmed,
    /// Answered with another final response.
    Rejected,
}

/// A place in the table of calls.
#[derive(Debug, Default)]
pub(crate) struct Call {
    pub(crate) round: u32,
    pub(crate) phase: Phase,
    pub(crate) cancel: Cancel,
    pub(crate) due: Moment,
    pub(crate) number: u64,
    pub(crate) has_rung: bool,
    /// The INVITE got a 2xx.
    pub(crate) is_answered: bool,
    pub(crate) is_repeated: bool,
    pub(crate) is_reordered: bool,
    pub(crate) is_failed: bool,
    /// The INVITE got 487 after a CANCEL.
    pub(crate) is_terminated: bool,
    /// When the BYE was due.
    pub(crate) bye_due: Moment,
    pub(crate) dialog: Dialog,
}

impl Call {
    /// Starts over with a new call.
    pub(crate) fn begin(&mut self, number: u64, due: Moment) {
        let dialog = std::mem::take(&mut self.dialog);
        *self = Self {
            round: self.round.wrapping_add(1),
            phase: Phase::Calling,
            due,
            number,
            dialog,
            ..Self::default()
        };
    }

    /// Whether it is under way.
    pub(crate) fn is_open(&self) -> bool {
        !matches!(self.phase, Phase::Free | Phase::Over)
    }
}
