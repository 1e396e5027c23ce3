//! The Secrets that connections name: one field-selected watch each, never a cache of a namespace's Secrets.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use futures::StreamExt;
use k8s_openapi::api::core::v1::Secret;
use kube::{
    Api, Client,
    runtime::{WatchStreamExt, watcher},
};
use secrecy::SecretString;
use tokio_util::task::AbortOnDropHandle;

use super::{Key, wakes::Router};
use crate::milvus::connect::Login;

/// What is known of a Secret.
#[derive(Clone, Debug)]
pub enum View {
    /// The watch has not answered yet; the connection is woken when it does.
    Loading,
    /// It does not exist.
    Missing,
    /// The API server does not let the operator read it, or does not answer.
    Unreadable(String),
    /// It exists, but does not hold a login.
    Unusable(String),
    /// The login that it holds, and its resourceVersion.
    Found(Login, String),
}

/// The watches, by Secret.
pub struct Secrets {
    client: Client,
    wake: Router,
    watches: Mutex<HashMap<Key, Watch>>,
}

struct Watch {
    shared: Arc<Mutex<Shared>>,
    _task: AbortOnDropHandle<()>,
}

struct Shared {
    users: Vec<Key>,
    latest: View,
}

impl Secrets {
    /// Without any watch yet. `wake` reaches the connections.
    pub fn new(client: Client, wake: Router) -> Self {
        Self { client, wake, watches: Mutex::default() }
    }

    /// The Secret `name` for `connection`, which from now on is woken when it changes. The Secret that the connection
    /// named before is let go.
    pub fn of(&self, connection: &Key, name: Option<&str>) -> Option<View> {
        let wanted = name.map(|name| Key { namespace: connection.namespace.clone(), name: name.to_owned() });
        let mut watches = lock(&self.watches);
        watches.retain(|secret, watch| {
            let mut shared = lock(&watch.shared);
            if Some(secret) != wanted.as_ref() {
                shared.users.retain(|user| user != connection);
            }
            !shared.users.is_empty()
        });
        let secret = wanted?;
        let watch = watches.entry(secret.clone()).or_insert_with(|| self.watch(secret));
        let mut shared = lock(&watch.shared);
        if !shared.users.contains(connection) {
            shared.users.push(connection.clone());
        }
        Some(shared.latest.clone())
    }

    fn watch(&self, secret: Key) -> Watch {
        let shared = Arc::new(Mutex::new(Shared { users: Vec::new(), latest: View::Loading }));
        let api: Api<Secret> = Api::namespaced(self.client.clone(), &secret.namespace);
        let task = tokio::spawn(follow(api, secret, shared.clone(), self.wake.clone()));
        Watch { shared, _task: AbortOnDropHandle::new(task) }
    }
}

/// Keeps `shared` at the newest of one Secret and wakes its users.
async fn follow(api: Api<Secret>, secret: Key, shared: Arc<Mutex<Shared>>, wake: Router) {
    let config = watcher::Config::default().fields(&format!("metadata.name={}", secret.name));
    let mut events = watcher(api, config).default_backoff().boxed();
    let mut listed = View::Missing;
    while let Some(event) = events.next().await {
        let view = match event {
            Ok(watcher::Event::Init) => {
                listed = View::Missing;
                continue;
            }
            Ok(watcher::Event::InitApply(found)) => {
                listed = read(&found);
                continue;
            }
            Ok(watcher::Event::InitDone) => listed.clone(),
            Ok(watcher::Event::Apply(found)) => read(&found),
            Ok(watcher::Event::Delete(_)) => View::Missing,
            Err(error) => {
                let Key { namespace, name } = &secret;
                tracing::warn!(kind = "Secret", namespace, name, %error, "a Secret cannot be watched; the watch is opened again");
                View::Unreadable(refusal(&error))
            }
        };
        let users = {
            let mut shared = lock(&shared);
            // What was read before stays in use while the API server is away.
            if matches!((&view, &shared.latest), (View::Unreadable(_), View::Found(..))) {
                continue;
            }
            shared.latest = view;
            shared.users.clone()
        };
        for user in users {
            wake.wake(user);
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What the API server said, in a form that does not change from try to try.
fn refusal(error: &watcher::Error) -> String {
    match error {
        watcher::Error::InitialListFailed(kube::Error::Api(status))
        | watcher::Error::WatchStartFailed(kube::Error::Api(status)) => status.message.clone(),
        watcher::Error::WatchError(status) => status.message.clone(),
        watcher::Error::InitialListFailed(_)
        | watcher::Error::WatchStartFailed(_)
        | watcher::Error::WatchFailed(_)
        | watcher::Error::NoResourceVersion => "the API server did not answer".to_owned(),
    }
}

/// The login in a Secret: `token`, or `username` and `password`.
fn read(secret: &Secret) -> View {
    let version = secret.metadata.resource_version.clone().unwrap_or_default();
    let value = |key: &str| {
        let bytes = secret.data.as_ref()?.get(key)?;
        Some(std::str::from_utf8(&bytes.0).map(str::to_owned).map_err(|_| format!("its key {key} is not UTF-8 text")))
    };
    let login = match (value("token"), value("username"), value("password")) {
        (Some(token), None, None) => token.map(|token| Login::Token(SecretString::from(token))),
        (None, Some(user), Some(password)) => {
            user.and_then(|name| password.map(|password| Login::User { name, password: SecretString::from(password) }))
        }
        (_, _, _) => Err("it must hold either the key token, or the keys username and password".to_owned()),
    };
    match login {
        Ok(login) => View::Found(login, version),
        Err(problem) => View::Unusable(problem),
    }
}

#[cfg(test)]
mod tests {
    use k8s_openapi::ByteString;

    use super::*;

    fn secret(data: &[(&str, &[u8])]) -> Secret {
        let data = data.iter().map(|(key, value)| ((*key).to_owned(), ByteString(value.to_vec()))).collect();
        Secret { data: Some(data), ..Secret::default() }
    }

    #[test]
    fn a_token_or_a_user_with_a_password_is_a_login() {
        assert!(matches!(read(&secret(&[("token", b"t")])), View::Found(Login::Token(_), _)));
        assert!(matches!(read(&secret(&[("username", b"u"), ("password", b"p")])), View::Found(Login::User { .. }, _)));
    }

    #[test]
    fn anything_else_is_not_and_the_message_says_what_is_missing() {
        let odd: [&[(&str, &[u8])]; 4] = [
            &[],
            &[("username", b"u")],
            &[("token", b"t"), ("username", b"u"), ("password", b"p")],
            &[("token", b"\xff")],
        ];
        for data in odd {
            assert!(matches!(read(&secret(data)), View::Unusable(_)), "{data:?}");
        }
    }
}
