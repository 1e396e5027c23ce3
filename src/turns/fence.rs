//! What a process does before it starts or takes any job (rule 15 of the start protocol): it writes its name on every run
//! that was due when it took over. A claim of its predecessor that is still on its way then meets a conflict, so that it
//! cannot run beside one of ours.
//!
//! A run that cannot be written withholds what its late claim could hold, and nothing else: its collection where that is
//! known, else all that its connection leads to in its database. That ends when another version of the object is seen, or
//! once no claim of the predecessor can land any more and a fresh read has shown that none has.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    time::Duration,
};

use parking_lot::{Mutex, MutexGuard};
use prometheus_client::metrics::gauge::Gauge;
use tokio::time::Instant;

use super::{member::Member, queue::Lock};
use crate::{
    object::Key,
    refresh::{Ahead, Permission, Recorded, is_due, limits::LATE_CLAIM},
    requeue::Router,
};

/// How long nothing is said of a scope that is not listed yet: most are in a moment.
const QUIET: Duration = Duration::from_secs(10);

/// The runs that do not carry this process' name yet, and what waits for them.
#[derive(Debug)]
pub struct Fence {
    wake: Router,
    /// How many runs could not be written since the process took over.
    unwritten: Gauge,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    /// When the process took over; nothing is ever too late before it has.
    began: Option<Instant>,
    /// Whether a scope that is not listed counts as empty.
    too_late: bool,
    /// The scopes whose first listing is not complete, each with the due runs that it has shown, by uid.
    unlisted: BTreeMap<Option<String>, HashMap<String, Unannounced>>,
    /// Scopes whose connections have not been told.
    unknown: BTreeSet<Option<String>>,
    /// Where each connection led when this process first saw it.
    addresses: HashMap<Key, Vec<String>>,
    /// By uid.
    unannounced: HashMap<String, Unannounced>,
    withheld: BTreeMap<Withheld, BTreeSet<String>>,
    waiting: HashMap<Awaited, BTreeSet<Key>>,
}

#[derive(Debug)]
struct Unannounced {
    key: Key,
    /// The version that a late claim would have been decided on.
    version: String,
    /// Nothing any more once a late claim is out of the question.
    withholds: Option<Withheld>,
    /// Whether writing it has failed.
    failed: bool,
}

/// What a late claim of a run could hold.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Withheld {
    connection: Key,
    database: String,
    /// The collection, where the run can be claimed for no other.
    collection: Option<i64>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Awaited {
    Listings,
    Runs(Withheld),
}

/// A run that asks whether it may go on.
#[derive(Debug)]
pub struct Asking<'a> {
    /// Its object.
    pub key: &'a Key,
    /// The address that it would use; `None` while there is none.
    pub endpoint: Option<&'a str>,
    /// Its database.
    pub database: &'a str,
    /// The collection that it has or waits for, once it has looked.
    pub lock: Option<Lock>,
    /// By the clock that [`Fence::begin`] was told.
    pub now: Instant,
}

impl Fence {
    /// Holds everything until each of `scopes` has been listed once. `wake` reaches the refreshes, and `unwritten` is told how
    /// many of them could not be written.
    pub fn new(scopes: &[Option<String>], wake: Router, unwritten: Gauge) -> Self {
        let unlisted = scopes.iter().map(|scope| (scope.clone(), HashMap::new())).collect();
        let inner = Inner { unlisted, unknown: scopes.iter().cloned().collect(), ..Inner::default() };
        Self { wake, unwritten, inner: Mutex::new(inner) }
    }

    /// The process has taken the lease, or has begun where there is no election.
    pub fn begin(&self, now: Instant) {
        self.inner.lock().began = Some(now);
    }

    /// The watch of `scope` shows an object. Once everything is listed that changes nothing: what has come since can only have
    /// been claimed by a process that leads.
    pub fn shown(&self, scope: &Option<String>, member: Member<'_>, version: &str, record: &Recorded) {
        let mut inner = self.inner.lock();
        let Some(due) = inner.unlisted.get_mut(scope) else { return };
        let Member { uid, key, connection, want } = member;
        if is_due(want, record) {
            let (connection, database) = (connection.clone(), want.database.clone());
            let withholds = Some(Withheld { connection, database, collection: record.bound_to() });
            let run = Unannounced { key: key.clone(), version: version.to_owned(), withholds, failed: false };
            due.insert(uid.to_owned(), run);
        } else {
            due.remove(uid);
        }
    }

    /// All objects of `scope` have been shown. Gives how many runs are due, the first time.
    pub fn listed(&self, scope: &Option<String>) -> Option<usize> {
        let mut inner = self.inner.lock();
        let due = inner.unlisted.remove(scope)?;
        let runs = due.len();
        for (uid, run) in due {
            if let Some(withholds) = &run.withholds {
                inner.withheld.entry(withholds.clone()).or_default().insert(uid.clone());
            }
            inner.unannounced.insert(uid, run);
        }
        let woken = if inner.unlisted.is_empty() { inner.waiting.remove(&Awaited::Listings) } else { None };
        self.wake(inner, woken);
        Some(runs)
    }

    /// A connection is told, which leads to these addresses.
    pub fn connection_seen(&self, connection: &Key, addresses: impl IntoIterator<Item = String>) {
        let mut inner = self.inner.lock();
        // A connection that is edited later was not so when a late claim was decided on.
        if !inner.is_over() && !inner.addresses.contains_key(connection) {
            inner.addresses.insert(connection.clone(), addresses.into_iter().collect());
        }
    }

    /// All connections of `scope` have been told.
    pub fn connections_listed(&self, scope: &Option<String>) {
        let mut inner = self.inner.lock();
        inner.unknown.remove(scope);
        // What no connection leads to any more need not be waited for.
        let woken = inner.waiting.drain().flat_map(|(_, keys)| keys).collect();
        self.wake(inner, Some(woken));
    }

    /// The object is gone.
    pub fn gone(&self, uid: &str) {
        for due in self.inner.lock().unlisted.values_mut() {
            due.remove(uid);
        }
        self.announced(uid);
    }

    /// The run carries this process' name, or is not due any more.
    pub fn announced(&self, uid: &str) {
        let mut inner = self.inner.lock();
        let woken = inner.withhold_nothing(uid);
        if inner.unannounced.remove(uid).is_some_and(|run| run.failed) {
            self.unwritten.dec();
        }
        self.wake(inner, woken);
    }

    /// The object is at this version, whose claims are known: a claim that was decided on another one meets a conflict.
    pub fn seen(&self, uid: &str, version: &str) {
        let other = self.inner.lock().unannounced.get(uid).is_some_and(|run| run.version != version);
        if other {
            self.announced(uid);
        }
    }

    /// Writing the run has failed. Says whether that is news.
    pub fn failed(&self, uid: &str) -> bool {
        let mut inner = self.inner.lock();
        let Some(run) = inner.unannounced.get_mut(uid).filter(|run| !run.failed) else { return false };
        run.failed = true;
        self.unwritten.inc();
        let told = run.withholds.clone().map(Awaited::Runs);
        let woken = told.and_then(|awaited| inner.waiting.remove(&awaited));
        self.wake(inner, woken);
        true
    }

    /// When it is too late for a claim of the predecessor to land; `None` before the process has taken over.
    pub fn late(&self) -> Option<Instant> {
        self.inner.lock().began.map(|began| began + LATE_CLAIM)
    }

    /// Gives what has to be read, once it is too late for a claim of the predecessor, before it withholds nothing any more. A
    /// scope that is not listed by then counts as empty.
    pub fn unread(&self, now: Instant) -> Vec<(String, Key)> {
        let mut inner = self.inner.lock();
        if inner.age(now) < LATE_CLAIM {
            return Vec::new();
        }
        let withholding = inner.unannounced.iter().filter(|(_, run)| run.withholds.is_some());
        let unread = withholding.map(|(uid, run)| (uid.clone(), run.key.clone())).collect();
        inner.too_late = true;
        let woken = inner.waiting.remove(&Awaited::Listings);
        self.wake(inner, woken);
        unread
    }

    /// A read that began when [`unread`](Self::unread) had named the object has shown it, and what it holds is known.
    pub fn read(&self, uid: &str) {
        let mut inner = self.inner.lock();
        let woken = inner.withhold_nothing(uid);
        self.wake(inner, woken);
    }

    /// Whether nothing is withheld any more.
    pub fn is_over(&self) -> bool {
        self.inner.lock().is_over()
    }

    /// Whether objects that this process does not know may have recorded jobs as theirs or hold collections.
    pub fn lists_everything(&self) -> bool {
        let inner = self.inner.lock();
        inner.too_late || inner.unlisted.is_empty()
    }

    /// What a due run may do in a process that leads, and what it waits for where that is worth telling. It is woken when
    /// that has changed.
    pub fn permission(&self, uid: &str, asking: &Asking<'_>) -> (Permission, Option<Ahead>) {
        let mut inner = self.inner.lock();
        if inner.unannounced.contains_key(uid) {
            return (Permission::Announce, None);
        }
        if let Some(scope) = inner.unlisted.keys().next().filter(|_| !inner.too_late) {
            let namespace = scope.clone().unwrap_or_else(|| "*".to_owned());
            let ahead = (inner.age(asking.now) >= QUIET).then_some(Ahead::Unlisted(namespace));
            inner.wait(Awaited::Listings, asking.key);
            return (Permission::Fenced, ahead);
        }
        let Some(withheld) = inner.withheld.keys().find(|withheld| inner.concerns(withheld, asking)).cloned() else {
            return (Permission::Granted, None);
        };
        let ahead = inner.unwritten(&withheld).map(|key| Ahead::Unwritten(format!("{}/{}", key.namespace, key.name)));
        inner.wait(Awaited::Runs(withheld), asking.key);
        (Permission::Fenced, ahead)
    }

    fn wake(&self, inner: MutexGuard<'_, Inner>, woken: Option<BTreeSet<Key>>) {
        drop(inner);
        for key in woken.into_iter().flatten() {
            self.wake.wake(key);
        }
    }
}

impl Inner {
    fn age(&self, now: Instant) -> Duration {
        self.began.map_or(Duration::ZERO, |began| now.saturating_duration_since(began))
    }

    fn is_over(&self) -> bool {
        self.unlisted.is_empty() && self.withheld.is_empty()
    }

    fn wait(&mut self, awaited: Awaited, key: &Key) {
        self.waiting.entry(awaited).or_default().insert(key.clone());
    }

    /// Gives whom to wake because of it.
    fn withhold_nothing(&mut self, uid: &str) -> Option<BTreeSet<Key>> {
        let withheld = self.unannounced.get_mut(uid)?.withholds.take()?;
        let others = self.withheld.get_mut(&withheld)?;
        others.remove(uid);
        if !others.is_empty() {
            return None;
        }
        self.withheld.remove(&withheld);
        if self.is_over() {
            self.addresses = HashMap::new();
        }
        self.waiting.remove(&Awaited::Runs(withheld))
    }

    /// Whether a late claim could hold what the run is about to use. Before its look a run may find out its collection.
    fn concerns(&self, withheld: &Withheld, asking: &Asking<'_>) -> bool {
        match (withheld.collection, &asking.lock) {
            (Some(known), Some(Lock::Collection(own))) => known == *own,
            (Some(_), None) => false,
            (Some(_), Some(Lock::Name(..))) | (None, _) => {
                withheld.database == asking.database
                    && asking.endpoint.is_some_and(|endpoint| self.may_lead_to(&withheld.connection, endpoint))
            }
        }
    }

    fn may_lead_to(&self, connection: &Key, endpoint: &str) -> bool {
        let is_listed = || {
            let of = |scope: &Option<String>| scope.as_ref().is_none_or(|namespace| *namespace == connection.namespace);
            !self.unknown.iter().any(of)
        };
        match self.addresses.get(connection) {
            Some(addresses) => addresses.iter().any(|address| address == endpoint),
            // Without a connection nothing was claimed through it.
            None => !is_listed(),
        }
    }

    /// A run that withholds this and could not be written.
    fn unwritten(&self, withheld: &Withheld) -> Option<&Key> {
        let uids = self.withheld.get(withheld)?;
        uids.iter().filter_map(|uid| self.unannounced.get(uid)).find(|run| run.failed).map(|run| &run.key)
    }
}

#[cfg(test)]
mod tests;
