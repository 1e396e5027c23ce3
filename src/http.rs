//! /livez, /readyz and /metrics.

use std::sync::Arc;

use axum::{Router, extract::State, http::StatusCode, routing::get};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::metrics::Metrics;

/// Serves until `stop` is cancelled. The process is live and ready as long as it answers: readiness never depends on
/// Milvus, nor on which replica leads.
///
/// # Errors
/// When the listener fails.
pub async fn serve(listener: TcpListener, metrics: Arc<Metrics>, stop: CancellationToken) -> std::io::Result<()> {
    let router = Router::new()
        .route("/livez", get(|| async { "ok" }))
        .route("/readyz", get(|| async { "ok" }))
        .route("/metrics", get(page))
        .with_state(metrics);
    axum::serve(listener, router).with_graceful_shutdown(stop.cancelled_owned()).await
}

async fn page(State(metrics): State<Arc<Metrics>>) -> Result<String, StatusCode> {
    metrics.page().map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)
}
