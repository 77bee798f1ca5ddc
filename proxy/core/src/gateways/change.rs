//! A gateway's change of state, as others are told.

use std::sync::Arc;

use super::{Gateway, GatewayState};
use crate::clock::Instant;

/// One change.
#[derive(Clone, Debug)]
pub struct GatewayChange {
    /// Whose.
    pub gateway: Arc<Gateway>,
    /// What it was.
    pub from: GatewayState,
    /// What it is.
    pub to: GatewayState,
    /// Why.
    pub why: Why,
    /// A probe showed it, not a request.
    pub by_probe: bool,
    /// When.
    pub at: Instant,
}

/// Why a gateway's state changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// It answered.
    Answered,
    /// It did not answer in time.
    Timeout,
    /// It answered with this status, which counts as a failure.
    Status(u16),
    /// Nothing could be sent to it.
    Unreachable,
    /// Its name has no address.
    Unresolved,
    /// It was left alone long enough.
    Recovered,
    /// Somebody wanted it so.
    Operator,
}

impl Why {
    /// The label in logs and events.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Answered => "answered",
            Self::Timeout => "timeout",
            Self::Status(_) => "status",
            Self::Unreachable => "unreachable",
            Self::Unresolved => "unresolved",
            Self::Recovered => "recovered",
            Self::Operator => "operator",
        }
    }

    /// The status of [`Why::Status`].
    pub const fn status(self) -> Option<u16> {
        match self {
            Self::Status(status) => Some(status),
            _ => None,
        }
    }
}
