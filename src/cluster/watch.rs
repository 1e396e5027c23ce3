//! The watch of one kind, from the API server to the triggers of its controller.

use std::{fmt::Debug, iter, sync::Arc};

use futures::{Stream, StreamExt, TryStreamExt, stream};
use kube::{Api, Resource, runtime::watcher};
use serde::de::DeserializeOwned;
use tokio::task::coop::consume_budget;

use super::{
    lists::Lists,
    packed::{Packed, Shown},
    restored,
    store::{Objects, Store},
};
use crate::object::Key;

/// Hears of every change of the objects, our own status writes among them, once the store shows it; what a listing shows
/// counts when the listing is complete. Only the first counts as it comes, since nobody knows anything older than it: most of
/// the work is done by the time that it is complete. Passes are due then. Deletions are told here and nowhere else: the
/// objects have no finalizer, so no pass sees them go.
pub trait Lifecycle<K>: Send + Sync + 'static {
    /// The object exists with this content. Gives when that is a reason for a pass.
    fn seen(&self, key: &Key, object: &Packed<K>) -> Asks;
    /// The object with this uid is gone; it was known by this key.
    fn gone(&self, uid: &str, key: &Key);
    /// The cluster was restored from a backup: of later versions than those that are told next there are none any more.
    fn restored(&self) {}
    /// Everything that exists has been told at least once.
    fn listed(&self);
}

/// When what the watch shows of an object asks for a pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asks {
    /// A pass would have nothing to do.
    Never,
    /// If more has changed than the status, which is our own.
    IfChanged,
    /// Whatever has changed: somebody else wrote the status.
    Always,
}

/// Watches a kind: the store of everything that exists, and the stream of what has changed in a way that a pass cares for.
pub fn objects<K>(
    lists: &Lists,
    api: Api<Shown<K>>,
    lifecycle: impl Lifecycle<K>,
) -> (Store<K>, impl Stream<Item = watcher::Result<Key>> + Send + 'static)
where
    K: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned + Send + Sync + 'static,
{
    let store = Store::default();
    let (shown, lifecycle) = (store.clone(), Arc::new(lifecycle));
    let mut watch = Watch::new(store.clone(), lifecycle.clone());
    let stream = lists
        .watch(api, watcher::Config::default())
        .inspect_err(|error| tracing::warn!(%error, kind = %K::kind(&()), "the watch failed; reopening it"))
        .map(move |event| {
            watch.restored |= event.as_ref().is_err_and(restored::told_by);
            Ok(stream::iter(watch.take(event?)).map(Ok))
        })
        .try_flatten()
        .try_filter_map(move |news| {
            let (shown, lifecycle) = (shown.clone(), lifecycle.clone());
            async move {
                // A listing tells of thousands at once; whatever else the process does has its turn in between.
                consume_budget().await;
                Ok(news.tell(&shown, lifecycle.as_ref()))
            }
        });
    (store, stream)
}

/// What a watch shows.
struct Watch<K, L> {
    store: Store<K>,
    lifecycle: Arc<L>,
    listing: Listing<K>,
    /// Of the first listing, until everything is known.
    due: Vec<Key>,
    /// Whether the listing that is under way is made because the cluster was restored: generations count anew then, and tell
    /// no change.
    restored: bool,
}

/// The last listing that was begun.
enum Listing<K> {
    None,
    /// The store takes in what it shows.
    First,
    /// The store shows what there was before, until it is complete.
    Later(Objects<K>),
}

/// What follows from an event, once the store has taken it in.
#[derive(Debug, PartialEq)]
enum News {
    Restored,
    Gone {
        uid: String,
        key: Key,
    },
    Seen {
        key: Key,
        changed: bool,
    },
    Listed,
    /// It was told before, and a pass is due.
    Due(Key),
}

impl<K: Resource<DynamicType = ()> + 'static, L: Lifecycle<K>> Watch<K, L> {
    fn new(store: Store<K>, lifecycle: Arc<L>) -> Self {
        Self { store, lifecycle, listing: Listing::None, due: Vec::new(), restored: false }
    }

    fn take(&mut self, event: watcher::Event<Shown<K>>) -> Box<dyn Iterator<Item = News> + Send> {
        match event {
            watcher::Event::Init => {
                self.listing = match self.listing {
                    Listing::None => Listing::First,
                    Listing::First | Listing::Later(_) => Listing::Later(Objects::default()),
                };
                Box::new(iter::empty())
            }
            watcher::Event::InitApply(object) => {
                let (key, object) = (Key::of(&object), Arc::new(object.into_packed()));
                match &mut self.listing {
                    Listing::Later(listing) => listing.put(&key, object),
                    Listing::None | Listing::First => {
                        self.store.put(&key, object.clone());
                        if self.lifecycle.seen(&key, &object) != Asks::Never {
                            self.due.push(key);
                        }
                    }
                }
                Box::new(iter::empty())
            }
            watcher::Event::InitDone => {
                let listing = std::mem::replace(&mut self.listing, Listing::Later(Objects::default()));
                let due = std::mem::take(&mut self.due).into_iter().map(News::Due);
                match listing {
                    Listing::Later(listing) => Box::new(self.listed(listing).chain(due)),
                    Listing::None | Listing::First => {
                        let restored = std::mem::take(&mut self.restored).then_some(News::Restored);
                        Box::new(restored.into_iter().chain([News::Listed]).chain(due))
                    }
                }
            }
            watcher::Event::Apply(object) => {
                let (key, object) = (Key::of(&object), Arc::new(object.into_packed()));
                let before = self.store.get(&key);
                let gone =
                    before.as_ref().filter(|before| before.uid() != object.uid()).map(|before| before.gone(&key));
                let seen = object.seen(&key, before.as_deref());
                self.store.put(&key, object);
                Box::new(gone.into_iter().chain([seen]))
            }
            watcher::Event::Delete(object) => {
                let (key, object) = (Key::of(&object), object.into_packed());
                self.store.remove(&key, object.uid());
                Box::new(iter::once(object.gone(&key)))
            }
        }
    }

    /// The store swaps in what the listing has shown. Each is told when it is asked for.
    fn listed(&mut self, listing: Objects<K>) -> impl Iterator<Item = News> + Send + use<K, L> {
        let before = self.store.replace(listing);
        // What was deleted while no watch was open is told by its absence only.
        let is_gone =
            |key: &Key, object: &Packed<K>| self.store.get(key).is_none_or(|there| there.uid() != object.uid());
        let gone = before.all().filter(|(key, object)| is_gone(key, object)).map(|(key, object)| object.gone(&key));
        let gone: Vec<_> = gone.collect();
        let restored = std::mem::take(&mut self.restored);
        let (store, keys) = (self.store.clone(), self.store.keys());
        let seen = keys.filter_map(move |key| {
            let before = before.get(&key).filter(|_| !restored);
            Some(store.get(&key)?.seen(&key, before.map(Arc::as_ref)))
        });
        gone.into_iter().chain(restored.then_some(News::Restored)).chain(seen).chain([News::Listed])
    }
}

impl<K> Packed<K> {
    /// It is not there any more.
    fn gone(&self, key: &Key) -> News {
        News::Gone { uid: self.uid().to_owned(), key: key.clone() }
    }

    /// It is there, where `before` was.
    fn seen(&self, key: &Key, before: Option<&Self>) -> News {
        let same = before.filter(|before| before.uid() == self.uid());
        News::Seen { key: key.clone(), changed: same.is_none_or(|before| !before.asks_as(self)) }
    }
}

impl News {
    /// Gives the object if a pass is due.
    fn tell<K>(self, store: &Store<K>, lifecycle: &impl Lifecycle<K>) -> Option<Key> {
        match self {
            Self::Restored => lifecycle.restored(),
            Self::Gone { uid, key } => lifecycle.gone(&uid, &key),
            Self::Listed => lifecycle.listed(),
            Self::Due(key) => return Some(key),
            Self::Seen { key, changed } => {
                let object = store.get(&key)?;
                return match lifecycle.seen(&key, &object) {
                    Asks::Never => None,
                    Asks::IfChanged => changed.then_some(key),
                    Asks::Always => Some(key),
                };
            }
        }
        None
    }
}

#[cfg(test)]
mod tests;
