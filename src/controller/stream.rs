//! The watch of one kind, from the API server to the triggers of its controller.

use std::{collections::HashSet, fmt::Debug, hash::Hash};

use futures::{Stream, TryStreamExt};
use kube::{
    Api, Resource,
    core::DeserializeGuard,
    runtime::{
        WatchStreamExt, predicates,
        reflector::{self, Store},
        utils::Predicate,
        watcher,
    },
};
use serde::de::DeserializeOwned;

use super::Key;

/// Hears of objects before the filter that keeps our own status writes from triggering a pass. Deletions are told here
/// and nowhere else: the objects have no finalizer, so the filter would swallow them.
pub trait Lifecycle<K>: Send + 'static {
    /// The object exists with this content.
    fn seen(&self, object: &K);
    /// The object is gone.
    fn gone(&self, object: &K);
    /// Everything that exists has been told; objects whose uid or key is not among these are gone.
    fn listed(&self, uids: &HashSet<String>, keys: &HashSet<Key>);
}

/// Watches a kind: the store of everything that exists, and the stream of what has changed in a way that a pass cares for.
pub fn objects<K>(
    api: Api<DeserializeGuard<K>>,
    lifecycle: impl Lifecycle<DeserializeGuard<K>>,
) -> (Store<DeserializeGuard<K>>, impl Stream<Item = Result<DeserializeGuard<K>, watcher::Error>> + Send + 'static)
where
    K: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned + Send + Sync + 'static,
    K::DynamicType: Eq + Hash + Clone,
{
    let (store, writer) = reflector::store();
    let (mut uids, mut keys) = (HashSet::new(), HashSet::new());
    let stream = watcher(api, watcher::Config::default())
        .default_backoff()
        .modify(|object| object.meta_mut().managed_fields = None)
        .reflect(writer)
        .inspect_ok(move |event| match event {
            watcher::Event::Init => {
                uids.clear();
                keys.clear();
            }
            watcher::Event::InitApply(object) => {
                uids.extend(object.meta().uid.clone());
                keys.insert(Key::of(object));
                lifecycle.seen(object);
            }
            watcher::Event::InitDone => {
                lifecycle.listed(&uids, &keys);
                (uids, keys) = (HashSet::new(), HashSet::new());
            }
            watcher::Event::Apply(object) => lifecycle.seen(object),
            watcher::Event::Delete(object) => lifecycle.gone(object),
        })
        .inspect_err(|error| tracing::warn!(%error, kind = %K::kind(&()), "the watch failed and is opened again"))
        .applied_objects()
        .predicate_filter(
            predicates::generation.combine(predicates::finalizers).combine(predicates::annotations),
            Default::default(),
        );
    (store, stream)
}
