//! How passes over a connection fail.

use std::{
    convert::Infallible,
    sync::atomic::{AtomicU16, Ordering},
};

use axum::{body::Body, http::Response};
use jiff::Timestamp;
use kube::{Client, core::Status};
use serde_json::json;

use super::super::*;
use crate::{api::MilvusConnection, leader::Leadership};

fn connection() -> MilvusConnection {
    let object = json!({
        "apiVersion": "milvus-refresh.dev/v1alpha1", "kind": "MilvusConnection",
        "metadata": { "name": "default", "namespace": "default", "uid": "1", "resourceVersion": "1" },
        "spec": { "address": "nowhere" },
    });
    serde_json::from_value(object).unwrap()
}

/// A process whose API server answers each write of a connection's status with the code that stands in `answer` by then.
fn context(answer: &Arc<AtomicU16>) -> Arc<Context> {
    let answer = answer.clone();
    let service = tower::service_fn(move |_: axum::http::Request<kube::client::Body>| {
        let code = answer.load(Ordering::Relaxed);
        let body =
            if code == 200 { json!(connection()) } else { json!(Status { code, ..Status::failure("no", "No") }) };
        let answer = Response::builder().status(code).body(Body::from(body.to_string())).unwrap();
        future::ready(Ok::<_, Infallible>(answer))
    });
    let clock = Clock { now: || Timestamp::UNIX_EPOCH, random: || 0.5 };
    let leadership = Leadership::without_election();
    let process = Process { clock, metrics: Arc::default(), health: Arc::default(), leadership };
    Arc::new(Context::new(Client::new(service, "default"), process, "me".to_owned(), &[None], false))
}

#[tokio::test(start_paused = true)]
async fn the_pause_before_the_status_of_a_connection_is_offered_again_is_short_after_a_success() {
    let answer = Arc::new(AtomicU16::new(409));
    let (context, connection) = (context(&answer), Arc::new(connection()));
    for _ in 0..2 {
        answer.store(409, Ordering::Relaxed);
        for millis in [750, 1500, 3000, 6000, 6000] {
            let error = connection::reconcile(connection.clone(), context.clone()).await.unwrap_err();
            let pause = pace::after_error(CONNECTION, connection.as_ref(), &error, &context);
            assert_eq!(pause, Action::requeue(Duration::from_millis(millis)));
        }
        answer.store(200, Ordering::Relaxed);
        connection::reconcile(connection.clone(), context.clone()).await.unwrap();
    }
}
