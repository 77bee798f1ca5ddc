//! A call as a ladder: one lane per party, one row per message, time downwards.

use std::net::SocketAddr;

use serde::Serialize;
use sigbox_contracts::Event;

mod decider;
mod draw;
mod label;
mod layout;

use super::terminal::{Terminal, Tone};
use super::trace::{Direction, PhoneName, Recorded, Trace};

/// What a ladder shows. Build one with [`Ladder::of_call`], draw it with [`Ladder::draw`].
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Ladder {
    /// The parties, from left to right.
    pub lanes: Vec<Lane>,
    /// What happened, in order of time.
    pub steps: Vec<Step>,
}

/// A party.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Lane {
    /// Its name.
    pub name: String,
    /// Its address, or the decider's service name; may be empty.
    pub detail: String,
}

/// One row.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Step {
    /// Unix milliseconds.
    pub at: f64,
    /// What is drawn.
    #[serde(flatten)]
    pub mark: Mark,
    /// What it says.
    pub text: String,
    /// How it is meant.
    #[serde(skip)]
    pub tone: Tone,
}

/// How a step is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Mark {
    /// An arrow from one lane to another.
    Arrow {
        /// Position in [`Ladder::lanes`].
        from: usize,
        /// Position in [`Ladder::lanes`].
        to: usize,
    },
    /// An arrow that never arrived.
    Lost {
        /// Position in [`Ladder::lanes`].
        from: usize,
        /// Where it was meant for.
        to: usize,
    },
    /// Text beside a lane.
    Note {
        /// Position in [`Ladder::lanes`].
        lane: usize,
    },
}

/// The lane of the proxy, in every ladder that has one.
const SIGBOX: &str = "sigbox";

impl Ladder {
    /// The ladder of one call.
    ///
    /// Lanes, as far as they took part: the caller (whoever sent the first message), the proxy at
    /// `proxy`, the decider (when `events` has something of this call), the other phones.
    pub fn of_call(trace: &Trace, call_id: &str, proxy: SocketAddr, events: &[Event]) -> Self {
        let phones = trace.phones();
        let messages: Vec<(Recorded, label::Label)> = trace
            .messages()
            .into_iter()
            .filter(|message| !is_echo(message, &phones))
            .filter_map(|message| {
                let label = label::of(&message.bytes, call_id)?;
                Some((message, label))
            })
            .collect();
        let events: Vec<&Event> = events
            .iter()
            .filter(|event| decider::call_id(event) == Some(call_id))
            .collect();
        let mut ladder = Self {
            lanes: Vec::new(),
            steps: Vec::new(),
        };
        let mut addresses = Vec::new();
        for (position, (message, _)) in messages.iter().enumerate() {
            let (from, to) = ends(message, &phones);
            for address in [from, to] {
                if !addresses.contains(&Some(address)) {
                    addresses.push(Some(address));
                    ladder.lanes.push(Lane {
                        name: name_of(address, proxy, &phones),
                        detail: address.to_string(),
                    });
                }
            }
            // The decider stands beside the proxy, before whatever the proxy calls.
            if position == 0 && !events.is_empty() {
                addresses.push(None);
                ladder.lanes.push(Lane {
                    name: "decider".to_owned(),
                    detail: decider::name(&events),
                });
            }
        }
        ladder.shorten_details();
        let mut seen = Vec::new();
        for (message, label) in &messages {
            let (from, to) = ends(message, &phones);
            let lane = |address| {
                addresses
                    .iter()
                    .position(|known| *known == Some(address))
                    .unwrap_or_default()
            };
            // A retransmission is the same bytes once more.
            let sent = (from, to, &message.bytes);
            let again = if seen.contains(&sent) { " (again)" } else { "" };
            seen.push(sent);
            let text = format!("{}{again}", label.text);
            let mark = Mark::Arrow {
                from: lane(from),
                to: lane(to),
            };
            ladder.steps.push(Step {
                at: message.at,
                mark,
                text,
                tone: label.tone,
            });
        }
        if let Some(decider) = addresses.iter().position(Option::is_none) {
            let sigbox = addresses
                .iter()
                .position(|known| *known == Some(proxy))
                .unwrap_or_default();
            ladder
                .steps
                .extend(decider::steps(&events, sigbox, decider));
        }
        ladder.steps.sort_by(|a, b| a.at.total_cmp(&b.at));
        ladder
    }

    /// Adds a note beside the lane called `lane`, right after the first step.
    pub fn annotate(&mut self, lane: &str, tone: Tone, text: impl Into<String>) {
        let lane = self
            .lanes
            .iter()
            .position(|known| known.name == lane)
            .unwrap_or_default();
        let at = self.steps.first().map_or(0.0, |step| step.at);
        let place = self.steps.len().min(1);
        self.steps.insert(
            place,
            Step {
                at,
                mark: Mark::Note { lane },
                text: text.into(),
                tone,
            },
        );
    }

    /// The ladder as lines of text.
    pub fn draw(&self, terminal: Terminal) -> String {
        draw::draw(self, terminal)
    }

    /// On one host the port says it all.
    fn shorten_details(&mut self) {
        let hosts: Vec<Option<SocketAddr>> = self
            .lanes
            .iter()
            .map(|lane| lane.detail.parse().ok())
            .collect();
        let mut known = hosts.iter().flatten().map(SocketAddr::ip);
        let Some(first) = known.next() else {
            return;
        };
        if !known.all(|host| host == first) {
            return;
        }
        for (lane, host) in self.lanes.iter_mut().zip(&hosts) {
            if let Some(address) = host {
                lane.detail = format!(":{}", address.port());
            }
        }
    }
}

/// A message between two phones is recorded by both; the sender's record is enough.
fn is_echo(message: &Recorded, phones: &[PhoneName]) -> bool {
    message.direction == Direction::Received
        && phones.iter().any(|phone| phone.address == message.peer)
}

fn ends(message: &Recorded, phones: &[PhoneName]) -> (SocketAddr, SocketAddr) {
    let own = phones
        .get(message.phone.0)
        .map_or(message.peer, |phone| phone.address);
    match message.direction {
        Direction::Sent => (own, message.peer),
        Direction::Received => (message.peer, own),
    }
}

fn name_of(address: SocketAddr, proxy: SocketAddr, phones: &[PhoneName]) -> String {
    // A phone that is called without a proxy in between is its own next hop.
    if let Some(phone) = phones.iter().find(|phone| phone.address == address) {
        return phone.name.clone();
    }
    if address == proxy {
        SIGBOX.to_owned()
    } else {
        address.to_string()
    }
}
