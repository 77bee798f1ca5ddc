//! `/api/v1/explain` and `/api/v1/simulate`.

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::StatusCode;
use sigbox_core::{FallbackCause, Plan};

use super::Problem;
use super::limits::Controls;
use super::tables::document;
use crate::config::Config;
use crate::explain::{
    DeciderSaid, Explanation, Simulated, SimulatedRequest, explain_parsed, fallback,
};

/// What limits and rules would do with a request.
pub(super) async fn explain(
    State(controls): State<Controls>,
    body: Body,
) -> Result<Json<Explanation>, Problem> {
    let request: SimulatedRequest = document(body).await?;
    let config = controls.config.load_full();
    let simulated = parsed(&config, &request)?;
    let now = controls.clock.now();
    let explanation = explain_parsed(&simulated, &config.settings, &controls.bans, now);
    Ok(Json(explanation))
}

fn parsed(config: &Config, request: &SimulatedRequest) -> Result<Simulated, Problem> {
    // The clock may have been set since the start.
    let unix_ms = crate::bus::unix_ms() as u64;
    request
        .parse(&config.settings, unix_ms)
        .map_err(|error| Problem::of(StatusCode::UNPROCESSABLE_ENTITY, error.to_string()))
}

/// The same, and the answer of a decider if a rule asks one.
pub(super) async fn simulate(
    State(controls): State<Controls>,
    body: Body,
) -> Result<Json<Explanation>, Problem> {
    let request: SimulatedRequest = document(body).await?;
    let config = controls.config.load_full();
    let simulated = parsed(&config, &request)?;
    let now = controls.clock.now();
    let mut explanation = explain_parsed(&simulated, &config.settings, &controls.bans, now);
    if explanation.verdict.action != "ask" {
        return Ok(Json(explanation));
    }
    let answer = crate::explain::ask(&simulated, &config, now).await;
    let undecided = match &answer.plan {
        Err((cause, _)) => Some(*cause),
        Ok(Plan::Pass) => Some(FallbackCause::Pass),
        Ok(_) => None,
    };
    explanation.fallback =
        undecided.map(|cause| fallback(&simulated, &config.settings, now, cause));
    explanation.decider = Some(DeciderSaid::of(answer));
    Ok(Json(explanation))
}
