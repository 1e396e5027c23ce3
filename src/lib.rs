//! A Kubernetes operator that refreshes Milvus external collections.
//!
//! One process, one direction:
//!
//! ```text
//!  API server                                              Milvus
//!      |  watch                                               ^
//!      v                                                      |
//!  cluster::watch --> controller::refresh -- effect --> milvus (port, gRPC, poller)
//!                           |    ^    ^                       |
//!                           v    |    +----- observation -----+
//!  cluster::status <-- refresh::decide <-- turns
//!   (one PUT of         (pure: no clock,    (whose turn it is)
//!    the whole status)   no I/O)
//! ```
//!
//! * [`api`]: the custom resources, data and documentation only.
//! * [`refresh`]: the core. From what is wanted, what is recorded and what was seen it decides what to record and do
//!   next; it knows no client, no clock and no randomness.
//! * [`milvus`]: the port to Milvus, its gRPC adapter and the coalesced poller.
//! * [`stores`]: the port to object stores and the adapter that lists them.
//! * [`catalogs`]: the port to Iceberg catalogs and the adapter that speaks their REST API.
//! * `web`: requests to servers that connections name.
//! * [`scout`]: looks at sources, in stores and catalogs, for the refreshes that watch them.
//! * [`turns`]: who goes now, among tenants, at a collection, at a connection and after a takeover.
//! * [`cluster`]: all that speaks to the API server: client, watches, status, Events.
//! * [`controller`]: one reconciler a kind, which observes, acts and writes status, and what runs them.
//! * [`leader`]: leader election, so that one of several replicas works.
//! * [`object`], [`clock`], [`backoff`], [`requeue`]: names of objects, time and randomness, pauses that double, and how a
//!   reconcile is asked for.
//! * `complete`: enums that know all their variants.
//! * [`cli`]: flags and environment, with all defaults.
//! * [`health`]: whether this process is alive.
//! * [`http`]: liveness, readiness and the metrics page.
//! * [`metrics`]: what is counted.
//! * [`telemetry`]: how log lines look and which there are.
//! * [`shutdown`]: an orderly end on SIGTERM and Ctrl-C.

// What only tests use is reachable for them alone.
#![cfg_attr(not(test), warn(unreachable_pub))]

pub mod api;
pub mod backoff;
pub mod catalogs;
pub mod cli;
pub mod clock;
pub mod cluster;
mod complete;
pub mod controller;
pub mod health;
pub mod http;
pub mod leader;
pub mod metrics;
pub mod milvus;
pub mod object;
pub mod refresh;
pub mod requeue;
pub mod scout;
pub mod shutdown;
pub mod stores;
pub mod telemetry;
pub mod turns;
mod web;
