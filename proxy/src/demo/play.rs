//! One call: placed, watched, judged.

use std::time::Duration;

use anyhow::{Context, Result};
use serde::Serialize;
use sigbox_contracts::event::{DecisionEvent, Outcome};
use sigbox_wire::{Index, Limits, Message, Method};

use super::cast::ANY_PORT;
use super::picture::{Picture, WITHDRAWN, caller, decided, fallback, wrong_time};
use super::scenario::{Nats, Scenario};
use super::stage::Stage;
use crate::phone::events::{decision_of, is_settled, is_withdrawn};
use crate::phone::terminal::Tone;
use crate::phone::trace::{Direction, Recorded};
use crate::phone::{CallReport, CallScript, Caller, Ending, Endpoint, Ladder, run};

/// Longer than any call of the demo takes.
const CALL_TIMEOUT: Duration = Duration::from_secs(10);
/// How long events may be on their way after a call has ended.
const EVENT_PATIENCE: Duration = Duration::from_secs(2);

/// A call that was placed.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Played {
    pub(super) name: &'static str,
    pub(super) title: &'static str,
    pub(super) shows: &'static str,
    pub(super) number: &'static str,
    pub(super) expected: String,
    pub(super) seen: String,
    /// What is wrong, in sentences; empty when all is well.
    pub(super) faults: Vec<String>,
    /// From the query to the decision, in milliseconds.
    pub(super) decision_ms: Option<f64>,
    pub(super) reasons: Vec<String>,
    pub(super) ladder: Ladder,
}

impl Played {
    pub(super) fn passed(&self) -> bool {
        self.faults.is_empty()
    }
}

/// Places the call of `scenario`.
///
/// # Errors
/// When the system around the call fails; what the call itself does wrong is in [`Played::faults`].
pub(super) async fn play(stage: &mut Stage, scenario: &Scenario) -> Result<Played> {
    match scenario.nats {
        Nats::Runs => {}
        Nats::Stopped => stage.stop_nats().await?,
        Nats::Restarted => stage.restart_nats().await?,
    }
    let fallbacks_before = stage.admin.fallbacks().await?;
    let report = call(stage, scenario).await?;
    let patience = if scenario.nats == Nats::Stopped {
        Duration::ZERO
    } else {
        EVENT_PATIENCE
    };
    let events = stage
        .listener
        .wait(patience, |events| is_settled(events, &report.call_id))
        .await;
    let messages = stage.trace.messages();
    let decision = decision_of(&events, &report.call_id);
    let mut played = Played {
        name: scenario.name,
        title: scenario.title,
        shows: scenario.shows,
        number: scenario.number,
        expected: Picture::of(&scenario.expected).to_string(),
        seen: String::new(),
        faults: Vec::new(),
        decision_ms: decision.map(|decision| decision.took_ms),
        reasons: decision
            .map(|decision| decision.reasons.clone())
            .unwrap_or_default(),
        ladder: Ladder::of_call(&stage.trace, &report.call_id, stage.sip, &events),
    };
    let mut decision_seen = match decision {
        _ if is_withdrawn(&events, &report.call_id) => WITHDRAWN.to_owned(),
        Some(decision) => described(decision),
        None => "nobody".to_owned(),
    };
    if decision.is_none() && scenario.nats == Nats::Stopped {
        // Without NATS there are no events; the metrics still tell.
        let moved: Vec<_> = stage
            .admin
            .fallbacks()
            .await?
            .into_iter()
            .zip(fallbacks_before)
            .filter(|((_, after), (_, before))| after > before)
            .map(|((cause, _), _)| cause.as_str())
            .collect();
        decision_seen = fallback(&moved.join(", "));
        played.decision_ms = time_to_fork(&messages, &report.call_id);
        played.ladder.annotate(
            "sigbox",
            Tone::Notice,
            format!("{}: NATS is down, nobody is asked", moved.join(", ")),
        );
    }
    let contact = scenario
        .expected
        .contact
        .and_then(|_| report.contacts.first())
        .map(String::as_str);
    let seen = Picture {
        caller: caller(report.status(), contact),
        phones: phones_called(stage, &messages, &report.call_id),
        decision: decision_seen,
    };
    played.seen = seen.to_string();
    if seen != Picture::of(&scenario.expected) {
        played
            .faults
            .push(format!("expected {}, saw {}", played.expected, played.seen));
    }
    if let Some(took_ms) = played.decision_ms {
        played
            .faults
            .extend(wrong_time(scenario.expected.decision, took_ms));
    }
    if report.status() == Some(200) && report.ending != Ending::Confirmed {
        played
            .faults
            .push("the caller's BYE was not answered with 200".to_owned());
    }
    Ok(played)
}

async fn call(stage: &Stage, scenario: &Scenario) -> Result<CallReport> {
    let mut endpoint =
        Endpoint::bind("caller", ANY_PORT, &stage.trace).context("binding the caller")?;
    let mut script = CallScript::new(format!("sip:{}@{}", scenario.number, stage.sip), stage.sip);
    script.cancel = scenario.cancel;
    let mut caller = Caller::new(script, endpoint.address());
    // A call that does not end is a failed call, not a failed demo.
    if let Ok(result) = tokio::time::timeout(CALL_TIMEOUT, run(&mut endpoint, &mut caller)).await {
        result.context("the caller's socket failed")?;
    }
    Ok(caller.report().clone())
}

fn described(decision: &DecisionEvent) -> String {
    match (decision.outcome, decision.cause) {
        (Outcome::Decided, _) => {
            let decider = decision.decider.as_deref().unwrap_or("an unknown decider");
            let name = decider.split_once('/').map_or(decider, |(name, _)| name);
            decided(name, decision.action.as_deref().unwrap_or("nothing"))
        }
        (Outcome::Fallback | Outcome::Cached, Some(cause)) => fallback(cause.as_str()),
        (outcome, _) => outcome.as_str().to_owned(),
    }
}

/// Who got the INVITE, with the final status each sent; sorted by name.
fn phones_called(stage: &Stage, messages: &[Recorded], call_id: &str) -> Vec<(String, u16)> {
    let mut called: Vec<(String, u16)> = Vec::new();
    for (position, phone) in stage.trace.phones().iter().enumerate() {
        let mut own = messages
            .iter()
            .filter(|message| message.phone.0 == position);
        let invited = own.clone().any(|message| {
            message.direction == Direction::Received
                && looked_at(message, call_id, |message| {
                    message.is_request() && message.method() == Method::Invite
                })
        });
        if invited {
            let status = own.find_map(|message| {
                let sent = message.direction == Direction::Sent;
                let mut status = 0;
                let is_final = looked_at(message, call_id, |message| {
                    status = message.status();
                    sent && status >= 200 && message.method() == Method::Invite
                });
                is_final.then_some(status)
            });
            called.push((phone.name.clone(), status.unwrap_or_default()));
        }
    }
    called.sort();
    called
}

/// From the caller's INVITE to the first INVITE that arrives anywhere, in milliseconds.
fn time_to_fork(messages: &[Recorded], call_id: &str) -> Option<f64> {
    let invite = |direction| {
        messages.iter().find(|message| {
            message.direction == direction
                && looked_at(message, call_id, |message| {
                    message.is_request() && message.method() == Method::Invite
                })
        })
    };
    Some(invite(Direction::Received)?.at - invite(Direction::Sent)?.at)
}

/// Whether a message of this call is one that `look` wants.
fn looked_at(recorded: &Recorded, call_id: &str, look: impl FnOnce(Message<'_>) -> bool) -> bool {
    let mut index = Index::default();
    if index.parse(&recorded.bytes, &Limits::default()).is_err() {
        return false;
    }
    let message = Message::new(&recorded.bytes, &index);
    message.call_id() == call_id.as_bytes() && look(message)
}
