//! `/api/v1/gateways`: how gateway sets stand, and the switch of each gateway.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::{get, put};
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::{Value, json};

use super::Problem;
use super::query::Path;
use super::tables::document;
use crate::gateways::{GatewayBoard, GatewayReport, SetReport, SwitchError};

/// What `PUT` takes.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wish {
    state: Wanted,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Wanted {
    Active,
    Disabled,
}

/// The routes, to be merged with the others.
pub(super) fn router<S: Clone + Send + Sync + 'static>(board: Arc<GatewayBoard>) -> Router<S> {
    Router::new()
        .route("/api/v1/gateways", get(all))
        .route("/api/v1/gateways/{set}", get(one))
        .route("/api/v1/gateways/{set}/{id}", put(switch))
        .with_state(board)
}

async fn all(State(board): State<Arc<GatewayBoard>>) -> Json<Value> {
    Json(json!({ "sets": board.snapshot() }))
}

async fn one(
    State(board): State<Arc<GatewayBoard>>,
    Path(set): Path<String>,
) -> Result<Json<SetReport>, Problem> {
    let report = board.set(&set);
    report
        .map(Json)
        .ok_or_else(|| Problem::of(StatusCode::NOT_FOUND, SwitchError::NoSet.to_string()))
}

async fn switch(
    State(board): State<Arc<GatewayBoard>>,
    Path((set, id)): Path<(String, String)>,
    body: Body,
) -> Result<Json<GatewayReport>, Problem> {
    let Wish { state } = document(body).await.map_err(|problem| {
        problem.explained("the body is {\"state\": \"active\"} or {\"state\": \"disabled\"}")
    })?;
    let switched = board.set_state(&set, &id, matches!(state, Wanted::Active));
    switched.map(Json).map_err(|error| {
        let status = match error {
            SwitchError::NoSet | SwitchError::NoGateway => StatusCode::NOT_FOUND,
            SwitchError::DisabledByDefinition => StatusCode::CONFLICT,
        };
        Problem::of(status, error.to_string())
    })
}
