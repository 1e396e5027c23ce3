//! What is known of each connection: how it looks to a run, its client, its poller.

use std::{collections::HashMap, sync::Arc, time::Duration};

use parking_lot::Mutex;
use tokio::time::Instant;

use super::sources::Clients;
use crate::{
    milvus::{Milvus, examiner::Examiner, poller::Poller},
    object::Key,
    refresh::Connection,
};

/// A Milvus that a connection leads to: one client with one channel, and one poller for all jobs behind it. It outlives a
/// change of the login or of TLS, so that its jobs go on being followed.
#[derive(Debug)]
pub struct Server {
    /// The client.
    pub milvus: Arc<dyn Milvus>,
    /// Follows the jobs of the refreshes of this connection.
    pub poller: Poller<Key>,
    /// Looks at what the collections of the refreshes of this connection serve.
    pub examiner: Examiner<Key>,
    /// The address that is in use.
    pub endpoint: String,
}

/// What a client was made from; another value means another channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// The connection's uid and generation.
    pub spec: (String, i64),
    /// The address, which may come from another object than the connection.
    pub address: String,
    /// The resourceVersions of the Secrets and ConfigMaps that it refers to.
    pub references: Vec<String>,
}

/// All connections that this process has looked at.
#[derive(Debug, Default)]
pub struct Servers {
    known: Mutex<HashMap<Key, Known>>,
}

#[derive(Debug)]
struct Known {
    /// What its refreshes may bring along: `spec.allowedSources`.
    allowed: Vec<String>,
    /// Whether they may count rows with filters: `spec.allowVerifyQueries`.
    queries: bool,
    /// The clients of its sources and catalogs.
    clients: Option<Arc<Clients>>,
    view: Connection,
    server: Option<(Origin, Arc<Server>)>,
    failures: u32,
    looked: Option<Instant>,
}

impl Default for Known {
    fn default() -> Self {
        Self {
            allowed: Vec::new(),
            queries: false,
            clients: None,
            view: Connection::Unknown,
            server: None,
            failures: 0,
            looked: None,
        }
    }
}

impl Servers {
    /// The connection exists; how it looks is found out soon.
    pub fn exists(&self, connection: &Key) {
        self.known.lock().entry(connection.clone()).or_default();
    }

    /// From now on the refreshes of the connection may bring these sources along, and count rows with filters or not.
    pub fn allow(&self, connection: &Key, sources: &[String], queries: bool) {
        let mut all = self.known.lock();
        let known = all.entry(connection.clone()).or_default();
        known.allowed = sources.to_vec();
        known.queries = queries;
    }

    /// Whether the refreshes of the connection may count rows with filters.
    pub fn allows_queries(&self, connection: &Key) -> bool {
        self.known.lock().get(connection).is_some_and(|known| known.queries)
    }

    /// What the refreshes of the connection may bring along.
    pub fn allowed(&self, connection: &Key) -> Vec<String> {
        self.known.lock().get(connection).map(|known| known.allowed.clone()).unwrap_or_default()
    }

    /// The clients of its sources and catalogs, once they are known.
    pub(in crate::controller) fn clients(&self, connection: &Key) -> Option<Arc<Clients>> {
        self.known.lock().get(connection)?.clients.clone()
    }

    /// From now on these are the clients of its sources and catalogs.
    pub(super) fn look_through(&self, connection: &Key, clients: Arc<Clients>) {
        self.known.lock().entry(connection.clone()).or_default().clients = Some(clients);
    }

    /// How the connection looks to a run, with its server where it is ready; `None` when it is not known to exist.
    pub fn view(&self, connection: &Key) -> Option<(Connection, Option<Arc<Server>>)> {
        let known = self.known.lock();
        let known = known.get(connection)?;
        Some((known.view.clone(), known.server.as_ref().map(|(_, server)| server.clone())))
    }

    /// The server of the connection if it was built from `origin`.
    pub fn built_from(&self, connection: &Key, origin: &Origin) -> Option<Arc<Server>> {
        let known = self.known.lock();
        let (built_from, server) = known.get(connection)?.server.as_ref()?;
        (built_from == origin).then(|| server.clone())
    }

    /// The server of the connection if it is at `endpoint`, whatever else it was made from.
    pub fn at(&self, connection: &Key, endpoint: &str) -> Option<Arc<Server>> {
        let known = self.known.lock();
        let (_, server) = known.get(connection)?.server.as_ref()?;
        (server.endpoint == endpoint).then(|| server.clone())
    }

    /// How long ago the server that was made from `origin` was looked at.
    pub fn since_look(&self, connection: &Key, origin: &Origin) -> Option<Duration> {
        let known = self.known.lock();
        let known = known.get(connection)?;
        known.server.as_ref().filter(|(made_from, _)| made_from == origin)?;
        known.looked.map(|looked| looked.elapsed())
    }

    /// Records how the connection looks now. Says whether its runs have to know: when whether it is ready, its reason, its
    /// address or its spec is another. The client of a server that is left is closed at once.
    ///
    /// While the same server fails for the same reason, runs are shown the first message: each other wording would be a
    /// status write for every one of them.
    pub fn set(&self, connection: &Key, view: Connection, server: Option<(Origin, Arc<Server>)>) -> bool {
        let mut all = self.known.lock();
        let before = all.remove(connection);
        let left = before.as_ref().and_then(|known| known.server.as_ref());
        let (same_server, same_spec, same_origin) = match (left, &server) {
            (Some((before, left)), Some((now, server))) => {
                (Arc::ptr_eq(left, server), before.spec == now.spec, before == now)
            }
            (None, None) => (true, true, false),
            (Some(_), None) | (None, Some(_)) => (false, false, false),
        };
        let new_origin = server.is_some() && !same_origin;
        if let Some((_, left)) = left.filter(|_| !same_server) {
            left.milvus.disconnect();
        }
        let view = match (before.as_ref().map(|known| &known.view), view) {
            (Some(told @ Connection::NotReady { reason: before, .. }), Connection::NotReady { reason, .. })
                if same_origin && *before == reason =>
            {
                told.clone()
            }
            (_, view) => view,
        };
        let changed = !same_server || !same_spec || before.as_ref().is_none_or(|known| known.view != view);
        let ready = matches!(view, Connection::Ready { .. });
        let Known { allowed, queries, clients, failures: failed, .. } = before.unwrap_or_default();
        let failures = if ready {
            0
        } else if new_origin {
            1
        } else {
            failed.saturating_add(1)
        };
        let looked = Some(Instant::now());
        all.insert(connection.clone(), Known { allowed, queries, clients, view, server, failures, looked });
        changed
    }

    /// How many looks in a row have failed since what the connection is made from has changed.
    pub fn failures(&self, connection: &Key) -> u32 {
        self.known.lock().get(connection).map_or(0, |known| known.failures)
    }

    /// The connection is gone: its client is closed at once, its poller ends with the last pass that uses it.
    pub fn remove(&self, connection: &Key) {
        if let Some((_, server)) = self.known.lock().remove(connection).and_then(|known| known.server) {
            server.milvus.disconnect();
        }
    }

    /// Stops following the job of `refresh`.
    pub fn forget(&self, connection: &Key, refresh: &Key) {
        if let Some((_, server)) = self.known.lock().get(connection).and_then(|known| known.server.as_ref()) {
            server.poller.forget(refresh);
        }
    }

    /// The refresh is gone: nobody asks for it any more.
    pub fn gone(&self, refresh: &Key) {
        // A refresh names a connection of its own namespace.
        let all = self.known.lock();
        let own = all.iter().filter(|(connection, _)| connection.namespace == refresh.namespace);
        for (_, server) in own.filter_map(|(_, known)| known.server.as_ref()) {
            server.examiner.forget(refresh);
        }
    }
}
