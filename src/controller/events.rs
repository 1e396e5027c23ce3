//! Events (`events.k8s.io`), published beside the passes: an Event that cannot be had is logged and never an error.

use std::collections::HashMap;

use jiff::Timestamp;
use k8s_openapi::{
    api::{
        core::v1::ObjectReference,
        events::v1::{Event, EventSeries},
    },
    apimachinery::pkg::apis::meta::v1::MicroTime,
};
use kube::{
    Api, Client,
    api::{Patch, PatchParams, PostParams},
    core::ObjectMeta,
};
use tokio::{sync::mpsc, time::timeout};

use super::{API_DEADLINE, REFRESH};
use crate::{
    api::FIELD_MANAGER,
    refresh::{Notice, limits::cut},
};

/// How many Events may wait. Beyond it they are dropped, as the API server drops them after an hour anyway.
const QUEUE: usize = 1024;
/// How many Events are remembered, to count repetitions.
const REMEMBERED: usize = 100;
/// The longest name of an object.
const NAME_BYTES: usize = 253;

/// Where notices become Events.
#[derive(Clone, Debug)]
pub struct Events {
    queue: mpsc::Sender<(ObjectReference, String, Notice)>,
}

/// Publishes one Event after the other.
struct Publisher {
    client: Client,
    /// By object, reason and action.
    published: HashMap<[String; 3], Event>,
}

impl Publisher {
    async fn publish(&mut self, object: ObjectReference, action: String, notice: Notice) -> kube::Result<()> {
        let (now, uid) = (Timestamp::now(), object.uid.clone().unwrap_or_default());
        let about = [uid, notice.reason.to_owned(), action.clone()];
        let events: Api<Event> = Api::namespaced(self.client.clone(), object.namespace.as_deref().unwrap_or_default());
        let event = match self.published.get(&about) {
            None => {
                let event = event(object, action, notice, now);
                events.create(&PostParams::default(), &event).await?;
                event
            }
            Some(first) => {
                let count = first.series.as_ref().map_or(1, |series| series.count).saturating_add(1);
                let series = Some(EventSeries { count, last_observed_time: MicroTime(now) });
                let event = Event { series, ..first.clone() };
                let name = event.metadata.name.clone().unwrap_or_default();
                events.patch(&name, &PatchParams::default(), &Patch::Merge(&event)).await?;
                event
            }
        };
        if self.published.len() >= REMEMBERED {
            self.published.clear();
        }
        self.published.insert(about, event);
        Ok(())
    }
}

fn event(object: ObjectReference, action: String, notice: Notice, now: Timestamp) -> Event {
    let type_ = if notice.warning { "Warning" } else { "Normal" };
    let name = name(object.name.as_deref().unwrap_or_default(), now);
    Event {
        metadata: ObjectMeta { name: Some(name), namespace: object.namespace.clone(), ..ObjectMeta::default() },
        type_: Some(type_.to_owned()),
        reason: Some(notice.reason.to_owned()),
        note: Some(notice.message),
        action: Some(action),
        event_time: Some(MicroTime(now)),
        regarding: Some(object),
        reporting_controller: Some(FIELD_MANAGER.to_owned()),
        reporting_instance: Some(FIELD_MANAGER.to_owned()),
        ..Event::default()
    }
}

/// The object's name with a number, as all Events are called; as much of the name as leaves room for the number.
fn name(object: &str, now: Timestamp) -> String {
    let number = format!(".{:x}", now.as_nanosecond());
    let object = cut(object, NAME_BYTES.saturating_sub(number.len()));
    format!("{}{number}", object.trim_end_matches(['.', '-']))
}

impl Events {
    /// Starts the one publisher of this process; it ends with the last handle.
    pub fn start(client: Client) -> Self {
        let (queue, mut waiting) = mpsc::channel::<(ObjectReference, String, Notice)>(QUEUE);
        tokio::spawn(async move {
            let mut publisher = Publisher { client, published: HashMap::new() };
            while let Some((object, action, notice)) = waiting.recv().await {
                let (namespace, name, reason) = (object.namespace.clone(), object.name.clone(), notice.reason);
                match timeout(API_DEADLINE, publisher.publish(object, action, notice)).await {
                    Ok(Ok(())) => {}
                    Ok(Err(error)) => {
                        tracing::warn!(controller = REFRESH, namespace, name, reason, %error, "an Event was not published")
                    }
                    Err(_) => {
                        tracing::warn!(
                            controller = REFRESH,
                            namespace,
                            name,
                            reason,
                            "an Event was not published in time"
                        )
                    }
                }
            }
        });
        Self { queue }
    }

    /// Publishes `notice` about `object`, soon. Events with the same reason and `action` become one with a count, which keeps the
    /// first text.
    pub fn publish(&self, object: ObjectReference, action: String, notice: Notice) {
        if let Err(dropped) = self.queue.try_send((object, action, notice)) {
            let (object, _, notice) = dropped.into_inner();
            tracing::warn!(
                controller = REFRESH,
                namespace = object.namespace,
                name = object.name,
                reason = notice.reason,
                "an Event was dropped: too many wait"
            );
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]

    use std::sync::{Arc, Mutex};

    use axum::{
        Router,
        body::Bytes,
        http::{Method, Uri},
    };
    use serde_json::{Value, json};

    use super::*;

    type Requests = Arc<Mutex<Vec<(Method, String, Value)>>>;

    /// A publisher to an API server that takes all Events, and what it got.
    fn publisher() -> (Publisher, Requests) {
        let requests = Requests::default();
        let got = requests.clone();
        let take = move |method: Method, uri: Uri, body: Bytes| async move {
            let event: Value = serde_json::from_slice(&body).unwrap();
            got.lock().unwrap().push((method, uri.path().to_owned(), event.clone()));
            event.to_string()
        };
        (
            Publisher { client: Client::new(Router::new().fallback(take), "default"), published: HashMap::new() },
            requests,
        )
    }

    fn object(name: &str) -> ObjectReference {
        let (name, namespace, uid) = (Some(name.to_owned()), Some("shop".to_owned()), Some("7".to_owned()));
        ObjectReference { name, namespace, uid, ..ObjectReference::default() }
    }

    fn notice(message: &str) -> Notice {
        Notice { warning: true, reason: "RefreshFailed", message: message.to_owned() }
    }

    #[tokio::test]
    async fn the_events_of_an_object_have_names_that_fit_however_long_its_own_is() {
        let (mut publisher, requests) = publisher();
        for long in
            ["a".repeat(250), format!("{}.{}", "a".repeat(235), "b".repeat(17)), format!("{}--z", "a".repeat(234))]
        {
            publisher.published.clear();
            publisher.publish(object(&long), "RefreshRun1Attempt1".to_owned(), notice("why")).await.unwrap();
            let (method, path, event) = requests.lock().unwrap().pop().unwrap();
            assert_eq!((method, path.as_str()), (Method::POST, "/apis/events.k8s.io/v1/namespaces/shop/events"));
            let name = event["metadata"]["name"].as_str().unwrap();
            let is_label = |part: &str| !part.is_empty() && !part.starts_with('-') && !part.ends_with('-');
            assert!(name.len() <= 253 && name.split('.').all(is_label), "{name}");
            assert_eq!(event["regarding"]["name"], json!(long), "kubectl describe finds it by that");
        }
    }

    #[tokio::test]
    async fn an_event_that_repeats_is_counted() {
        let (mut publisher, requests) = publisher();
        for (action, message) in [("one", "first"), ("one", "second"), ("one", "third"), ("two", "other")] {
            publisher.publish(object("orders"), action.to_owned(), notice(message)).await.unwrap();
        }
        let told: Vec<_> = requests
            .lock()
            .unwrap()
            .iter()
            .map(|(method, _, event)| (method.clone(), event["note"].clone(), event["series"]["count"].clone()))
            .collect();
        assert_eq!(
            told,
            [
                (Method::POST, json!("first"), Value::Null),
                (Method::PATCH, json!("first"), json!(2)),
                (Method::PATCH, json!("first"), json!(3)),
                (Method::POST, json!("other"), Value::Null),
            ]
        );
    }

    #[tokio::test]
    async fn what_is_remembered_to_count_repetitions_has_a_bound() {
        let (mut publisher, _) = publisher();
        for action in 0..1000 {
            publisher.publish(object("orders"), action.to_string(), notice("why")).await.unwrap();
            assert!(publisher.published.len() <= REMEMBERED);
        }
    }
}
