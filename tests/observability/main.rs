//! What an operator of this operator sees: the metrics page and the dashboard through a real Prometheus, the alerts by
//! `promtool`, health, and the log lines of the real binary.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

mod alerts;
#[allow(dead_code, reason = "shared with the tests of the operator, which use more of it")]
#[path = "../operator/harness.rs"]
mod harness;
mod http;
mod logs;
mod metrics;
mod prometheus;
