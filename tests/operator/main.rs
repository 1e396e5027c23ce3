//! The whole operator: the real binary under its own service account and our RBAC, against a real kube-apiserver and etcd
//! and the Milvus simulator.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

mod admission;
mod canary;
#[path = "../lake/catalog.rs"]
#[allow(dead_code)]
mod catalog;
mod certificates;
mod connection;
mod cost;
mod crash;
mod fence;
#[path = "../lake/gateway.rs"]
#[allow(dead_code)]
mod gateway;
mod harness;
mod kubectl;
mod leader;
mod limits;
mod milvus_ref;
mod needles;
mod neighbours;
mod noise;
mod outage;
mod overrides;
#[path = "../lite/python.rs"]
mod python;
mod queue;
mod rbac;
mod refresh;
mod reruns;
mod rivals;
mod rotation;
mod schedule;
#[path = "../lake/server.rs"]
mod server;
mod shards;
mod sources;
mod tenancy;
mod ttl;
mod upgrade;
mod verify;
mod watch;
mod weather;
