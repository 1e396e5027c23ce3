//! A Kubernetes operator that refreshes Milvus external collections.
//!
//! One process, one direction:
//!
//! ```text
//!  API server                                              Milvus
//!      |  watch                                               ^
//!      v                                                      |
//!  controller::stream -> controller::refresh -- effect --> milvus (port, gRPC, poller)
//!      ^                    |        ^                        |
//!      |                    v        +------- observation ----+
//!  controller::status   refresh::decide
//!      (one PUT of          (pure: no clock, no I/O)
//!       the whole status)
//! ```
//!
//! * [`api`]: the custom resources, data and documentation only.
//! * [`refresh`]: the core. From what is wanted, what is recorded and what was seen it decides what to record and do
//!   next; it knows no client, no clock and no randomness.
//! * [`milvus`]: the port to Milvus, its gRPC adapter and the coalesced poller.
//! * [`controller`]: the shell that watches, observes, acts and writes status.
//! * [`leader`]: leader election, so that one of several replicas works.
//! * [`object`], [`clock`]: names of objects, time and randomness.
//! * [`cli`]: flags and environment, with all defaults.
//! * [`health`]: whether this process is alive.
//! * [`http`]: liveness, readiness and the metrics page.
//! * [`metrics`]: what is counted.
//! * [`client`]: a Kubernetes client that can be listened to, for the two before.
//! * [`telemetry`]: how log lines look and which there are.
//! * [`shutdown`]: an orderly end on SIGTERM and Ctrl-C.
//! * `simulator` (feature of that name): an in-process Milvus for the demo and the tests.

pub mod api;
pub mod cli;
pub mod client;
pub mod clock;
pub mod controller;
pub mod health;
pub mod http;
pub mod leader;
pub mod metrics;
pub mod milvus;
pub mod object;
pub mod refresh;
pub mod shutdown;
#[cfg(feature = "simulator")]
pub mod simulator;
pub mod telemetry;
