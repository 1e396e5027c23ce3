//! Asks for a reconcile for another reason than a change that a watch shows.

pub mod alarms;
pub mod staggered;

use std::{
    collections::{HashSet, VecDeque},
    sync::Arc,
};

use futures::{Stream, stream};
use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::object::Key;

/// Keys to look at again, in the order in which they were woken. A key that is woken twice before it is taken is looked at
/// once, so there are never more than there are objects, and waking never blocks.
#[derive(Clone, Debug, Default)]
pub struct Wakes {
    inner: Arc<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    keys: Mutex<Woken>,
    notify: Notify,
}

#[derive(Debug, Default)]
struct Woken {
    order: VecDeque<Key>,
    known: HashSet<Key>,
}

impl Wakes {
    /// Asks for another look at `key`.
    pub fn wake(&self, key: Key) {
        let mut keys = self.inner.keys.lock();
        if keys.known.insert(key.clone()) {
            keys.order.push_back(key);
        }
        drop(keys);
        self.inner.notify.notify_one();
    }

    /// The keys as they are woken. One reader only.
    pub fn stream(&self) -> impl Stream<Item = Key> + Send + 'static + use<> {
        let inner = self.inner.clone();
        stream::unfold(inner, |inner| async move {
            loop {
                let next = inner.keys.lock().next();
                if let Some(key) = next {
                    return Some((key, inner));
                }
                inner.notify.notified().await;
            }
        })
    }
}

impl Woken {
    fn next(&mut self) -> Option<Key> {
        let key = self.order.pop_front()?;
        self.known.remove(&key);
        Some(key)
    }
}

/// The wake-ups of one kind, by what is watched: all namespaces, or each of a few.
#[derive(Clone, Debug)]
pub struct Router {
    routes: Vec<(Option<String>, Wakes)>,
}

impl Router {
    /// A route for each of `scopes`; `None` stands for all namespaces.
    pub fn new(scopes: &[Option<String>]) -> Self {
        Self { routes: scopes.iter().map(|scope| (scope.clone(), Wakes::default())).collect() }
    }

    /// Asks for another look at `key`; nothing happens where its namespace is not watched.
    pub fn wake(&self, key: Key) {
        let route = self.routes.iter().find(|(scope, _)| scope.as_ref().is_none_or(|scope| *scope == key.namespace));
        if let Some((_, wakes)) = route {
            wakes.wake(key);
        }
    }

    /// What is woken in `scope`.
    pub fn stream(&self, scope: &Option<String>) -> impl Stream<Item = Key> + Send + 'static + use<> {
        let wakes = self.routes.iter().find(|(route, _)| route == scope).map(|(_, wakes)| wakes.clone());
        wakes.unwrap_or_default().stream()
    }
}

#[cfg(test)]
impl Router {
    /// A router, and the names of what it has woken since that was last asked.
    pub fn heard() -> (Self, impl FnMut() -> Vec<String>) {
        use futures::{FutureExt, StreamExt};

        let router = Self::new(&[None]);
        let mut stream = Box::pin(router.stream(&None));
        let woken = move || {
            let mut names: Vec<String> =
                std::iter::from_fn(|| stream.next().now_or_never().flatten()).map(|key| key.name).collect();
            names.sort();
            names
        };
        (router, woken)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use futures::{FutureExt, StreamExt};

    use super::*;

    fn key(namespace: &str) -> Key {
        Key { namespace: namespace.to_owned(), name: "a".to_owned() }
    }

    #[test]
    fn a_key_that_is_woken_twice_comes_once() {
        let wakes = Wakes::default();
        wakes.wake(key("n"));
        wakes.wake(key("n"));
        let mut stream = Box::pin(wakes.stream());
        assert_eq!(stream.next().now_or_never(), Some(Some(key("n"))));
        assert_eq!(stream.next().now_or_never(), None);
        wakes.wake(key("n"));
        assert_eq!(stream.next().now_or_never(), Some(Some(key("n"))));
    }

    #[test]
    fn keys_come_in_the_order_in_which_they_were_woken() {
        let wakes = Wakes::default();
        let keys: Vec<Key> = (0..100).map(|number| key(&format!("n{}", number * 37 % 100))).collect();
        keys.iter().chain(&keys).cloned().for_each(|key| wakes.wake(key));
        let mut stream = Box::pin(wakes.stream());
        let woken: Vec<Key> = std::iter::from_fn(|| stream.next().now_or_never().flatten()).collect();
        assert_eq!(woken, keys);
    }

    #[test]
    fn a_key_goes_to_the_scope_of_its_namespace() {
        let scopes = [Some("a".to_owned()), Some("b".to_owned())];
        let router = Router::new(&scopes);
        let (mut a, mut b) = (Box::pin(router.stream(&scopes[0])), Box::pin(router.stream(&scopes[1])));
        router.wake(key("b"));
        router.wake(key("elsewhere"));
        assert_eq!(a.next().now_or_never(), None);
        assert_eq!(b.next().now_or_never(), Some(Some(key("b"))));
    }
}
