#![allow(clippy::unwrap_used)]

use std::sync::Mutex;

use serde_json::{Value, json};

use super::*;
use crate::api::{ExternalCollectionRefresh, REQUESTED_AT};

/// Notes what it hears.
#[derive(Default)]
struct Heard(Mutex<Vec<String>>);

impl Heard {
    fn note(&self, what: String) {
        self.0.lock().unwrap().push(what);
    }
}

impl Lifecycle<ExternalCollectionRefresh> for Heard {
    fn seen(&self, _: &Key, object: &Packed<ExternalCollectionRefresh>) -> Asks {
        self.note(format!("seen {}", object.uid()));
        match object.uid() {
            "rests" => Asks::Never,
            "foreign" => Asks::Always,
            _ => Asks::IfChanged,
        }
    }

    fn gone(&self, uid: &str, key: &Key) {
        self.note(format!("gone {uid} {}", key.name));
    }

    fn listed(&self) {
        self.note("listed".to_owned());
    }
}

/// A watch that is shown one event after the other.
struct Script {
    watch: Watch<ExternalCollectionRefresh, Heard>,
    heard: Arc<Heard>,
}

impl Script {
    fn new() -> Self {
        let heard = Arc::<Heard>::default();
        Self { watch: Watch::new(Store::default(), heard.clone()), heard }
    }

    /// Shows it, and gives for what a pass is due and what was heard.
    fn show(&mut self, event: watcher::Event<Shown<ExternalCollectionRefresh>>) -> (Vec<String>, Vec<String>) {
        let (store, news) = (self.watch.store.clone(), self.watch.take(event));
        let mut due: Vec<_> = news.filter_map(|news| news.tell(&store, &*self.heard)).map(|key| key.name).collect();
        due.sort();
        (due, std::mem::take(&mut *self.heard.0.lock().unwrap()))
    }

    /// Whether a pass is due for the object that it shows.
    fn due(&mut self, object: Shown<ExternalCollectionRefresh>) -> bool {
        !self.show(watcher::Event::Apply(object)).0.is_empty()
    }

    fn list(&mut self, objects: &[(&str, i64)]) -> (Vec<String>, Vec<String>) {
        let listed = objects.iter().map(|(uid, generation)| watcher::Event::InitApply(object(uid, *generation)));
        for event in std::iter::once(watcher::Event::Init).chain(listed) {
            assert!(self.show(event).0.is_empty(), "the store does not show it yet");
        }
        let (due, mut heard) = self.show(watcher::Event::InitDone);
        heard.retain(|heard| !heard.starts_with("seen"));
        (due, heard)
    }
}

/// Each is named as its uid.
fn object(uid: &str, generation: i64) -> Shown<ExternalCollectionRefresh> {
    edited(uid, generation, json!({}))
}

fn key(name: &str) -> Key {
    Key { namespace: "shop".to_owned(), name: name.to_owned() }
}

/// The same with this in its metadata.
fn edited(uid: &str, generation: i64, edit: Value) -> Shown<ExternalCollectionRefresh> {
    let mut meta = json!({ "namespace": "shop", "name": uid, "uid": uid, "generation": generation });
    meta.as_object_mut().unwrap().extend(edit.as_object().unwrap().clone());
    let spec = json!({ "collectionName": "a" });
    serde_json::from_value(json!({ "metadata": meta, "spec": spec })).unwrap()
}

#[test]
fn only_what_a_pass_cares_for_asks_for_one_and_everything_is_heard_of() {
    let mut script = Script::new();
    assert!(script.due(object("1", 1)));
    assert!(!script.due(object("1", 1)), "only its status has changed");
    assert!(script.due(object("1", 2)));
    assert!(script.due(edited("1", 2, json!({ "annotations": { REQUESTED_AT: "now" } }))));
    let rests = || object("rests", 1);
    assert_eq!(script.show(watcher::Event::Apply(rests())), (vec![], vec!["seen rests".to_owned()]));
    assert_eq!(script.show(watcher::Event::Delete(rests())), (vec![], vec!["gone rests rests".to_owned()]));
    script.due(object("2", 1));
    script.show(watcher::Event::Delete(object("2", 1)));
    assert!(script.due(object("2", 1)), "it was shown anew");
}

#[test]
fn a_status_that_somebody_else_wrote_asks_for_a_pass() {
    let mut script = Script::new();
    assert!(script.due(object("foreign", 1)));
    assert!(script.due(object("foreign", 1)), "only its status has changed");
}

#[test]
fn a_label_an_owner_and_a_deletion_ask_for_a_pass() {
    let owner = |controller: bool| json!({ "apiVersion": "v1", "kind": "ConfigMap", "name": "o", "uid": "9", "controller": controller });
    let edits = [
        json!({ "labels": { "app.kubernetes.io/instance": "shop" } }),
        json!({ "labels": { "app.kubernetes.io/instance": "stock" } }),
        json!({ "labels": {} }),
        json!({ "ownerReferences": [owner(true)] }),
        json!({ "ownerReferences": [owner(true)], "deletionTimestamp": "2026-01-01T00:00:00Z" }),
    ];
    let mut script = Script::new();
    script.due(object("1", 1));
    let owned = edited("1", 1, json!({ "ownerReferences": [owner(false)] }));
    assert!(!script.due(owned), "it does not control the object");
    for edit in edits {
        let object = edited("1", 1, edit.clone());
        assert!(script.due(object.clone()), "{edit}");
        assert!(!script.due(object), "{edit} is shown again");
    }
}

#[test]
fn a_listing_asks_for_passes_over_what_is_new_and_tells_what_is_gone_before_what_is_there() {
    let mut script = Script::new();
    assert_eq!(script.list(&[("1", 1), ("2", 1)]), (vec!["1".into(), "2".into()], vec!["listed".into()]));
    assert_eq!(
        script.list(&[("2", 2), ("3", 1)]),
        (vec!["2".into(), "3".into()], vec!["gone 1 1".into(), "listed".into()])
    );
    assert_eq!(script.list(&[("2", 2), ("3", 1)]), (vec![], vec!["listed".into()]));
}

#[test]
fn the_first_listing_is_told_as_it_comes_and_asks_for_passes_once_everything_is_known() {
    let mut script = Script::new();
    script.show(watcher::Event::Init);
    for uid in ["1", "rests"] {
        let told = (vec![], vec![format!("seen {uid}")]);
        assert_eq!(script.show(watcher::Event::InitApply(object(uid, 1))), told);
        assert!(script.watch.store.get(&key(uid)).is_some(), "who is woken meanwhile finds it");
    }
    assert_eq!(script.show(watcher::Event::InitDone), (vec!["1".into()], vec!["listed".into()]));
    script.show(watcher::Event::Init);
    assert_eq!(script.show(watcher::Event::InitApply(object("2", 1))), (vec![], vec![]));
    assert!(script.watch.store.get(&key("2")).is_none(), "it is not the first");
}

#[test]
fn what_a_first_listing_has_shown_that_broke_off_is_known_and_goes_or_has_its_pass_after_the_next() {
    let mut script = Script::new();
    script.show(watcher::Event::Init);
    for uid in ["1", "2"] {
        script.show(watcher::Event::InitApply(object(uid, 1)));
    }
    script.show(watcher::Event::Init);
    assert_eq!(script.show(watcher::Event::InitApply(object("2", 1))), (vec![], vec![]));
    let (due, heard) = script.show(watcher::Event::InitDone);
    assert_eq!(heard, ["gone 1 1", "seen 2", "listed"]);
    assert!(due.contains(&"2".to_owned()), "{due:?}");
}

#[test]
fn what_changed_before_a_listing_that_broke_off_is_not_forgotten_with_it() {
    let mut script = Script::new();
    script.list(&[("1", 1), ("2", 1)]);
    for event in [watcher::Event::Init, watcher::Event::InitApply(object("1", 2))] {
        script.show(event);
    }
    assert_eq!(script.list(&[("1", 2), ("2", 1)]), (vec!["1".into()], vec!["listed".into()]));
}

#[test]
fn an_object_that_was_recreated_while_no_watch_was_open_goes_before_it_comes() {
    let mut script = Script::new();
    script.list(&[("1", 1)]);
    script.show(watcher::Event::Init);
    script.show(watcher::Event::InitApply(edited("1", 1, json!({ "uid": "2" }))));
    let (due, heard) = script.show(watcher::Event::InitDone);
    assert_eq!(due, ["1"]);
    assert_eq!(heard, ["gone 1 1", "seen 2", "listed"]);
}
