//! The objects of a kind that wait for a pass: now, at a time, or behind the pass that they have. Pure: the time is an
//! argument.
//!
//! An object has one pass at a time, and waits at most once. Who goes first among tenants is in [`super::fair`].

use std::collections::{BTreeSet, HashMap};

use tokio::time::Instant;

use crate::{
    object::Key,
    turns::fair::{Fair, Limits, Ticket},
};

/// How many passes are under way at a time, with so many `workers`: as many through one connection and twice as many in one
/// namespace, those that are set aside among them. So much memory as 32 namespaces that hang may be held by what hangs.
pub(super) fn limits(workers: u16) -> Limits {
    let workers = usize::from(workers.max(1));
    Limits { at_work: workers, each_lane: workers, each_namespace: 2 * workers, set_aside: 64 * workers }
}

/// What waits for a pass, and what has one.
#[derive(Debug)]
pub(super) struct Queue {
    fair: Fair<Key>,
    objects: HashMap<Key, State>,
    /// What waits for its time.
    later: BTreeSet<(Instant, Key)>,
}

/// What an object does. A lane is what it shares with others of its namespace.
#[derive(Debug)]
enum State {
    Waits,
    WaitsUntil(Instant, String),
    /// It has a pass, and another one is due then if a lane is given.
    Runs(Ticket, Option<String>),
}

impl Queue {
    /// With nothing in it.
    pub(super) fn new(limits: Limits) -> Self {
        Self { fair: Fair::new(limits), objects: HashMap::new(), later: BTreeSet::new() }
    }

    /// A pass is due for `key`, which stands in this lane of its namespace.
    pub(super) fn add(&mut self, key: Key, lane: String) {
        match self.objects.get_mut(&key) {
            Some(State::Waits) => {}
            Some(State::Runs(_, again)) => *again = Some(lane),
            Some(State::WaitsUntil(time, _)) => {
                self.later.remove(&(*time, key.clone()));
                self.wait(key, lane);
            }
            None => self.wait(key, lane),
        }
    }

    /// The object whose pass begins at `now`, if one may.
    pub(super) fn next(&mut self, now: Instant) -> Option<Key> {
        while self.later.first().is_some_and(|(time, _)| *time <= now)
            && let Some((_, key)) = self.later.pop_first()
        {
            if let Some(State::WaitsUntil(_, lane)) = self.objects.remove(&key) {
                self.wait(key, lane);
            }
        }
        let (ticket, key) = self.fair.next(now)?;
        self.objects.insert(key.clone(), State::Runs(ticket, None));
        Some(key)
    }

    /// How many wait whose pass is due.
    pub(super) fn waiting(&self) -> usize {
        self.fair.waiting("").0
    }

    /// When [`next`](Self::next) may have one although nothing has happened.
    pub(super) fn next_time(&self) -> Option<Instant> {
        let later = self.later.first().map(|(time, _)| *time);
        later.into_iter().chain(self.fair.next_time()).min()
    }

    /// The pass over `key` has ended; there is another at that time, if one is given.
    pub(super) fn ended(&mut self, key: Key, next: Option<Instant>) {
        let Some(State::Runs(ticket, again)) = self.objects.remove(&key) else { return };
        self.fair.done(&ticket);
        match (again, next) {
            (Some(lane), _) => self.wait(key, lane),
            (None, Some(time)) => {
                self.later.insert((time, key.clone()));
                self.objects.insert(key, State::WaitsUntil(time, ticket.into_lane()));
            }
            (None, None) => {}
        }
    }

    fn wait(&mut self, key: Key, lane: String) {
        self.fair.push(&key.namespace, &lane, key.clone());
        self.objects.insert(key, State::Waits);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::time::Duration;

    use super::*;

    fn key(namespace: &str, name: &str) -> Key {
        Key { namespace: namespace.to_owned(), name: name.to_owned() }
    }

    /// A queue whose clock stands until it is moved.
    struct Scene {
        queue: Queue,
        now: Instant,
    }

    impl Scene {
        fn new(workers: u16) -> Self {
            Self { queue: Queue::new(limits(workers)), now: Instant::now() }
        }

        fn add(&mut self, namespace: &str, name: &str) {
            self.queue.add(key(namespace, name), "default".to_owned());
        }

        /// The names of those whose passes begin now.
        fn begin(&mut self) -> Vec<String> {
            std::iter::from_fn(|| self.queue.next(self.now)).map(|key| key.name).collect()
        }

        fn end(&mut self, namespace: &str, name: &str, pause: Option<Duration>) {
            self.queue.ended(key(namespace, name), pause.map(|pause| self.now + pause));
        }

        /// Nothing is to be done before that time.
        fn sleep(&mut self) {
            self.now = self.queue.next_time().unwrap();
        }
    }

    #[test]
    fn an_object_that_is_asked_for_often_has_one_pass_and_one_more_if_it_was_asked_for_meanwhile() {
        let mut scene = Scene::new(2);
        scene.add("n", "a");
        scene.add("n", "a");
        assert_eq!(scene.begin(), ["a"]);
        scene.add("n", "a");
        scene.add("n", "a");
        assert!(scene.begin().is_empty(), "one at a time");
        scene.end("n", "a", Some(Duration::from_secs(60)));
        assert_eq!(scene.begin(), ["a"]);
        scene.end("n", "a", None);
        assert!(scene.begin().is_empty());
        assert!(scene.queue.objects.is_empty() && scene.queue.next_time().is_none());
    }

    #[test]
    fn an_object_comes_back_at_its_time_or_when_it_is_asked_for_before() {
        let mut scene = Scene::new(2);
        let began = scene.now;
        scene.add("n", "a");
        assert_eq!(scene.begin(), ["a"]);
        scene.end("n", "a", Some(Duration::from_secs(60)));
        assert!(scene.begin().is_empty());
        scene.sleep();
        assert_eq!(scene.now, began + Duration::from_secs(60));
        assert_eq!(scene.begin(), ["a"]);
        scene.end("n", "a", Some(Duration::from_secs(60)));
        scene.add("n", "a");
        assert_eq!(scene.begin(), ["a"]);
        scene.end("n", "a", None);
        assert_eq!(scene.queue.next_time(), None, "the time that was set is over");
    }

    #[test]
    fn objects_have_their_passes_in_the_order_in_which_they_were_asked_for() {
        let mut scene = Scene::new(1);
        let names: Vec<String> = (0..100).map(|number| number.to_string()).collect();
        names.iter().rev().for_each(|name| scene.add("n", name));
        for name in names.iter().rev() {
            assert_eq!(scene.begin(), [name.as_str()]);
            scene.end("n", name, None);
        }
    }

    #[test]
    fn passes_that_hang_keep_only_their_own_connection_waiting() {
        let mut scene = Scene::new(4);
        for number in 0..100 {
            scene.add("bad", &format!("hangs{number}"));
        }
        assert_eq!(scene.begin().len(), 4);
        scene.add("good", "good");
        scene.queue.add(key("bad", "other"), "another".to_owned());
        assert!(scene.begin().is_empty(), "all workers are taken for a moment");
        scene.sleep();
        assert_eq!(scene.begin(), ["good", "other"], "no further one of the connection that hangs");
        scene.end("good", "good", None);
        scene.end("bad", "hangs0", None);
        assert_eq!(scene.begin(), ["hangs4"]);
    }

    #[test]
    fn what_is_set_aside_is_bounded_in_all() {
        let mut scene = Scene::new(1);
        for namespace in 0..200 {
            scene.add(&namespace.to_string(), "hangs");
        }
        let mut begun = scene.begin().len();
        while scene.queue.next_time().is_some() {
            scene.sleep();
            begun += scene.begin().len();
        }
        assert_eq!(begun, 64 + 1, "one keeps its worker");
        scene.end("0", "hangs", None);
        scene.sleep();
        assert_eq!(scene.begin().len(), 1);
    }
}
