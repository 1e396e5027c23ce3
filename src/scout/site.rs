//! Where the refreshes of a connection may look, and how many of them look at once.
//!
//! A look takes a turn of its connection, then one of its namespace, then one of all. So a connection with thousands of looks
//! waits with a few of them for the others' turns, which come in the order in which they were waited for, and no namespace ever
//! has more than half of all. A look that takes long gives the turn of all back and keeps the other two: stores that hang hold up
//! their own namespaces alone.

use std::{collections::HashMap, pin::pin, sync::Arc, time::Duration};

use parking_lot::Mutex;
use tokio::{
    sync::{Semaphore, watch},
    time::timeout,
};

use super::sources::Sources;
use crate::object::Key;

/// Looks at once.
const ALL: usize = 16;
/// Of one namespace.
const EACH_NAMESPACE: usize = 8;
/// Through one connection.
const EACH_CONNECTION: usize = 4;
/// So long a look has one of the turns of all. What takes longer mostly waits for whoever was asked.
const SLOW: Duration = Duration::from_secs(10);

/// The connections that somebody looks through, or may.
pub(super) struct Sites {
    known: Mutex<HashMap<Key, Arc<Site>>>,
    all: Arc<Semaphore>,
}

/// One of them.
pub(super) struct Site {
    sources: watch::Sender<Option<Arc<Sources>>>,
    connection: Semaphore,
    namespace: Arc<Semaphore>,
    all: Arc<Semaphore>,
}

impl Default for Sites {
    fn default() -> Self {
        Self { known: Mutex::default(), all: Arc::new(Semaphore::new(ALL)) }
    }
}

impl Sites {
    /// That of `connection`, which need not exist.
    pub(super) fn of(&self, connection: &Key) -> Arc<Site> {
        let mut known = self.known.lock();
        if let Some(site) = known.get(connection) {
            return site.clone();
        }
        known.retain(|_, site| site.known().is_some() || Arc::strong_count(site) > 1);
        let neighbour = known.iter().find(|(other, _)| other.namespace == connection.namespace);
        let namespace =
            neighbour.map_or_else(|| Arc::new(Semaphore::new(EACH_NAMESPACE)), |(_, site)| site.namespace.clone());
        let (sources, turns) = (watch::Sender::default(), Semaphore::new(EACH_CONNECTION));
        let site = Arc::new(Site { sources, connection: turns, namespace, all: self.all.clone() });
        known.insert(connection.clone(), site.clone());
        site
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.known.lock().len()
    }

    /// The connection is gone.
    pub(super) fn remove(&self, connection: &Key) {
        self.known.lock().remove(connection);
    }
}

impl Site {
    pub(super) fn allow(&self, sources: Arc<Sources>) {
        self.sources.send_replace(Some(sources));
    }

    /// Where its refreshes may look, if that is known.
    pub(super) fn known(&self) -> Option<Arc<Sources>> {
        self.sources.borrow().clone()
    }

    /// The same, once it is known.
    pub(super) async fn sources(&self) -> Arc<Sources> {
        let mut sources = self.sources.subscribe();
        loop {
            if let Some(sources) = sources.borrow_and_update().clone() {
                return sources;
            }
            // The sender is our own.
            let _ = sources.changed().await;
        }
    }

    /// Waits for a turn and works in it.
    pub(super) async fn in_turn<T>(&self, work: impl Future<Output = T>) -> T {
        // One after the other: who waits for a later one keeps the earlier ones. None is ever closed.
        let _connection = self.connection.acquire().await;
        let _namespace = self.namespace.acquire().await;
        let all = self.all.acquire().await;
        let mut work = pin!(work);
        if let Ok(done) = timeout(SLOW, &mut work).await {
            return done;
        }
        drop(all);
        work.await
    }
}
