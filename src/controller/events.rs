//! Events (`events.k8s.io`), published beside the passes: an Event that cannot be had is logged and never an error.

use k8s_openapi::api::core::v1::ObjectReference;
use kube::{
    Client,
    runtime::events::{Event, EventType, Recorder, Reporter},
};
use tokio::{sync::mpsc, time::timeout};

use super::{API_DEADLINE, REFRESH};
use crate::{api::FIELD_MANAGER, refresh::Notice};

/// How many Events may wait. Beyond it they are dropped, as the API server drops them after an hour anyway.
const QUEUE: usize = 1024;
/// How many Events are remembered, to count repetitions. The client library remembers each for minutes otherwise, and looks
/// through them all for each new one.
const REMEMBERED: usize = 100;

/// Where notices become Events.
#[derive(Clone, Debug)]
pub struct Events {
    queue: mpsc::Sender<(ObjectReference, String, Notice)>,
}

impl Events {
    /// Starts the one publisher of this process; it ends with the last handle.
    pub fn start(client: Client) -> Self {
        let (queue, mut waiting) = mpsc::channel::<(ObjectReference, String, Notice)>(QUEUE);
        tokio::spawn(async move {
            let begin = || Recorder::new(client.clone(), Reporter::from(FIELD_MANAGER));
            let (mut recorder, mut published) = (begin(), 0);
            while let Some((object, action, notice)) = waiting.recv().await {
                if published == REMEMBERED {
                    (recorder, published) = (begin(), 0);
                }
                published += 1;
                let event = Event {
                    type_: if notice.warning { EventType::Warning } else { EventType::Normal },
                    reason: notice.reason.to_owned(),
                    note: Some(notice.message),
                    action,
                    secondary: None,
                };
                let (namespace, name) = (object.namespace.as_deref(), object.name.as_deref());
                match timeout(API_DEADLINE, recorder.publish(&event, &object)).await {
                    Ok(Ok(_)) => {}
                    Ok(Err(error)) => {
                        tracing::warn!(controller = REFRESH, namespace, name, reason = event.reason, %error, "an Event was not published")
                    }
                    Err(_) => tracing::warn!(
                        controller = REFRESH,
                        namespace,
                        name,
                        reason = event.reason,
                        "an Event was not published in time"
                    ),
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
