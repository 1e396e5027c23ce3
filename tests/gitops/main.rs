//! What GitOps engines make of objects: the real operator brings them into every state on a real API server, and the code of
//! Argo CD and of Flux judges them. The tables in `docs/gitops.md` are what comes of it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

mod album;
#[path = "../operator/certificates.rs"]
#[allow(dead_code)]
mod certificates;
mod customizations;
mod edits;
mod engines;
mod fakes;
#[path = "../lake/gateway.rs"]
#[allow(dead_code)]
mod gateway;
#[allow(dead_code, reason = "shared with the tests of the operator, which use more of it")]
#[path = "../operator/harness.rs"]
mod harness;
#[path = "../lite/python.rs"]
mod python;
mod recipes;
mod requests;
mod scenes;
#[path = "../lake/server.rs"]
#[allow(dead_code)]
mod server;
mod sources;
mod table;
mod waves;
