//! Tests against an API server that knows one Milvus, or no such kind at all; time is virtual.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use std::sync::atomic::{AtomicUsize, Ordering};

use axum::{
    body::Body,
    http::{StatusCode, Uri},
    routing::get,
};
use futures::FutureExt;
use serde_json::json;
use tokio::time::sleep;

use super::*;
use crate::cluster::lists::tests::{ended, streamed};

#[derive(Clone)]
struct ApiServer {
    /// What a listing is answered with: the objects, or an error.
    list: Arc<Mutex<Result<Vec<Value>, StatusCode>>>,
    /// What a watch that goes on is answered with; without an error it stays open and silent.
    watch: Arc<Mutex<Option<StatusCode>>>,
    asked: Arc<AtomicUsize>,
}

impl ApiServer {
    fn new(list: Result<Vec<Value>, StatusCode>) -> Self {
        Self { list: Arc::new(Mutex::new(list)), watch: Arc::default(), asked: Arc::default() }
    }

    fn client(&self) -> Client {
        let server = self.clone();
        let answer = move |uri: Uri| async move { server.answer(&uri).await };
        let router = axum::Router::new().route("/apis/milvus.io/v1beta1/namespaces/lake/milvuses", get(answer));
        Client::new(router, "default")
    }

    async fn answer(self, uri: &Uri) -> (StatusCode, Body) {
        self.asked.fetch_add(1, Ordering::Relaxed);
        let query = uri.query().unwrap_or_default();
        assert!(query.contains("fieldSelector=metadata.name%3Dmain"), "{query}");
        let goes_on = *self.watch.lock();
        let answer = match goes_on {
            Some(code) if !query.contains("sendInitialEvents=true") => Err(code),
            Some(_) | None => self.list.lock().clone(),
        };
        match answer {
            // Where a watch that goes on is refused, this one ends.
            Ok(items) if goes_on.is_some() => (StatusCode::OK, ended(&items, "1")),
            Ok(items) => (StatusCode::OK, streamed(&items, "1")),
            Err(code) => {
                let status = json!({ "kind": "Status", "status": "Failure", "message": "no", "reason": "No", "code": code.as_u16() });
                (code, Body::from(status.to_string()))
            }
        }
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::Relaxed)
    }
}

fn milvus(ready: &str, config: &Value) -> Value {
    json!({
        "apiVersion": "milvus.io/v1beta1", "kind": "Milvus", "metadata": { "name": "main", "namespace": "lake" },
        "spec": { "config": config },
        "status": { "conditions": [
            { "type": "StorageReady", "status": "True", "reason": "StorageReady" },
            { "type": "MilvusReady", "status": ready, "reason": "DependencyNotReady" },
        ] },
    })
}

fn connection() -> Key {
    Key { namespace: "lake".to_owned(), name: "default".to_owned() }
}

fn spec(milvus: &str) -> ConnectionSpec {
    serde_json::from_value(json!({ "milvusRef": { "name": milvus } })).unwrap()
}

/// A connection that names the Milvus `main` of this API server.
struct Scene {
    server: ApiServer,
    refs: MilvusRefs,
    woken: futures::stream::BoxStream<'static, Key>,
}

impl Scene {
    fn new(list: Result<Vec<Value>, StatusCode>) -> Self {
        let server = ApiServer::new(list);
        let wake = Router::new(&[None]);
        let refs = MilvusRefs::new(server.client(), Lists::default(), wake.clone());
        assert_eq!(refs.target(&connection(), &spec("main")), Target::Loading);
        Self { server, refs, woken: wake.stream(&None).boxed() }
    }

    fn target(&self) -> Target {
        self.refs.target(&connection(), &spec("main"))
    }

    async fn next(&mut self) -> Target {
        assert_eq!(self.woken.next().await, Some(connection()));
        self.target()
    }

    async fn next_message(&mut self) -> String {
        match self.next().await {
            Target::Waiting(message) => message,
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_ready_milvus_leads_to_its_service() {
    let mut scene = Scene::new(Ok(vec![milvus("True", &json!({}))]));
    assert_eq!(scene.next().await, Target::Address("http://main-milvus.lake.svc:19530".to_owned()));
    let tls = json!({ "common": { "security": { "tlsMode": 1 } } });
    let mut scene = Scene::new(Ok(vec![milvus("True", &tls)]));
    assert_eq!(scene.next().await, Target::Address("https://main-milvus.lake.svc:19530".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn an_address_of_its_own_needs_no_watch() {
    let mut scene = Scene::new(Ok(vec![milvus("True", &json!({}))]));
    scene.next().await;
    let address = "http://milvus:19530".to_owned();
    let own = serde_json::from_value(json!({ "address": address })).unwrap();
    assert_eq!(scene.refs.target(&connection(), &own), Target::Address(address));
    assert!(scene.refs.watches.lock().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_kind_that_comes_later_is_looked_for_calmly_and_found() {
    for (code, says) in [(404, "install"), (403, "list and watch on milvuses.milvus.io")] {
        let code = StatusCode::from_u16(code).unwrap();
        let mut scene = Scene::new(Err(code));
        let message = scene.next_message().await;
        assert!(message.contains("Milvus main ") && message.to_lowercase().contains(says), "{message}");
        sleep(Duration::from_secs(3600)).await;
        assert!((8..=13).contains(&scene.server.asked()), "asked {} times in an hour", scene.server.asked());
        assert_eq!(scene.woken.next().now_or_never(), None, "the same answer wakes nobody");
        *scene.server.list.lock() = Ok(vec![milvus("True", &json!({}))]);
        assert_eq!(scene.next().await, Target::Address("http://main-milvus.lake.svc:19530".to_owned()));
    }
}

#[tokio::test(start_paused = true)]
async fn nobody_asks_once_the_connection_is_gone() {
    let mut scene = Scene::new(Err(StatusCode::NOT_FOUND));
    scene.next().await;
    scene.refs.release(&connection());
    let asked = scene.server.asked();
    sleep(Duration::from_secs(3600)).await;
    assert_eq!(scene.server.asked(), asked);
}

#[tokio::test(start_paused = true)]
async fn an_api_server_that_does_not_answer_is_asked_again_soon() {
    let mut scene = Scene::new(Err(StatusCode::SERVICE_UNAVAILABLE));
    assert!(scene.next_message().await.contains("does not answer"));
    *scene.server.list.lock() = Ok(vec![]);
    let before = tokio::time::Instant::now();
    assert!(scene.next_message().await.contains("does not exist in this namespace"));
    assert!(before.elapsed() < LOOK_AGAIN / 2, "{:?}", before.elapsed());
}

#[tokio::test(start_paused = true)]
async fn what_was_read_stays_in_use_while_the_right_to_read_is_away_but_not_without_the_kind() {
    let mut scene = Scene::new(Ok(vec![milvus("True", &json!({}))]));
    *scene.server.watch.lock() = Some(StatusCode::FORBIDDEN);
    let address = Target::Address("http://main-milvus.lake.svc:19530".to_owned());
    assert_eq!(scene.next().await, address);
    sleep(Duration::from_secs(3600)).await;
    assert!(scene.server.asked() > 5, "it must have been refused by now");
    assert_eq!(scene.target(), address);
    *scene.server.watch.lock() = Some(StatusCode::NOT_FOUND);
    assert!(scene.next_message().await.contains("does not have the kind"));
}

#[test]
fn only_a_milvus_that_says_so_is_ready() {
    let ready =
        |status: &str| json!({ "conditions": [{ "type": "MilvusReady", "status": status, "reason": "Because" }] });
    for (status, says) in [
        (json!(null), "milvus-operator gives no reason"),
        (json!({}), "milvus-operator gives no reason"),
        (json!({ "conditions": [] }), "milvus-operator gives no reason"),
        (json!({ "conditions": "odd" }), "milvus-operator gives no reason"),
        (json!({ "conditions": [7, null, { "type": "MilvusReady" }] }), "milvus-operator gives no reason"),
        (json!({ "status": "Healthy", "conditions": [{ "type": "EtcdReady", "status": "True" }] }), "gives no reason"),
        (ready("False"), "is not ready: Because"),
        (ready("Unknown"), "is not ready: Because"),
        (ready("true"), "is not ready: Because"),
    ] {
        match view("main", &json!({ "status": status })) {
            View::Waiting(message) => assert!(message.contains(says) && message.contains("Milvus main "), "{message}"),
            other => panic!("{status}: {other:?}"),
        }
    }
    assert_eq!(view("main", &json!({ "status": ready("True") })), View::Ready { tls: false });
}

#[test]
fn tls_is_spoken_as_the_milvus_is_configured() {
    for (mode, tls) in [
        (json!(0), false),
        (json!(1), true),
        (json!(2), true),
        (json!("1"), true),
        (json!("0"), false),
        (json!("odd"), false),
        (json!(null), false),
    ] {
        let mut object = milvus("True", &json!({ "common": { "security": { "tlsMode": mode } } }));
        assert_eq!(view("main", &object), View::Ready { tls }, "{mode}");
        object["spec"] = json!("odd");
        assert_eq!(view("main", &object), View::Ready { tls: false });
    }
}

#[test]
fn a_long_reason_is_cut_and_not_the_advice() {
    let mut object = milvus("False", &json!({}));
    object["status"]["conditions"][1]["reason"] = json!("ü".repeat(5000));
    match view("main", &object) {
        View::Waiting(message) => assert!(message.len() < 400 && message.contains("kubectl describe"), "{message}"),
        other => panic!("{other:?}"),
    }
}
