//! Runs the passes of one kind: takes in what asks for one, and begins each when it is its turn.

use std::{
    collections::HashSet,
    panic::AssertUnwindSafe,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use futures::{FutureExt, Stream, StreamExt, stream};
use kube::runtime::watcher;
use serde::de::DeserializeOwned;
use tokio::{
    task::{JoinSet, coop::consume_budget},
    time::{Instant, sleep_until},
};
use tokio_util::sync::CancellationToken;

use super::{
    Context,
    workqueue::{Queue, limits},
};
use crate::{
    backoff::{doubled, shortened},
    cluster::{packed::Packed, status, store::Store},
    metrics::Outcome,
    object::Key,
    refresh::Wake,
};

/// The pause after the first failure of a reconcile; each further one is twice as long.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// The longest pause, so that statuses are right soon after the API server is back.
const LONGEST_PAUSE: Duration = Duration::from_secs(8);

/// There is more to do, after what waits already.
const NOW: Wake = Wake::After(Duration::ZERO);

/// Why a pass could not come to its end; it is tried again after a pause that grows.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The API server did not take a status or did not answer.
    #[error(transparent)]
    Api(#[from] status::WriteError),
    /// A fault in this program.
    #[error("the reconcile panicked: {0}; the operator retries; please report this bug")]
    Panicked(String),
}

/// A kind whose passes are run.
pub(super) struct Kind<K> {
    pub(super) name: &'static str,
    /// How many passes are under way at a time.
    pub(super) workers: u16,
    /// What an object shares with others of its namespace.
    pub(super) lane: for<'a> fn(&'a Key, &'a Packed<K>) -> &'a str,
    /// Where it is told how many objects wait for a pass that is due.
    pub(super) due: Arc<AtomicUsize>,
}

/// The objects of a kind in one scope, and what asks for passes over them.
pub(super) struct Watched<K> {
    scope: Option<String>,
    store: Store<K>,
    /// Ends where the watch does.
    asked: stream::BoxStream<'static, Option<Key>>,
}

impl<K> Watched<K> {
    /// What `watch` shows to have changed asks for a pass, once the store shows it, and what is woken.
    pub(super) fn new(
        scope: &Option<String>,
        store: Store<K>,
        watch: impl Stream<Item = watcher::Result<Key>> + Send + 'static,
        wakes: impl Stream<Item = Key> + Send + 'static,
    ) -> Self {
        // A watch that fails is opened again, and has told so.
        let changed = watch.filter_map(async |key| key.ok().map(Some));
        let asked = stream::select(changed.chain(stream::once(async { None })), wakes.map(Some));
        Self { scope: scope.clone(), store, asked: asked.boxed() }
    }
}

/// Where the objects of a kind are kept, by scope.
struct Stores<K>(Vec<(Option<String>, Store<K>)>);

impl<K> Stores<K> {
    fn get(&self, key: &Key) -> Option<Arc<Packed<K>>> {
        let watches = |scope: &Option<String>| scope.as_ref().is_none_or(|scope| *scope == key.namespace);
        let (_, store) = self.0.iter().find(|(scope, _)| watches(scope))?;
        store.get(key)
    }
}

/// Runs the passes over the objects of a kind until `stop`, then lets those that are under way come to their end, and records
/// the starts that were sent. Objects of one namespace and one `lane` share what they may have under way.
///
/// Gives `name`.
pub(super) async fn drive<K, F, Fut>(
    Kind { name, workers, lane, due }: Kind<K>,
    watched: Vec<Watched<K>>,
    reconcile: F,
    context: Arc<Context>,
    stop: CancellationToken,
) -> &'static str
where
    K: DeserializeOwned + Send + Sync + 'static,
    F: Fn(Arc<K>, Arc<Context>) -> Fut + Clone + Send + Sync + 'static,
    Fut: Future<Output = Result<Wake, Error>> + Send + 'static,
{
    let waiting = context.metrics.workqueue.clone();
    context.metrics.passes.workers(name, workers);
    let (stores, asked): (Vec<_>, Vec<_>) =
        watched.into_iter().map(|watched| ((watched.scope, watched.store), watched.asked)).unzip();
    let (stores, mut asked) = (Stores(stores), stream::select_all(asked));
    let mut queue = Queue::new(limits(workers));
    let mut passes: JoinSet<(Key, Wake)> = JoinSet::new();
    let mut unfinished = HashSet::new();
    while !stop.is_cancelled() {
        // Thousands can be asked for at once; whatever else the process does has its turn in between.
        consume_budget().await;
        while let Some(key) = queue.next(Instant::now()) {
            waiting.taken(name, key.clone());
            unfinished.remove(&key);
            match stores.get(&key) {
                Some(object) => {
                    let pass = guarded(name, key.clone(), object, context.clone(), reconcile.clone());
                    passes.spawn(pass.map(|wake| (key, wake)));
                }
                // It was deleted meanwhile.
                None => queue.ended(key, None),
            }
        }
        due.store(queue.waiting(), Ordering::Relaxed);
        let next_time = queue.next_time();
        tokio::select! {
            () = stop.cancelled() => {}
            key = asked.next() => {
                let Some(key) = key.flatten() else { return name };
                if let Some(object) = stores.get(&key) {
                    waiting.add(name, key.clone());
                    let lane = lane(&key, &object).to_owned();
                    queue.add(key, lane);
                }
            }
            Some(ended) = passes.join_next() => {
                // A panic was caught; so it can only have been aborted.
                let Ok((key, wake)) = ended else { return name };
                if wake == NOW {
                    unfinished.insert(key.clone());
                }
                queue.ended(key, match wake {
                    Wake::After(pause) => Instant::now().checked_add(pause),
                    Wake::OnChange => None,
                });
            }
            () = sleep_until(next_time.unwrap_or_else(Instant::now)), if next_time.is_some() => {}
        }
    }
    while let Some(ended) = passes.join_next().await {
        if let Ok((key, NOW)) = ended {
            unfinished.insert(key);
        }
    }
    let left = unfinished.into_iter().filter_map(|key| Some((stores.get(&key)?, key)));
    let left = left.filter(|(object, _)| context.volatile.memory.has_outcome(object.uid()));
    let pass = |(object, key)| guarded(name, key, object, context.clone(), reconcile.clone()).map(drop);
    stream::iter(left).for_each_concurrent(usize::from(workers), pass).await;
    name
}

/// One pass, and when there is another. Skips what cannot be decoded, and keeps a panic from ending the controller.
pub(super) async fn guarded<K, F, Fut>(
    name: &'static str,
    key: Key,
    object: Arc<Packed<K>>,
    context: Arc<Context>,
    reconcile: F,
) -> Wake
where
    K: DeserializeOwned,
    F: Fn(Arc<K>, Arc<Context>) -> Fut,
    Fut: Future<Output = Result<Wake, Error>>,
{
    let _working = context.health.pass(format!("{name} {}/{}", key.namespace, key.name));
    let pass = context.metrics.passes.begin(name);
    let work = async {
        match object.object() {
            Ok(object) => reconcile(Arc::new(object), context.clone()).await,
            Err(error) => {
                context.metrics.undecodable(name);
                tracing::warn!(
                    controller = name,
                    namespace = key.namespace,
                    name = key.name,
                    %error,
                    "this version cannot read the object and ignores it until it changes",
                );
                Ok(Wake::OnChange)
            }
        }
    };
    let result = AssertUnwindSafe(work).catch_unwind().await.unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
        Err(Error::Panicked(text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_default()))
    });
    pass.ended(match &result {
        Ok(Wake::OnChange) => Outcome::Success,
        Ok(Wake::After(_)) => Outcome::RequeueAfter,
        Err(Error::Api(_)) => Outcome::Error,
        Err(Error::Panicked(_)) => Outcome::Panic,
    });
    result.unwrap_or_else(|error| Wake::After(after_error(name, &key, object.uid(), &error, &context)))
}

/// The pause after `error`.
pub(super) fn after_error(
    controller: &'static str,
    key: &Key,
    uid: &str,
    error: &Error,
    context: &Context,
) -> Duration {
    let errors = context.volatile.memory.with(uid, |remembered| {
        remembered.errors = remembered.errors.saturating_add(1);
        remembered.errors
    });
    let pause = shortened(doubled(FIRST_PAUSE, errors, LONGEST_PAUSE), context.clock.random());
    tracing::warn!(
        controller,
        namespace = key.namespace,
        name = key.name,
        %error,
        pause_ms = pause.as_millis(),
        "the reconcile failed; it is retried after pause_ms",
    );
    pause
}
