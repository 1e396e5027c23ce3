//! The adapters of object stores and of Iceberg catalogs on real servers, which are built or installed once, pinned, into the
//! user's cache.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

mod azure;
mod catalog;
#[path = "../operator/certificates.rs"]
#[allow(dead_code)]
mod certificates;
mod gateway;
mod google;
mod iceberg;
mod objects;
#[path = "../lite/python.rs"]
mod python;
mod server;
