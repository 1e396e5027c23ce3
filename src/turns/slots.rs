//! How many refreshes may run at a time through one connection: who has a slot, and who waits for one in which order.
//!
//! A run has a slot from just before it looks at its collection until it is over or waits for something else. Whoever waits
//! for a slot has no turn on a collection, and whoever waits for a collection has no slot, so neither blocks the other.
//! Rebuilt from the statuses at every start.

use std::collections::{BTreeSet, HashMap, HashSet};

use jiff::Timestamp;
use parking_lot::{Mutex, MutexGuard};

use crate::{
    object::Key,
    refresh::{Reason, Recorded, Slot},
    requeue::Router,
};

/// When a run became due, then the object's name, then its uid: the order in which slots are given.
type Place = (Timestamp, Key, String);

/// The slots of all connections.
#[derive(Debug)]
pub struct Slots {
    wake: Router,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    connections: HashMap<Key, Connection>,
    /// The connection of each object that has a slot or waits for one, by uid.
    users: HashMap<String, Key>,
}

#[derive(Debug)]
struct Connection {
    limit: usize,
    /// More than `limit` when that was lowered, or at a start.
    holders: HashSet<String>,
    waiting: BTreeSet<Place>,
    places: HashMap<String, Place>,
}

impl Slots {
    /// Without any slot taken. `wake` reaches the refreshes.
    pub fn new(wake: Router) -> Self {
        Self { wake, inner: Mutex::default() }
    }

    /// How many slots `connection` has from now on; as many as are asked for when it was never told.
    pub fn limit(&self, connection: &Key, limit: usize) {
        let mut inner = self.inner.lock();
        inner.connections.entry(connection.clone()).or_default().limit = limit;
        self.wake_next(inner, connection);
    }

    /// The connection is gone: nobody waits for it any more.
    pub fn unlimited(&self, connection: &Key) {
        self.limit(connection, usize::MAX);
    }

    /// The watch shows this record. It may be older than what this process does at the moment, so it frees nothing but what
    /// has ended.
    pub fn seen(&self, uid: &str, connection: &Key, record: &Recorded) {
        if runs(record) {
            self.inner.lock().hold(uid, connection);
        } else if record.ended() {
            self.gone(uid);
        }
    }

    /// A slot for a run that is about to look at its collection and has been due since `due`, if it is its turn.
    pub fn take(&self, uid: &str, connection: &Key, refresh: &Key, due: Timestamp) -> Slot {
        let mut inner = self.inner.lock();
        inner.users.insert(uid.to_owned(), connection.clone());
        let slots = inner.connections.entry(connection.clone()).or_default();
        if slots.holders.contains(uid) {
            return Slot::Mine;
        }
        slots.leave(uid);
        let place = (due, refresh.clone(), uid.to_owned());
        let free = slots.free();
        if slots.waiting.range(..&place).take(free).count() < free {
            slots.holders.insert(uid.to_owned());
            return Slot::Mine;
        }
        slots.waiting.insert(place.clone());
        slots.places.insert(uid.to_owned(), place);
        Slot::Waiting
    }

    /// A pass has come to its end with this record.
    pub fn settled(&self, uid: &str, connection: &Key, record: &Recorded) {
        let waits = record.summary.as_ref().is_some_and(|summary| summary.reason == Reason::ConcurrencyLimit);
        if runs(record) {
            self.inner.lock().hold(uid, connection);
        } else if record.ended() || !waits {
            self.gone(uid);
        } else {
            self.waits(uid, connection);
        }
    }

    /// A pass has come to its end that was told to wait, and keeps its place.
    pub fn waits(&self, uid: &str, connection: &Key) {
        let mut inner = self.inner.lock();
        // Where nothing became free, whose turn it is has been woken: it may be this one, which could not take its slot.
        if inner.connections.get_mut(connection).is_some_and(|slots| slots.holders.remove(uid)) {
            self.wake_next(inner, connection);
        }
    }

    /// A pass failed for reasons of its own: unless the object runs by what is durable, it is passed over until it comes back.
    pub fn pass_over(&self, uid: &str, durable: &Recorded) {
        if !runs(durable) {
            self.gone(uid);
        }
    }

    /// The object has no slot any more and waits for none.
    pub fn gone(&self, uid: &str) {
        let mut inner = self.inner.lock();
        let Some(connection) = inner.users.remove(uid) else { return };
        if let Some(slots) = inner.connections.get_mut(&connection) {
            slots.holders.remove(uid);
            slots.leave(uid);
        }
        self.wake_next(inner, &connection);
    }

    /// Wakes those whose turn it is.
    fn wake_next(&self, mut inner: MutexGuard<'_, Inner>, connection: &Key) {
        let Some(slots) = inner.connections.get(connection) else { return };
        let next: Vec<Key> = slots.waiting.iter().take(slots.free()).map(|(_, key, _)| key.clone()).collect();
        if slots.is_unused() {
            inner.connections.remove(connection);
        }
        drop(inner);
        for key in next {
            self.wake.wake(key);
        }
    }
}

/// Whether a job of this record may be running in Milvus.
fn runs(record: &Recorded) -> bool {
    !record.ended() && !record.is_verifying() && (record.claim().is_some() || record.job.id.is_some())
}

impl Inner {
    fn hold(&mut self, uid: &str, connection: &Key) {
        self.users.insert(uid.to_owned(), connection.clone());
        let slots = self.connections.entry(connection.clone()).or_default();
        slots.leave(uid);
        slots.holders.insert(uid.to_owned());
    }
}

impl Default for Connection {
    fn default() -> Self {
        Self { limit: usize::MAX, holders: HashSet::new(), waiting: BTreeSet::new(), places: HashMap::new() }
    }
}

impl Connection {
    fn free(&self) -> usize {
        self.limit.saturating_sub(self.holders.len())
    }

    fn leave(&mut self, uid: &str) {
        if let Some(place) = self.places.remove(uid) {
            self.waiting.remove(&place);
        }
    }

    fn is_unused(&self) -> bool {
        self.limit == usize::MAX && self.holders.is_empty() && self.waiting.is_empty()
    }
}

#[cfg(test)]
mod tests;
