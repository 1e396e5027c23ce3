//! Looks at what the collections of one server serve, a few at a time, and wakes whoever asked. Nobody waits in it.

mod look;
#[cfg(test)]
mod tests;

use std::{collections::HashMap, fmt, hash::Hash, sync::Arc, time::Duration};

use parking_lot::Mutex;
use tokio::{
    sync::Semaphore,
    time::{Instant, sleep_until},
};
use tokio_util::sync::{CancellationToken, DropGuard};

pub use look::{Evidence, Mapped, Plan, Served};

use super::{Milvus, Result};

/// The looks at a time through one connection.
const AT_ONCE: usize = 4;

/// The least time between the beginnings of two: thousands of objects that are checked often are checked less often, and neither
/// Milvus nor this process is busy with them.
const SPACING: Duration = Duration::from_millis(50);

/// The examiner of one server. What it does ends when it is dropped.
///
/// `K` names who wants to know. A key has one look at a time.
pub struct Examiner<K> {
    shared: Arc<Shared<K>>,
    over: CancellationToken,
    /// Cancels that.
    _stop: DropGuard,
}

struct Shared<K> {
    milvus: Arc<dyn Milvus>,
    changed: Box<dyn Fn(K) + Send + Sync>,
    turns: Semaphore,
    /// When the next look may begin.
    next: Mutex<Instant>,
    looks: Mutex<HashMap<K, Look>>,
}

struct Look {
    plan: Plan,
    state: State,
    /// When what a look brought was last taken.
    taken: Option<Instant>,
}

enum State {
    UnderWay,
    Brought(Result<Evidence>),
    Taken,
}

impl<K: Eq + Hash + Clone + Send + 'static> Examiner<K> {
    /// Of `milvus`. `changed` is called with each key whose look has ended; it must neither block nor panic.
    pub fn new(milvus: Arc<dyn Milvus>, changed: impl Fn(K) + Send + Sync + 'static) -> Self {
        let (turns, next, looks) = (Semaphore::new(AT_ONCE), Mutex::new(Instant::now()), Mutex::default());
        let over = CancellationToken::new();
        let shared = Arc::new(Shared { milvus, changed: Box::new(changed), turns, next, looks });
        Self { shared, _stop: over.clone().drop_guard(), over }
    }

    /// Takes what the look for `key` by this plan brought, if it has ended; else has it begun, unless one is under way. Must be
    /// called within a tokio runtime.
    pub fn examine(&self, key: &K, plan: Plan) -> Option<Result<Evidence>> {
        let mut looks = self.shared.looks.lock();
        let taken = match looks.get_mut(key) {
            Some(Look { state: State::UnderWay, .. }) => return None,
            Some(look) => match std::mem::replace(&mut look.state, State::Taken) {
                State::Brought(found) if look.plan == plan => {
                    look.taken = Some(Instant::now());
                    return Some(found);
                }
                State::Brought(_) | State::Taken | State::UnderWay => look.taken,
            },
            None => None,
        };
        looks.insert(key.clone(), Look { plan: plan.clone(), state: State::UnderWay, taken });
        drop(looks);
        let looking = self.shared.clone().look(key.clone(), plan);
        tokio::spawn(self.over.clone().run_until_cancelled_owned(looking));
        None
    }

    /// When what a look for `key` brought was last taken.
    pub fn examined(&self, key: &K) -> Option<Instant> {
        self.shared.looks.lock().get(key)?.taken
    }

    /// Nobody asks for `key` any more.
    pub fn forget(&self, key: &K) {
        self.shared.looks.lock().remove(key);
    }
}

impl<K: Eq + Hash + Clone> Shared<K> {
    /// When the look whose turn it is may begin.
    fn place(&self) -> Instant {
        let mut next = self.next.lock();
        let place = (*next).max(Instant::now());
        *next = place + SPACING;
        place
    }

    async fn look(self: Arc<Self>, key: K, plan: Plan) {
        let turn = self.turns.acquire().await;
        sleep_until(self.place()).await;
        let found = look::look(&*self.milvus, &plan).await;
        drop(turn);
        // Forgotten meanwhile, or asked for anew after that.
        if let Some(look) = self.looks.lock().get_mut(&key).filter(|look| look.plan == plan) {
            look.state = State::Brought(found);
        }
        (self.changed)(key);
    }
}

impl<K> fmt::Debug for Examiner<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Examiner").finish_non_exhaustive()
    }
}
