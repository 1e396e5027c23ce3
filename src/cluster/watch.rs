//! The watch of one kind, from the API server to the triggers of its controller.

use std::{
    collections::HashMap,
    fmt::Debug,
    hash::{DefaultHasher, Hash, Hasher},
    sync::Arc,
};

use futures::{Stream, StreamExt, TryStreamExt, stream};
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
use tokio::task::coop::consume_budget;

use super::{lists::Lists, packed::Packed, restored};
use crate::object::Key;

/// Hears of every change of the objects, our own status writes among them, once the store shows it; what a listing shows
/// counts when the listing is complete. Deletions are told here and nowhere else: the objects have no finalizer, so no pass
/// sees them go.
pub trait Lifecycle<K>: Send + Sync + 'static {
    /// The object exists with this content. Gives whether a pass may have anything to do for it.
    fn seen(&self, object: &K) -> bool;
    /// The object with this uid is gone; it was known by this key.
    fn gone(&self, uid: &str, key: &Key);
    /// The cluster was restored from a backup: of later versions than those that are told next there are none any more.
    fn restored(&self) {}
    /// Everything that exists has been told at least once.
    fn listed(&self);
}

/// Watches a kind: the store of everything that exists, and the stream of what has changed in a way that a pass cares for.
pub fn objects<K>(
    lists: &Lists,
    api: Api<Packed<K>>,
    lifecycle: impl Lifecycle<Packed<K>>,
) -> (Store<Packed<K>>, impl Stream<Item = Result<Packed<K>, watcher::Error>> + Send + 'static)
where
    K: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned + Send + Sync + 'static,
{
    let (store, writer) = reflector::store();
    let (shown, lifecycle) = (store.clone(), Arc::new(lifecycle));
    let mut watch = Watch::default();
    let stream = lists
        .watch(api, watcher::Config::default())
        .reflect(writer)
        .inspect_err(|error| tracing::warn!(%error, kind = %K::kind(&()), "the watch failed; reopening it"))
        .map(move |event| {
            watch.restored |= event.as_ref().is_err_and(restored::told_by);
            Ok(stream::iter(watch.take(&event?)).map(Ok))
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

/// What a watch has shown, by uid.
#[derive(Default)]
struct Watch {
    known: HashMap<String, Last>,
    /// What the listing that is under way has shown.
    listing: HashMap<String, Last>,
    /// Whether that listing is made because the cluster was restored: generations count anew then, and tell no change.
    restored: bool,
}

/// What was last shown of an object.
struct Last {
    key: Key,
    /// Stands for all that a pass depends on but the status, which is our own.
    stamp: u64,
}

/// What follows from an event, once the store has taken it in.
#[derive(Debug, PartialEq)]
enum News {
    Restored,
    Gone { uid: String, key: Key },
    Seen { key: Key, changed: bool },
    Listed,
}

impl Watch {
    fn take<K: Resource>(&mut self, event: &watcher::Event<K>) -> Vec<News> {
        match event {
            watcher::Event::Init => {
                self.listing.clear();
                Vec::new()
            }
            watcher::Event::InitApply(object) => {
                self.listing.insert(uid(object), Last::of(object));
                Vec::new()
            }
            watcher::Event::InitDone => self.listed(),
            watcher::Event::Apply(object) => {
                let last = Last::of(object);
                let news = last.seen(self.known.get(&uid(object)));
                self.known.insert(uid(object), last);
                vec![news]
            }
            watcher::Event::Delete(object) => {
                let uid = uid(object);
                self.known.remove(&uid);
                vec![News::Gone { uid, key: Key::of(object) }]
            }
        }
    }

    /// The store has swapped in what the listing has shown.
    fn listed(&mut self) -> Vec<News> {
        let mut known = std::mem::replace(&mut self.known, std::mem::take(&mut self.listing));
        let mut news = Vec::new();
        // What was deleted while no watch was open is told by its absence only.
        let gone = known.iter().filter(|(uid, _)| !self.known.contains_key(*uid));
        news.extend(gone.map(|(uid, last)| News::Gone { uid: uid.clone(), key: last.key.clone() }));
        if std::mem::take(&mut self.restored) {
            news.push(News::Restored);
            known.clear();
        }
        news.extend(self.known.iter().map(|(uid, last)| last.seen(known.get(uid))));
        news.push(News::Listed);
        news
    }
}

impl Last {
    fn of<K: Resource>(object: &K) -> Self {
        Self { key: Key::of(object), stamp: stamp(object) }
    }

    fn seen(&self, before: Option<&Self>) -> News {
        News::Seen { key: self.key.clone(), changed: before.is_none_or(|before| before.stamp != self.stamp) }
    }
}

impl News {
    /// Gives the object if a pass is due.
    fn tell<K>(self, store: &Store<K>, lifecycle: &impl Lifecycle<K>) -> Option<K>
    where
        K: Resource<DynamicType = ()> + Clone,
    {
        match self {
            Self::Restored => lifecycle.restored(),
            Self::Gone { uid, key } => lifecycle.gone(&uid, &key),
            Self::Listed => lifecycle.listed(),
            Self::Seen { key, changed } => {
                let object = store.get(&key.into_ref())?;
                return (lifecycle.seen(&object) && changed).then(|| K::clone(&object));
            }
        }
        None
    }
}

fn stamp<K: Resource>(object: &K) -> u64 {
    let meta = object.meta();
    let owners = meta.owner_references.iter().flatten().map(|owner| (&owner.uid, owner.controller));
    let mut hasher = DefaultHasher::new();
    (meta.generation, meta.deletion_timestamp.is_some(), &meta.annotations, &meta.labels).hash(&mut hasher);
    owners.for_each(|owner| owner.hash(&mut hasher));
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
    use kube::runtime::reflector::store::Writer;
    use serde_json::json;

    use super::*;

    /// Notes what it hears; what rests carries a label of that name.
    #[derive(Default)]
    struct Heard(Mutex<Vec<String>>);

    impl Heard {
        fn note(&self, what: String) {
            self.0.lock().unwrap().push(what);
        }
    }

    impl Lifecycle<ConfigMap> for Heard {
        fn seen(&self, object: &ConfigMap) -> bool {
            self.note(format!("seen {}", uid(object)));
            !object.metadata.labels.as_ref().is_some_and(|labels| labels.contains_key("rests"))
        }

        fn gone(&self, uid: &str, key: &Key) {
            self.note(format!("gone {uid} {}", key.name));
        }

        fn listed(&self) {
            self.note("listed".to_owned());
        }
    }

    /// A watch that is shown one event after the other.
    #[derive(Default)]
    struct Script {
        watch: Watch,
        writer: Writer<ConfigMap>,
        heard: Heard,
    }

    impl Script {
        /// Shows it, and gives for what a pass is due and what was heard.
        fn show(&mut self, event: watcher::Event<ConfigMap>) -> (Vec<String>, Vec<String>) {
            self.writer.apply_watcher_event(&event);
            let store = self.writer.as_reader();
            let news = self.watch.take(&event).into_iter();
            let mut due: Vec<_> =
                news.filter_map(|news| news.tell(&store, &self.heard)).map(|object| uid(&object)).collect();
            due.sort();
            (due, std::mem::take(&mut *self.heard.0.lock().unwrap()))
        }

        /// Whether a pass is due for the object that it shows.
        fn due(&mut self, object: ConfigMap) -> bool {
            !self.show(watcher::Event::Apply(object)).0.is_empty()
        }

        fn list(&mut self, objects: &[(&str, i64)]) -> (Vec<String>, Vec<String>) {
            let listed = objects.iter().map(|(uid, generation)| watcher::Event::InitApply(object(uid, *generation)));
            for event in std::iter::once(watcher::Event::Init).chain(listed) {
                assert_eq!(self.show(event), (vec![], vec![]), "the store does not show it yet");
            }
            let (due, mut heard) = self.show(watcher::Event::InitDone);
            heard.retain(|heard| !heard.starts_with("seen"));
            (due, heard)
        }
    }

    /// Each is named as its uid.
    fn object(uid: &str, generation: i64) -> ConfigMap {
        let meta = json!({ "metadata": { "namespace": "shop", "name": uid, "uid": uid, "generation": generation } });
        serde_json::from_value(meta).unwrap()
    }

    #[test]
    fn only_what_a_pass_cares_for_asks_for_one_and_everything_is_heard_of() {
        let mut script = Script::default();
        assert!(script.due(object("1", 1)));
        assert!(!script.due(object("1", 1)), "only its status has changed");
        assert!(script.due(object("1", 2)));
        let mut asked = object("1", 2);
        asked.metadata.annotations = Some([("requestedAt".to_owned(), "now".to_owned())].into());
        assert!(script.due(asked));
        let mut rests = object("2", 1);
        rests.metadata.labels = Some([("rests".to_owned(), String::new())].into());
        assert_eq!(script.show(watcher::Event::Apply(rests)), (vec![], vec!["seen 2".to_owned()]));
        assert_eq!(script.show(watcher::Event::Delete(object("2", 1))), (vec![], vec!["gone 2 2".to_owned()]));
        assert!(script.due(object("2", 1)), "it was shown anew");
    }

    #[test]
    fn a_label_an_owner_and_a_deletion_ask_for_a_pass() {
        let owner = |controller: bool| json!({ "apiVersion": "v1", "kind": "ConfigMap", "name": "o", "uid": "9", "controller": controller });
        let edits = [
            json!({ "labels": { "app.kubernetes.io/instance": "shop" } }),
            json!({ "labels": { "app.kubernetes.io/instance": "stock" } }),
            json!({ "labels": {} }),
            json!({ "ownerReferences": [owner(false)] }),
            json!({ "ownerReferences": [owner(true)] }),
            json!({ "ownerReferences": [owner(true)], "deletionTimestamp": "2026-01-01T00:00:00Z" }),
        ];
        let mut script = Script::default();
        script.due(object("1", 1));
        for edit in edits {
            let mut edited = serde_json::to_value(object("1", 1)).unwrap();
            edited
                .get_mut("metadata")
                .and_then(serde_json::Value::as_object_mut)
                .unwrap()
                .extend(edit.as_object().unwrap().clone());
            let edited: ConfigMap = serde_json::from_value(edited).unwrap();
            assert!(script.due(edited.clone()), "{edit}");
            assert!(!script.due(edited), "{edit} is shown again");
        }
    }

    #[test]
    fn a_listing_asks_for_passes_over_what_is_new_and_tells_what_is_gone_before_what_is_there() {
        let mut script = Script::default();
        assert_eq!(script.list(&[("1", 1), ("2", 1)]), (vec!["1".into(), "2".into()], vec!["listed".into()]));
        assert_eq!(
            script.list(&[("2", 2), ("3", 1)]),
            (vec!["2".into(), "3".into()], vec!["gone 1 1".into(), "listed".into()])
        );
        assert_eq!(script.list(&[("2", 2), ("3", 1)]), (vec![], vec!["listed".into()]));
    }

    #[test]
    fn what_changed_before_a_listing_that_broke_off_is_not_forgotten_with_it() {
        let mut script = Script::default();
        script.list(&[("1", 1), ("2", 1)]);
        for event in [watcher::Event::Init, watcher::Event::InitApply(object("1", 2))] {
            script.show(event);
        }
        assert_eq!(script.list(&[("1", 2), ("2", 1)]), (vec!["1".into()], vec!["listed".into()]));
    }

    #[test]
    fn an_object_that_was_recreated_while_no_watch_was_open_goes_before_it_comes() {
        let mut script = Script::default();
        script.show(watcher::Event::Apply(object("1", 1)));
        let mut again = object("1", 1);
        again.metadata.uid = Some("2".to_owned());
        script.show(watcher::Event::Init);
        script.show(watcher::Event::InitApply(again));
        let (due, heard) = script.show(watcher::Event::InitDone);
        assert_eq!(due, ["2"]);
        assert_eq!(heard, ["gone 1 1", "seen 2", "listed"]);
    }
}
