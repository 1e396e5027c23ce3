//! The election: its rules as tables; its loop in simulated time against an API server that loses, delays and refuses.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod api;
mod campaign;
mod random;
mod replica;
mod rules;
