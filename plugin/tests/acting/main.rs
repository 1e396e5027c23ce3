//! The commands that change something or wait, against a real API server with the real operator and a simulated Milvus.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

mod completion;
mod doctor;
#[allow(dead_code, reason = "shared with the tests of the operator, which use more of it")]
#[path = "../../../tests/operator/harness.rs"]
mod harness;
mod live;
mod manifests;
mod runs;
#[allow(dead_code, reason = "shared with the tests of the screens, which use more of it")]
#[path = "../plugin/terminal.rs"]
mod terminal;
mod world;
