//! /livez, /readyz and /metrics.

use axum::{
    Router,
    extract::State,
    http::{StatusCode, header},
    response::IntoResponse,
    routing::get,
};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::{controller::Process, metrics::CONTENT_TYPE};

/// Serves until `stop` is cancelled. The process is ready as long as it answers: readiness never depends on Milvus, nor
/// on which replica leads.
///
/// # Errors
/// When the listener fails.
pub async fn serve(listener: TcpListener, process: Process, stop: CancellationToken) -> std::io::Result<()> {
    let router = Router::new()
        .route("/livez", get(livez))
        .route("/readyz", get(|| async { "ok" }))
        .route("/metrics", get(metrics))
        .with_state(process);
    axum::serve(listener, router).with_graceful_shutdown(stop.cancelled_owned()).await
}

async fn livez(State(process): State<Process>) -> (StatusCode, String) {
    match process.health.check() {
        Ok(()) => (StatusCode::OK, "ok".to_owned()),
        Err(problem) => {
            tracing::error!(
                "{problem}; /livez says so, and whatever runs this process (the kubelet, in a pod) restarts it"
            );
            (StatusCode::SERVICE_UNAVAILABLE, problem)
        }
    }
}

async fn metrics(State(process): State<Process>) -> Result<impl IntoResponse, StatusCode> {
    let page = process.metrics.page(process.clock.now(), process.leadership.leads());
    page.map(|page| ([(header::CONTENT_TYPE, CONTENT_TYPE)], page)).map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::sync::Arc;

    use jiff::Timestamp;
    use tokio::time::{Duration, advance};

    use super::*;
    use crate::{clock::Clock, health::LONGEST_PASS, leader::Leadership};

    #[tokio::test(start_paused = true)]
    async fn livez_says_what_does_not_go_on_any_more() {
        let process = Process {
            metrics: Arc::default(),
            health: Arc::default(),
            leadership: Leadership::without_election(),
            clock: Clock { now: || Timestamp::UNIX_EPOCH, random: || 0.5 },
        };
        let _working = process.health.pass("refresh shop/orders".to_owned());
        assert_eq!(livez(State(process.clone())).await, (StatusCode::OK, "ok".to_owned()));
        advance(LONGEST_PASS + Duration::from_secs(1)).await;
        let (code, body) = livez(State(process)).await;
        assert_eq!(code, StatusCode::SERVICE_UNAVAILABLE);
        assert!(body.contains("refresh shop/orders"), "{body}");
    }
}
