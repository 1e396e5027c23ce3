//! The requests to the API server, under the name of client-go.

use axum::http::{Method, StatusCode};
use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family},
    registry::Registry,
};

/// The requests to the API server. Repetitions within one request are not counted.
#[derive(Clone, Debug)]
pub struct Requests {
    total: Family<Request, Counter>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Request {
    code: String,
    method: String,
    host: String,
}

impl Requests {
    pub(super) fn new(registry: &mut Registry) -> Self {
        let total = Family::default();
        registry.register(
            "rest_client_requests",
            "Requests to the API server; code is <error> without an answer",
            total.clone(),
        );
        Self { total }
    }

    /// Counts a request to the API server at `host`, of which there is one, by the status code of its answer.
    pub fn count(&self, host: &str, method: &Method, code: Option<StatusCode>) {
        let code = code.map_or_else(|| "<error>".to_owned(), |code| code.as_str().to_owned());
        let request = Request { code, method: method.to_string(), host: host.to_owned() };
        self.total.get_or_create(&request).inc();
    }
}
