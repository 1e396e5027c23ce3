//! Passes over a connection: how they fail, what they tell, and how soon the next one comes.

use std::{
    convert::Infallible,
    sync::atomic::{AtomicU16, Ordering},
};

use axum::{body::Body, http::Response};
use futures::StreamExt;
use jiff::Timestamp;
use kube::{Client, core::Status};
use parking_lot::Mutex;
use serde_json::{Value, json};

use crate::{
    api::MilvusConnection,
    clock::Clock,
    cluster::lists::tests::streamed,
    controller::*,
    leader::Leadership,
    milvus::grpc::tests::scripted::{Reply, serve},
    object::Key,
    refresh::Wake,
    scout::{Plan, What},
};

fn connection(spec: Value) -> MilvusConnection {
    let object = json!({
        "apiVersion": "milvus-refresh.dev/v1alpha1", "kind": "MilvusConnection",
        "metadata": { "name": "default", "namespace": "default", "uid": "1", "resourceVersion": "1", "generation": 1 },
        "spec": spec,
    });
    serde_json::from_value(object).unwrap()
}

/// An API server with one object of each kind, whose statuses it takes.
#[derive(Clone, Default)]
struct ApiServer {
    /// Refuses each write with this code; 0 takes them.
    refusal: Arc<AtomicU16>,
    secret: Arc<Mutex<Value>>,
    milvus: Arc<Mutex<Value>>,
    /// The statuses that were written.
    written: Arc<Mutex<Vec<Value>>>,
}

impl ApiServer {
    /// A process that works with it.
    fn context(&self) -> Arc<Context> {
        let server = self.clone();
        let service = tower::service_fn(move |request: axum::http::Request<kube::client::Body>| {
            let server = server.clone();
            async move { Ok::<_, Infallible>(server.answer(request).await) }
        });
        let clock = Clock { now: || Timestamp::UNIX_EPOCH, random: || 0.0, nonce: || 0 };
        let leadership = Leadership::without_election();
        let process = Process { clock, metrics: Arc::default(), health: Arc::default(), leadership };
        Arc::new(Context::new(Client::new(service, "default"), process, "me".to_owned(), &[None], Rules::default()))
    }

    async fn answer(&self, request: axum::http::Request<kube::client::Body>) -> Response<Body> {
        let (path, query) = (request.uri().path().to_owned(), request.uri().query().unwrap_or_default().to_owned());
        if path.ends_with("/status") {
            let code = self.refusal.load(Ordering::Relaxed);
            if code != 0 {
                let status = json!(Status { code, ..Status::failure("no", "No") });
                return Response::builder().status(code).body(Body::from(status.to_string())).unwrap();
            }
            let body: Value = serde_json::from_slice(&request.into_body().collect_bytes().await.unwrap()).unwrap();
            self.written.lock().push(body["status"].clone());
            return Response::new(Body::from(json!(connection(json!({}))).to_string()));
        }
        assert!(query.contains("sendInitialEvents=true"), "{path} {query}");
        let object = if path.ends_with("/milvuses") { &self.milvus } else { &self.secret };
        Response::new(streamed(&[object.lock().clone()], "1"))
    }

    fn last_reason(&self) -> Option<(String, String)> {
        let written = self.written.lock();
        let ready = written.last()?["conditions"][0].clone();
        Some((ready["reason"].as_str()?.to_owned(), ready["message"].as_str()?.to_owned()))
    }
}

/// A pass that comes to its end: those before it wait for what the connection refers to.
async fn looked(connection: &Arc<MilvusConnection>, context: &Arc<Context>) -> Wake {
    loop {
        let wake = connection::reconcile(connection.clone(), context.clone()).await.unwrap();
        if wake != Wake::OnChange {
            return wake;
        }
        tokio::task::yield_now().await;
    }
}

#[tokio::test(start_paused = true)]
async fn the_pause_before_the_status_of_a_connection_is_offered_again_is_short_after_a_success() {
    let server = ApiServer::default();
    let (context, connection) = (server.context(), Arc::new(connection(json!({ "address": "nowhere" }))));
    for _ in 0..2 {
        server.refusal.store(409, Ordering::Relaxed);
        for millis in [1000, 2000, 4000, 8000, 8000] {
            let error = connection::reconcile(connection.clone(), context.clone()).await.unwrap_err();
            let pause = drive::after_error(CONNECTION, &Key::of(connection.as_ref()), "1", &error, &context);
            assert_eq!(pause, Duration::from_millis(millis));
        }
        server.refusal.store(0, Ordering::Relaxed);
        connection::reconcile(connection.clone(), context.clone()).await.unwrap();
    }
}

/// Passes over a connection to a Milvus that refuses its login, each when the last one has asked for it.
async fn pauses(connection: &Arc<MilvusConnection>, context: &Arc<Context>, expected: &[u64]) {
    for seconds in expected {
        let pause = Duration::from_secs(*seconds);
        assert_eq!(looked(connection, context).await, Wake::After(pause));
        tokio::time::pause();
        tokio::time::advance(pause).await;
        tokio::time::resume();
    }
}

#[tokio::test]
async fn a_refused_login_is_tried_again_soon_after_a_change_of_the_connection_and_its_message_stays() {
    let (address, _) = serve(|_| Reply::status(tonic::Code::Unauthenticated, "auth check failure")).await;
    let server = ApiServer::default();
    let context = server.context();
    let spec = json!({ "address": format!("http://{address}") });
    let mut connection = connection(spec);
    for generation in 1..=2 {
        connection.metadata.generation = Some(generation);
        let passed = Arc::new(connection.clone());
        pauses(&passed, &context, &[1, 2, 4, 8, 16, 32, 60, 60]).await;
    }
    let (reason, message) = server.last_reason().unwrap();
    assert_eq!(reason, "Unauthenticated");
    assert!(message.contains("at least every 60 s"), "the message says when it is tried again: {message}");
    let texts: std::collections::BTreeSet<String> =
        server.written.lock().iter().map(|status| status["conditions"][0]["message"].to_string()).collect();
    assert_eq!(texts.len(), 1, "a try is not worth a write: {texts:?}");
}

#[tokio::test]
async fn a_login_is_never_sent_in_clear_to_an_address_that_a_milvus_object_gives_unless_the_connection_says_so() {
    let server = ApiServer::default();
    let data = json!({ "token": k8s_openapi::ByteString(b"hunter2".to_vec()) });
    *server.secret.lock() = json!({ "metadata": { "name": "login", "resourceVersion": "1" }, "data": data });
    let milvus = |mode: i32| {
        json!({
            "apiVersion": "milvus.io/v1beta1", "kind": "Milvus", "metadata": { "name": "main", "namespace": "default" },
            "spec": { "config": { "common": { "security": { "tlsMode": mode } } } },
            "status": { "conditions": [{ "type": "MilvusReady", "status": "True" }] },
        })
    };
    let auth = json!({ "secretRef": { "name": "login" } });
    let table = [
        (json!({ "milvusRef": { "name": "main" }, "auth": auth }), 0, "InvalidSpec"),
        (json!({ "milvusRef": { "name": "main", "allowPlaintextLogin": false }, "auth": auth }), 0, "InvalidSpec"),
        (json!({ "milvusRef": { "name": "main", "allowPlaintextLogin": true }, "auth": auth }), 0, "Unreachable"),
        (json!({ "milvusRef": { "name": "main" } }), 0, "Unreachable"),
        (json!({ "milvusRef": { "name": "main" }, "auth": auth }), 1, "Unreachable"),
        (json!({ "milvusRef": { "name": "main" }, "auth": auth, "tls": {} }), 0, "Unreachable"),
        (json!({ "address": "http://127.0.0.1:1", "auth": auth }), 0, "Unreachable"),
    ];
    for (spec, mode, reason) in table {
        *server.milvus.lock() = milvus(mode);
        let context = server.context();
        looked(&Arc::new(connection(spec.clone())), &context).await;
        let (said, message) = server.last_reason().unwrap();
        assert_eq!(said, reason, "{spec}, tlsMode {mode}: {message}");
        if reason == "InvalidSpec" {
            assert!(message.contains("allowPlaintextLogin") && message.contains("tlsMode"), "{message}");
            let key = Key { namespace: "default".to_owned(), name: "default".to_owned() };
            assert!(context.servers.view(&key).unwrap().1.is_none(), "there is no client that could send it");
        }
    }
}

/// The condition of that type in the last status.
fn condition(server: &ApiServer, type_: &str) -> Value {
    let written = server.written.lock();
    let conditions = written.last().map(|status| status["conditions"].as_array().unwrap().clone());
    conditions.into_iter().flatten().find(|condition| condition["type"] == type_).unwrap_or_default()
}

#[tokio::test]
async fn what_was_told_of_sources_stays_until_their_secrets_are_known_again() {
    let server = ApiServer::default();
    let source = json!({ "prefix": "s3://lake", "region": "r", "auth": { "secretRef": { "name": "odd" } } });
    let mut connection = connection(json!({ "address": "http://127.0.0.1:1", "sources": [source] }));
    let told = json!({ "type": "SourcesReady", "status": "False", "reason": "SecretNotFound", "message": "told", "lastTransitionTime": "2026-01-01T00:00:00Z" });
    connection.status = serde_json::from_value(json!({ "conditions": [told] })).unwrap();
    let wake = connection::reconcile(Arc::new(connection), server.context()).await.unwrap();
    assert_ne!(wake, Wake::OnChange, "its Milvus needs none of them");
    assert_eq!(condition(&server, "SourcesReady")["message"], "told");
}

/// Passes over a connection until its sources have that status.
async fn until_sources(server: &ApiServer, connection: &Arc<MilvusConnection>, context: &Arc<Context>, status: &str) {
    while condition(server, "SourcesReady")["status"] != status {
        looked(connection, context).await;
        tokio::time::pause();
        tokio::time::advance(Duration::from_secs(1)).await;
        tokio::time::resume();
    }
}

#[tokio::test]
async fn what_is_wrong_with_a_source_is_told_beside_ready_and_mended_by_its_secret_alone() {
    let (address, _) = serve(|_| Reply::status(tonic::Code::Unauthenticated, "auth check failure")).await;
    let server = ApiServer::default();
    let spec = |name: &str| {
        let source = json!({ "prefix": "s3://lake", "region": "r", "auth": { "secretRef": { "name": name } } });
        Arc::new(connection(json!({ "address": format!("http://{address}"), "sources": [source] })))
    };
    let context = server.context();
    looked(&Arc::new(connection(json!({ "address": format!("http://{address}") }))), &context).await;
    assert_eq!(condition(&server, "SourcesReady"), Value::Null, "there are none");

    let data = |key: &str| json!({ key: k8s_openapi::ByteString(b"hunter2".to_vec()) });
    *server.secret.lock() =
        json!({ "metadata": { "name": "odd", "resourceVersion": "1" }, "data": data("accessKeyID") });
    let context = server.context();
    until_sources(&server, &spec("odd"), &context, "False").await;
    let (ready, sources) = (condition(&server, "Ready"), condition(&server, "SourcesReady"));
    assert_eq!((&ready["reason"], &sources["status"]), (&json!("Unauthenticated"), &json!("False")));
    assert!(sources["message"].as_str().unwrap().contains("Secret odd cannot be used"), "{sources}");
    assert!(ready["message"].as_str().unwrap().contains("auth check failure"), "{ready}");

    let key = Key { namespace: "default".to_owned(), name: "default".to_owned() };
    let clients = context.servers.clients(&key).unwrap();
    looked(&spec("odd"), &context).await;
    assert!(Arc::ptr_eq(&clients, &context.servers.clients(&key).unwrap()), "nothing has changed");

    let mut both = data("accessKeyID");
    both.as_object_mut().unwrap().extend(data("secretAccessKey").as_object().unwrap().clone());
    *server.secret.lock() = json!({ "metadata": { "name": "reader", "resourceVersion": "2" }, "data": both });
    until_sources(&server, &spec("reader"), &context, "True").await;
    assert!(!Arc::ptr_eq(&clients, &context.servers.clients(&key).unwrap()));
}

#[tokio::test]
async fn a_connection_lets_its_refreshes_look_while_its_own_milvus_is_away() {
    let server = ApiServer::default();
    let context = server.context();
    let source = json!({ "prefix": "s3://lake", "endpoint": "http://127.0.0.1:1", "auth": { "anonymous": {} } });
    looked(&Arc::new(connection(json!({ "address": "http://127.0.0.1:1", "sources": [source] }))), &context).await;
    let key = Key { namespace: "default".to_owned(), name: "default".to_owned() };
    let what = What::Objects { format: None, include: vec![], marker: None, newer_than: None, among: vec![] };
    let plan = |source: Option<&str>| Plan {
        collection: ("default".to_owned(), "products".to_owned()),
        source: source.map(str::to_owned),
        what: what.clone(),
    };
    let mut woken = Box::pin(context.refreshes.stream(&None));
    for (source, says) in
        [(Some("s3://lake/a"), "127.0.0.1:1"), (Some("s3://other"), "s3://other"), (None, "is not ready")]
    {
        context.scout.look(&key, &key, plan(source), Instant::now());
        assert_eq!(woken.next().await, Some(key.clone()));
        let found = context.scout.sighting(&key, &plan(source)).unwrap().found;
        assert!(found.as_ref().is_err_and(|blind| blind.message.contains(says)), "{found:?}");
    }
    let page = context.metrics.page(Timestamp::UNIX_EPOCH, true).unwrap();
    for line in [
        "milvus_refresh_source_checks_total{result=\"failed\"} 2",
        "milvus_refresh_source_checks_total{result=\"not_allowed\"} 1",
        "milvus_refresh_source_check_duration_seconds_count 1",
        "milvus_refresh_source_check_requests_total 1",
    ] {
        assert!(page.contains(line), "{line}\n{page}");
    }
}
