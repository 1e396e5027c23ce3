//! Who may look when looks fail although the connection's own probe is well. A look describes a collection and lists its jobs.
//!
//! An object whose looks fail rests 5 s, then 10 s and so on, up to a minute. When the looks of three objects in a row have
//! failed, the trouble is the server's: the connection's gate closes and the runs that are due see the connection as not
//! ready. After a pause one look goes through as a trial, and a success opens the gate. So one object never closes it for the
//! others, and a server in trouble is asked the same few times whatever waits for it.
//!
//! What runs are shown is the first error of its kind: each other wording would be a status write for every one of them.

use std::{collections::HashMap, time::Duration};

use parking_lot::Mutex;
use tokio::time::Instant;

use crate::{
    backoff::doubled,
    milvus::MilvusError,
    object::Key,
    refresh::{
        limits::{LONGEST_SLEEP, LOOK_AGAIN},
        trouble,
    },
};

/// The looks of so many objects have to fail in a row to close a gate.
const ENOUGH: usize = 3;
/// So many of those that wait come back when a gate's pause is over; the others when it is open.
const SCOUTS: usize = 4;
/// The first pause of a gate; each further one is twice as long.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// The longest pause of a gate.
const LONGEST_PAUSE: Duration = Duration::from_secs(15);
/// An object whose looks have failed lets the others try first.
const AFTER_OTHERS: Duration = Duration::from_secs(1);
/// A trial whose end was not told by then is none any more: its pass was cut off.
const LONGEST_TRIAL: Duration = Duration::from_secs(60);

/// The looks through all connections.
#[derive(Debug, Default)]
pub struct Looks {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    gates: HashMap<Key, Gate>,
    /// The objects whose last look has failed, by uid.
    failing: HashMap<String, Failing>,
}

#[derive(Debug)]
struct Failing {
    connection: Key,
    error: MilvusError,
    failures: u32,
    until: Instant,
}

#[derive(Debug, Default)]
struct Gate {
    /// Whose looks have failed since one succeeded; [`ENOUGH`] at the most.
    failed: Vec<String>,
    closed: Option<Closed>,
}

#[derive(Debug)]
struct Closed {
    error: MilvusError,
    times: u32,
    until: Instant,
    /// Whose look is under way, and until when that counts.
    trial: Option<(String, Instant)>,
    scouts: Vec<String>,
}

impl Looks {
    /// What the run of `uid` is shown of looks through `connection` that fail; `None` while they do not.
    pub fn trouble(&self, connection: &Key, uid: &str) -> Option<MilvusError> {
        let inner = self.inner.lock();
        let own = inner.failing.get(uid).map(|own| &own.error);
        own.or_else(|| Some(&inner.gates.get(connection)?.closed.as_ref()?.error)).cloned()
    }

    /// Whether the due run of `uid` may look through `connection` now. Behind a closed gate, where it would be the trial, its
    /// own rest does not count.
    pub fn may_look(&self, connection: &Key, uid: &str, now: Instant) -> bool {
        let inner = self.inner.lock();
        match inner.gates.get(connection).and_then(|gate| gate.closed.as_ref()) {
            Some(closed) => closed.until <= now && !closed.is_tried_by_another(uid, now),
            None => inner.failing.get(uid).is_none_or(|own| own.until <= now),
        }
    }

    /// When the due run of `uid` comes back to look; `None` if nothing but the connection holds it.
    pub fn come_back(&self, connection: &Key, uid: &str, now: Instant) -> Option<Duration> {
        let Inner { gates, failing } = &mut *self.inner.lock();
        let own = failing.get(uid);
        let Some(closed) = gates.get_mut(connection).and_then(|gate| gate.closed.as_mut()) else {
            return own.and_then(|own| left(own.until, now));
        };
        if !closed.take_for_a_scout(uid, failing) {
            return Some(LONGEST_SLEEP);
        }
        let after_others = if own.is_some() { AFTER_OTHERS } else { Duration::ZERO };
        Some(left(closed.until, now).unwrap_or(LOOK_AGAIN) + after_others)
    }

    /// How long the object of `uid` rests because its own looks have failed.
    pub fn rest(&self, uid: &str, now: Instant) -> Option<Duration> {
        self.inner.lock().failing.get(uid).and_then(|own| left(own.until, now))
    }

    /// A look of `uid` begins; the trial, where the gate is closed.
    pub fn begin(&self, connection: &Key, uid: &str, now: Instant) {
        if let Some(closed) = self.inner.lock().gates.get_mut(connection).and_then(|gate| gate.closed.as_mut())
            && closed.until <= now
        {
            closed.trial = Some((uid.to_owned(), now + LONGEST_TRIAL));
        }
    }

    /// A look of `uid` was answered. Says whether that has opened the gate, so that the others may look.
    pub fn answered(&self, connection: &Key, uid: &str) -> bool {
        let mut inner = self.inner.lock();
        inner.failing.remove(uid);
        inner.gates.remove(connection).is_some_and(|gate| gate.closed.is_some())
    }

    /// A look of `uid` failed. Gives the error that its run is shown.
    pub fn failed(&self, connection: &Key, uid: &str, error: MilvusError, now: Instant) -> MilvusError {
        let Inner { gates, failing } = &mut *self.inner.lock();
        let gate = gates.entry(connection.clone()).or_default();
        let told = failing.remove(uid).map(|own| (own.error, own.failures));
        let told = told.or_else(|| Some((gate.closed.as_ref()?.error.clone(), 0)));
        let (error, failures) = match told {
            Some((told, failures)) if trouble(told.kind) == trouble(error.kind) => (told, failures.saturating_add(1)),
            Some((_, failures)) => (error, failures.saturating_add(1)),
            None => (error, 1),
        };
        let until = now + doubled(LOOK_AGAIN, failures, LONGEST_SLEEP);
        let own = Failing { connection: connection.clone(), error: error.clone(), failures, until };
        failing.insert(uid.to_owned(), own);
        gate.failed(connection, uid, &error, now);
        error
    }

    /// The connection has changed or is gone: what failed before says nothing.
    pub fn anew(&self, connection: &Key) {
        let mut inner = self.inner.lock();
        inner.gates.remove(connection);
        inner.failing.retain(|_, own| own.connection != *connection);
    }

    /// The object is gone, or its run needs no look any more.
    pub fn forget(&self, uid: &str) {
        self.inner.lock().failing.remove(uid);
    }
}

impl Gate {
    fn failed(&mut self, connection: &Key, uid: &str, error: &MilvusError, now: Instant) {
        match &mut self.closed {
            Some(closed) if closed.trial.as_ref().is_some_and(|(trial, _)| trial == uid) => {
                closed.trial = None;
                closed.times = closed.times.saturating_add(1);
                closed.until = now + doubled(FIRST_PAUSE, closed.times, LONGEST_PAUSE);
            }
            // It began before the gate was closed.
            Some(_) => {}
            None => {
                if !self.failed.iter().any(|failed| failed == uid) {
                    self.failed.push(uid.to_owned());
                }
                if self.failed.len() >= ENOUGH {
                    self.close(connection, error, now);
                }
            }
        }
    }

    fn close(&mut self, connection: &Key, error: &MilvusError, now: Instant) {
        tracing::warn!(
            namespace = connection.namespace,
            name = connection.name,
            %error,
            "the connection answers its probe, but calls for {ENOUGH} refreshes in a row failed; its refreshes wait, and one at \
             a time retries, at least every {} s",
            LONGEST_PAUSE.as_secs()
        );
        let until = now + FIRST_PAUSE;
        self.closed = Some(Closed { error: error.clone(), times: 1, until, trial: None, scouts: Vec::new() });
    }
}

impl Closed {
    fn is_tried_by_another(&self, uid: &str, now: Instant) -> bool {
        self.trial.as_ref().is_some_and(|(trial, until)| trial != uid && left(*until, now).is_some())
    }

    /// Those whose own looks have not failed go first: their trouble would not be their own.
    fn take_for_a_scout(&mut self, uid: &str, failing: &HashMap<String, Failing>) -> bool {
        if self.scouts.iter().any(|scout| scout == uid) {
            return true;
        }
        if self.scouts.len() < SCOUTS {
            self.scouts.push(uid.to_owned());
            return true;
        }
        let worse = self.scouts.iter_mut().find(|scout| failing.contains_key(*scout) && !failing.contains_key(uid));
        worse.map(|scout| uid.clone_into(scout)).is_some()
    }
}

fn left(until: Instant, now: Instant) -> Option<Duration> {
    Some(until.saturating_duration_since(now)).filter(|left| !left.is_zero())
}

#[cfg(test)]
mod tests;
