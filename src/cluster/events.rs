//! Events (`events.k8s.io`), published beside the passes: an Event that cannot be had is logged and never an error. Results go
//! first: while statuses are written, Events only trickle.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

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
    turns::fair::{Fair, Limits, PATIENCE, Ticket},
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
/// The pause between two Events while a status is being written, which the API server takes in less time than an Event.
const TRICKLE: Duration = Duration::from_millis(100);

/// Where notices become Events.
#[derive(Clone, Debug)]
pub struct Events {
    shared: Arc<Shared>,
    _publisher: Arc<AbortOnDropHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    waiting: Mutex<Fair<Waiting>>,
    writes: Mutex<Writes>,
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
        let shared =
            Arc::new(Shared { waiting: Mutex::new(Fair::new(LIMITS)), writes: Mutex::default(), news: Notify::new() });
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

    /// A status is being written until this is dropped.
    pub fn give_way(&self) -> impl Drop + Send + use<> {
        let mut writes = self.shared.writes.lock();
        let number = writes.begun;
        writes.begun += 1;
        writes.under_way.insert(number, Instant::now());
        Writing { shared: self.shared.clone(), number }
    }
}

/// The statuses that are being written.
#[derive(Debug, Default)]
struct Writes {
    /// When each began, by number and so in order.
    under_way: BTreeMap<u64, Instant>,
    begun: u64,
}

impl Writes {
    /// Whether one is on its way. One that hangs makes nobody wait.
    fn go_on(&self, now: Instant) -> bool {
        self.under_way.last_key_value().is_some_and(|(_, begun)| now.saturating_duration_since(*begun) < PATIENCE)
    }
}

struct Writing {
    shared: Arc<Shared>,
    number: u64,
}

impl Drop for Writing {
    fn drop(&mut self) {
        let mut writes = self.shared.writes.lock();
        writes.under_way.remove(&self.number);
        if writes.under_way.is_empty() {
            self.shared.news.notify_one();
        }
    }
}

async fn publish_all(client: Client, shared: Arc<Shared>) {
    let publisher = Arc::new(Publisher::new(client));
    let mut under_way: JoinSet<Ticket> = JoinSet::new();
    let mut trickles = Instant::now();
    loop {
        let now = Instant::now();
        let gives_way = trickles > now && shared.writes.lock().go_on(now);
        let next = if gives_way { None } else { shared.waiting.lock().next(now) };
        if let Some((ticket, event)) = next {
            trickles = now + TRICKLE;
            let publisher = publisher.clone();
            under_way.spawn(async move {
                publish(&publisher, event).await;
                ticket
            });
            continue;
        }
        let again_at = if gives_way { Some(trickles) } else { shared.waiting.lock().next_time() };
        tokio::select! {
            () = shared.news.notified() => {}
            Some(ended) = under_way.join_next() => {
                if let Ok(ticket) = ended {
                    shared.waiting.lock().done(&ticket);
                }
            }
            () = sleep_until(again_at.unwrap_or_else(Instant::now)), if again_at.is_some() => {}
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
