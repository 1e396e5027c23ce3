//! The looks at sources.

use std::time::Duration;

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, histogram::Histogram},
    registry::Registry,
};

use crate::scout::BlindReason;

/// In seconds. A listing of 100,000 objects is a hundred requests, and has two minutes.
const TIMES: [f64; 12] = [0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 180.0];

/// The looks at sources, by what came of them.
#[derive(Clone, Debug)]
pub struct Sources {
    checks: Family<Check, Counter>,
    times: Histogram,
    requests: Counter,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Check {
    result: &'static str,
}

impl Sources {
    pub(super) fn new(registry: &mut Registry) -> Self {
        let sources = Self { checks: Family::default(), times: Histogram::new(TIMES), requests: Counter::default() };
        for result in ["seen", "not_allowed", "too_large", "failed"] {
            drop(sources.checks.get_or_create_owned(&Check { result }));
        }
        registry.register(
            "milvus_refresh_source_checks",
            "Checks of watched sources, by result: seen, not_allowed, too_large or failed. Refreshes that share a listing share its check",
            sources.checks.clone(),
        );
        registry.register(
            "milvus_refresh_source_check_duration_seconds",
            "Duration of listings and of requests to catalogs, without the time they waited for their turn",
            sources.times.clone(),
        );
        registry.register(
            "milvus_refresh_source_check_requests",
            "Requests sent to object stores, catalogs and their token services, which clouds charge for",
            sources.requests.clone(),
        );
        sources
    }

    /// A look has ended; `took` is how long a store or catalog was asked, if one was.
    pub fn checked(&self, result: Result<(), BlindReason>, took: Option<Duration>) {
        let result = match result {
            Ok(()) => "seen",
            Err(BlindReason::NotAllowed) => "not_allowed",
            Err(BlindReason::ListingTooLarge) => "too_large",
            Err(BlindReason::CheckFailed) => "failed",
        };
        self.checks.get_or_create(&Check { result }).inc();
        if let Some(took) = took {
            self.times.observe(took.as_secs_f64());
        }
    }

    /// A request was sent.
    pub fn sent(&self) {
        self.requests.inc();
    }
}
