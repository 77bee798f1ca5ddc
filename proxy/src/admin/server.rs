//! HTTP/1.1 with limits: how many connections, how long a request head may take and how large it
//! may be, how long one request may take in all.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::Router;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

use super::gateways;
use super::health::Health;
use crate::gateways::GatewayBoard;
use crate::metrics::{CONTENT_TYPE, Metrics};

const MAX_CONNECTIONS: usize = 64;
const MAX_HEADERS: usize = 64;
const MAX_HEAD_BYTES: usize = 16 * 1024;
const MAX_BODY_BYTES: usize = 64 * 1024;
/// For a request head, from its first byte; also how long an idle connection is kept.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
/// However busy it keeps itself; whoever scrapes connects again.
const CONNECTION_LIFETIME: Duration = Duration::from_secs(300);

#[derive(Clone)]
struct Parts {
    health: Arc<Health>,
    metrics: Arc<Metrics>,
}

/// Serves until it is dropped.
pub(super) async fn serve(
    socket: TcpListener,
    health: Arc<Health>,
    metrics: Arc<Metrics>,
    board: Arc<GatewayBoard>,
) {
    let router = router(Parts { health, metrics }, board);
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
        let service = TowerToHyperService::new(router.clone());
        tokio::spawn(async move {
            let connection = hyper::server::conn::http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(HEAD_TIMEOUT)
                .max_headers(MAX_HEADERS)
                .max_buf_size(MAX_HEAD_BYTES)
                .serve_connection(TokioIo::new(stream), service);
            if let Ok(Err(error)) = tokio::time::timeout(CONNECTION_LIFETIME, connection).await {
                tracing::debug!(%error, "an admin connection failed");
            }
            drop(slot);
        });
    }
}

fn router(parts: Parts, board: Arc<GatewayBoard>) -> Router {
    Router::new()
        .route("/healthz", get(healthz))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .with_state(parts)
        .merge(gateways::router(board))
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
        Err(error) => {
            tracing::error!(%error, "the metrics cannot be written");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}
