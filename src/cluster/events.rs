//! Events (`events.k8s.io`), published beside the passes: an Event that cannot be had is logged and never an error.

use std::sync::Arc;

use k8s_openapi::api::core::v1::ObjectReference;
use kube::Client;
use parking_lot::Mutex;
use tokio::{
    sync::Notify,
    task::JoinSet,
    time::{Instant, sleep_until, timeout},
};
use tokio_util::task::AbortOnDropHandle;

use super::request::DEADLINE;
use crate::{
    object::REFRESH,
    refresh::Notice,
    turns::fair::{Fair, Limits, Ticket},
};
use publisher::Publisher;

mod publisher;

/// One at a time of a namespace, so that its Events stay in order, and a few in all. Where Events hang they are set aside, of
/// so many namespaces at most.
const LIMITS: Limits = Limits { at_work: 4, each_lane: 1, each_namespace: 1, set_aside: 256 };
/// How many Events of one namespace may wait. Beyond it they are dropped, as the API server drops them after an hour anyway.
const WAITING: usize = 64;
/// As many, once so many wait in all.
const WAITING_AMONG_MANY: usize = 4;
const MANY: usize = 1024;

/// Where notices become Events.
#[derive(Clone, Debug)]
pub struct Events {
    shared: Arc<Shared>,
    _publisher: Arc<AbortOnDropHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    waiting: Mutex<Fair<Waiting>>,
    news: Notify,
}

/// An Event that is to be published.
#[derive(Debug)]
struct Waiting {
    object: ObjectReference,
    action: String,
    notice: Notice,
}

impl Events {
    /// Starts the one publisher of this process; it ends with the last handle.
    pub fn start(client: Client) -> Self {
        let shared = Arc::new(Shared { waiting: Mutex::new(Fair::new(LIMITS)), news: Notify::new() });
        let publisher = tokio::spawn(publish_all(client, shared.clone()));
        Self { shared, _publisher: Arc::new(AbortOnDropHandle::new(publisher)) }
    }

    /// Publishes `notice` about `object`, soon. Events with the same reason and `action` become one with a count, which keeps the
    /// first text.
    pub fn publish(&self, object: ObjectReference, action: String, notice: Notice) {
        let namespace = object.namespace.clone().unwrap_or_default();
        let mut waiting = self.shared.waiting.lock();
        let (all, of_namespace) = waiting.waiting(&namespace);
        if of_namespace >= if all < MANY { WAITING } else { WAITING_AMONG_MANY } {
            tracing::warn!(
                controller = REFRESH,
                namespace,
                name = object.name,
                reason = notice.reason,
                "an Event was dropped: too many Events of its namespace are waiting"
            );
            return;
        }
        waiting.push(&namespace, "", Waiting { object, action, notice });
        drop(waiting);
        self.shared.news.notify_one();
    }
}

async fn publish_all(client: Client, shared: Arc<Shared>) {
    let publisher = Arc::new(Publisher::new(client));
    let mut under_way: JoinSet<Ticket> = JoinSet::new();
    loop {
        let next = shared.waiting.lock().next(Instant::now());
        if let Some((ticket, event)) = next {
            let publisher = publisher.clone();
            under_way.spawn(async move {
                publish(&publisher, event).await;
                ticket
            });
            continue;
        }
        let patience_ends = shared.waiting.lock().next_time();
        tokio::select! {
            () = shared.news.notified() => {}
            Some(ended) = under_way.join_next() => {
                if let Ok(ticket) = ended {
                    shared.waiting.lock().done(&ticket);
                }
            }
            () = sleep_until(patience_ends.unwrap_or_else(Instant::now)), if patience_ends.is_some() => {}
        }
    }
}

async fn publish(publisher: &Publisher, Waiting { object, action, notice }: Waiting) {
    let (namespace, name, reason) = (object.namespace.clone(), object.name.clone(), notice.reason);
    match timeout(DEADLINE, publisher.publish(object, action, notice)).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => {
            tracing::warn!(controller = REFRESH, namespace, name, reason, %error, "an Event was not published");
        }
        Err(_) => {
            tracing::warn!(controller = REFRESH, namespace, name, reason, "an Event was not published in time");
        }
    }
}

#[cfg(test)]
mod tests;
