//! The watch of one kind, from the API server to the triggers of its controller.

use std::{
    collections::HashMap,
    fmt::Debug,
    hash::{DefaultHasher, Hash, Hasher},
};

use futures::{Stream, TryStreamExt, future};
use kube::{
    Api, Resource,
    core::Status,
    runtime::{
        WatchStreamExt,
        reflector::{self, Store},
        watcher,
    },
};
use serde::de::DeserializeOwned;

use super::{Key, kept::Kept};

/// Objects a page of the first listing. A page is decoded whole, managed fields and all, and what that takes stays with the
/// process: small pages keep ten thousand objects small.
const PAGE: u32 = 100;

/// Hears of every change of the objects, our own status writes among them. Deletions are told here and nowhere else: the
/// objects have no finalizer, so no pass sees them go.
pub trait Lifecycle<K>: Send + 'static {
    /// The object exists with this content. Gives whether a pass may have anything to do for it.
    fn seen(&self, object: &K) -> bool;
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
{
    let (store, writer) = reflector::store();
    let mut shown = Shown::default();
    let stream = watcher(api, watcher::Config::default().page_size(PAGE))
        .default_backoff()
        .reflect(writer)
        .inspect_err(|error| tracing::warn!(%error, kind = %K::kind(&()), "the watch failed and is opened again"))
        .try_filter_map(move |event| future::ready(Ok(shown.take(event, &lifecycle))));
    (store, stream)
}

/// What a watch has shown, by uid.
#[derive(Default)]
struct Shown {
    known: HashMap<String, Last>,
    /// What the listing that is under way has shown.
    listing: HashMap<String, Last>,
}

/// What was last shown of an object.
struct Last {
    key: Key,
    /// Stands for all that a pass depends on but the status, which is our own.
    stamp: u64,
}

impl Shown {
    /// Tells what has happened. Gives the object if a pass is due.
    fn take<K: Resource>(&mut self, event: watcher::Event<K>, lifecycle: &impl Lifecycle<K>) -> Option<K> {
        let (object, listed) = match event {
            watcher::Event::InitApply(object) => (object, true),
            watcher::Event::Apply(object) => (object, false),
            watcher::Event::Init => {
                self.listing.clear();
                return None;
            }
            watcher::Event::InitDone => {
                // What was deleted while no watch was open is told by its absence only.
                for (uid, last) in self.known.iter().filter(|(uid, _)| !self.listing.contains_key(*uid)) {
                    lifecycle.gone(uid, &last.key);
                }
                self.known = std::mem::take(&mut self.listing);
                lifecycle.listed();
                return None;
            }
            watcher::Event::Delete(object) => {
                let uid = uid(&object);
                self.known.remove(&uid);
                lifecycle.gone(&uid, &Key::of(&object));
                return None;
            }
        };
        let uid = uid(&object);
        let last = Last { key: Key::of(&object), stamp: stamp(&object) };
        let changed = self.known.get(&uid).is_none_or(|before| before.stamp != last.stamp);
        let shown = if listed { &mut self.listing } else { &mut self.known };
        shown.insert(uid, last);
        (lifecycle.seen(&object) && changed).then_some(object)
    }
}

fn stamp<K: Resource>(object: &K) -> u64 {
    let meta = object.meta();
    let mut hasher = DefaultHasher::new();
    (meta.generation, &meta.finalizers, &meta.annotations).hash(&mut hasher);
    hasher.finish()
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::sync::Mutex;

    use k8s_openapi::api::core::v1::ConfigMap;
    use serde_json::json;

    use super::*;

    /// Notes what it hears; what rests carries a label.
    #[derive(Default)]
    struct Heard(Mutex<Vec<String>>);

    impl Heard {
        fn since(&self) -> Vec<String> {
            std::mem::take(&mut *self.0.lock().unwrap())
        }

        fn note(&self, what: String) {
            self.0.lock().unwrap().push(what);
        }
    }

    impl Lifecycle<ConfigMap> for Heard {
        fn seen(&self, object: &ConfigMap) -> bool {
            self.note(format!("seen {}", uid(object)));
            object.metadata.labels.is_none()
        }

        fn gone(&self, uid: &str, key: &Key) {
            self.note(format!("gone {uid} {}", key.name));
        }

        fn listed(&self) {
            self.note("listed".to_owned());
        }
    }

    fn object(uid: &str, generation: i64) -> ConfigMap {
        let meta = json!({ "metadata": { "namespace": "shop", "name": "a", "uid": uid, "generation": generation } });
        serde_json::from_value(meta).unwrap()
    }

    #[test]
    fn only_what_a_pass_cares_for_asks_for_one_and_everything_is_heard_of() {
        let (mut shown, heard) = (Shown::default(), Heard::default());
        let mut due = |event| shown.take(event, &heard).is_some();
        assert!(due(watcher::Event::Apply(object("1", 1))));
        assert!(!due(watcher::Event::Apply(object("1", 1))), "only its status has changed");
        assert!(due(watcher::Event::Apply(object("1", 2))));
        let mut asked = object("1", 2);
        asked.metadata.annotations = Some([("requestedAt".to_owned(), "now".to_owned())].into());
        assert!(due(watcher::Event::Apply(asked)));
        let mut rests = object("2", 1);
        rests.metadata.labels = Some([("rests".to_owned(), String::new())].into());
        assert!(!due(watcher::Event::Apply(rests)));
        assert_eq!(heard.since(), ["seen 1", "seen 1", "seen 1", "seen 1", "seen 2"]);
        assert!(!due(watcher::Event::Delete(object("2", 1))));
        assert_eq!(heard.since(), ["gone 2 a"]);
        assert!(due(watcher::Event::Apply(object("2", 1))), "it was shown anew");
    }

    #[test]
    fn a_listing_asks_for_passes_over_what_is_new_and_tells_what_is_gone() {
        let (mut shown, heard) = (Shown::default(), Heard::default());
        let mut list = |objects: &[(&str, i64)]| {
            let listed = objects.iter().map(|(uid, generation)| watcher::Event::InitApply(object(uid, *generation)));
            let events = std::iter::once(watcher::Event::Init).chain(listed).chain([watcher::Event::InitDone]);
            let due: Vec<_> = events.filter_map(|event| shown.take(event, &heard)).map(|object| uid(&object)).collect();
            (due, heard.since().into_iter().filter(|heard| !heard.starts_with("seen")).collect::<Vec<_>>())
        };
        assert_eq!(list(&[("1", 1), ("2", 1)]), (vec!["1".into(), "2".into()], vec!["listed".into()]));
        assert_eq!(
            list(&[("2", 2), ("3", 1)]),
            (vec!["2".into(), "3".into()], vec!["gone 1 a".into(), "listed".into()])
        );
        assert_eq!(list(&[("2", 2), ("3", 1)]), (vec![], vec!["listed".into()]));
    }
}
