//! Wakes the objects whose schedules make a run due: one timer for all of them. Whoever rests until then costs no pass, at
//! the start of the process neither.
//!
//! The times are those of the wall clock, which can be set, and which goes on while a machine sleeps. So the timer looks at it
//! at least once a minute.

use std::{
    collections::{BTreeSet, HashMap},
    time::Duration,
};

use jiff::Timestamp;
use parking_lot::Mutex;
use tokio::{
    sync::Notify,
    time::{sleep, timeout},
};

use super::Router;
use crate::{clock::Clock, object::Key};

/// How often the wall clock is looked at while no alarm is due.
const LONGEST: Duration = Duration::from_secs(60);
/// The pause after alarms, which are set to whole seconds: what comes of one that changes nothing is no busy loop.
const PAUSE: Duration = Duration::from_secs(1);

/// When to wake which object.
#[derive(Debug)]
pub struct Alarms {
    wake: Router,
    inner: Mutex<Inner>,
    news: Notify,
}

#[derive(Debug, Default)]
struct Inner {
    times: BTreeSet<(Timestamp, String)>,
    /// By uid.
    objects: HashMap<String, (Timestamp, Key)>,
}

impl Alarms {
    /// None. `wake` reaches the refreshes.
    pub fn new(wake: Router) -> Self {
        Self { wake, inner: Mutex::default(), news: Notify::new() }
    }

    /// Wakes the object of `uid` at this time, and at none that was set before.
    pub fn set(&self, uid: &str, key: &Key, time: Option<Timestamp>) {
        let mut inner = self.inner.lock();
        let first = inner.first();
        inner.forget(uid);
        if let Some(time) = time {
            inner.times.insert((time, uid.to_owned()));
            inner.objects.insert(uid.to_owned(), (time, key.clone()));
        }
        let earlier = inner.first().is_some_and(|time| first.is_none_or(|first| time < first));
        drop(inner);
        if earlier {
            self.news.notify_one();
        }
    }

    /// The same for an object that the watch shows, whose run is `open` or not. One that waited for its time and has an open run
    /// is woken at once: a late write of the process before has opened it, and nobody else goes on with it.
    pub fn seen(&self, uid: &str, key: &Key, time: Option<Timestamp>, open: bool) {
        let waited = self.inner.lock().objects.contains_key(uid);
        self.set(uid, key, time);
        if waited && open {
            self.wake.wake(key.clone());
        }
    }

    /// The object is gone.
    pub fn forget(&self, uid: &str) {
        self.inner.lock().forget(uid);
    }

    /// Wakes those whose time has come. Gives the time of the next.
    pub fn ring(&self, now: Timestamp) -> Option<Timestamp> {
        let mut inner = self.inner.lock();
        let mut woken = Vec::new();
        while inner.first().is_some_and(|time| time <= now)
            && let Some((_, uid)) = inner.times.pop_first()
        {
            woken.extend(inner.objects.remove(&uid).map(|(_, key)| key));
        }
        let next = inner.first();
        drop(inner);
        for key in woken {
            self.wake.wake(key);
        }
        next
    }

    /// Wakes each object at its time, as long as the process runs.
    pub async fn keep(&self, clock: Clock) {
        loop {
            let now = clock.now();
            let left = |next: Timestamp| Duration::try_from(next.duration_since(now)).unwrap_or_default();
            let pause = self.ring(now).map_or(LONGEST, |next| left(next).min(LONGEST));
            sleep(PAUSE.min(pause)).await;
            // An earlier one ends the pause.
            let _ = timeout(pause.saturating_sub(PAUSE), self.news.notified()).await;
        }
    }
}

impl Inner {
    fn first(&self) -> Option<Timestamp> {
        self.times.first().map(|(time, _)| *time)
    }

    fn forget(&mut self, uid: &str) {
        if let Some((time, _)) = self.objects.remove(uid) {
            self.times.remove(&(time, uid.to_owned()));
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn key(name: &str) -> Key {
        Key { namespace: "n".to_owned(), name: name.to_owned() }
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_790_000_000 + second).unwrap()
    }

    #[test]
    fn an_object_is_woken_once_at_the_last_time_that_was_set() {
        let (router, mut woken) = Router::heard();
        let alarms = Alarms::new(router);
        alarms.set("1", &key("a"), Some(at(5)));
        alarms.set("1", &key("a"), Some(at(20)));
        alarms.set("2", &key("b"), Some(at(10)));
        alarms.set("3", &key("c"), Some(at(10)));
        alarms.forget("3");
        assert_eq!(alarms.ring(at(9)), Some(at(10)));
        assert!(woken().is_empty());
        assert_eq!(alarms.ring(at(10)), Some(at(20)));
        assert_eq!(woken(), ["b"]);
        assert_eq!(alarms.ring(at(3600)), None);
        assert_eq!(woken(), ["a"]);
        assert_eq!(alarms.ring(at(7200)), None);
        assert!(woken().is_empty());
    }

    #[test]
    fn an_object_that_no_longer_has_a_time_is_not_woken_unless_somebody_else_has_opened_its_run() {
        let (router, mut woken) = Router::heard();
        let alarms = Alarms::new(router);
        for open in [false, true] {
            alarms.set("1", &key("a"), Some(at(5)));
            alarms.seen("1", &key("a"), None, open);
            assert_eq!(woken(), if open { vec!["a"] } else { vec![] });
            alarms.seen("1", &key("a"), None, open);
            assert_eq!(alarms.ring(at(10)), None);
            assert!(woken().is_empty());
        }
    }

    #[test]
    fn nothing_is_kept_of_what_was_woken_or_is_gone() {
        let (router, _) = Router::heard();
        let alarms = Alarms::new(router);
        for (uid, second) in [("1", 1), ("2", 2)] {
            alarms.set(uid, &key(uid), Some(at(second)));
        }
        alarms.ring(at(1));
        alarms.forget("2");
        let inner = alarms.inner.lock();
        assert!(inner.times.is_empty() && inner.objects.is_empty());
    }
}
