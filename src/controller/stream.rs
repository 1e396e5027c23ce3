//! The watch of one kind, from the API server to the triggers of its controller.

use std::{collections::HashMap, fmt::Debug, hash::Hash};

use futures::{Stream, TryStreamExt};
use kube::{
    Api, Resource,
    core::Status,
    runtime::{
        WatchStreamExt, predicates,
        reflector::{self, Store},
        utils::Predicate,
        watcher,
    },
};
use serde::de::DeserializeOwned;

use super::{Key, kept::Kept};

/// Objects a page of the first listing. A page is decoded whole, managed fields and all, and what that takes stays with the
/// process: small pages keep ten thousand objects small.
const PAGE: u32 = 100;

/// Hears of objects before the filter that keeps our own status writes from triggering a pass. Deletions are told here
/// and nowhere else: the objects have no finalizer, so the filter would swallow them.
pub trait Lifecycle<K>: Send + 'static {
    /// The object exists with this content.
    fn seen(&self, object: &K);
    /// The object with this uid is gone; it was known by this key.
    fn gone(&self, uid: &str, key: &Key);
    /// Everything that exists has been told at least once.
    fn listed(&self);
}

/// Watches a kind: the store of everything that exists, and the stream of what has changed in a way that a pass cares for.
pub fn objects<K>(
    api: Api<Kept<K>>,
    lifecycle: impl Lifecycle<Kept<K>>,
) -> (Store<Kept<K>>, impl Stream<Item = Result<Kept<K>, watcher::Error>> + Send + 'static)
where
    K: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned + Send + Sync + 'static,
    K::DynamicType: Eq + Hash + Clone,
{
    let (store, writer) = reflector::store();
    let (mut known, mut listing) = (HashMap::<String, Key>::new(), HashMap::<String, Key>::new());
    let stream = watcher(api, watcher::Config::default().page_size(PAGE))
        .default_backoff()
        .reflect(writer)
        .inspect_ok(move |event| match event {
            watcher::Event::Init => listing.clear(),
            watcher::Event::InitApply(object) => {
                listing.insert(uid(object), Key::of(object));
                lifecycle.seen(object);
            }
            watcher::Event::InitDone => {
                // What was deleted while no watch was open is told by its absence only.
                for (uid, key) in known.iter().filter(|(uid, _)| !listing.contains_key(*uid)) {
                    lifecycle.gone(uid, key);
                }
                known = std::mem::take(&mut listing);
                lifecycle.listed();
            }
            watcher::Event::Apply(object) => {
                known.insert(uid(object), Key::of(object));
                lifecycle.seen(object);
            }
            watcher::Event::Delete(object) => {
                known.remove(&uid(object));
                lifecycle.gone(&uid(object), &Key::of(object));
            }
        })
        .inspect_err(|error| tracing::warn!(%error, kind = %K::kind(&()), "the watch failed and is opened again"))
        .applied_objects()
        .predicate_filter(
            predicates::generation.combine(predicates::finalizers).combine(predicates::annotations),
            Default::default(),
        );
    (store, stream)
}

/// What the API server answered to a watch that failed; `None` where it did not answer.
pub fn refusal(error: &watcher::Error) -> Option<&Status> {
    match error {
        watcher::Error::InitialListFailed(kube::Error::Api(status))
        | watcher::Error::WatchStartFailed(kube::Error::Api(status))
        | watcher::Error::WatchError(status) => Some(status),
        watcher::Error::InitialListFailed(_)
        | watcher::Error::WatchStartFailed(_)
        | watcher::Error::WatchFailed(_)
        | watcher::Error::NoResourceVersion => None,
    }
}

fn uid<K: Resource>(object: &K) -> String {
    object.meta().uid.clone().unwrap_or_default()
}
