//! Passes over a connection: how they fail, what they tell, and how soon the next one comes.

use std::{
    convert::Infallible,
    sync::atomic::{AtomicU16, Ordering},
};

use axum::{
    body::{Body, Bytes},
    http::Response,
};
use futures::stream as streams;
use jiff::Timestamp;
use kube::{Client, core::Status};
use parking_lot::Mutex;
use serde_json::{Value, json};

use crate::{
    api::MilvusConnection,
    clock::Clock,
    controller::*,
    leader::Leadership,
    milvus::grpc::tests::scripted::{Reply, serve},
    object::Key,
    refresh::Wake,
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
        Arc::new(Context::new(Client::new(service, "default"), process, "me".to_owned(), &[None], false))
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
        if query.contains("watch=true") {
            return Response::new(Body::from_stream(streams::pending::<Result<Bytes, Infallible>>()));
        }
        let object = if path.ends_with("/milvuses") { &self.milvus } else { &self.secret };
        let list = json!({ "metadata": { "resourceVersion": "1" }, "items": [object.lock().clone()] });
        Response::new(Body::from(list.to_string()))
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
            let pause = drive::after_error(CONNECTION, connection.as_ref(), &error, &context);
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
