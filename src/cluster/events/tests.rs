#![allow(clippy::unwrap_used)]

use std::convert::Infallible;

use axum::{
    body::Body,
    http::{Request, Response},
};
use futures::future;
use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::*;

/// An API server that takes Events, but for those of the namespace `bad`, which hang; and what it was sent, as
/// `namespace/name reason`.
fn events() -> (Events, mpsc::UnboundedReceiver<String>) {
    let (heard, all) = mpsc::unbounded_channel();
    let service = tower::service_fn(move |request: Request<kube::client::Body>| {
        let heard = heard.clone();
        async move {
            let event = request.into_body().collect_bytes().await.unwrap();
            let event: Value = serde_json::from_slice(&event).unwrap();
            let text = |pointer: &str| event.pointer(pointer).and_then(Value::as_str).unwrap().to_owned();
            let namespace = text("/metadata/namespace");
            heard.send(format!("{namespace}/{} {}", text("/regarding/name"), text("/reason"))).unwrap();
            if namespace == "bad" {
                future::pending::<()>().await;
            }
            Ok::<_, Infallible>(Response::new(Body::from(event.to_string())))
        }
    });
    (Events::start(Client::new(service, "default")), all)
}

fn publish(events: &Events, namespace: &str, name: &str) {
    let object = json!({ "namespace": namespace, "name": name, "uid": name });
    let notice = Notice { warning: false, reason: "Told", message: String::new() };
    events.publish(serde_json::from_value(object).unwrap(), "Act".to_owned(), notice);
}

async fn until_quiet(heard: &mut mpsc::UnboundedReceiver<String>, time: Duration) -> Vec<String> {
    let mut all = Vec::new();
    let _ = timeout(time, async {
        while let Some(one) = heard.recv().await {
            all.push(one)
        }
    })
    .await;
    all
}

#[tokio::test(start_paused = true)]
async fn events_that_hang_in_one_namespace_keep_those_of_no_other_waiting() {
    let (events, mut heard) = events();
    for number in 0..20 {
        publish(&events, "bad", &format!("b{number}"));
    }
    for number in 0..20 {
        publish(&events, "good", &format!("g{number}"));
    }
    let told = until_quiet(&mut heard, DEADLINE - Duration::from_secs(1)).await;
    let good: Vec<&String> = told.iter().filter(|event| event.starts_with("good/")).collect();
    let in_order: Vec<String> = (0..20).map(|number| format!("good/g{number} Told")).collect();
    assert_eq!(good, in_order.iter().collect::<Vec<_>>());
    assert_eq!(told.len(), 21, "one of the other namespace is under way: {told:?}");
}

#[tokio::test(start_paused = true)]
async fn too_many_events_of_a_namespace_are_dropped_and_no_others() {
    let (events, mut heard) = events();
    for number in 0..200 {
        publish(&events, "bad", &format!("b{number}"));
    }
    assert_eq!(events.shared.waiting.lock().waiting("bad"), (WAITING, WAITING));
    for namespace in 0..20 {
        for number in 0..WAITING {
            publish(&events, &namespace.to_string(), &format!("e{number}"));
        }
    }
    assert_eq!(events.shared.waiting.lock().waiting("19").1, WAITING_AMONG_MANY);
    publish(&events, "good", "last");
    let told = until_quiet(&mut heard, Duration::from_secs(1)).await;
    assert!(told.contains(&"good/last Told".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn while_a_status_is_written_events_trickle_and_then_all_that_waited_go() {
    let (events, mut heard) = events();
    let writing = [events.give_way(), events.give_way()];
    for number in 0..50 {
        publish(&events, &number.to_string(), "orders");
    }
    let told = until_quiet(&mut heard, TRICKLE * 5).await.len();
    assert!((5..=6).contains(&told), "{told}");
    let [one, other] = writing;
    drop(one);
    let more = until_quiet(&mut heard, TRICKLE / 2).await.len();
    assert!(more <= 1, "another status is being written: {more}");
    drop(other);
    assert_eq!(until_quiet(&mut heard, TRICKLE / 2).await.len(), 50 - told - more);
}

#[tokio::test(start_paused = true)]
async fn a_status_whose_write_hangs_makes_no_events_wait() {
    let (events, mut heard) = events();
    let _hangs = events.give_way();
    tokio::time::sleep(PATIENCE).await;
    for number in 0..50 {
        publish(&events, &number.to_string(), "orders");
    }
    assert_eq!(until_quiet(&mut heard, TRICKLE / 2).await.len(), 50);
}
