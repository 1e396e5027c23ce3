//! The shell: watches, observes, acts, and writes status. All I/O of the operator is here and in [`crate::milvus`].
//!
//! * `stream`: watch, reflect, filter: what a pass is due for. `kept`: an object as it is kept, packed.
//! * `drive`: runs the passes of a kind; `queue`: what waits for one; `fair`: who goes first among tenants.
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
//! * `fence`: what a process does before it starts anything; `takeover`: how that ends where an object cannot be written.
//! * `volatile`: what a process knows beyond what is durable, which is `memory`, the four above and the budget of progress.
//! * `memory`: what this process remembers of an object beyond its status.
//! * `status`: the one way in which status is written.

mod act;
mod connection;
mod content;
mod context;
mod credentials;
mod drive;
mod events;
mod fair;
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
mod queue;
mod references;
mod refresh;
mod restored;
mod servers;
mod slots;
mod spread;
mod status;
mod stream;
mod takeover;
#[cfg(test)]
mod tests;
mod volatile;
mod wakes;

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use kube::{Api, Resource, core::NamespaceResourceScope};
use tokio::{
    task::JoinSet,
    time::{Instant, timeout},
};
use tokio_util::{sync::CancellationToken, task::AbortOnDropHandle};

pub use context::{Context, Process};
pub use drive::Error;
use drive::{Watched, drive};
use kept::Kept;

use crate::client;
pub use crate::object::{CONNECTION, Key, REFRESH};

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
    context.volatile.fence.begin(Instant::now());
    let _takeover = AbortOnDropHandle::new(tokio::spawn(takeover::watch_over(context.clone())));
    let mut tasks = JoinSet::new();
    let (mut refreshes, mut connections) = (Vec::new(), Vec::new());
    for scope in scopes {
        let lifecycle = refresh::Lifecycle { context: context.clone(), scope: scope.clone() };
        let (store, watch) = stream::objects(watched(&context, scope), lifecycle);
        context.set_store(scope, store.clone());
        refreshes.push(Watched::new(scope, store, watch, context.refreshes.stream(scope)));

        let lifecycle = connection::Lifecycle { context: context.clone(), scope: scope.clone() };
        let (store, watch) = stream::objects(watched(&context, scope), lifecycle);
        connections.push(Watched::new(scope, store, watch, context.connections.stream(scope)));
    }
    let (all, until) = (context.clone(), stop.clone());
    tasks.spawn(drive(REFRESH, refreshes, workers, Kept::connection, refresh::reconcile, all, until));
    let (all, until) = (context.clone(), stop.clone());
    tasks.spawn(drive(CONNECTION, connections, workers, Kept::name, connection::reconcile, all, until));
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

/// Locks, also after a panic of another holder.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// How long passes under way may take once the process is asked to stop: less than the 30 s after which Kubernetes kills it.
const LAST_PASSES: Duration = Duration::from_secs(25);

/// The longest that one call to the API server may take.
const API_DEADLINE: Duration = Duration::from_secs(10);
