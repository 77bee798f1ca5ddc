//! `/api/v1/gateways`: how gateway sets stand, and the switch of each gateway.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, put};
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::json;

use super::Problem;
use super::query::Path;
use crate::gateways::{GatewayBoard, SwitchError};

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

async fn all(State(board): State<Arc<GatewayBoard>>) -> Response {
    Json(json!({ "sets": board.snapshot() })).into_response()
}

async fn one(State(board): State<Arc<GatewayBoard>>, Path(set): Path<String>) -> Response {
    match board.set(&set) {
        Some(report) => Json(report).into_response(),
        None => Problem::of(StatusCode::NOT_FOUND, SwitchError::NoSet.to_string()).into_response(),
    }
}

async fn switch(
    State(board): State<Arc<GatewayBoard>>,
    Path((set, id)): Path<(String, String)>,
    body: Bytes,
) -> Response {
    let wish: Wish = match serde_json::from_slice(&body) {
        Ok(wish) => wish,
        Err(error) => {
            let detail = format!(
                "the body is {{\"state\": \"active\"}} or {{\"state\": \"disabled\"}}: {error}"
            );
            return Problem::of(StatusCode::BAD_REQUEST, detail).into_response();
        }
    };
    match board.set_state(&set, &id, matches!(wish.state, Wanted::Active)) {
        Ok(report) => Json(report).into_response(),
        Err(error) => {
            let status = match error {
                SwitchError::NoSet | SwitchError::NoGateway => StatusCode::NOT_FOUND,
                SwitchError::DisabledByDefinition => StatusCode::CONFLICT,
            };
            Problem::of(status, error.to_string()).into_response()
        }
    }
}
