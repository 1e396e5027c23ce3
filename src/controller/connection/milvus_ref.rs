//! The `Milvus` objects of milvus-operator that connections name: one watch by name each, only while a connection names it.
//!
//! That operator may not be installed, and we may not be allowed to read its objects. Both are looked at again at a calm
//! interval; once the watch stands, every change is heard at once.

use std::{collections::HashMap, pin::pin, sync::Arc, time::Duration};

use futures::{Stream, StreamExt};
use kube::{
    Api, Client,
    api::{ApiResource, DynamicObject, GroupVersionKind},
    runtime::watcher,
};
use parking_lot::Mutex;
use serde_json::Value;
use tokio_util::task::AbortOnDropHandle;

use crate::{
    api::ConnectionSpec,
    cluster::lists::{self, Lists},
    object::Key,
    requeue::Router,
};

/// How often an API server that does not know the kind, or does not let us read it, is asked again.
const LOOK_AGAIN: Duration = Duration::from_secs(300);

/// How much of a reason is repeated, in bytes.
const LONGEST_REASON: usize = 128;

/// Where a connection leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// Not known yet; the connection is woken when it is.
    Loading,
    /// Nowhere yet: what is missing and what to do. The connection is woken when that changes.
    Waiting(String),
    /// To this address.
    Address(String),
}

/// What is known of a Milvus object.
#[derive(Clone, Debug, PartialEq, Eq)]
enum View {
    /// The watch has not answered yet.
    Loading,
    /// It cannot be used yet: why not and what to do.
    Waiting(String),
    /// It is ready, and speaks TLS or not.
    Ready { tls: bool },
}

/// The watches, by connection.
pub struct MilvusRefs {
    client: Client,
    lists: Lists,
    wake: Router,
    watches: Mutex<HashMap<Key, Watch>>,
}

struct Watch {
    name: String,
    latest: Arc<Mutex<View>>,
    _task: AbortOnDropHandle<()>,
}

impl MilvusRefs {
    /// Without any watch yet. `wake` reaches the connections.
    pub fn new(client: Client, lists: Lists, wake: Router) -> Self {
        Self { client, lists, wake, watches: Mutex::default() }
    }

    /// Where `connection` leads by its spec: to its address, or to the Milvus that it names, which is watched from now on.
    pub fn target(&self, connection: &Key, spec: &ConnectionSpec) -> Target {
        let Some(milvus) = &spec.milvus_ref else {
            self.release(connection);
            return Target::Address(spec.address.clone().unwrap_or_default());
        };
        let mut watches = self.watches.lock();
        if watches.get(connection).is_none_or(|watch| watch.name != milvus.name) {
            watches.insert(connection.clone(), self.watch(connection, milvus.name.clone()));
        }
        match watches.get(connection).map(|watch| watch.latest.lock().clone()) {
            None | Some(View::Loading) => Target::Loading,
            Some(View::Waiting(message)) => Target::Waiting(message),
            Some(View::Ready { tls }) => {
                let scheme = if tls || spec.tls.is_some() { "https" } else { "http" };
                Target::Address(format!("{scheme}://{}-milvus.{}.svc:19530", milvus.name, connection.namespace))
            }
        }
    }

    /// Ends the watch for `connection`.
    pub fn release(&self, connection: &Key) {
        self.watches.lock().remove(connection);
    }

    fn watch(&self, connection: &Key, name: String) -> Watch {
        let kind = GroupVersionKind::gvk("milvus.io", "v1beta1", "Milvus");
        let kind = ApiResource::from_gvk_with_plural(&kind, "milvuses");
        let api = Api::namespaced_with(self.client.clone(), &connection.namespace, &kind);
        let latest = Arc::new(Mutex::new(View::Loading));
        let (wake, connection, shared) = (self.wake.clone(), connection.clone(), latest.clone());
        let tell = move |view: View| {
            let before = std::mem::replace(&mut *shared.lock(), view.clone());
            if before != view {
                wake.wake(connection.clone());
            }
        };
        let task = tokio::spawn(follow(self.lists.watch_object(api, &name), name.clone(), tell));
        Watch { name, latest, _task: AbortOnDropHandle::new(task) }
    }
}

/// Tells what is known of the Milvus `name` each time that it may have changed.
async fn follow(watch: impl Stream<Item = watcher::Result<Option<DynamicObject>>>, name: String, tell: impl Fn(View)) {
    let mut known = false;
    let mut watch = pin!(watch);
    while let Some(news) = watch.next().await {
        let problem = match news {
            Ok(found) => {
                known = true;
                tell(found.map_or_else(|| missing(&name), |found| view(&name, &found.data)));
                continue;
            }
            Err(error) => {
                tracing::debug!(name, %error, "the Milvus cannot be watched");
                Problem::of(&error)
            }
        };
        // What was read before stays in use while the API server, or the right to read, is away.
        if !known || problem == Problem::UnknownKind {
            known = false;
            tell(View::Waiting(problem.message(&name)));
        }
        if problem != Problem::Unanswered {
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }
}

/// Why a Milvus cannot be watched.
#[derive(Debug, PartialEq, Eq)]
enum Problem {
    /// The API server has no such kind.
    UnknownKind,
    /// RBAC does not let us.
    Forbidden,
    /// Anything else, which passes by itself.
    Unanswered,
}

impl Problem {
    fn of(error: &watcher::Error) -> Self {
        match lists::refusal(error).map(|status| status.code) {
            Some(404) => Self::UnknownKind,
            Some(403) => Self::Forbidden,
            Some(_) | None => Self::Unanswered,
        }
    }

    fn message(&self, name: &str) -> String {
        match self {
            Self::UnknownKind => format!(
                "Milvus {name} cannot be found: the cluster does not have the kind Milvus (milvus.io/v1beta1). Install \
                 milvus-operator, or set the server's address in spec.address. The operator checks every 5 minutes."
            ),
            Self::Forbidden => format!(
                "Milvus {name} cannot be read: the operator is not allowed to. Grant it list and watch on \
                 milvuses.milvus.io in this namespace. The operator retries every 5 minutes."
            ),
            Self::Unanswered => {
                format!(
                    "Milvus {name} cannot be read: the API server does not answer. The operator retries at least every minute."
                )
            }
        }
    }
}

fn missing(name: &str) -> View {
    View::Waiting(format!(
        "Milvus {name} does not exist in this namespace. Create it, or correct spec.milvusRef. The operator connects \
         automatically once it is ready."
    ))
}

/// What the object itself says. Its `status.endpoint` is of no use: it has no scheme and may hold a wrong port.
fn view(name: &str, milvus: &Value) -> View {
    let conditions = milvus.pointer("/status/conditions").and_then(Value::as_array);
    let ready = conditions.into_iter().flatten().find(|condition| member(condition, "type") == Some("MilvusReady"));
    if ready.and_then(|ready| member(ready, "status")) != Some("True") {
        let reason = ready.and_then(|ready| member(ready, "reason")).unwrap_or("milvus-operator gives no reason");
        let reason = reason.get(..reason.floor_char_boundary(LONGEST_REASON)).unwrap_or_default();
        return View::Waiting(format!(
            "Milvus {name} is not ready: {reason}. See kubectl describe milvus {name}. The operator connects automatically \
             once its condition MilvusReady is True."
        ));
    }
    let mode = milvus.pointer("/spec/config/common/security/tlsMode");
    // The config is passed on to Milvus as it is, which takes a number in quotes, too.
    let mode = mode.and_then(|mode| mode.as_i64().or_else(|| mode.as_str()?.parse().ok()));
    View::Ready { tls: mode.is_some_and(|mode| mode > 0) }
}

fn member<'a>(object: &'a Value, key: &str) -> Option<&'a str> {
    object.get(key)?.as_str().filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests;
