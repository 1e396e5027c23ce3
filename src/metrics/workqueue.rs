//! What waits for a pass, under the names of client-go. The queue itself belongs to the controller library, which does
//! not show it: counted is what has been handed to it and not been taken up since. Passes that are due by time only are
//! not in it.

use std::{collections::HashMap, sync::Arc};

use parking_lot::Mutex;
use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
    registry::Registry,
};
use tokio::time::Instant;

use super::CONTROLLERS;
use crate::object::Key;

/// In seconds.
const WAITS: [f64; 10] = [0.001, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0, 60.0, 300.0];

/// What waits for a pass. Holds no more than there are objects.
#[derive(Clone, Debug)]
pub struct WorkQueue {
    waiting: Arc<Mutex<HashMap<(&'static str, Key), Instant>>>,
    depth: Family<Name, Gauge>,
    adds: Family<Name, Counter>,
    waits: Family<Name, Histogram, fn() -> Histogram>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Name {
    name: &'static str,
}

impl WorkQueue {
    pub(super) fn new(registry: &mut Registry) -> Self {
        let queue = Self {
            waiting: Arc::default(),
            depth: Family::default(),
            adds: Family::default(),
            waits: Family::new_with_constructor(|| Histogram::new(WAITS)),
        };
        for name in CONTROLLERS {
            drop(queue.depth.get_or_create_owned(&Name { name }));
            drop(queue.adds.get_or_create_owned(&Name { name }));
            drop(queue.waits.get_or_create_owned(&Name { name }));
        }
        registry.register(
            "workqueue_depth",
            "Objects that wait for a reconcile, without those that are requeued for later",
            queue.depth.clone(),
        );
        registry.register("workqueue_adds", "Objects added to the queue", queue.adds.clone());
        registry.register(
            "workqueue_queue_duration_seconds",
            "How long objects waited in the queue",
            queue.waits.clone(),
        );
        queue
    }

    /// The object is to have a pass; one that waits already is not counted again.
    pub fn add(&self, controller: &'static str, key: Key) {
        let mut waiting = self.waiting.lock();
        waiting.entry((controller, key)).or_insert_with(|| {
            let name = Name { name: controller };
            self.depth.get_or_create(&name).inc();
            self.adds.get_or_create(&name).inc();
            Instant::now()
        });
    }

    /// The object's pass begins, or it is gone.
    pub fn taken(&self, controller: &'static str, key: Key) {
        let since = self.waiting.lock().remove(&(controller, key));
        if let Some(since) = since {
            let name = Name { name: controller };
            self.depth.get_or_create(&name).dec();
            self.waits.get_or_create(&name).observe(since.elapsed().as_secs_f64());
        }
    }
}
