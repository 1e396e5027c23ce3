//! The plugin as people use it: in real terminals of several widths and in pipes, against a real API server with the real operator
//! and a simulated Milvus.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

#[allow(dead_code, reason = "shared with the tests of the operator, which use more of it")]
#[path = "../../../tests/operator/harness.rs"]
mod harness;
mod live;
mod many;
mod overloaded;
mod played;
mod recording;
mod rights;
mod screens;
mod stage;
mod terminal;
mod versions;
mod watched;
