//! One call as the called side sees it.

use std::net::SocketAddrV4;

/// Where a call is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// Its first INVITE was dropped on purpose.
    Dropped,
    /// 180 sent, or nothing at all; waiting for CANCEL.
    Ringing,
    /// A final response is out and not acknowledged.
    Final,
    /// Acknowledged 2xx.
    Up,
    /// Over; repeated requests are still recognised.
    Over,
}

/// A call on one listener.
#[derive(Debug)]
pub(crate) struct Leg {
    pub(crate) stage: Stage,
    /// The final response to INVITE.
    pub(crate) status: u16,
    /// Where the INVITE came from.
    pub(crate) peer: SocketAddrV4,
    /// Header lines of responses to the INVITE, Via to CSeq; empty once nothing can be sent again.
    pub(crate) head: Vec<u8>,
    pub(crate) has_bye: bool,
    /// An ACK was dropped on purpose.
    pub(crate) ack_dropped: bool,
    /// A BYE was dropped on purpose.
    pub(crate) bye_dropped: bool,
}
