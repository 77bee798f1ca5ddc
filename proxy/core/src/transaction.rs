//! The four transaction machines of RFC 3261 §17, as tables.
//!
//! Each machine is an enum of states with one function `on(event)` that is the whole table, and
//! one function `entry()` that says which timers run in a state. What an [`Act`] means is carried
//! out by the response context; the tables are snapshotted by a test, so that a change shows in
//! review.

use std::time::Duration;

use crate::clock::Instant;
use crate::settings::Timers;

mod client_invite;
mod client_non_invite;
mod server_invite;
mod server_non_invite;

pub(crate) use client_invite::{ClientInvite, Event as ClientInviteEvent};
pub(crate) use client_non_invite::{ClientNonInvite, Event as ClientNonInviteEvent};
pub(crate) use server_invite::{Event as ServerInviteEvent, ServerInvite};
pub(crate) use server_non_invite::{Event as ServerNonInviteEvent, ServerNonInvite};

/// What a transition asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Act {
    /// Nothing: the message or timer is absorbed.
    Absorb,
    /// Hand the response to the transport.
    Send,
    /// Send the last message again.
    Resend,
    /// Hand the response or ACK to the proxy above.
    Pass,
    /// Acknowledge the response hop by hop, and hand it to the proxy above.
    AckAndPass,
    /// Acknowledge the response again.
    Ack,
    /// Tell the proxy above that no final response came.
    TimeOut,
    /// Tell the proxy above that the request could not be sent.
    Fail,
    /// The transaction is over.
    End,
}

/// Which timers run from the moment a state is entered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    /// When the state times out.
    pub(crate) deadline: Deadline,
    /// The first retransmission interval and the longest one.
    pub(crate) retransmit: Option<(Duration, Duration)>,
}

/// The timer that ends a state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Deadline {
    /// The one already running goes on.
    Keep,
    /// A new one.
    After(Duration),
    /// None.
    Never,
}

/// What a machine must tell to be run by [`Timed`].
pub(crate) trait Machine: Copy + PartialEq {
    /// Which timers run in this state.
    fn entry(self, reliable: bool, timers: &Timers) -> Entry;
}

/// A state with its running timers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Timed<S> {
    pub(crate) state: S,
    /// When to send again (Timers A, E, G).
    pub(crate) retransmit_at: Option<Instant>,
    /// When the state times out (Timers B, C, D, F, H, I, J, K, L, M).
    pub(crate) deadline: Option<Instant>,
    interval: Duration,
    longest: Duration,
}

impl<S: Machine> Timed<S> {
    /// A transaction that starts in `state`.
    pub(crate) fn new(state: S, now: Instant, reliable: bool, timers: &Timers) -> Self {
        let mut timed = Self {
            state,
            retransmit_at: None,
            deadline: None,
            interval: Duration::ZERO,
            longest: Duration::ZERO,
        };
        timed.start(now, reliable, timers);
        timed
    }

    /// Goes to `state`; entering a new one starts its timers.
    pub(crate) fn enter(&mut self, state: S, now: Instant, reliable: bool, timers: &Timers) {
        if self.state != state {
            self.state = state;
            self.start(now, reliable, timers);
        }
    }

    fn start(&mut self, now: Instant, reliable: bool, timers: &Timers) {
        let entry = self.state.entry(reliable, timers);
        match entry.deadline {
            Deadline::Keep => {}
            Deadline::After(span) => self.deadline = Some(now + span),
            Deadline::Never => self.deadline = None,
        }
        self.retransmit_at = entry.retransmit.map(|(first, longest)| {
            self.interval = first;
            self.longest = longest;
            now + first
        });
    }

    /// After a retransmission: the interval doubles up to its longest.
    pub(crate) fn back_off(&mut self, now: Instant) {
        self.interval = (self.interval * 2).min(self.longest);
        self.retransmit_at = Some(now + self.interval);
    }

    /// The earlier of the two timers.
    pub(crate) fn next(&self) -> Option<Instant> {
        match (self.retransmit_at, self.deadline) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write;

    use super::*;

    /// Draws one machine: a line per state and event that the table answers, and the timers of
    /// each state on both kinds of transport.
    fn draw<S: Machine + std::fmt::Debug, E: Copy + std::fmt::Debug>(
        name: &str,
        states: &[S],
        events: &[E],
        on: impl Fn(S, E) -> Option<(S, Act)>,
    ) -> String {
        let mut text = format!("{name}\n");
        let timers = Timers::default();
        for state in states {
            writeln!(text, "\n{state:?}").unwrap();
            for (label, reliable) in [("unreliable", false), ("reliable", true)] {
                let entry = state.entry(reliable, &timers);
                writeln!(
                    text,
                    "  {label:<10}  {:?}  retransmit {:?}",
                    entry.deadline, entry.retransmit
                )
                .unwrap();
            }
            for event in events {
                if let Some((next, act)) = on(*state, *event) {
                    writeln!(
                        text,
                        "  {:<14} -> {:<11} {act:?}",
                        format!("{event:?}"),
                        format!("{next:?}")
                    )
                    .unwrap();
                }
            }
        }
        text
    }

    /// The same as a Mermaid diagram, which GitHub and others draw: arrows that change the state, and
    /// what else each state answers.
    fn diagram<S: Machine + std::fmt::Debug, E: Copy + std::fmt::Debug>(
        name: &str,
        states: &[S],
        events: &[E],
        on: impl Fn(S, E) -> Option<(S, Act)>,
    ) -> String {
        let mut text = format!("\n## {name}\n\n```mermaid\nstateDiagram-v2\n");
        writeln!(text, "    [*] --> {:?}", states[0]).unwrap();
        for (state, event) in states
            .iter()
            .flat_map(|state| events.iter().map(move |event| (state, event)))
        {
            if let Some((next, act)) = on(*state, *event) {
                writeln!(text, "    {state:?} --> {next:?} : {event:?} / {act:?}").unwrap();
            }
        }
        text + "```\n"
    }

    const PAGE: &str = "# The transaction machines\n\n\
        What RFC 3261 §17 and RFC 6026 ask of transactions, as sigbox has it: an arrow is *event / act*. The\n\
        tables behind it, with the timers of each state, are the snapshots in\n\
        [proxy/core/src/snapshots](../proxy/core/src/snapshots). A test draws this page and compares; after a change\n\
        on purpose, `UPDATE_DOC=1` lets it write the page anew.\n\n\
        | act | is |\n|---|---|\n\
        | Absorb | nothing: the message or timer goes no further |\n\
        | Send | the response goes to the transport |\n\
        | Resend | the last message goes out again |\n\
        | Pass | the response or ACK goes to the proxy above |\n\
        | AckAndPass | the response is acknowledged hop by hop, and goes to the proxy above |\n\
        | Ack | the response is acknowledged again |\n\
        | TimeOut | the proxy above hears that no final response came |\n\
        | Fail | the proxy above hears that the request could not be sent |\n\
        | End | the transaction is over |\n";

    /// A machine as a table and as a diagram.
    fn shown<S: Machine + std::fmt::Debug, E: Copy + std::fmt::Debug>(
        name: &str,
        states: &[S],
        events: &[E],
        on: impl Copy + Fn(S, E) -> Option<(S, Act)>,
    ) -> [String; 2] {
        [
            draw(name, states, events, on),
            diagram(name, states, events, on),
        ]
    }

    fn all() -> [(&'static str, [String; 2]); 4] {
        [
            (
                "server_invite",
                shown(
                    "INVITE server transaction",
                    ServerInvite::ALL,
                    server_invite::Event::ALL,
                    |s, e| s.on(e),
                ),
            ),
            (
                "client_invite",
                shown(
                    "INVITE client transaction",
                    ClientInvite::ALL,
                    client_invite::Event::ALL,
                    |s, e| s.on(e),
                ),
            ),
            (
                "server_non_invite",
                shown(
                    "non-INVITE server transaction",
                    ServerNonInvite::ALL,
                    server_non_invite::Event::ALL,
                    |s, e| s.on(e),
                ),
            ),
            (
                "client_non_invite",
                shown(
                    "non-INVITE client transaction",
                    ClientNonInvite::ALL,
                    client_non_invite::Event::ALL,
                    |s, e| s.on(e),
                ),
            ),
        ]
    }

    #[test]
    fn diagrams() {
        let diagrams = all().map(|(_, [_, diagram])| diagram);
        let page = PAGE.to_owned() + &diagrams.concat();
        let path = std::path::Path::new(&std::env::var("CARGO_MANIFEST_DIR").unwrap())
            .join("../../docs/transactions.md");
        if std::env::var_os("UPDATE_DOC").is_some() {
            std::fs::write(&path, &page).unwrap();
        }
        let written = std::fs::read_to_string(&path).unwrap();
        assert_eq!(
            written, page,
            "UPDATE_DOC=1 writes docs/transactions.md anew"
        );
    }

    /// RFC 3261 §17.1.1.2, §17.1.2, §17.2.1, §17.2.2, RFC 6026 §7.1, §7.2
    #[test]
    fn tables() {
        for (name, [table, _]) in all() {
            insta::assert_snapshot!(name, table);
        }
    }
}
