//! The HTTP API, `/api/v1`: pushing routing data and looking at what the node does with it.
//!
//! `contracts/openapi.yaml` describes it; a test holds both together. [`ROUTES`] is the one list of what there is and
//! who may have it; the middleware in [`access`] looks a request up in it before a handler sees it.

mod access;
mod audit;
mod conditional;
mod decisions;
mod events;
mod explain;
mod gateways;
mod limits;
mod problem;
mod query;
mod rows;
mod status;
mod tables;
mod upload;

use std::sync::Arc;

use axum::Router;
use axum::middleware::{from_fn_with_state, map_response_with_state};
use axum::routing::{get, post};

pub use access::{Access, Caller};
pub use audit::{Audit, Record};
pub use decisions::Looking;
pub use limits::Controls;
pub use problem::Problem;
pub(crate) use problem::method_not_allowed;

use crate::admin::Health;
use crate::config::Scope;
use crate::gateways::GatewayBoard;
use crate::metrics::Metrics;
use crate::tables::Registry;

/// What the handlers work with.
#[derive(Clone)]
pub struct Api {
    /// The node's name.
    pub node: Arc<str>,
    /// Who may ask for what.
    pub access: Arc<Access>,
    /// Who changed what.
    pub audit: Arc<Audit>,
    /// Counts who was refused.
    pub metrics: Arc<Metrics>,
    /// Pushed tables.
    pub tables: Arc<Registry>,
    /// Readiness.
    pub health: Arc<Health>,
    /// What was decided, and what shards know.
    pub looking: Looking,
    /// Gateway sets.
    pub gateways: Arc<GatewayBoard>,
    /// Limits, bans, rules.
    pub controls: Controls,
    /// Asks for a reload of the configuration; the answer comes back by the sender.
    pub reload: Reload,
}

/// How to have the configuration read again: the answer says whether it took effect.
pub type Reload = tokio::sync::mpsc::Sender<tokio::sync::oneshot::Sender<Result<(), String>>>;

/// One operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Operation {
    /// HTTP method.
    pub method: &'static str,
    /// Path, with parameters in braces.
    pub path: &'static str,
    /// What a token must be good for.
    pub scope: Scope,
}

const fn operation(method: &'static str, path: &'static str, scope: Scope) -> Operation {
    Operation {
        method,
        path,
        scope,
    }
}

/// Every operation of the API.
pub const ROUTES: &[Operation] = &[
    operation("GET", "/api/v1/tables", Scope::Read),
    operation("GET", "/api/v1/tables/{table}", Scope::Read),
    operation("PUT", "/api/v1/tables/{table}", Scope::Tables),
    operation("PATCH", "/api/v1/tables/{table}", Scope::Tables),
    operation("DELETE", "/api/v1/tables/{table}", Scope::Tables),
    operation("GET", "/api/v1/tables/{table}/rows", Scope::Read),
    operation("GET", "/api/v1/tables/{table}/rows/{*key}", Scope::Read),
    operation("PUT", "/api/v1/tables/{table}/rows/{*key}", Scope::Tables),
    operation(
        "DELETE",
        "/api/v1/tables/{table}/rows/{*key}",
        Scope::Tables,
    ),
    operation("GET", "/api/v1/tables/{table}/lookup", Scope::Read),
    operation("GET", "/api/v1/tables/{table}/diff", Scope::Read),
    operation("GET", "/api/v1/tables/{table}/versions", Scope::Read),
    operation(
        "GET",
        "/api/v1/tables/{table}/versions/{version}",
        Scope::Read,
    ),
    operation(
        "POST",
        "/api/v1/tables/{table}/versions/{version}/activate",
        Scope::Tables,
    ),
    operation("POST", "/api/v1/releases", Scope::Tables),
    operation("GET", "/api/v1/nodes", Scope::Read),
    operation("GET", "/api/v1/status", Scope::Read),
    operation("POST", "/api/v1/reload", Scope::Admin),
    operation("GET", "/api/v1/events", Scope::Read),
    operation("GET", "/api/v1/audit", Scope::Read),
    operation("GET", "/api/v1/decisions", Scope::Read),
    operation("GET", "/api/v1/calls/{*call_id}", Scope::Read),
    operation("GET", "/api/v1/deciders", Scope::Read),
    operation("GET", "/api/v1/gateways", Scope::Read),
    operation("GET", "/api/v1/gateways/{set}", Scope::Read),
    operation("PUT", "/api/v1/gateways/{set}/{id}", Scope::Gateways),
    operation("GET", "/api/v1/limits", Scope::Read),
    operation("GET", "/api/v1/bans", Scope::Read),
    operation("POST", "/api/v1/bans", Scope::Limits),
    operation("DELETE", "/api/v1/bans/{*source}", Scope::Limits),
    operation("POST", "/api/v1/explain", Scope::Read),
    operation("POST", "/api/v1/simulate", Scope::Read),
    operation("GET", "/openapi.json", Scope::Read),
];

/// The API's routes, for the admin server.
pub fn router(api: Api) -> Router {
    let table = Router::new()
        .route(
            "/",
            get(tables::one)
                .put(tables::push)
                .patch(tables::patch)
                .delete(tables::remove),
        )
        .route("/rows", get(rows::list))
        .route(
            "/rows/{*key}",
            get(rows::one).put(rows::put).delete(rows::delete),
        )
        .route("/lookup", get(rows::lookup))
        .route("/diff", get(rows::diff))
        .route("/versions", get(tables::versions))
        .route("/versions/{version}", get(tables::version))
        .route("/versions/{version}/activate", post(tables::activate));
    let v1 = Router::new()
        .route("/tables", get(tables::list))
        .nest("/tables/{table}", table)
        .route("/releases", post(tables::release))
        .route("/nodes", get(status::nodes))
        .route("/status", get(status::status))
        .route("/reload", post(status::reload))
        .route("/events", get(events::events))
        .route("/audit", get(status::audit))
        .route("/decisions", get(decisions::latest))
        .route("/calls/{*call_id}", get(decisions::call))
        .route("/deciders", get(decisions::deciders));
    Router::new()
        .nest("/api/v1", v1)
        .merge(api.controls.clone().router())
        .merge(gateways::router(api.gateways.clone()))
        .route("/openapi.json", get(status::openapi))
        .route_layer(from_fn_with_state(api.clone(), access::guard))
        .fallback(problem::not_found)
        .method_not_allowed_fallback(problem::method_not_allowed)
        .layer(map_response_with_state(api.clone(), access::count))
        // A push is limited by what the configuration says, as it is read.
        .layer(axum::extract::DefaultBodyLimit::disable())
        .with_state(api)
}
