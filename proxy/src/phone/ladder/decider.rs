//! The decider's lane: what the events on NATS say about a call.

use sigbox_contracts::Event;
use sigbox_contracts::event::{Cause, DecisionEvent, Outcome};

use super::{Mark, Step};
use crate::phone::terminal::Tone;

/// The Call-ID that an event is about.
pub(super) fn call_id(event: &Event) -> Option<&str> {
    match event {
        Event::Decision(decision) => Some(&decision.call_id),
        Event::Cancelled(cancelled) => Some(&cancelled.call_id),
        _ => None,
    }
}

/// The decider that answered, if one did and told its name.
pub(super) fn name(events: &[&Event]) -> String {
    events
        .iter()
        .find_map(|event| match event {
            Event::Decision(decision) => decision.decider.clone(),
            _ => None,
        })
        .unwrap_or_default()
}

/// The rows between the proxy and the decider.
pub(super) fn steps(events: &[&Event], sigbox: usize, decider: usize) -> Vec<Step> {
    let lanes = Lanes { sigbox, decider };
    let mut steps = Vec::new();
    for event in events {
        match event {
            Event::Decision(decision) => lanes.decision(decision, &mut steps),
            Event::Cancelled(cancelled) => {
                steps.push(lanes.to_decider(cancelled.at, "cancelled", Tone::Notice));
            }
            _ => {}
        }
    }
    steps
}

#[derive(Clone, Copy)]
struct Lanes {
    sigbox: usize,
    decider: usize,
}

impl Lanes {
    fn decision(self, decision: &DecisionEvent, steps: &mut Vec<Step>) {
        let asked_at = decision.at - decision.took_ms;
        let query = match decision.attempt {
            0 | 1 => "query".to_owned(),
            attempt => format!("query #{attempt}"),
        };
        let cause = decision.cause.unwrap_or(Cause::Timeout);
        match decision.outcome {
            Outcome::Decided => {
                steps.push(self.to_decider(asked_at, query, Tone::Decider));
                let action = decision.action.as_deref().unwrap_or("decided");
                steps.push(self.to_sigbox(decision.at, action, Tone::Decider));
                if !decision.reasons.is_empty() {
                    steps.push(self.note(decision.at, decision.reasons.join("; "), Tone::Decider));
                }
            }
            Outcome::Fallback | Outcome::Cached => {
                // Where the note stands: beside the answer, or the query that got lost.
                let at = match cause {
                    Cause::Timeout => {
                        steps.push(self.to_decider(asked_at, query, Tone::Decider));
                        steps.push(self.lost_answer(decision.at));
                        decision.at
                    }
                    Cause::Invalid | Cause::ServiceError | Cause::Pass => {
                        steps.push(self.to_decider(asked_at, query, Tone::Decider));
                        steps.push(self.to_sigbox(decision.at, spoken(cause), Tone::Notice));
                        decision.at
                    }
                    Cause::Rule => decision.at,
                    _ => {
                        let mark = Mark::Lost {
                            from: self.sigbox,
                            to: self.decider,
                        };
                        steps.push(Step {
                            at: asked_at,
                            mark,
                            text: query,
                            tone: Tone::Bad,
                        });
                        asked_at
                    }
                };
                steps.push(self.note(at, fallback(decision, cause), Tone::Notice));
            }
            _ => steps.push(self.to_decider(asked_at, query, Tone::Decider)),
        }
    }

    fn to_decider(self, at: f64, text: impl Into<String>, tone: Tone) -> Step {
        Step {
            at,
            mark: Mark::Arrow {
                from: self.sigbox,
                to: self.decider,
            },
            text: text.into(),
            tone,
        }
    }

    fn to_sigbox(self, at: f64, text: impl Into<String>, tone: Tone) -> Step {
        Step {
            at,
            mark: Mark::Arrow {
                from: self.decider,
                to: self.sigbox,
            },
            text: text.into(),
            tone,
        }
    }

    fn lost_answer(self, at: f64) -> Step {
        let mark = Mark::Lost {
            from: self.decider,
            to: self.sigbox,
        };
        Step {
            at,
            mark,
            text: "no answer".to_owned(),
            tone: Tone::Bad,
        }
    }

    fn note(self, at: f64, text: String, tone: Tone) -> Step {
        Step {
            at,
            mark: Mark::Note { lane: self.sigbox },
            text,
            tone,
        }
    }
}

/// What local rules did, and why they had to.
fn fallback(decision: &DecisionEvent, cause: Cause) -> String {
    let mut text = format!(
        "{} after {:.1} ms: local rules ",
        spoken(cause),
        decision.took_ms
    );
    text.push_str(decision.action.as_deref().unwrap_or("decide"));
    if let Some(detail) = decision
        .detail
        .as_deref()
        .filter(|detail| !detail.is_empty())
    {
        text.push_str(&format!(" ({detail})"));
    }
    text
}

fn spoken(cause: Cause) -> &'static str {
    match cause {
        Cause::Timeout => "timeout",
        Cause::NoResponders => "no responders",
        Cause::Disconnected => "no NATS connection",
        Cause::Congested => "NATS congested",
        Cause::CircuitOpen => "circuit open",
        Cause::Invalid => "invalid answer",
        Cause::ServiceError => "service error",
        Cause::Capacity => "too many calls suspended",
        Cause::Pass => "pass",
        Cause::Rule => "rule",
        _ => "fallback",
    }
}
