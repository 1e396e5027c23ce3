//! How an Event is published: once, and then counted up.

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
use parking_lot::Mutex;

use crate::{
    api::FIELD_MANAGER,
    refresh::{Notice, limits::cut},
};

/// How many Events are remembered, to count repetitions.
const REMEMBERED: usize = 100;
/// The longest name of an object.
const NAME_BYTES: usize = 253;

/// Publishes Events, one at a time of a namespace.
pub(super) struct Publisher {
    client: Client,
    /// By object, reason and action.
    published: Mutex<HashMap<[String; 3], Event>>,
}

impl Publisher {
    pub(super) fn new(client: Client) -> Self {
        Self { client, published: Mutex::default() }
    }

    pub(super) async fn publish(&self, object: ObjectReference, action: String, notice: Notice) -> kube::Result<()> {
        let (now, uid) = (Timestamp::now(), object.uid.clone().unwrap_or_default());
        let about = [uid, notice.reason.to_owned(), action.clone()];
        let events: Api<Event> = Api::namespaced(self.client.clone(), object.namespace.as_deref().unwrap_or_default());
        let first = self.published.lock().get(&about).cloned();
        let event = match first {
            None => {
                let event = event(object, action, notice, now);
                events.create(&PostParams::default(), &event).await?;
                event
            }
            Some(first) => {
                let count = first.series.as_ref().map_or(1, |series| series.count).saturating_add(1);
                let series = Some(EventSeries { count, last_observed_time: MicroTime(now) });
                let event = Event { series, ..first };
                let name = event.metadata.name.clone().unwrap_or_default();
                events.patch(&name, &PatchParams::default(), &Patch::Merge(&event)).await?;
                event
            }
        };
        let mut published = self.published.lock();
        if published.len() >= REMEMBERED {
            published.clear();
        }
        published.insert(about, event);
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]

    use std::sync::Arc;

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
            got.lock().push((method, uri.path().to_owned(), event.clone()));
            event.to_string()
        };
        (Publisher::new(Client::new(Router::new().fallback(take), "default")), requests)
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
        let (publisher, requests) = publisher();
        for long in
            ["a".repeat(250), format!("{}.{}", "a".repeat(235), "b".repeat(17)), format!("{}--z", "a".repeat(234))]
        {
            publisher.published.lock().clear();
            publisher.publish(object(&long), "RefreshRun1Attempt1".to_owned(), notice("why")).await.unwrap();
            let (method, path, event) = requests.lock().pop().unwrap();
            assert_eq!((method, path.as_str()), (Method::POST, "/apis/events.k8s.io/v1/namespaces/shop/events"));
            let name = event["metadata"]["name"].as_str().unwrap();
            let is_label = |part: &str| !part.is_empty() && !part.starts_with('-') && !part.ends_with('-');
            assert!(name.len() <= 253 && name.split('.').all(is_label), "{name}");
            assert_eq!(event["regarding"]["name"], json!(long), "kubectl describe finds it by that");
        }
    }

    #[tokio::test]
    async fn an_event_that_repeats_is_counted() {
        let (publisher, requests) = publisher();
        for (action, message) in [("one", "first"), ("one", "second"), ("one", "third"), ("two", "other")] {
            publisher.publish(object("orders"), action.to_owned(), notice(message)).await.unwrap();
        }
        let told: Vec<_> = requests
            .lock()
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
        let (publisher, _) = publisher();
        for action in 0..1000 {
            publisher.publish(object("orders"), action.to_string(), notice("why")).await.unwrap();
            assert!(publisher.published.lock().len() <= REMEMBERED);
        }
    }
}
