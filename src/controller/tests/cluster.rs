//! An API server that holds refreshes, lists them in pages and watches them, and what a controller sees of it.

use std::{
    collections::BTreeMap,
    convert::Infallible,
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{
    body::{Body, Bytes},
    http::{Request, Response},
};
use futures::{StreamExt, future, stream as streams};
use kube::{Api, Client};
use serde_json::{Value, json};
use tokio::sync::{Notify, Semaphore};

use crate::{
    api::ExternalCollectionRefresh,
    cluster::{
        lists::{
            self, Lists,
            tests::{added, complete},
        },
        packed::Packed,
        restored, watch,
    },
    object::Key,
};

/// Objects that are streamed at a time.
const PAGE: usize = 25;
/// Longer than the watch ever pauses before it tries again.
const LONG: Duration = Duration::from_secs(120);

#[derive(Clone)]
pub struct Cluster(Arc<Inner>);

struct Inner {
    state: Mutex<State>,
    /// Whether it streams lists.
    streams: bool,
    /// Ends the watches that are open.
    cut: Notify,
    /// Lets through a page of a listing that is not its first, or as much of a stream.
    pages: Semaphore,
}

#[derive(Clone, Default)]
struct State {
    version: u64,
    /// Watches from before this version are told to list anew.
    compacted: u64,
    objects: BTreeMap<String, (u64, Value)>,
}

/// What a cluster was at some time.
pub struct Backup(State);

impl Cluster {
    /// Without objects. It streams lists or not.
    pub fn new(streams: bool) -> Self {
        let pages = Semaphore::new(Semaphore::MAX_PERMITS);
        Self(Arc::new(Inner { state: Mutex::default(), streams, cut: Notify::new(), pages }))
    }

    /// Creates `name` or edits it.
    pub fn put(&self, name: &str, trigger: &str) {
        let mut state = self.0.state.lock().unwrap();
        state.version += 1;
        let version = state.version;
        let object = json!({
            "metadata": {
                "name": name, "namespace": "shop", "uid": name, "generation": version, "resourceVersion": version.to_string(),
            },
            "spec": { "collectionName": "products", "trigger": trigger },
        });
        state.objects.insert(name.to_owned(), (version, object));
    }

    /// Something else than a refresh changes so many times.
    pub fn pass_by(&self, versions: u64) {
        self.0.state.lock().unwrap().version += versions;
    }

    pub fn delete(&self, name: &str) {
        let mut state = self.0.state.lock().unwrap();
        state.version += 1;
        state.objects.remove(name);
    }

    /// Forgets what led to the state of now, and cuts all connections.
    pub fn compact(&self) {
        let mut state = self.0.state.lock().unwrap();
        state.compacted = state.version;
        self.0.cut.notify_waiters();
    }

    pub fn back_up(&self) -> Backup {
        Backup(self.0.state.lock().unwrap().clone())
    }

    /// Becomes what it was, which cuts all connections.
    pub fn restore(&self, Backup(state): Backup) {
        *self.0.state.lock().unwrap() = state;
        self.0.cut.notify_waiters();
    }

    /// From now on no page of a listing but its first is answered.
    pub fn hold_pages(&self) {
        self.0.pages.forget_permits(Semaphore::MAX_PERMITS);
    }

    pub fn release_pages(&self) {
        self.0.pages.add_permits(Semaphore::MAX_PERMITS);
    }

    fn client(&self) -> Client {
        let cluster = self.clone();
        let service = tower::service_fn(move |request: Request<kube::client::Body>| {
            let cluster = cluster.clone();
            async move { Ok::<_, Infallible>(cluster.answer(request.uri().query().unwrap_or_default()).await) }
        });
        lists::newest(restored::noticed(Client::new(service, "default")))
    }

    async fn answer(&self, query: &str) -> Response<Body> {
        let asked: BTreeMap<_, _> = query.split('&').filter_map(|pair| pair.split_once('=')).collect();
        let number = |name: &str| asked.get(name).and_then(|text| text.parse::<u64>().ok());
        if asked.contains_key("sendInitialEvents") {
            return if self.0.streams { Response::new(self.stream()) } else { refused() };
        }
        if asked.contains_key("watch") {
            return Response::new(self.watch(number("resourceVersion").unwrap()));
        }
        let from = number("continue").unwrap_or_default();
        if from > 0 {
            self.0.pages.acquire().await.unwrap().forget();
        }
        let state = self.0.state.lock().unwrap();
        let (from, limit) = (usize::try_from(from).unwrap(), usize::try_from(number("limit").unwrap()).unwrap());
        let items: Vec<_> = state.objects.values().skip(from).take(limit).map(|(_, object)| object.clone()).collect();
        let end = from + items.len();
        let next = if end < state.objects.len() { end.to_string() } else { String::new() };
        let metadata = json!({ "resourceVersion": state.version.to_string(), "continue": next });
        let list = json!({ "apiVersion": "v1", "kind": "List", "metadata": metadata, "items": items });
        Response::new(Body::from(list.to_string()))
    }

    /// Everything, a page at a time, and then what a watch from there shows.
    fn stream(&self) -> Body {
        let state = self.0.state.lock().unwrap().clone();
        let objects: Vec<_> = state.objects.into_values().map(|(_, object)| object).collect();
        let mut pages: Vec<String> = objects.chunks(PAGE).map(|page| page.iter().map(added).collect()).collect();
        pages.push(complete(&state.version.to_string()));
        let (inner, cut) = (self.0.clone(), self.cut());
        let pages = streams::iter(pages.into_iter().enumerate()).then(move |(number, page)| {
            let inner = inner.clone();
            async move {
                if number > 0 {
                    inner.pages.acquire().await.unwrap().forget();
                }
                Ok::<_, Infallible>(Bytes::from(page))
            }
        });
        Body::from_stream(pages.chain(streams::pending()).take_until(Box::pin(cut)))
    }

    fn cut(&self) -> impl Future<Output = ()> + Send + 'static {
        let inner = self.0.clone();
        async move { inner.cut.notified().await }
    }

    /// As the real one, it is silent about a version that is yet to come.
    fn watch(&self, version: u64) -> Body {
        if version < self.0.state.lock().unwrap().compacted {
            let gone = json!({ "kind": "Status", "status": "Failure", "reason": "Expired", "code": 410 });
            return Body::from(json!({ "type": "ERROR", "object": gone }).to_string());
        }
        Body::from_stream(streams::pending::<Result<Bytes, Infallible>>().take_until(Box::pin(self.cut())))
    }
}

/// As the real one says it whose feature WatchList is off.
fn refused() -> Response<Body> {
    let status = json!({
        "kind": "Status", "status": "Failure", "reason": "Invalid", "code": 422,
        "message": "sendInitialEvents: Forbidden: sendInitialEvents is forbidden for watch unless the WatchList feature gate is enabled",
    });
    Response::builder().status(422).body(Body::from(status.to_string())).unwrap()
}

/// What asked for a reconcile, as the store showed it then, and which objects went.
#[derive(Clone, Default)]
pub struct Seen(Arc<Mutex<Vec<String>>>);

impl Seen {
    /// Watches the refreshes in `cluster`, and waits until there is no news.
    pub async fn of(cluster: &Cluster) -> Self {
        let seen = Self::default();
        let (store, watch) =
            watch::objects::<ExternalCollectionRefresh>(&Lists::default(), Api::all(cluster.client()), seen.clone());
        let heard = seen.clone();
        tokio::spawn(watch.for_each(move |key| {
            if let Some(object) = key.ok().and_then(|key| store.get(&key)) {
                let object = object.object().unwrap();
                heard.note(format!("{} {}", Key::of(&object).name, object.spec.trigger.unwrap()));
            }
            future::ready(())
        }));
        tokio::time::sleep(LONG).await;
        seen
    }

    /// What was noted since this was last asked, once nothing more comes.
    pub async fn since(&self) -> Vec<String> {
        tokio::time::sleep(LONG).await;
        let mut noted = std::mem::take(&mut *self.0.lock().unwrap());
        noted.sort();
        noted
    }

    fn note(&self, what: String) {
        self.0.lock().unwrap().push(what);
    }
}

impl watch::Lifecycle<ExternalCollectionRefresh> for Seen {
    fn seen(&self, _: &Key, _: &Packed<ExternalCollectionRefresh>) -> watch::Asks {
        watch::Asks::IfChanged
    }

    fn gone(&self, _: &str, key: &Key) {
        self.note(format!("{} gone", key.name));
    }

    fn restored(&self) {
        self.note("restored".to_owned());
    }

    fn listed(&self) {}
}
