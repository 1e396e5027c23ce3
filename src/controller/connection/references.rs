//! The Secrets and ConfigMaps that connections name: one field-selected watch each, never a cache of a namespace's.

use std::{collections::HashMap, fmt, pin::pin, sync::Arc, time::Duration};

use futures::{Stream, StreamExt};
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::{Api, Client, Resource, runtime::watcher};
use parking_lot::Mutex;
use tokio_util::task::AbortOnDropHandle;

use super::secret_data::Content;
use crate::{
    backoff::doubled,
    cluster::lists::{self, Lists},
    object::Key,
    requeue::Router,
};

/// Names a Secret or ConfigMap in the namespace of the connection that refers to it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Reference {
    /// Which of both it is.
    pub kind: Kind,
    /// Its name.
    pub name: String,
}

/// What can be referred to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A Secret.
    Secret,
    /// A ConfigMap.
    ConfigMap,
}

impl Kind {
    /// The resource in RBAC rules.
    pub fn resource(self) -> &'static str {
        match self {
            Self::Secret => "secrets",
            Self::ConfigMap => "configmaps",
        }
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} {}", self.kind, self.name)
    }
}

/// What is known of a referred object.
#[derive(Clone, Debug)]
pub enum View {
    /// The watch has not answered yet; the connection is woken when it does.
    Loading,
    /// It does not exist.
    Missing,
    /// RBAC does not let the operator read it.
    Denied,
    /// The API server refuses it for another reason, or does not answer.
    Unreadable(String),
    /// What it holds.
    Found(Arc<Content>),
}

/// How many objects of one namespace are watched. Each watch is a connection to the API server with its buffers, and no
/// namespace is to have all the memory for itself.
const EACH_NAMESPACE: usize = 128;

/// The watches, by object.
pub struct References {
    client: Client,
    lists: Lists,
    wake: Router,
    watches: Mutex<HashMap<(String, Reference), Watch>>,
}

struct Watch {
    shared: Arc<Mutex<Shared>>,
    _task: AbortOnDropHandle<()>,
}

struct Shared {
    users: Vec<Key>,
    latest: View,
}

impl References {
    /// Without any watch yet. `wake` reaches the connections.
    pub fn new(client: Client, lists: Lists, wake: Router) -> Self {
        Self { client, lists, wake, watches: Mutex::default() }
    }

    /// What is known of `wanted`, in that order, for `connection`, which from now on is woken when one of them changes.
    /// What the connection named before and does not name any more is let go.
    pub fn of(&self, connection: &Key, wanted: &[&Reference]) -> Vec<View> {
        let mut watches = self.watches.lock();
        watches.retain(|(namespace, reference), watch| {
            let mut shared = watch.shared.lock();
            if *namespace != connection.namespace || !wanted.contains(&reference) {
                shared.users.retain(|user| user != connection);
            }
            !shared.users.is_empty()
        });
        let mut view = |reference: &Reference| {
            let object = (connection.namespace.clone(), reference.clone());
            let of_namespace = || watches.keys().filter(|(namespace, _)| *namespace == connection.namespace).count();
            if !watches.contains_key(&object) && of_namespace() >= EACH_NAMESPACE {
                return View::Unreadable(format!(
                    "the connections in this namespace refer to more than {EACH_NAMESPACE} Secrets and ConfigMaps, the most \
                     that the operator watches. Share some, or delete connections"
                ));
            }
            let watch = watches.entry(object).or_insert_with(|| self.watch(&connection.namespace, reference));
            let mut shared = watch.shared.lock();
            if !shared.users.contains(connection) {
                shared.users.push(connection.clone());
            }
            shared.latest.clone()
        };
        wanted.iter().map(|reference| view(reference)).collect()
    }

    fn watch(&self, namespace: &str, reference: &Reference) -> Watch {
        let shared = Arc::new(Mutex::new(Shared { users: Vec::new(), latest: View::Loading }));
        let (theirs, wake, name, lists) = (shared.clone(), self.wake.clone(), &reference.name, &self.lists);
        let task = match reference.kind {
            Kind::Secret => {
                let api: Api<Secret> = Api::namespaced(self.client.clone(), namespace);
                tokio::spawn(follow(lists.watch_object(api, name), name.clone(), theirs, wake))
            }
            Kind::ConfigMap => {
                let api: Api<ConfigMap> = Api::namespaced(self.client.clone(), namespace);
                tokio::spawn(follow(lists.watch_object(api, name), name.clone(), theirs, wake))
            }
        };
        Watch { shared, _task: AbortOnDropHandle::new(task) }
    }
}

/// The first pause after a refusal by RBAC; each further one is twice as long.
const FIRST_PAUSE: Duration = Duration::from_secs(2);
/// The longest of these pauses, so that a connection comes up within a minute of the grant.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// Keeps `shared` at the newest of one object, which `watch` tells, and wakes its users when that says something new.
async fn follow<K>(
    watch: impl Stream<Item = watcher::Result<Option<K>>>,
    name: String,
    shared: Arc<Mutex<Shared>>,
    wake: Router,
) where
    K: Resource<DynamicType = ()> + Into<Content>,
{
    let mut watch = pin!(watch);
    let mut denials = 0_u32;
    while let Some(news) = watch.next().await {
        let view = match news {
            Ok(found) => {
                denials = 0;
                found.map_or(View::Missing, |found| View::Found(Arc::new(found.into())))
            }
            Err(error) => {
                tracing::warn!(kind = %K::kind(&()), name, %error, "the object cannot be watched; reopening the watch");
                refusal(&error)
            }
        };
        let denied = matches!(view, View::Denied);
        let users = {
            let mut shared = shared.lock();
            match (&view, &shared.latest) {
                // What was read before stays in use while the API server, or the operator's role, is away.
                (View::Unreadable(_) | View::Denied, View::Found(_)) => Vec::new(),
                // Its labels or annotations were edited.
                (View::Found(now), View::Found(before)) if now == before => Vec::new(),
                _ => {
                    shared.latest = view;
                    shared.users.clone()
                }
            }
        };
        for user in users {
            wake.wake(user);
        }
        if denied {
            // A grant takes a person, and the library's own pause begins anew with every listing that it tries.
            denials = denials.saturating_add(1);
            tokio::time::sleep(doubled(FIRST_PAUSE, denials, LONGEST_PAUSE)).await;
        }
    }
}

/// What the API server said, in a form that does not change from try to try.
fn refusal(error: &watcher::Error) -> View {
    match lists::refusal(error) {
        Some(status) if status.code == 403 => View::Denied,
        Some(status) => View::Unreadable(status.message.clone()),
        None => View::Unreadable("the API server did not answer".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use axum::http::{Request, Response};
    use futures::future;
    use kube::client::Body;

    use super::*;

    #[tokio::test]
    async fn the_connections_of_one_namespace_have_so_many_objects_watched_and_take_none_from_others() {
        let silent = |_: Request<Body>| future::pending::<Result<Response<Body>, Infallible>>();
        let client = Client::new(tower::service_fn(silent), "default");
        let references = References::new(client, Lists::default(), Router::new(&[None]));
        let named = |namespace: &str, number: usize| {
            let connection = Key { namespace: namespace.to_owned(), name: format!("c{number}") };
            let secret = Reference { kind: Kind::Secret, name: format!("s{number}") };
            references.of(&connection, &[&secret]).remove(0)
        };
        for number in 0..EACH_NAMESPACE {
            assert!(matches!(named("flood", number), View::Loading));
        }
        assert!(matches!(named("flood", EACH_NAMESPACE), View::Unreadable(problem) if problem.contains("128")));
        assert!(matches!(named("flood", 0), View::Loading), "those that are watched stay so");
        assert!(matches!(named("good", 0), View::Loading));
        let first = Key { namespace: "flood".to_owned(), name: "c0".to_owned() };
        references.of(&first, &[]);
        assert!(matches!(named("flood", EACH_NAMESPACE), View::Loading));
    }
}
