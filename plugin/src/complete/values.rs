//! What the cluster and the kubeconfig have for the value of an argument.

use std::{fmt::Debug, sync::mpsc, thread, time::Duration};

use clap::{Arg, Command};
use k8s_openapi::api::core::v1::Namespace;
use kube::{Api, Resource, ResourceExt, api::ListParams};
use milvus_refresh_operator::api::MilvusConnection;
use serde::de::DeserializeOwned;

use super::{Candidate, Values, first_line, place::Place};
use crate::{
    cli::Global,
    cluster::{Cluster, Refresh, kubeconfig},
};

/// Somebody holds a key meanwhile.
const PATIENCE: Duration = Duration::from_secs(2);
/// Names a page, and pages: more than that nobody chooses from.
const PAGE: u32 = 500;
const PAGES: usize = 20;

/// Where values are found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Where {
    /// The refreshes of the namespace.
    Refreshes,
    /// The connections of the namespace.
    Connections,
    /// The cluster's namespaces.
    Namespaces,
    /// The kubeconfig's contexts.
    Contexts,
    /// The kubeconfig's clusters.
    Clusters,
    /// The kubeconfig's users.
    Users,
}

/// What may be the value of `arg`.
pub fn of(command: &Command, arg: &Arg) -> Values {
    let known = arg.get_possible_values();
    if !known.is_empty() && arg.get_action().takes_values() {
        let shown = known.iter().filter(|value| !value.is_hide_set());
        return Values::Known(
            shown.map(|value| Candidate::new(value.get_name(), first_line(value.get_help()))).collect(),
        );
    }
    let place = match (command.get_name(), arg.get_id().as_str()) {
        (_, "kubeconfig" | "spec_file") => return Values::Files,
        (_, "namespace" | "operator_namespace") => Where::Namespaces,
        (_, "context") => Where::Contexts,
        (_, "cluster") => Where::Clusters,
        (_, "user") => Where::Users,
        ("connect", "name") | (_, "connection") => Where::Connections,
        ("create", "name") => return Values::Known(Vec::new()),
        (_, "name" | "names") => Where::Refreshes,
        _ => return Values::Known(Vec::new()),
    };
    Values::Found(place)
}

/// What is found there, without what the command line has already.
pub fn found(place_of: Where, place: &Place<'_>) -> Vec<Candidate> {
    let flags = flags(place);
    let file = || kubeconfig(&flags).ok().flatten();
    let names = match place_of {
        Where::Contexts => file().map(|file| file.contexts.into_iter().map(|named| named.name).collect()),
        Where::Clusters => file().map(|file| file.clusters.into_iter().map(|named| named.name).collect()),
        Where::Users => file().map(|file| file.auth_infos.into_iter().map(|named| named.name).collect()),
        Where::Refreshes | Where::Connections | Where::Namespaces => {
            patiently(move || in_cluster(place_of, &flags)).flatten()
        }
    };
    let mut names: Vec<String> = names.unwrap_or_default();
    names.retain(|name| !place.words.contains(name));
    names.sort_unstable();
    names.into_iter().map(|name| Candidate::new(name, "")).collect()
}

/// kubectl's flags as far as they were typed.
fn flags(place: &Place<'_>) -> Global {
    let given = |id: &str| place.given.get(id).cloned().filter(|value| !value.is_empty());
    Global {
        namespace: given("namespace"),
        context: given("context"),
        cluster: given("cluster"),
        user: given("user"),
        kubeconfig: given("kubeconfig").map(Into::into),
        as_user: given("as_user"),
        ..Global::default()
    }
}

/// What `work` finds, unless it takes too long. It is left to a thread, which ends with the process: a login by a command holds
/// up the thread that it is run on.
fn patiently<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    let (found, awaited) = mpsc::sync_channel(1);
    // Nobody listens to what comes too late.
    thread::Builder::new().spawn(move || drop(found.send(work()))).ok()?;
    awaited.recv_timeout(PATIENCE).ok()
}

#[tokio::main(flavor = "current_thread")]
async fn in_cluster(place_of: Where, flags: &Global) -> Option<Vec<String>> {
    let cluster = Cluster::without_questions(flags).await.ok()?;
    match place_of {
        Where::Refreshes => names(cluster.api::<Refresh>()).await,
        Where::Connections => names(cluster.api::<MilvusConnection>()).await,
        _ => names(Api::<Namespace>::all(cluster.client)).await,
    }
}

/// The names alone: of thousands of objects little is sent.
async fn names<K: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned>(api: Api<K>) -> Option<Vec<String>> {
    let mut parameters = ListParams::default().limit(PAGE);
    let mut names = Vec::new();
    for _ in 0..PAGES {
        let page = api.list_metadata(&parameters).await.ok()?;
        names.extend(page.items.iter().map(ResourceExt::name_any));
        parameters.continue_token = page.metadata.continue_.filter(|token| !token.is_empty());
        if parameters.continue_token.is_none() {
            break;
        }
    }
    Some(names)
}
