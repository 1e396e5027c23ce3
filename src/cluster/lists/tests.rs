//! Tests against an API server that streams, refuses to, or begins and never ends; time is virtual.

#![allow(clippy::unwrap_used)]

use std::convert::Infallible;

use axum::{
    body::{Body as Answer, Bytes},
    http::{Request, Response},
};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::client::Body;
use parking_lot::Mutex;
use serde_json::{Value, json};

use super::*;

/// What an API server sends of a streamed list: the objects, and that these are all. The watch stays open.
pub(crate) fn streamed(objects: &[Value], version: &str) -> Answer {
    open(whole(objects, version))
}

/// The same, but the watch is closed then.
pub(crate) fn ended(objects: &[Value], version: &str) -> Answer {
    Answer::from(whole(objects, version))
}

fn whole(objects: &[Value], version: &str) -> String {
    objects.iter().map(added).chain([complete(version)]).collect()
}

/// One object of it. As the real one it says first what kind of event it is.
pub(crate) fn added(object: &Value) -> String {
    format!("{{\"type\":\"ADDED\",\"object\":{object}}}\n")
}

/// That these were all.
pub(crate) fn complete(version: &str) -> String {
    let end = json!({
        "apiVersion": "v1", "kind": "Bookmark",
        "metadata": { "resourceVersion": version, "annotations": { "k8s.io/initial-events-end": "true" } },
    });
    format!("{{\"type\":\"BOOKMARK\",\"object\":{end}}}\n")
}

/// These lines, and then silence.
fn open(lines: String) -> Answer {
    let sent = stream::iter([Ok::<_, Infallible>(Bytes::from(lines))]);
    Answer::from_stream(sent.chain(stream::pending()))
}

/// How a streamed list is answered.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Streams {
    Whole,
    /// With this code.
    Refused(u16),
    /// Its end never comes.
    Endless,
}

/// An API server with one object, and what it was asked for.
#[derive(Clone)]
struct Server {
    streams: Streams,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Server {
    fn new(streams: Streams) -> (Self, Api<ConfigMap>) {
        let server = Self { streams, asked: Arc::default() };
        let answering = server.clone();
        let service = tower::service_fn(move |request: Request<Body>| {
            let answer = answering.answer(request.uri().query().unwrap_or_default());
            async move { Ok::<_, Infallible>(answer) }
        });
        (server, Api::namespaced(newest(Client::new(service, "default")), "shop"))
    }

    fn answer(&self, query: &str) -> Response<Answer> {
        self.asked.lock().push(query.to_owned());
        let object = json!({ "metadata": { "name": "a", "namespace": "shop", "uid": "1", "resourceVersion": "7" } });
        if query.contains("sendInitialEvents=true") {
            match self.streams {
                Streams::Whole => Response::new(streamed(&[object], "8")),
                Streams::Endless => Response::new(open(added(&object))),
                Streams::Refused(code) => {
                    let status =
                        json!({ "kind": "Status", "status": "Failure", "message": "no", "reason": "No", "code": code });
                    Response::builder().status(code).body(Answer::from(status.to_string())).unwrap()
                }
            }
        } else if query.contains("watch=true") {
            Response::new(open(String::new()))
        } else {
            let list = json!({ "metadata": { "resourceVersion": "8" }, "items": [object] });
            Response::new(Answer::from(list.to_string()))
        }
    }

    fn asked(&self, what: &str) -> usize {
        self.asked.lock().iter().filter(|query| query.contains(what)).count()
    }
}

/// What a watch shows until everything that exists is complete, errors left out.
async fn until_complete(lists: &Lists, api: Api<ConfigMap>) -> Vec<String> {
    let mut events = std::pin::pin!(lists.watch(api, Config::default()));
    let mut shown = Vec::new();
    while let Some(event) = events.next().await {
        match event {
            Ok(Event::Init) => shown.clear(),
            Ok(Event::InitDone) => break,
            Ok(Event::InitApply(object) | Event::Apply(object) | Event::Delete(object)) => {
                shown.extend(object.metadata.name);
            }
            Err(_) => {}
        }
    }
    shown
}

#[tokio::test(start_paused = true)]
async fn a_list_is_streamed_in_one_request_that_is_content_with_no_old_version() {
    let (server, api) = Server::new(Streams::Whole);
    assert_eq!(until_complete(&Lists::default(), api).await, ["a"]);
    let asked = server.asked.lock().clone();
    assert_eq!(asked.len(), 1, "{asked:?}");
    assert!(asked.iter().all(|query| query.contains("watch=true")), "{asked:?}");
    assert_eq!(server.asked("resourceVersion="), 0, "{asked:?}");
    assert_eq!(server.asked("resourceVersionMatch=NotOlderThan"), 1, "{asked:?}");
}

#[tokio::test(start_paused = true)]
async fn an_api_server_that_does_not_stream_is_asked_for_pages_and_never_for_a_stream_again() {
    for streams in [Streams::Refused(422), Streams::Refused(400), Streams::Endless] {
        let (server, api) = Server::new(streams);
        let lists = Lists::default();
        for _ in 0..2 {
            assert_eq!(until_complete(&lists, api.clone()).await, ["a"], "{streams:?}");
        }
        assert_eq!((server.asked("sendInitialEvents"), server.asked("limit=25")), (1, 2), "{streams:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_api_server_that_is_busy_or_denies_access_is_asked_for_a_stream_again() {
    for code in [403, 429, 503] {
        let (server, api) = Server::new(Streams::Refused(code));
        let hour = Duration::from_secs(3600);
        assert!(timeout(hour, until_complete(&Lists::default(), api)).await.is_err(), "{code}");
        assert!(server.asked("sendInitialEvents") > 5, "{code}");
        assert_eq!(server.asked("limit="), 0, "{code}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_object_that_is_watched_by_name_is_told_once_it_is_known_whether_it_exists() {
    for streams in [Streams::Whole, Streams::Refused(422)] {
        let (_, api) = Server::new(streams);
        let mut news = std::pin::pin!(Lists::default().watch_object(api, "a"));
        let found = news.next().await.unwrap().unwrap().unwrap();
        assert_eq!(found.metadata.name.as_deref(), Some("a"));
        assert!(timeout(Duration::from_secs(60), news.next()).await.is_err(), "nothing has changed");
    }
}
