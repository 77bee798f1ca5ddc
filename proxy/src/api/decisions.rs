//! `/api/v1/decisions`, `/api/v1/calls/{call_id}` and `/api/v1/deciders`: what was decided, and by whom.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sigbox_contracts::event::DecisionEvent;
use sigbox_core::Underway;
use tokio::sync::{Semaphore, oneshot};
use tokio::time::timeout;

use super::query::{Path, Query};
use super::{Api, Problem};
use crate::bus::{SubjectState, services};
use crate::decisions::Decisions;
use crate::metrics::BreakerState;
use crate::shard::{Control, Look, ShardHandle, Steer};

/// Records in an answer when nobody says how many.
const USUAL: usize = 100;

/// How long a shard may take to say what it knows.
const PATIENCE: Duration = Duration::from_millis(500);

/// Where to look.
#[derive(Clone)]
pub struct Looking {
    /// The last decisions.
    pub decisions: Arc<Decisions>,
    /// Every shard.
    pub shards: Vec<ShardHandle>,
    /// Which of them has which call.
    pub steer: Steer,
    /// One looks at a time: looking takes a shard's time, or a connection.
    pub turn: Arc<Semaphore>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Wanted {
    limit: Option<usize>,
    call_id: Option<String>,
}

/// GET /decisions
pub(super) async fn latest(State(api): State<Api>, Query(wanted): Query<Wanted>) -> Json<Value> {
    let decisions = &api.looking.decisions;
    let limit = wanted.limit.unwrap_or(USUAL);
    let records = decisions.latest(limit, wanted.call_id.as_deref());
    Json(json!({ "kept": decisions.most(), "records": shown(&records) }))
}

fn shown(records: &[Arc<DecisionEvent>]) -> Vec<&DecisionEvent> {
    records.iter().map(|record| &**record).collect()
}

/// GET /calls/{call_id}
pub(super) async fn call(
    State(api): State<Api>,
    Path(call_id): Path<String>,
) -> Result<Json<Value>, Problem> {
    let looking = &api.looking;
    let shard = looking.steer.of_call(call_id.as_bytes());
    let shard = looking.shards.get(shard..=shard).unwrap_or_default();
    let bytes: Box<[u8]> = call_id.as_bytes().into();
    let seen = ask(looking, shard, |answer| Look::Call(bytes.clone(), answer)).await;
    let underway: Vec<_> = seen.iter().flatten().map(transaction).collect();
    // Afterwards: what the shard had put out when it answered is kept by now.
    let records = looking.decisions.latest(usize::MAX, Some(&call_id));
    if records.is_empty() && underway.is_empty() {
        let detail = format!("nothing is known of a call {call_id:?}");
        return Err(Problem::of(StatusCode::NOT_FOUND, detail));
    }
    Ok(Json(json!({
        "call_id": call_id,
        "records": shown(&records),
        "underway": underway,
    })))
}

fn transaction(seen: &Underway) -> Value {
    let milliseconds = |age: Duration| u64::try_from(age.as_millis()).unwrap_or(u64::MAX);
    let branches = seen.branches.iter().map(|branch| {
        without_null(json!({
            "target": branch.target,
            "status": branch.status,
            "age_ms": milliseconds(branch.age),
        }))
    });
    without_null(json!({
        "method": seen.method,
        "request_uri": seen.request_uri,
        "source": seen.source,
        "id": seen.id.map(|id| id.to_string()),
        "phase": seen.phase,
        "age_ms": milliseconds(seen.age),
        "branches": branches.collect::<Vec<_>>(),
    }))
}

/// What is not known is not there.
fn without_null(mut document: Value) -> Value {
    if let Value::Object(fields) = &mut document {
        fields.retain(|_, value| !value.is_null());
    }
    document
}

/// How the deciders of one query subject have answered this node, over all shards.
#[derive(Serialize)]
struct Subject {
    subject: String,
    tenant: String,
    class: &'static str,
    /// The circuit breaker of the shard where it is worst.
    breaker: &'static str,
    limit: u64,
    open: u64,
    answered: u64,
    failed: u64,
    #[serde(skip_serializing_if = "String::is_empty")]
    last_failure: String,
}

/// GET /deciders
pub(super) async fn deciders(State(api): State<Api>) -> Json<Value> {
    let looking = &api.looking;
    let states = ask(looking, &looking.shards, Look::Deciders).await;
    let config = api.controls.config.load_full();
    let found = {
        // Nothing closes it.
        let _turn = looking.turn.acquire().await;
        let drawn = getrandom::u64().unwrap_or_default();
        services(&config, drawn).await
    };
    let (services, error) = match found {
        Ok(services) => (services, None),
        Err(error) => (Vec::new(), Some(error)),
    };
    let mut answer = json!({ "services": services, "subjects": together(states.iter().flatten()) });
    if let Some(error) = error {
        answer["error"] = error.into();
    }
    Json(answer)
}

fn together<'a>(states: impl Iterator<Item = &'a SubjectState>) -> Vec<Subject> {
    let rank = |breaker: &str| match breaker {
        "open" => 2,
        "half_open" => 1,
        _ => 0,
    };
    let mut all: BTreeMap<&str, Subject> = BTreeMap::new();
    for state in states {
        let sum = all.entry(&state.subject).or_insert_with(|| Subject {
            subject: state.subject.clone(),
            tenant: state.tenant.to_string(),
            class: state.class,
            breaker: BreakerState::Closed.label(),
            limit: 0,
            open: 0,
            answered: 0,
            failed: 0,
            last_failure: String::new(),
        });
        if rank(state.breaker.label()) > rank(sum.breaker) {
            sum.breaker = state.breaker.label();
        }
        sum.limit += u64::from(state.limit);
        sum.open += u64::from(state.open);
        sum.answered += state.answered;
        sum.failed += state.failed;
        if sum.last_failure.is_empty() {
            sum.last_failure.clone_from(&state.last_failure);
        }
    }
    all.into_values().collect()
}

/// What these shards say; one that says nothing in time is left out.
async fn ask<T>(
    looking: &Looking,
    shards: &[ShardHandle],
    look: impl Fn(oneshot::Sender<T>) -> Look,
) -> Vec<T> {
    // Nothing closes it.
    let _turn = looking.turn.acquire().await;
    let mut waiting = Vec::new();
    for shard in shards {
        let (answer, answered) = oneshot::channel();
        if shard.control.send(Control::Look(look(answer))).is_ok() {
            waiting.push(answered);
        }
    }
    let mut said = Vec::new();
    let until = tokio::time::Instant::now() + PATIENCE;
    for answered in waiting {
        let left = until.saturating_duration_since(tokio::time::Instant::now());
        if let Ok(Ok(answer)) = timeout(left, answered).await {
            said.push(answer);
        }
    }
    said
}
