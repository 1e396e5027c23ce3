//! What is known of each connection: how it looks to a run, its client, its poller.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use super::Key;
use crate::{
    milvus::{Milvus, poller::Poller},
    refresh::Connection,
};

/// A Milvus that a connection leads to: one client with one channel, and one poller for all jobs behind it.
#[derive(Debug)]
pub struct Server {
    /// The client.
    pub milvus: Arc<dyn Milvus>,
    /// Follows the jobs of the refreshes of this connection.
    pub poller: Poller<Key>,
    /// The address that is in use.
    pub endpoint: String,
    /// What the refreshes of this connection may bring along: `spec.allowedSources`.
    pub allowed_sources: Vec<String>,
}

/// What a connection was built from; another value means another client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// The connection's uid and generation.
    pub spec: (String, i64),
    /// The address, which may come from another object than the connection.
    pub address: String,
    /// The resourceVersion of the Secret that holds the login.
    pub secret: Option<String>,
}

/// All connections that this process has looked at.
#[derive(Debug, Default)]
pub struct Servers {
    known: Mutex<HashMap<Key, Known>>,
}

#[derive(Debug)]
struct Known {
    view: Connection,
    server: Option<(Origin, Arc<Server>)>,
    failures: u32,
}

impl Servers {
    /// The connection exists; how it looks is found out soon.
    pub fn exists(&self, connection: &Key) {
        let unknown = || Known { view: Connection::Unknown, server: None, failures: 0 };
        self.lock().entry(connection.clone()).or_insert_with(unknown);
    }

    /// How the connection looks to a run, with its server where it is ready; `None` when it is not known to exist.
    pub fn view(&self, connection: &Key) -> Option<(Connection, Option<Arc<Server>>)> {
        let known = self.lock();
        let known = known.get(connection)?;
        Some((known.view.clone(), known.server.as_ref().map(|(_, server)| server.clone())))
    }

    /// The server of the connection if it was built from `origin`.
    pub fn built_from(&self, connection: &Key, origin: &Origin) -> Option<Arc<Server>> {
        let known = self.lock();
        let (built_from, server) = known.get(connection)?.server.as_ref()?;
        (built_from == origin).then(|| server.clone())
    }

    /// Records how the connection looks now. Says whether a run would see a difference.
    pub fn set(&self, connection: &Key, view: Connection, server: Option<(Origin, Arc<Server>)>) -> bool {
        let mut all = self.lock();
        let before = all.get(connection);
        let same_server = match (before.and_then(|known| known.server.as_ref()), &server) {
            (Some((before, _)), Some((now, _))) => before == now,
            (None, None) => true,
            (Some(_), None) | (None, Some(_)) => false,
        };
        let changed = !same_server || before.is_none_or(|known| known.view != view);
        let ready = matches!(view, Connection::Ready { .. });
        let failures = if ready { 0 } else { before.map_or(0, |known| known.failures).saturating_add(1) };
        all.insert(connection.clone(), Known { view, server, failures });
        changed
    }

    /// How many probes in a row have failed.
    pub fn failures(&self, connection: &Key) -> u32 {
        self.lock().get(connection).map_or(0, |known| known.failures)
    }

    /// The connection is gone; its channel and its poller end with the last pass that uses them.
    pub fn remove(&self, connection: &Key) {
        self.lock().remove(connection);
    }

    /// Stops following the job of `refresh`.
    pub fn forget(&self, connection: &Key, refresh: &Key) {
        if let Some((_, server)) = self.lock().get(connection).and_then(|known| known.server.as_ref()) {
            server.poller.forget(refresh);
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Key, Known>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
