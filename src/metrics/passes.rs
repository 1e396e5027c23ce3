//! The passes of the controllers, under the names of controller-runtime.

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
    registry::Registry,
};
use tokio::time::Instant;

use super::{CONTROLLERS, Controller};

/// In seconds. A pass is a few calls to the API server and to Milvus, each with a deadline of its own.
const TIMES: [f64; 15] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0];

/// How a pass has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Nothing is left to do until something changes.
    Success,
    /// There is another one at a known time.
    RequeueAfter,
    /// It is tried again.
    Error,
    /// The same, by a fault of this program.
    Panic,
}

/// The passes of all controllers.
#[derive(Clone, Debug)]
pub struct Passes {
    total: Family<Result, Counter>,
    errors: Family<Controller, Counter>,
    panics: Family<Controller, Counter>,
    times: Family<Controller, Histogram, fn() -> Histogram>,
    active: Family<Controller, Gauge>,
    most: Family<Controller, Gauge>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Result {
    controller: &'static str,
    result: &'static str,
}

/// A pass under way; it counts as active until this is dropped.
#[derive(Debug)]
pub struct Pass {
    passes: Passes,
    controller: &'static str,
    began: Instant,
}

impl Passes {
    pub(super) fn new(registry: &mut Registry) -> Self {
        let passes = Self {
            total: Family::default(),
            errors: Family::default(),
            panics: Family::default(),
            times: Family::new_with_constructor(|| Histogram::new(TIMES)),
            active: Family::default(),
            most: Family::default(),
        };
        for controller in CONTROLLERS {
            for result in ["success", "requeue_after", "error"] {
                drop(passes.total.get_or_create_owned(&Result { controller, result }));
            }
            let controller = Controller { controller };
            drop(passes.errors.get_or_create_owned(&controller));
            drop(passes.panics.get_or_create_owned(&controller));
            drop(passes.times.get_or_create_owned(&controller));
            drop(passes.active.get_or_create_owned(&controller));
            drop(passes.most.get_or_create_owned(&controller));
        }
        registry.register(
            "controller_runtime_reconcile",
            "Reconciles by result: success, requeue_after or error",
            passes.total.clone(),
        );
        registry.register("controller_runtime_reconcile_errors", "Reconciles that failed", passes.errors.clone());
        registry.register("controller_runtime_reconcile_panics", "Reconciles that panicked", passes.panics.clone());
        registry.register("controller_runtime_reconcile_time_seconds", "Duration of reconciles", passes.times.clone());
        registry.register("controller_runtime_active_workers", "Reconciles under way", passes.active.clone());
        registry.register(
            "controller_runtime_max_concurrent_reconciles",
            "Limit of reconciles at the same time (--workers)",
            passes.most.clone(),
        );
        passes
    }

    /// `controller` has this many workers more.
    pub fn workers(&self, controller: &'static str, workers: u16) {
        self.most.get_or_create(&Controller { controller }).inc_by(workers.into());
    }

    /// A pass begins.
    pub fn begin(&self, controller: &'static str) -> Pass {
        self.active.get_or_create(&Controller { controller }).inc();
        Pass { passes: self.clone(), controller, began: Instant::now() }
    }
}

impl Pass {
    /// The pass has come to its end.
    pub fn ended(self, outcome: Outcome) {
        let controller = self.controller;
        let result = match outcome {
            Outcome::Success => "success",
            Outcome::RequeueAfter => "requeue_after",
            Outcome::Error | Outcome::Panic => "error",
        };
        self.passes.total.get_or_create(&Result { controller, result }).inc();
        let controller = Controller { controller };
        if result == "error" {
            self.passes.errors.get_or_create(&controller).inc();
        }
        if outcome == Outcome::Panic {
            self.passes.panics.get_or_create(&controller).inc();
        }
        self.passes.times.get_or_create(&controller).observe(self.began.elapsed().as_secs_f64());
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        self.passes.active.get_or_create(&Controller { controller: self.controller }).dec();
    }
}
