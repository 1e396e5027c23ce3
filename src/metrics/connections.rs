//! The connections, by how they are.

use std::collections::{BTreeMap, HashMap};

use parking_lot::Mutex;
use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{family::Family, gauge::Gauge},
    registry::Registry,
};

use super::{MOST_OBJECTS, Object};
use crate::{api::ConnectionReason, object::Key};

/// The connections, by how they are.
#[derive(Debug)]
pub struct Connections {
    inner: Mutex<Inner>,
    by_reason: Family<Reason, Gauge>,
    /// `None` where objects have no series of their own.
    ready: Option<Family<Object, Gauge>>,
}

#[derive(Debug, Default)]
struct Inner {
    known: HashMap<Key, ConnectionReason>,
    /// How many have each reason; one that was there once stays, at zero.
    counts: BTreeMap<ConnectionReason, i64>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Reason {
    reason: &'static str,
}

impl Connections {
    pub(super) fn new(registry: &mut Registry, per_object: bool) -> Self {
        let by_reason = Family::default();
        registry.register("milvus_refresh_connections", "Connections by the reason of Ready", by_reason.clone());
        let ready = per_object.then(Family::default);
        if let Some(ready) = &ready {
            registry.register(
                "milvus_refresh_connection_ready",
                "1 when the connection is ready. With --per-object-metrics only",
                ready.clone(),
            );
        }
        let inner = Inner { known: HashMap::new(), counts: BTreeMap::from([(ConnectionReason::Connected, 0)]) };
        Self { inner: Mutex::new(inner), by_reason, ready }
    }

    /// How the connection is.
    pub fn set(&self, connection: &Key, reason: ConnectionReason) {
        self.inner.lock().known.insert(connection.clone(), reason);
    }

    /// The connection is gone.
    pub fn remove(&self, connection: &Key) {
        self.inner.lock().known.remove(connection);
    }

    pub(super) fn sample(&self) {
        let mut inner = self.inner.lock();
        let Inner { known, counts } = &mut *inner;
        counts.values_mut().for_each(|count| *count = 0);
        for reason in known.values() {
            *counts.entry(*reason).or_default() += 1;
        }
        for (reason, count) in counts {
            self.by_reason.get_or_create(&Reason { reason: reason.as_str() }).set(*count);
        }
        if let Some(ready) = &self.ready {
            let first = known.iter().collect::<BTreeMap<_, _>>().into_iter().take(MOST_OBJECTS);
            ready.clear();
            for (key, reason) in first {
                ready.get_or_create(&Object::of(key)).set((*reason == ConnectionReason::Connected).into());
            }
        }
    }
}
