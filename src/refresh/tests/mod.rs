//! Tests of the core. Every scene is played over the written status: after each step the record is read back from JSON, so
//! that each test is a restart test as well.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod claiming;
mod clock;
mod connection;
mod deadlines;
mod edits;
mod failure;
mod finding;
mod garbage;
mod generations;
mod held;
mod later;
mod letting_go;
mod outcome;
mod proof;
mod properties;
mod refusals;
mod rest;
mod retries;
mod scene;
mod schedule;
mod simulation;
mod source;
mod spec;
mod status;
mod strategy;
mod tracking;
mod turn;
mod upgrade;
mod verify;
mod watch;
