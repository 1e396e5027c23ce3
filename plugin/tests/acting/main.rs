//! The commands that change something or wait, against a real API server with the real operator and a simulated Milvus.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

mod completion;
mod doctor;
mod manifests;
mod runs;
mod world;
