//! Where the scout lives: among the connections of this process.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;

use super::servers::Servers;
use crate::{
    metrics::Metrics,
    milvus::{self, Collection},
    object::Key,
    refresh::Connection,
    requeue::Router,
    scout::{BlindReason, Surroundings},
};

/// What the scout sees of this process.
pub(in crate::controller) struct Outlook {
    /// The connections.
    pub(in crate::controller) servers: Arc<Servers>,
    /// Wakes refreshes.
    pub(in crate::controller) refreshes: Router,
    /// What is counted.
    pub(in crate::controller) metrics: Arc<Metrics>,
}

#[async_trait]
impl Surroundings for Outlook {
    async fn describe(&self, connection: &Key, database: &str, name: &str) -> Option<milvus::Result<Collection>> {
        match self.servers.view(connection) {
            Some((Connection::Ready { .. }, Some(server))) => Some(server.milvus.describe(database, name).await),
            Some(_) | None => None,
        }
    }

    fn changed(&self, refresh: Key) {
        self.refreshes.wake(refresh);
    }

    fn checked(&self, result: Result<(), BlindReason>, took: Option<Duration>) {
        self.metrics.sources.checked(result, took);
    }
}
