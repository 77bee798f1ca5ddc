//! The calls of the demo, each with what must come of it.

use std::time::Duration;

use super::cast::{CARRIER_A, CARRIER_B, DEAD, DESK, FULL, MOBILE, REDIRECTED_TO, VOICEMAIL};
use super::stage::{NODE, RUST};
use crate::phone::Cancel;

/// One call.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scenario {
    /// For `--only`.
    pub(super) name: &'static str,
    pub(super) title: &'static str,
    /// What it shows, in one sentence.
    pub(super) shows: &'static str,
    /// The number called.
    pub(super) number: &'static str,
    pub(super) cancel: Option<Cancel>,
    /// What is done to NATS first.
    pub(super) nats: Nats,
    pub(super) expected: Expected,
}

/// What is done to the nats-server before a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Nats {
    Runs,
    Stopped,
    Restarted,
}

/// What must come of a call.
#[derive(Clone, Copy, Debug)]
pub(super) struct Expected {
    /// What the caller gets.
    pub(super) status: u16,
    /// The phones that are called, with the final status each sends; 0 for none.
    pub(super) phones: &'static [(&'static str, u16)],
    pub(super) decision: Decision,
    /// The contact of a redirection.
    pub(super) contact: Option<&'static str>,
}

/// Who decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Decision {
    /// A decider, with an action.
    By(&'static str, &'static str),
    /// Local rules, because the decider is silent until its time is up.
    Late,
    /// Local rules at once, with this cause.
    AtOnce(&'static str),
    /// Nobody: the caller hangs up first.
    Withdrawn,
}

impl Decision {
    /// The decider that must run.
    pub(super) fn needs(self, name: &str) -> bool {
        match self {
            Self::By(decider, _) => decider == name,
            // The silent ones are numbers of the Rust decider.
            Self::Late | Self::Withdrawn => name == RUST,
            Self::AtOnce(_) => false,
        }
    }
}

const fn answered(phones: &'static [(&'static str, u16)], decision: Decision) -> Expected {
    Expected {
        status: 200,
        phones,
        decision,
        contact: None,
    }
}

const fn plain(
    name: &'static str,
    title: &'static str,
    shows: &'static str,
    number: &'static str,
    expected: Expected,
) -> Scenario {
    Scenario {
        name,
        title,
        shows,
        number,
        cancel: None,
        nats: Nats::Runs,
        expected,
    }
}

/// All calls, in order.
pub(super) const ALL: &[Scenario] = &[
    plain(
        "rust",
        "Decided by Rust",
        "The INVITE is suspended, a query goes out on NATS, the decider in Rust answers with a route, and the call \
         goes on.",
        "+4930123",
        answered(&[(CARRIER_A, 200)], Decision::By(RUST, "route")),
    ),
    plain(
        "node",
        "Decided by Node",
        "Another tenant, another language, the same subject scheme and the same answer.",
        "+44207946",
        answered(&[(CARRIER_B, 200)], Decision::By(NODE, "route")),
    ),
    plain(
        "failover",
        "The first route fails, the second answers",
        "One decision names two carriers in order; the first refuses with 503, and the caller never hears of it.",
        "+4940555",
        answered(
            &[(FULL, 503), (CARRIER_B, 200)],
            Decision::By(RUST, "route"),
        ),
    ),
    plain(
        "timer",
        "The first route is dead, the second answers",
        "The decision gives the first carrier 300 ms to say anything at all.",
        "+44161496",
        answered(&[(DEAD, 0), (CARRIER_A, 200)], Decision::By(NODE, "route")),
    ),
    plain(
        "parallel",
        "Two phones ring, one answers",
        "A parallel fork: the first 200 wins and the other phone is cancelled.",
        "+44113496",
        answered(&[(DESK, 200), (MOBILE, 487)], Decision::By(NODE, "route")),
    ),
    plain(
        "reject",
        "Rejected by decision",
        "The decider says no; its status is what the caller gets, and nobody is called.",
        "+44900123",
        Expected {
            status: 403,
            phones: &[],
            decision: Decision::By(NODE, "reject"),
            contact: None,
        },
    ),
    plain(
        "redirect",
        "Redirected by decision",
        "The decider knows the new address; the caller's phone gets it as a contact.",
        "+49700123",
        Expected {
            status: 302,
            phones: &[],
            decision: Decision::By(RUST, "redirect"),
            contact: Some(REDIRECTED_TO),
        },
    ),
    Scenario {
        cancel: Some(Cancel {
            on: None,
            after: Duration::from_millis(60),
        }),
        ..plain(
            "hangup",
            "The caller hangs up while the decider thinks",
            "CANCEL is answered at once, the decider is told that nobody waits any more, and no phone ever rings.",
            "+4989001",
            Expected {
                status: 487,
                phones: &[],
                decision: Decision::Withdrawn,
                contact: None,
            },
        )
    },
    plain(
        "silent",
        "The decider never answers",
        "After 200 ms local rules take over: the call goes to voicemail.",
        "+4989002",
        answered(&[(VOICEMAIL, 200)], Decision::Late),
    ),
    plain(
        "nobody",
        "No decider at all",
        "NATS knows that nobody listens, so local rules decide without waiting.",
        "+33123456",
        answered(&[(VOICEMAIL, 200)], Decision::AtOnce("no_responders")),
    ),
    Scenario {
        nats: Nats::Stopped,
        ..plain(
            "outage",
            "NATS is down",
            "The nats-server has been stopped: calls go on by local rules, without waiting.",
            "+4930123",
            answered(&[(VOICEMAIL, 200)], Decision::AtOnce("disconnected")),
        )
    },
    Scenario {
        nats: Nats::Restarted,
        ..plain(
            "recovery",
            "NATS is back",
            "The nats-server runs again on the same port: everybody reconnects and the decider decides again.",
            "+4930123",
            answered(&[(CARRIER_A, 200)], Decision::By(RUST, "route")),
        )
    },
];
