//! One run at a time per collection, over all objects of this install: who has a collection, who waits for it in which
//! order, and whose job is whose. Rebuilt from the statuses at every start; only the leader has one.
//!
//! Two Milvus that were restored from one snapshot give different collections the same id, and a server can name any. So
//! whoever has had a collection for longer than a job can run is waited for no longer by other namespaces: what then keeps
//! two jobs apart is Milvus, which knows whether they are of one collection.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use jiff::Timestamp;
use parking_lot::Mutex;

use crate::{
    milvus::{Job, JobId},
    object::{Key, Uid},
    refresh::{Ahead, Desired, Reason, Recorded, Turn},
    requeue::Router,
};
use occupied::{Occupied, Standing};

mod occupied;

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
pub struct Queue {
    wake: Router,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    objects: HashMap<Uid, Entry>,
    queues: HashMap<Lock, BTreeMap<Place, Uid>>,
    holders: HashMap<Lock, BTreeMap<Uid, Key>>,
    owners: HashMap<JobId, Uid>,
}

#[derive(Debug, Default)]
struct Entry {
    /// Few of many objects hold or wait for anything.
    held: Option<Box<Lock>>,
    queued: Option<Box<(Lock, Place)>>,
    /// While it has the collection, or has had its turn and waits for somebody else's job.
    occupies: Option<Box<Occupied>>,
    jobs: Box<[JobId]>,
}

impl Queue {
    /// Empty. `wake` reaches the refreshes.
    pub fn new(wake: Router) -> Self {
        Self { wake, inner: Mutex::default() }
    }

    /// The watch shows this record. It may be older than what this process does at the moment, so it frees nothing but
    /// what has ended.
    pub fn seen(&self, uid: &str, key: &Key, want: &Desired, record: &Recorded, now: Timestamp) {
        let (uid, mut inner) = (Uid::of(uid), self.inner.lock());
        inner.own(uid, record);
        let freed = match standing(want, record) {
            Some(lock) => inner.hold(uid, key, lock, Standing::of(record), now),
            None if record.ended() => inner.free(uid),
            None => Vec::new(),
        };
        drop(inner);
        self.wake(freed);
    }

    /// A pass has come to its end with this record.
    pub fn settled(&self, uid: &str, key: &Key, want: &Desired, record: &Recorded, now: Timestamp) {
        let (uid, mut inner) = (Uid::of(uid), self.inner.lock());
        inner.own(uid, record);
        let waits = record.summary.as_ref().is_some_and(|summary| keeps_its_place(summary.reason));
        let freed = match standing(want, record) {
            Some(lock) => inner.hold(uid, key, lock, Standing::of(record), now),
            None if !record.ended() && waits => inner.back_in_line(uid, key, record, now),
            None => inner.free(uid),
        };
        drop(inner);
        self.wake(freed);
    }

    /// A pass failed for reasons of its own: unless the object holds its collection by what is durable, it is passed over
    /// until it comes back.
    pub fn pass_over(&self, uid: &str, want: &Desired, durable: &Recorded) {
        if standing(want, durable).is_none() {
            let freed = self.inner.lock().free(Uid::of(uid));
            self.wake(freed);
        }
    }

    /// The object is gone.
    pub fn gone(&self, uid: &str) {
        let (uid, mut inner) = (Uid::of(uid), self.inner.lock());
        let freed = inner.free(uid);
        inner.disown(uid);
        inner.objects.remove(&uid);
        drop(inner);
        self.wake(freed);
    }

    /// Whose turn it is, as far as is known without a look at the collection, and who goes first or was passed over.
    pub fn turn(&self, uid: &str, now: Timestamp) -> (Turn, Option<Ahead>) {
        self.inner.lock().turn(Uid::of(uid), now)
    }

    /// The collection that the object has or waits for.
    pub fn lock_of(&self, uid: &str) -> Option<Lock> {
        let inner = self.inner.lock();
        let entry = inner.objects.get(&Uid::of(uid))?;
        entry.held.as_deref().or(entry.queued.as_deref().map(|(lock, _)| lock)).cloned()
    }

    /// Gets in line for a collection that was just looked at. [`Turn::Mine`] takes the collection: nobody else gets a turn
    /// until the run is settled.
    pub fn join(&self, uid: &str, key: &Key, lock: Lock, due: Option<Timestamp>, now: Timestamp) -> Turn {
        let (uid, mut inner) = (Uid::of(uid), self.inner.lock());
        let freed = if inner.objects.get(&uid).is_some_and(|entry| entry.held.as_deref() == Some(&lock)) {
            Vec::new()
        } else {
            let freed = inner.free_unless(uid, &lock);
            inner.queue(uid, lock.clone(), (due, key.clone()));
            if inner.may_go(uid, now) {
                inner.hold(uid, key, lock, Standing::default(), now);
            }
            freed
        };
        let (turn, _) = inner.turn(uid, now);
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
        let (uid, inner) = (Uid::of(uid), self.inner.lock());
        let others = |job: &&Job| inner.owners.get(&job.id).is_some_and(|owner| *owner != uid);
        jobs.iter().filter(others).map(|job| job.id).collect()
    }

    fn wake(&self, keys: Vec<Key>) {
        for key in keys {
            self.wake.wake(key);
        }
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
        | Reason::Verifying
        | Reason::OutcomeUnknown => true,
        Reason::ConnectionNotReady
        | Reason::ConcurrencyLimit
        | Reason::SecretNotFound
        | Reason::SourceNotResolved
        | Reason::Suspended
        | Reason::Terminating
        | Reason::Retrying(_)
        | Reason::Idle
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

fn name(key: &Key) -> String {
    format!("{}/{}", key.namespace, key.name)
}

impl Inner {
    fn own(&mut self, uid: Uid, record: &Recorded) {
        self.disown(uid);
        let jobs: Box<[JobId]> = record.jobs().collect();
        for job in &jobs {
            self.owners.insert(*job, uid);
        }
        self.objects.entry(uid).or_default().jobs = jobs;
    }

    fn disown(&mut self, uid: Uid) {
        for job in self.objects.get_mut(&uid).map(|entry| std::mem::take(&mut entry.jobs)).unwrap_or_default() {
            if self.owners.get(&job).is_some_and(|owner| *owner == uid) {
                self.owners.remove(&job);
            }
        }
    }

    /// Takes the collection. Gives whom to wake because another one became free by that.
    fn hold(&mut self, uid: Uid, key: &Key, lock: Lock, by: Standing, now: Timestamp) -> Vec<Key> {
        let entry = self.objects.entry(uid).or_default();
        entry.occupy(by, now);
        if entry.held.as_deref() == Some(&lock) {
            return Vec::new();
        }
        let freed = self.free_unless(uid, &lock);
        self.unqueue(uid);
        self.holders.entry(lock.clone()).or_default().insert(uid, key.clone());
        let entry = self.objects.entry(uid).or_default();
        entry.occupy(by, now);
        entry.held = Some(Box::new(lock));
        freed
    }

    /// Gives up what `uid` holds and its place in line. Gives whom to wake.
    fn free(&mut self, uid: Uid) -> Vec<Key> {
        let queued = self.unqueue(uid);
        let held = self.release(uid);
        if let Some(entry) = self.objects.get_mut(&uid) {
            entry.occupies = None;
        }
        held.into_iter().chain(queued).flat_map(|lock| self.front(&lock)).collect()
    }

    /// The same, unless it is `lock` that it is about.
    fn free_unless(&mut self, uid: Uid, lock: &Lock) -> Vec<Key> {
        let entry = self.objects.entry(uid).or_default();
        let other = |known: Option<&Lock>| known.is_some_and(|known| known != lock);
        if other(entry.held.as_deref()) || other(entry.queued.as_deref().map(|(lock, _)| lock)) {
            self.free(uid)
        } else {
            Vec::new()
        }
    }

    /// Gives up the collection but not the turn.
    fn back_in_line(&mut self, uid: Uid, key: &Key, record: &Recorded, now: Timestamp) -> Vec<Key> {
        let Some(lock) = self.release(uid) else { return Vec::new() };
        let due = record.run.as_ref().and_then(|run| run.queued_time);
        self.queue(uid, lock.clone(), (due, key.clone()));
        if let Some(entry) = self.objects.get_mut(&uid) {
            entry.occupy(Standing::default(), now);
        }
        if self.may_go(uid, now) { Vec::new() } else { self.front(&lock) }
    }

    fn release(&mut self, uid: Uid) -> Option<Lock> {
        let lock = *self.objects.get_mut(&uid)?.held.take()?;
        if let Some(holders) = self.holders.get_mut(&lock) {
            holders.remove(&uid);
            if holders.is_empty() {
                self.holders.remove(&lock);
            }
        }
        Some(lock)
    }

    fn queue(&mut self, uid: Uid, lock: Lock, place: Place) {
        self.unqueue(uid);
        self.queues.entry(lock.clone()).or_default().insert(place.clone(), uid);
        self.objects.entry(uid).or_default().queued = Some(Box::new((lock, place)));
    }

    fn unqueue(&mut self, uid: Uid) -> Option<Lock> {
        let (lock, place) = *self.objects.get_mut(&uid)?.queued.take()?;
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

    /// Whether nobody in line, or in the way of those in line, has to be waited for.
    fn may_go(&self, uid: Uid, now: Timestamp) -> bool {
        let Some((lock, place)) = self.objects.get(&uid).and_then(|entry| entry.queued.as_deref()) else {
            return false;
        };
        let (_, own) = place;
        // Whose runs wait themselves for one that this run need not wait for.
        let mut passed_over = BTreeSet::new();
        let mut may_pass = |other: Uid, key: &Key| {
            let known = passed_over.contains(&key.namespace);
            let passes = known || key.namespace != own.namespace && self.is_overdue(other, now);
            if passes && !known {
                passed_over.insert(key.namespace.clone());
            }
            passes
        };
        let holders = self.holders.get(lock).into_iter().flatten();
        let before = self.queues.get(lock).into_iter().flat_map(|queue| queue.range(..place));
        holders.chain(before.map(|((_, key), uid)| (uid, key))).all(|(uid, key)| may_pass(*uid, key))
    }

    /// Whether the object keeps others from its collection for longer than any job can run.
    fn is_overdue(&self, uid: Uid, now: Timestamp) -> bool {
        let occupied = self.objects.get(&uid).and_then(|entry| entry.occupies.as_deref());
        occupied.is_some_and(|occupied| occupied.is_overdue(now))
    }

    fn turn(&self, uid: Uid, now: Timestamp) -> (Turn, Option<Ahead>) {
        let Some(entry) = self.objects.get(&uid) else { return (Turn::Unknown, None) };
        if let Some(lock) = entry.held.as_deref() {
            return (Turn::Mine, self.beside(uid, lock).map(|key| Ahead::PassedOver(name(key))));
        }
        let Some((lock, place)) = entry.queued.as_deref() else { return (Turn::Unknown, None) };
        if self.may_go(uid, now) {
            return (Turn::Unknown, None);
        }
        let holder = self.holders.get(lock).and_then(|holders| holders.values().next());
        let waiting = || self.queues.get(lock).into_iter().flat_map(|queue| queue.keys().take(TOLD + 1));
        let ahead = usize::from(holder.is_some());
        let position = waiting().position(|waiting| waiting == place).map(|index| index + ahead);
        let position = position.filter(|p| (1..=TOLD).contains(p)).and_then(|p| u8::try_from(p).ok());
        // Further back it would be told, and written, with each run that ends.
        let first = holder.or_else(|| waiting().next().map(|(_, key)| key)).filter(|_| position.is_some());
        (Turn::Behind { position }, first.map(|key| Ahead::Refresh(name(key))))
    }

    /// Who of another namespace has the same collection as `uid` has.
    fn beside(&self, uid: Uid, lock: &Lock) -> Option<&Key> {
        let holders = self.holders.get(lock)?;
        let own = holders.get(&uid)?;
        holders.values().find(|key| key.namespace != own.namespace)
    }
}

impl Entry {
    fn occupy(&mut self, by: Standing, now: Timestamp) {
        if self.occupies.as_ref().is_none_or(|known| known.by != by) {
            self.occupies = Some(Box::new(Occupied::from(by, now)));
        }
    }
}

#[cfg(test)]
mod tests;
