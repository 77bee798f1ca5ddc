//! Takes connections in, so many at once, and says what is served on them.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::Router;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

use super::connection::Connection;
use super::health::Health;
use crate::api::{Problem, method_not_allowed};
use crate::metrics::{CONTENT_TYPE, Metrics};
use crate::tls::Certificates;

const MAX_CONNECTIONS: usize = 64;
const MAX_BODY_BYTES: usize = 64 * 1024;

#[derive(Clone)]
struct Parts {
    health: Arc<Health>,
    metrics: Arc<Metrics>,
}

/// Serves until it is dropped.
pub(super) async fn serve(
    socket: TcpListener,
    certificates: Option<Arc<Certificates>>,
    health: Arc<Health>,
    metrics: Arc<Metrics>,
    api: Router,
) {
    let counted = metrics.clone();
    let router = router(Parts { health, metrics }, api);
    let slots = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    loop {
        // Waiting for a slot before accepting leaves the rest in the kernel's queue.
        let Ok(slot) = Arc::clone(&slots).acquire_owned().await else {
            return;
        };
        let stream = match socket.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                // Out of descriptors, mostly: nothing is gained by trying again at once.
                tracing::warn!(%error, "the admin server cannot accept");
                tokio::time::sleep(Duration::from_millis(200)).await;
                continue;
            }
        };
        let connection = Connection {
            stream,
            router: router.clone(),
            slot,
        };
        match &certificates {
            None => drop(tokio::spawn(connection.serve())),
            Some(certificates) => {
                // The next one is not kept waiting for this one's handshake.
                let (server, counted) = (certificates.server(), counted.clone());
                tokio::spawn(connection.serve_tls(server, counted));
            }
        }
    }
}

fn router(parts: Parts, api: Router) -> Router {
    Router::new()
        .route("/healthz", get(healthz))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .with_state(parts)
        .merge(api)
        .method_not_allowed_fallback(method_not_allowed)
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
}

async fn healthz() -> &'static str {
    "ok\n"
}

async fn readyz(State(parts): State<Parts>) -> Response {
    let readiness = parts.health.readiness();
    let status = if readiness.is_ready() {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    (status, Json(readiness)).into_response()
}

async fn metrics(State(parts): State<Parts>) -> Response {
    match parts.metrics.render() {
        Ok(text) => ([(header::CONTENT_TYPE, CONTENT_TYPE)], text).into_response(),
        Err(error) => Problem::internal(format_args!("the metrics cannot be written: {error}"))
            .into_response(),
    }
}
