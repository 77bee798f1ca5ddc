//! The node itself: which revision it runs with, whether it is ready, who asked for what.

use std::collections::BTreeMap;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use sigbox_tables::replicated::{Applied, Role};
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::access::Grant;
use super::query::{self, Query};
use super::{Api, Caller, Problem, Record};
use crate::tables::{Unrouted, etag_of, now_ms};

/// One member and the revision it runs with.
#[derive(Serialize)]
pub(super) struct Member {
    name: String,
    role: Role,
    #[serde(flatten)]
    applied: Applied,
    /// Whether that is the newest.
    current: bool,
}

/// Who runs with what.
#[derive(Serialize)]
pub(super) struct Members {
    /// The newest revision that this node knows.
    revision: u64,
    /// Whether tables are shared at all.
    replicated: bool,
    /// How many other nodes on NATS have the name of this one.
    namesakes: usize,
    members: Vec<Member>,
}

pub(super) fn members(api: &Api) -> Members {
    let revision = api.tables.tables().manifest.revision;
    let member = |role, name: &str, applied: Applied| Member {
        name: name.to_owned(),
        role,
        current: applied.revision == revision,
        applied,
    };
    let own = Applied {
        revision,
        at_ms: now_ms(),
        error: api.tables.behind(),
    };
    let mut members = vec![member(Role::Node, &api.node, own)];
    if let Some(replica) = api.tables.replica() {
        let others = replica.members();
        for (key, applied) in others.borrow().iter() {
            match Role::of_key(key) {
                Some((Role::Node, name)) if *name == *api.node => {}
                Some((role, name)) => members.push(member(role, name, applied.clone())),
                None => {}
            }
        }
    }
    Members {
        revision,
        replicated: api.tables.replica().is_some(),
        namesakes: api.health.namesakes(),
        members,
    }
}

/// GET /nodes
pub(super) async fn nodes(State(api): State<Api>) -> Json<Members> {
    Json(members(&api))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct StatusQuery {
    min_version: Option<u64>,
    wait: Option<String>,
}

/// What a node runs with.
#[derive(Serialize)]
struct Status {
    node: String,
    version: &'static str,
    ready: bool,
    /// Of all tables.
    revision: u64,
    /// Entity tags by table.
    tables: BTreeMap<String, Option<String>>,
    /// Tables that rules look calls up in and that route none.
    unrouted: Vec<Unrouted>,
}

/// GET /status
pub(super) async fn status(
    State(api): State<Api>,
    Query(query): Query<StatusQuery>,
    grant: Grant,
) -> Result<Response, Problem> {
    let wait = query::wait(query.wait.as_deref())?.unwrap_or(Duration::ZERO);
    if let Some(wanted) = query.min_version {
        let mut revisions = api.tables.revisions();
        let wanted_revision = revisions.wait_for(|revision| *revision >= wanted);
        let reached = tokio::select! {
            reached = timeout(wait, wanted_revision) => matches!(reached, Ok(Ok(_))),
            problem = grant.revoked() => return Err(problem),
        };
        if !reached {
            let now = api.tables.tables().manifest.revision;
            let title = "Not yet";
            let detail = format!("the node runs with revision {now}, not {wanted}");
            return Err(Problem::new(StatusCode::CONFLICT, "not-yet", title, detail));
        }
    }
    let tables = api.tables.tables();
    let tags = tables.manifest.tables.iter();
    let status = Status {
        node: api.node.to_string(),
        version: env!("CARGO_PKG_VERSION"),
        ready: api.health.readiness().is_ready(),
        revision: tables.manifest.revision,
        tables: tags
            .map(|(name, entry)| (name.clone(), etag_of(entry)))
            .collect(),
        unrouted: tables.unrouted(),
    };
    Ok(Json(status).into_response())
}

/// POST /reload
pub(super) async fn reload(State(api): State<Api>, caller: Caller) -> Result<Response, Problem> {
    let (answer, answered) = oneshot::channel();
    let sent = api.reload.try_send(answer);
    sent.map_err(|_| Problem::internal("nobody takes reloads"))?;
    let result = answered.await.map_err(Problem::internal)?;
    match result {
        Ok(()) => {
            api.audit.add(Record::done(&caller.0, "reload", "reloaded"));
            Ok(Json(serde_json::json!({ "reloaded": true })).into_response())
        }
        Err(faults) => {
            let title = "The configuration is wrong; the last good one stays";
            let status = StatusCode::UNPROCESSABLE_ENTITY;
            Err(Problem::new(status, "invalid-configuration", title, faults))
        }
    }
}

/// GET /audit
pub(super) async fn audit(State(api): State<Api>) -> Json<serde_json::Value> {
    Json(serde_json::json!({ "records": api.audit.latest() }))
}

/// GET /openapi.json
pub(super) async fn openapi() -> Response {
    let kind = [(axum::http::header::CONTENT_TYPE, "application/json")];
    (kind, include_str!("../../../contracts/openapi.json")).into_response()
}
