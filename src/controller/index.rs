//! One run at a time per collection, over all objects of this install: who has a collection, who waits for it in which
//! order, and whose job is whose. Rebuilt from the statuses at every start; only the leader has one.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    sync::{Mutex, MutexGuard, PoisonError},
};

use jiff::Timestamp;

use super::{Key, wakes::Router};
use crate::{
    milvus::{Job, JobId},
    refresh::{Desired, Reason, Recorded, Turn},
};

/// How many of a queue are told their place; one more moves up with each run that ends.
const TOLD: usize = 3;

/// What excludes: the collection itself, whatever name, connection or address leads to it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Lock {
    /// Milvus' id of the collection.
    Collection(i64),
    /// Stands in for the id where the account may not describe the collection: address, database, name.
    Name(String, String, String),
}

/// When a run became due, then the object's name: the order in which runs have their turn.
type Place = (Option<Timestamp>, Key);

/// The index.
#[derive(Debug)]
pub struct Index {
    wake: Router,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    objects: HashMap<String, Entry>,
    queues: HashMap<Lock, BTreeMap<Place, String>>,
    holders: HashMap<Lock, HashSet<String>>,
    owners: HashMap<JobId, String>,
}

#[derive(Debug, Default)]
struct Entry {
    /// Few of many objects hold or wait for anything.
    held: Option<Box<Lock>>,
    queued: Option<Box<(Lock, Place)>>,
    jobs: Vec<JobId>,
}

impl Index {
    /// Empty. `wake` reaches the refreshes.
    pub fn new(wake: Router) -> Self {
        Self { wake, inner: Mutex::default() }
    }

    /// The watch shows this record. It may be older than what this process does at the moment, so it frees nothing but
    /// what has ended.
    pub fn seen(&self, uid: &str, want: &Desired, record: &Recorded) {
        let mut inner = self.lock();
        inner.own(uid, record);
        let freed = match standing(want, record) {
            Some(lock) => inner.hold(uid, lock),
            None if record.ended() => inner.free(uid),
            None => Vec::new(),
        };
        drop(inner);
        self.wake(freed);
    }

    /// A pass has come to its end with this record.
    pub fn settled(&self, uid: &str, key: &Key, want: &Desired, record: &Recorded) {
        let mut inner = self.lock();
        inner.own(uid, record);
        let waits = record.summary.as_ref().is_some_and(|summary| keeps_its_place(summary.reason));
        let freed = match standing(want, record) {
            Some(lock) => inner.hold(uid, lock),
            None if !record.ended() && waits => inner.back_in_line(uid, key, record),
            None => inner.free(uid),
        };
        drop(inner);
        self.wake(freed);
    }

    /// A pass failed for reasons of its own: unless the object holds its collection by what is durable, it is passed over
    /// until it comes back.
    pub fn pass_over(&self, uid: &str, want: &Desired, durable: &Recorded) {
        if standing(want, durable).is_none() {
            let freed = self.lock().free(uid);
            self.wake(freed);
        }
    }

    /// The object is gone.
    pub fn gone(&self, uid: &str) {
        let mut inner = self.lock();
        let freed = inner.free(uid);
        inner.disown(uid);
        inner.objects.remove(uid);
        drop(inner);
        self.wake(freed);
    }

    /// Whose turn it is, as far as is known without a look at the collection.
    pub fn turn(&self, uid: &str) -> Turn {
        self.lock().turn(uid)
    }

    /// Gets in line for a collection that was just looked at. [`Turn::Mine`] takes the collection: nobody else gets a turn
    /// until the run is settled.
    pub fn join(&self, uid: &str, key: &Key, lock: Lock, due: Option<Timestamp>) -> Turn {
        let mut inner = self.lock();
        let freed = if inner.objects.get(uid).is_some_and(|entry| entry.held.as_deref() == Some(&lock)) {
            Vec::new()
        } else {
            let freed = inner.free_unless(uid, &lock);
            inner.queue(uid, lock.clone(), (due, key.clone()));
            if inner.is_first(uid) {
                inner.hold(uid, lock);
            }
            freed
        };
        let turn = inner.turn(uid);
        drop(inner);
        self.wake(freed);
        match turn {
            // First in line of a free collection, which `hold` has just taken.
            Turn::Unknown => Turn::Mine,
            Turn::Mine | Turn::Behind { .. } => turn,
        }
    }

    /// Which of `jobs` other objects than `uid` have recorded as theirs.
    pub fn of_others(&self, uid: &str, jobs: &[Job]) -> BTreeSet<JobId> {
        let inner = self.lock();
        let others = |job: &&Job| inner.owners.get(&job.id).is_some_and(|owner| owner != uid);
        jobs.iter().filter(others).map(|job| job.id).collect()
    }

    fn wake(&self, keys: Vec<Key>) {
        for key in keys {
            self.wake.wake(key);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether a run that waits for this stays in line: it does while it waits for the collection, and is passed over while
/// something else keeps it from starting.
fn keeps_its_place(reason: Reason) -> bool {
    match reason {
        Reason::Queued
        | Reason::WaitingForActiveJob
        | Reason::Submitting
        | Reason::RefreshInProgress
        | Reason::OutcomeUnknown => true,
        Reason::ConnectionNotReady
        | Reason::ConcurrencyLimit
        | Reason::SecretNotFound
        | Reason::Suspended
        | Reason::Retrying(_)
        | Reason::RefreshCompleted
        | Reason::Failed(_) => false,
    }
}

/// The collection that a record holds: that of a standing claim or of a job that is not over.
fn standing(want: &Desired, record: &Recorded) -> Option<Lock> {
    let run = record.run.as_ref().filter(|_| !record.ended())?;
    run.submit_time.or(record.job.id.and(run.queued_time))?;
    let name = || {
        let endpoint = run.endpoint.clone().unwrap_or_default();
        Lock::Name(endpoint, want.database.clone(), want.collection.clone())
    };
    Some(run.collection_id.map_or_else(name, Lock::Collection))
}

impl Inner {
    fn own(&mut self, uid: &str, record: &Recorded) {
        self.disown(uid);
        let jobs: Vec<JobId> = record.jobs().collect();
        for job in &jobs {
            self.owners.insert(*job, uid.to_owned());
        }
        self.objects.entry(uid.to_owned()).or_default().jobs = jobs;
    }

    fn disown(&mut self, uid: &str) {
        for job in self.objects.get_mut(uid).map(|entry| std::mem::take(&mut entry.jobs)).unwrap_or_default() {
            if self.owners.get(&job).is_some_and(|owner| owner == uid) {
                self.owners.remove(&job);
            }
        }
    }

    /// Takes the collection. Gives whom to wake because another one became free by that.
    fn hold(&mut self, uid: &str, lock: Lock) -> Vec<Key> {
        let entry = self.objects.entry(uid.to_owned()).or_default();
        if entry.held.as_deref() == Some(&lock) {
            return Vec::new();
        }
        let freed = self.free_unless(uid, &lock);
        self.unqueue(uid);
        self.holders.entry(lock.clone()).or_default().insert(uid.to_owned());
        self.objects.entry(uid.to_owned()).or_default().held = Some(Box::new(lock));
        freed
    }

    /// Gives up what `uid` holds and its place in line. Gives whom to wake.
    fn free(&mut self, uid: &str) -> Vec<Key> {
        let queued = self.unqueue(uid);
        let held = self.release(uid);
        held.into_iter().chain(queued).flat_map(|lock| self.front(&lock)).collect()
    }

    /// The same, unless it is `lock` that it is about.
    fn free_unless(&mut self, uid: &str, lock: &Lock) -> Vec<Key> {
        let entry = self.objects.entry(uid.to_owned()).or_default();
        let other = |known: Option<&Lock>| known.is_some_and(|known| known != lock);
        if other(entry.held.as_deref()) || other(entry.queued.as_deref().map(|(lock, _)| lock)) {
            self.free(uid)
        } else {
            Vec::new()
        }
    }

    /// Gives up the collection but not the turn.
    fn back_in_line(&mut self, uid: &str, key: &Key, record: &Recorded) -> Vec<Key> {
        let Some(lock) = self.release(uid) else { return Vec::new() };
        let due = record.run.as_ref().and_then(|run| run.queued_time);
        self.queue(uid, lock.clone(), (due, key.clone()));
        if self.is_first(uid) { Vec::new() } else { self.front(&lock) }
    }

    fn release(&mut self, uid: &str) -> Option<Lock> {
        let lock = *self.objects.get_mut(uid)?.held.take()?;
        if let Some(holders) = self.holders.get_mut(&lock) {
            holders.remove(uid);
            if holders.is_empty() {
                self.holders.remove(&lock);
            }
        }
        Some(lock)
    }

    fn queue(&mut self, uid: &str, lock: Lock, place: Place) {
        self.unqueue(uid);
        self.queues.entry(lock.clone()).or_default().insert(place.clone(), uid.to_owned());
        self.objects.entry(uid.to_owned()).or_default().queued = Some(Box::new((lock, place)));
    }

    fn unqueue(&mut self, uid: &str) -> Option<Lock> {
        let (lock, place) = *self.objects.get_mut(uid)?.queued.take()?;
        if let Some(queue) = self.queues.get_mut(&lock) {
            queue.remove(&place);
            if queue.is_empty() {
                self.queues.remove(&lock);
            }
        }
        Some(lock)
    }

    /// Those at the front of the line, whose turn or place has changed.
    fn front(&self, lock: &Lock) -> Vec<Key> {
        let queue = self.queues.get(lock);
        queue.into_iter().flat_map(|queue| queue.keys().take(TOLD + 1)).map(|(_, key)| key.clone()).collect()
    }

    fn is_first(&self, uid: &str) -> bool {
        let queued = self.objects.get(uid).and_then(|entry| entry.queued.as_deref());
        queued.is_some_and(|(lock, place)| {
            !self.holders.contains_key(lock)
                && self
                    .queues
                    .get(lock)
                    .and_then(|queue| queue.first_key_value())
                    .is_some_and(|(first, _)| first == place)
        })
    }

    fn turn(&self, uid: &str) -> Turn {
        let Some(entry) = self.objects.get(uid) else { return Turn::Unknown };
        if entry.held.is_some() {
            return Turn::Mine;
        }
        let Some((lock, place)) = entry.queued.as_deref() else { return Turn::Unknown };
        if self.is_first(uid) {
            return Turn::Unknown;
        }
        let ahead = usize::from(self.holders.contains_key(lock));
        let waiting = self.queues.get(lock).into_iter().flat_map(|queue| queue.keys().take(TOLD + 1));
        let position = waiting.take(TOLD + 1).position(|waiting| waiting == place).map(|index| index + ahead);
        Turn::Behind { position: position.filter(|p| (1..=TOLD).contains(p)).and_then(|p| u8::try_from(p).ok()) }
    }
}

#[cfg(test)]
mod tests;
