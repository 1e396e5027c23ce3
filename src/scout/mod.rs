//! Looks at sources, outside of Milvus, for the refreshes that watch them.
//!
//! * `port`: what a look is for, and what it finds; `blind`: the sentences for when it finds nothing.
//! * `sources`: where the refreshes of a connection may look; `site`: how many of them look at once.
//! * `aim`: from a plan to whom to ask; `flights`: one answer for all who want to know the same.
//! * `look`: one look, from its beginning to what it leaves.

mod aim;
mod blind;
mod flights;
mod look;
mod port;
mod site;
mod sources;
#[cfg(test)]
mod tests;

use std::{collections::HashMap, fmt, sync::Arc, time::Duration};

use async_trait::async_trait;
use parking_lot::Mutex;
use tokio::time::Instant;
use tokio_util::task::AbortOnDropHandle;

pub use port::{Blind, BlindReason, Plan, Sight, Sighting, What};
pub use sources::{NamedCatalog, Source, Sources};

use crate::{
    milvus::{self, Collection},
    object::Key,
};
use flights::Flights;
use site::Sites;

/// Looks at sources, for the passes of a process. Nobody waits in it, and what it does ends when it is dropped.
pub struct Scout {
    shared: Arc<Shared>,
}

/// Where a scout lives.
#[async_trait]
pub trait Surroundings: Send + Sync {
    /// Asks the Milvus of `connection` for a collection; `None` while the connection is not ready.
    async fn describe(&self, connection: &Key, database: &str, name: &str) -> Option<milvus::Result<Collection>>;

    /// The look for `refresh` has ended, or it has to ask for another. Must neither block nor panic.
    fn changed(&self, refresh: Key);

    /// A store or catalog was asked, for so long; or a look ended without asking any.
    fn checked(&self, result: Result<(), BlindReason>, took: Option<Duration>);
}

struct Shared {
    surroundings: Box<dyn Surroundings>,
    sites: Sites,
    flights: Arc<Flights>,
    looks: Mutex<HashMap<Key, Look>>,
}

/// What there is for a refresh.
struct Look {
    connection: Key,
    plan: Plan,
    /// When it was asked for.
    asked: Instant,
    under_way: Option<AbortOnDropHandle<()>>,
    last: Option<Sighting>,
    failures: u32,
}

impl Scout {
    /// A scout who knows no connection yet.
    pub fn new(surroundings: impl Surroundings + 'static) -> Self {
        let (sites, flights, looks) = (Sites::default(), Arc::default(), Mutex::default());
        Self { shared: Arc::new(Shared { surroundings: Box::new(surroundings), sites, flights, looks }) }
    }

    /// From now on the refreshes of `connection` may look there. Those whose last look has found nothing are told to ask for
    /// another.
    pub fn allow(&self, connection: &Key, sources: Arc<Sources>) {
        self.shared.sites.of(connection).allow(sources);
        let mut anew = Vec::new();
        for (refresh, look) in self.shared.looks.lock().iter_mut().filter(|(_, look)| look.connection == *connection) {
            if look.under_way.is_none() && look.last.as_ref().is_some_and(|last| last.found.is_err()) {
                (look.last, look.failures) = (None, 0);
                anew.push(refresh.clone());
            }
        }
        anew.into_iter().for_each(|refresh| self.shared.surroundings.changed(refresh));
    }

    /// The connection is gone: nobody looks through it any more, and who waited for a look is told to ask for another.
    pub fn gone(&self, connection: &Key) {
        self.shared.sites.remove(connection);
        let gone = self.shared.looks.lock().extract_if(|_, look| look.connection == *connection).collect::<Vec<_>>();
        for (refresh, _) in gone.into_iter().filter(|(_, look)| look.under_way.is_some()) {
            self.shared.surroundings.changed(refresh);
        }
    }

    /// Has a look begun for `refresh`, through its `connection` and by `plan`, unless one by that plan is under way. It tells
    /// what was so at `not_before` or later: refreshes of one connection that want to know the same share the answer to a
    /// question that was asked since then. Must be called within a tokio runtime.
    pub fn look(&self, refresh: &Key, connection: &Key, plan: Plan, not_before: Instant) {
        let mut looks = self.shared.looks.lock();
        let before = looks.get_mut(refresh).filter(|look| look.connection == *connection);
        if before.as_ref().is_some_and(|look| look.under_way.is_some() && look.plan == plan) {
            return;
        }
        let failures = before.as_ref().map_or(0, |look| look.failures);
        let last = before.filter(|look| look.plan == plan).and_then(|look| look.last.take());
        let looking = self.shared.clone().look(refresh.clone(), connection.clone(), plan.clone(), not_before);
        let under_way = Some(AbortOnDropHandle::new(tokio::spawn(looking)));
        let look = Look { connection: connection.clone(), plan, asked: Instant::now(), under_way, last, failures };
        looks.insert(refresh.clone(), look);
    }

    /// What the last look for `refresh` has found, if it was by this plan.
    pub fn sighting(&self, refresh: &Key, plan: &Plan) -> Option<Sighting> {
        let looks = self.shared.looks.lock();
        looks.get(refresh).filter(|look| look.plan == *plan)?.last.clone()
    }

    /// For how long `refresh` has waited for the look that is under way.
    pub fn under_way(&self, refresh: &Key) -> Option<Duration> {
        let looks = self.shared.looks.lock();
        looks.get(refresh).filter(|look| look.under_way.is_some()).map(|look| look.asked.elapsed())
    }

    /// `refresh` is gone or watches nothing any more.
    pub fn forget(&self, refresh: &Key) {
        self.shared.looks.lock().remove(refresh);
    }
}

impl Drop for Scout {
    fn drop(&mut self) {
        // Each look that is under way holds on to what is shared.
        self.shared.looks.lock().clear();
    }
}

impl fmt::Debug for Scout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scout").finish_non_exhaustive()
    }
}
