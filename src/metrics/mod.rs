//! What is counted, in the text format that Prometheus scrapes. Names that a controller-runtime dashboard knows are used
//! where they mean the same. Labels are closed sets, except where [`Options::per_object`] asks for more.
//!
//! * `passes`, `workqueue`, `requests`: the controllers and their API server.
//! * `refreshes`: the runs, from what is durable of them.
//! * `connections`, `calls`: Milvus; `sources`: what the source watch looks at.
//! * `page`: how it is written down; `reference`: the same for people, without numbers.

mod calls;
mod connections;
mod own;
mod page;
mod passes;
mod reference;
mod refreshes;
mod requests;
mod sources;
mod workqueue;

use std::fmt;

use jiff::Timestamp;
use parking_lot::Mutex;
use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, gauge::Gauge},
    registry::Registry,
};

use crate::object::{CONNECTION, Key, REFRESH};

pub use calls::Calls;
pub use connections::Connections;
pub use page::CONTENT_TYPE;
pub use passes::{Outcome, Pass, Passes};
pub use reference::table as reference;
pub use refreshes::Refreshes;
pub use requests::Requests;
pub use sources::Sources;
pub use workqueue::WorkQueue;

/// The controllers, which are there from the start.
const CONTROLLERS: [&str; 2] = [REFRESH, CONNECTION];

/// The most objects of a kind that have series of their own.
const MOST_OBJECTS: usize = 5000;

/// What is counted besides the rest.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Whether objects have series of their own, for up to 5000 objects of a kind, by namespace and name.
    pub per_object: bool,
    /// The name of the lease.
    pub lease: String,
}

/// The operator's metrics.
#[derive(Debug)]
pub struct Metrics {
    /// The passes of the controllers.
    pub passes: Passes,
    /// What waits for a pass.
    pub workqueue: WorkQueue,
    /// The calls to the API server.
    pub requests: Requests,
    /// The refreshes and their runs.
    pub refreshes: Refreshes,
    /// The connections.
    pub connections: Connections,
    /// The calls to Milvus.
    pub calls: Calls,
    /// The looks at sources.
    pub sources: Sources,
    /// The refreshes that could not be written since this process took over.
    pub unwritten: Gauge,
    undecodable: Family<Controller, Counter>,
    leads: Gauge,
    /// One page at a time: gauges are set right before they are written down.
    registry: Mutex<Registry>,
}

/// Names a controller.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Controller {
    controller: &'static str,
}

/// Names an object.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, EncodeLabelSet)]
struct Object {
    namespace: String,
    name: String,
}

impl Object {
    fn of(key: &Key) -> Self {
        Self { namespace: key.namespace.clone(), name: key.name.clone() }
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new(Options::default())
    }
}

impl Metrics {
    /// All metrics, at zero.
    pub fn new(options: Options) -> Self {
        let mut registry = Registry::default();
        let undecodable = Family::default();
        for controller in CONTROLLERS {
            drop(undecodable.get_or_create_owned(&Controller { controller }));
        }
        registry.register(
            "milvus_refresh_undecodable_objects",
            "Reconciles of objects that this version cannot read and ignores",
            undecodable.clone(),
        );
        let unwritten = Gauge::default();
        registry.register(
            "milvus_refresh_unwritten_objects",
            "Refreshes that were due when this process became the leader and whose status it has not been able to write since",
            unwritten.clone(),
        );
        let leads = Family::<_, Gauge>::default();
        registry.register(
            "leader_election_master_status",
            "Whether this process is the leader: 1 also without leader election",
            leads.clone(),
        );
        let build = Family::<_, Gauge>::default();
        registry.register("milvus_refresh_build_info", "The running version; always 1", build.clone());
        build.get_or_create_owned(&Build::default()).set(1);
        Self {
            passes: Passes::new(&mut registry),
            workqueue: WorkQueue::new(&mut registry),
            requests: Requests::new(&mut registry),
            refreshes: Refreshes::new(&mut registry, options.per_object),
            connections: Connections::new(&mut registry, options.per_object),
            calls: Calls::new(&mut registry),
            sources: Sources::new(&mut registry),
            unwritten,
            undecodable,
            leads: leads.get_or_create_owned(&Lease { name: options.lease }),
            registry: Mutex::new(registry),
        }
    }

    /// Counts a pass over an object that cannot be decoded.
    pub fn undecodable(&self, controller: &'static str) {
        self.undecodable.get_or_create(&Controller { controller }).inc();
    }

    /// The metrics page at `now`, by a process that leads or does not.
    ///
    /// # Errors
    /// Only when a metric cannot be formatted.
    pub fn page(&self, now: Timestamp, leads: bool) -> Result<String, fmt::Error> {
        let registry = self.registry.lock();
        self.leads.set(leads.into());
        self.refreshes.sample(now);
        self.connections.sample();
        page::text(&registry)
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Lease {
    name: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Build {
    version: &'static str,
    os: &'static str,
    arch: &'static str,
}

impl Default for Build {
    fn default() -> Self {
        Self { version: env!("CARGO_PKG_VERSION"), os: std::env::consts::OS, arch: std::env::consts::ARCH }
    }
}

#[cfg(test)]
mod tests;
