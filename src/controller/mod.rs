//! The shell: watches, observes, acts, and writes status. All I/O of the operator is here and in [`crate::milvus`].
//!
//! * `stream`: watch, reflect, filter: what a pass is due for. `kept`: an object as it is kept, packed.
//! * `restored`: what a watch does after the cluster was restored from a backup.
//! * `refresh`, `connection`: one reconciler a kind; `pass`, `gate` and `act`: what a pass over a refresh does; `ports`: what it
//!   reaches, and `outside` the controller's own side of that; `own_source`: the source that a refresh brings along.
//! * `servers`: what is known of each connection: its view, its client, its poller.
//! * `references`, `content`, `credentials`: one field-selected watch per Secret or ConfigMap that a connection names, what it
//!   holds, and what that is to the connection.
//! * `milvus_ref`: the same per `Milvus` of milvus-operator.
//! * `index`: who has a collection, and who waits for it.
//! * `slots`: how many refreshes run through a connection at a time.
//! * `looks`: who may look while looks through a connection fail.
//! * `fence`: what a process does before it starts anything.
//! * `volatile`: what a process knows beyond what is durable, which is `memory`, the four above and the budget of progress.
//! * `memory`: what this process remembers of an object beyond its status.
//! * `status`: the one way in which status is written.

mod act;
mod connection;
mod content;
mod context;
mod credentials;
mod events;
mod fence;
mod gate;
mod index;
mod kept;
mod looks;
mod memory;
mod milvus_ref;
#[cfg(test)]
mod model;
mod outside;
mod own_source;
mod pace;
mod pass;
mod ports;
mod progress;
mod references;
mod refresh;
mod restored;
mod servers;
mod slots;
mod spread;
mod status;
mod stream;
#[cfg(test)]
mod tests;
mod volatile;
mod wakes;

use std::{
    collections::BTreeSet,
    fmt::Debug,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use futures::{FutureExt, Stream, StreamExt, TryStreamExt, future};
use kube::{
    Api, Resource,
    core::NamespaceResourceScope,
    runtime::{
        controller::{self, Action, Config, Controller},
        reflector::Store,
        watcher,
    },
};
use serde::de::DeserializeOwned;
use tokio::{task::JoinSet, time::timeout};
use tokio_util::sync::CancellationToken;

pub use context::{Context, Process};
use kept::Kept;

pub use crate::object::{CONNECTION, Key, REFRESH};
use crate::{client, metrics::Outcome};

/// Runs the controllers until `stop` is cancelled, then lets what is under way come to its end.
///
/// # Errors
/// When a controller ends although nobody asked it to.
pub async fn run(
    context: Arc<Context>,
    scopes: &[Option<String>],
    workers: u16,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let mut tasks = JoinSet::new();
    for scope in scopes {
        let lifecycle = refresh::Lifecycle { context: context.clone(), scope: scope.clone() };
        let (store, watch) = stream::objects(watched(&context, scope), lifecycle);
        context.set_store(scope, store.clone());
        let controller = triggered(REFRESH, &context, store, watch, context.refreshes.stream(scope));
        tasks.spawn(drive(REFRESH, controller, workers, refresh::reconcile, context.clone(), stop.clone()));

        let lifecycle = connection::Lifecycle { context: context.clone(), scope: scope.clone() };
        let (store, watch) = stream::objects(watched(&context, scope), lifecycle);
        let controller = triggered(CONNECTION, &context, store, watch, context.connections.stream(scope));
        tasks.spawn(drive(CONNECTION, controller, workers, connection::reconcile, context.clone(), stop.clone()));
    }
    tokio::select! {
        () = stop.cancelled() => {}
        ended = tasks.join_next() => {
            let name = ended.transpose()?.unwrap_or_default();
            if !stop.is_cancelled() {
                stop.cancel();
                anyhow::bail!("the {name} controller ended by itself; the process ends so that it is started afresh");
            }
        }
    }
    // A controller whose first listing never came would wait for it for ever, so what counts is the passes themselves.
    context.passes.close();
    if timeout(LAST_PASSES, context.passes.wait()).await.is_err() {
        tracing::warn!(
            "passes under way were cut off after {} s; their statuses tell where to carry on",
            LAST_PASSES.as_secs()
        );
    }
    Ok(())
}

/// What is watched: each of `namespaces` once, or all namespaces (`None`) where there are none.
pub fn scopes(namespaces: &[String]) -> Vec<Option<String>> {
    let distinct: BTreeSet<_> = namespaces.iter().cloned().map(Some).collect();
    if distinct.is_empty() { vec![None] } else { distinct.into_iter().collect() }
}

/// Names them to people.
pub fn describe(scopes: &[Option<String>]) -> String {
    let names: Vec<_> = scopes.iter().map(|scope| scope.as_deref().unwrap_or("all namespaces")).collect();
    names.join(", ")
}

/// The objects in `scope`, to be watched: each answer is a sign of life of the watch.
fn watched<K>(context: &Context, scope: &Option<String>) -> Api<K>
where
    K: Resource<Scope = NamespaceResourceScope, DynamicType = ()>,
{
    let what = format!("{} in {}", K::plural(&()), scope.as_deref().unwrap_or("all namespaces"));
    let health = context.health.clone();
    health.watch_heard(&what);
    let client = client::heard(context.client.clone(), move |_, _| health.watch_heard(&what));
    match scope {
        Some(namespace) => Api::namespaced(client, namespace),
        None => Api::all(client),
    }
}

/// A controller of the objects that `watch` or `wakes` ask for; both are counted.
fn triggered<K>(
    name: &'static str,
    context: &Arc<Context>,
    store: Store<Kept<K>>,
    watch: impl Stream<Item = Result<Kept<K>, watcher::Error>> + Send + 'static,
    wakes: impl Stream<Item = Key> + Send + 'static,
) -> Controller<Kept<K>>
where
    K: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned + Send + Sync + 'static,
{
    let (watching, waking) = (context.clone(), context.clone());
    let watch = watch.inspect_ok(move |object| watching.metrics.workqueue.add(name, Key::of(object)));
    let wakes = wakes.inspect(move |key| waking.metrics.workqueue.add(name, key.clone()));
    Controller::for_stream(watch, store).reconcile_on(wakes.map(Key::into_ref))
}

/// Runs one controller to its end.
async fn drive<K, F, Fut>(
    name: &'static str,
    controller: Controller<Kept<K>>,
    workers: u16,
    reconcile: F,
    context: Arc<Context>,
    stop: CancellationToken,
) -> &'static str
where
    K: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned + Send + Sync + 'static,
    F: Fn(Arc<K>, Arc<Context>) -> Fut + Clone + Send + Sync + 'static,
    Fut: Future<Output = Result<Action, Error>> + Send + 'static,
{
    context.metrics.passes.workers(name, workers);
    let queue = context.metrics.workqueue.clone();
    controller
        .with_config(Config::default().concurrency(workers))
        .graceful_shutdown_on(stop.cancelled_owned())
        .run(
            move |object, context| {
                let passes = context.passes.clone();
                passes.track_future(guarded(name, object, context, reconcile.clone()))
            },
            move |object, error, context| pace::after_error(name, object.as_ref(), error, &context),
            context,
        )
        .for_each(|result| {
            // What was deleted before its pass waits no longer.
            if let Err(controller::Error::ObjectNotFound(object)) = &result {
                let namespace = object.namespace.clone().unwrap_or_default();
                queue.taken(name, Key { namespace, name: object.name.clone() });
            }
            if let Err(error) = result {
                tracing::debug!(controller = name, %error, "a pass ended with an error");
            }
            future::ready(())
        })
        .await;
    name
}

/// Why a pass could not come to its end; it is tried again after a pause that grows.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The API server did not take a status or did not answer.
    #[error(transparent)]
    Api(#[from] status::WriteError),
    /// A fault in this program.
    #[error("the pass panicked: {0}; the object is tried again, please report this")]
    Panicked(String),
}

/// Skips what cannot be decoded and keeps a panic from ending the controller.
async fn guarded<K, F, Fut>(
    name: &'static str,
    object: Arc<Kept<K>>,
    context: Arc<Context>,
    reconcile: F,
) -> Result<Action, Error>
where
    K: Resource<DynamicType = ()> + DeserializeOwned,
    F: Fn(Arc<K>, Arc<Context>) -> Fut,
    Fut: Future<Output = Result<Action, Error>>,
{
    let key = Key::of(object.as_ref());
    let _working = context.health.pass(format!("{name} {}/{}", key.namespace, key.name));
    context.metrics.workqueue.taken(name, key);
    let pass = context.metrics.passes.begin(name);
    let object = match object.object() {
        Ok(object) => Arc::new(object),
        Err(error) => {
            context.metrics.undecodable(name);
            tracing::warn!(
                controller = name,
                namespace = object.meta().namespace,
                name = object.meta().name,
                %error,
                "this version cannot read the object and leaves it alone until it changes",
            );
            pass.ended(Outcome::Success);
            return Ok(Action::await_change());
        }
    };
    match std::panic::AssertUnwindSafe(reconcile(object, context)).catch_unwind().await {
        Ok(result) => {
            pass.ended(match &result {
                Ok(action) if *action == Action::await_change() => Outcome::Success,
                Ok(_) => Outcome::RequeueAfter,
                Err(_) => Outcome::Error,
            });
            result
        }
        Err(panic) => {
            pass.ended(Outcome::Panic);
            let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
            Err(Error::Panicked(text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_default()))
        }
    }
}

/// Locks, also after a panic of another holder.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// How long passes under way may take once the process is asked to stop: less than the 30 s after which Kubernetes kills it.
const LAST_PASSES: Duration = Duration::from_secs(25);

/// The longest that one call to the API server may take.
const API_DEADLINE: Duration = Duration::from_secs(10);
