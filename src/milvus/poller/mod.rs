//! Follows the jobs of one server, whoever asked for them, with calls that do not grow with their number.
//!
//! A few jobs are polled one by one, often while they are young and seldom later. From 16 active ones on, and then down to 4,
//! one List a tick shows them all; a job that it does not show is asked for singly. While the List fails, all are. Whatever fails
//! is asked for again after a pause, for as long as somebody tracks a job.

use std::{fmt, hash::Hash, sync::Arc, time::Duration};

use futures::{StreamExt, future::BoxFuture, stream::FuturesUnordered};
use parking_lot::{Mutex, MutexGuard};
use tokio::{sync::Notify, time::Instant};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::{Answer, Job, JobId, Milvus, MilvusError, Result};

mod plan;
mod schedule;
#[cfg(test)]
mod tests;
mod tracked;

use plan::{Plan, Step};

/// The newest that is known of a job.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sighting {
    /// What Milvus last said of the job. `None` until its first answer. Stays when later polls fail.
    pub answer: Option<Answer>,
    /// Why polls have failed since that answer; `None` while they succeed.
    pub failing: Option<MilvusError>,
}

/// The poller of one server. A handle: clones share it, and it ends when the last of them is dropped.
///
/// `K` names who wants to know about a job. A key has one job at a time.
pub struct Poller<K> {
    shared: Arc<Shared<K>>,
    stop: Arc<DropGuard>,
}

struct Shared<K> {
    plan: Mutex<Plan<K>>,
    wake: Notify,
}

/// A call that came back.
enum Returned<K> {
    Listed(Result<Vec<Job>>),
    Polled(K, JobId, Result<Job>),
}

impl<K: Eq + Hash + Clone + Send + 'static> Poller<K> {
    /// Starts polling `milvus` in the background. Must be called within a tokio runtime.
    ///
    /// `changed` is called with each key whose [`Sighting`] now differs in something that a reader could want, once an
    /// answer; it must neither block nor panic, and may call the poller. `random` gives numbers from 0 to 1.
    pub fn new(
        milvus: Arc<dyn Milvus>,
        changed: impl Fn(K) + Send + Sync + 'static,
        random: impl FnMut() -> f64 + Send + 'static,
    ) -> Self {
        let shared = Arc::new(Shared { plan: Mutex::new(Plan::new(Instant::now())), wake: Notify::new() });
        let stop = CancellationToken::new();
        let polling = poll(milvus, Arc::clone(&shared), changed, random);
        tokio::spawn(stop.clone().run_until_cancelled_owned(polling));
        Self { shared, stop: Arc::new(stop.drop_guard()) }
    }

    /// Follows `job` for `key` in place of any earlier job, and returns what is known of it. `age` is the time since the
    /// job was started: it paces the polls after a restart. May be called as often as one likes.
    ///
    /// A job that has ended is polled no more, but stays known until it is forgotten.
    pub fn track(&self, key: K, job: JobId, age: Duration) -> Sighting {
        let (sighting, is_new) = self.shared.plan().track(key, job, age, Instant::now());
        if is_new {
            self.shared.wake.notify_one();
        }
        sighting
    }

    /// Keeps to itself until then how far the running job of `key` is, since its reader will ask at that time. What is more
    /// than progress is told at once.
    pub fn hush(&self, key: &K, until: Instant) {
        self.shared.plan().hush(key, until);
    }

    /// Stops following the job of `key`.
    pub fn forget(&self, key: &K) {
        self.shared.plan().forget(key);
    }

    /// How many tracked jobs have not ended.
    pub fn active(&self) -> usize {
        self.shared.plan().active()
    }
}

impl<K> Shared<K> {
    fn plan(&self) -> MutexGuard<'_, Plan<K>> {
        // A plan is never left half changed.
        self.plan.lock()
    }
}

async fn poll<K: Eq + Hash + Clone + Send + 'static>(
    milvus: Arc<dyn Milvus>,
    shared: Arc<Shared<K>>,
    changed: impl Fn(K),
    mut random: impl FnMut() -> f64,
) {
    let mut calls: FuturesUnordered<BoxFuture<'_, Returned<K>>> = FuturesUnordered::new();
    loop {
        let step = shared.plan().next(Instant::now());
        let until = match step {
            Step::List => {
                let (milvus, wanted) = (&milvus, shared.plan().wanted());
                calls.push(Box::pin(
                    async move { Returned::Listed(milvus.list_all(&|job| wanted.contains(&job)).await) },
                ));
                continue;
            }
            Step::Ask(key, job) => {
                let milvus = &milvus;
                calls.push(Box::pin(async move { Returned::Polled(key, job, milvus.progress(job).await) }));
                continue;
            }
            Step::Wait(until) => until,
        };
        tokio::select! {
            Some(returned) = calls.next() => {
                let now = Instant::now();
                let keys = match returned {
                    Returned::Listed(outcome) => shared.plan().listed(outcome, now, &mut random),
                    Returned::Polled(key, job, outcome) => {
                        shared.plan().polled(key, job, outcome, now, random()).into_iter().collect()
                    }
                };
                keys.into_iter().for_each(&changed);
            }
            () = sleep_until(until) => {}
            () = shared.wake.notified() => {}
        }
    }
}

async fn sleep_until(until: Option<Instant>) {
    match until {
        Some(until) => tokio::time::sleep_until(until).await,
        None => std::future::pending().await,
    }
}

impl<K> Clone for Poller<K> {
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared), stop: Arc::clone(&self.stop) }
    }
}

impl<K> fmt::Debug for Poller<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Poller").finish_non_exhaustive()
    }
}
