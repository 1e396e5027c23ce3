//! The controllers: one reconciler a kind, and what runs them.
//!
//! * `drive`: runs the reconciles of a kind; `workqueue`: what waits for one.
//! * `refresh`, `connection`: one room a kind.
//! * `context`: what the reconciles share.

mod connection;
mod context;
mod drive;
mod refresh;
#[cfg(test)]
mod tests;
mod workqueue;

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use kube::{Api, Resource, core::NamespaceResourceScope};
use tokio::{
    task::JoinSet,
    time::{Instant, timeout},
};
use tokio_util::{sync::CancellationToken, task::AbortOnDropHandle};

pub use connection::{IdentityTokens, Rules};
pub use context::{Context, Process};
pub use drive::Error;
use drive::{Kind, Watched, drive};

use crate::{
    cluster::{client, watch},
    object::{CONNECTION, REFRESH},
};

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
    context.volatile.turns.fence.begin(Instant::now());
    let _takeover = AbortOnDropHandle::new(tokio::spawn(refresh::watch_over(context.clone())));
    let (all, clock) = (context.clone(), context.clock);
    let _alarms = AbortOnDropHandle::new(tokio::spawn(async move { all.volatile.alarms.keep(clock).await }));
    let mut tasks = JoinSet::new();
    let (mut refreshes, mut connections) = (Vec::new(), Vec::new());
    for scope in scopes {
        let lifecycle = refresh::Lifecycle::new(context.clone(), scope);
        let (store, watch) = watch::objects(&context.lists, watched(&context, scope), lifecycle);
        context.set_store(scope, store.clone());
        refreshes.push(Watched::new(scope, store, watch, context.refreshes.stream(scope)));

        let lifecycle = connection::Lifecycle { context: context.clone(), scope: scope.clone() };
        let (store, watch) = watch::objects(&context.lists, watched(&context, scope), lifecycle);
        connections.push(Watched::new(scope, store, watch, context.connections.stream(scope)));
    }
    let (all, until) = (context.clone(), stop.clone());
    let kind = Kind { name: REFRESH, workers, lane: |_, refresh| refresh.connection(), due: context.due.clone() };
    tasks.spawn(drive(kind, refreshes, refresh::reconcile, all, until));
    let (all, until) = (context.clone(), stop.clone());
    let kind = Kind { name: CONNECTION, workers, lane: |key, _| &key.name, due: Arc::default() };
    tasks.spawn(drive(kind, connections, connection::reconcile, all, until));
    tokio::select! {
        () = stop.cancelled() => {}
        ended = tasks.join_next() => {
            let name = ended.transpose()?.unwrap_or_default();
            if !stop.is_cancelled() {
                stop.cancel();
                anyhow::bail!("the {name} controller ended unexpectedly; this process exits so that it is restarted");
            }
        }
    }
    let last_passes = async { while tasks.join_next().await.is_some() {} };
    if timeout(LAST_PASSES, last_passes).await.is_err() {
        tracing::warn!(
            "reconciles under way were stopped after {} s; the next leader continues from their statuses",
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

/// How long passes under way may take once the process is asked to stop: less than the 30 s after which Kubernetes kills it.
const LAST_PASSES: Duration = Duration::from_secs(25);
