//! The controller's own [`Ports`]: the cluster that it runs in and the servers that it knows.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use jiff::Timestamp;
use kube::{Api, Resource};
use tokio::time::Instant;

use super::{
    memory::Newest,
    ports::{self, Ports},
};
use crate::{
    api::{ExternalCollectionRefresh, RefreshStatus},
    cluster::{
        packed::Shown,
        status::{self, Decided, WriteError},
    },
    controller::{Context, connection::Server},
    milvus::{
        self, Collection, Job, JobId, MilvusError, Source,
        examiner::{Evidence, Plan},
        poller::Sighting,
        scrub::Secrets,
    },
    object::{Key, REFRESH},
    refresh::{
        Connection, LastLook, Notice, OwnSource, OwnSourceCheck, Recorded, SCHEDULE_MISSED, Scouted, SpecPlace,
        is_trouble,
    },
    scout,
};

/// How many others may have their passes before a start is recorded: about a second's worth where Milvus answers, for the id of a
/// job is not to be known to this process alone for longer.
const MOST_BEFORE_RECORD: usize = 128;

/// What one pass over `object` reaches.
pub(super) struct Outside<'a> {
    pub(super) context: &'a Context,
    pub(super) key: Key,
    pub(super) connection: Key,
    object: &'a ExternalCollectionRefresh,
    api: Api<Shown<ExternalCollectionRefresh>>,
}

impl<'a> Outside<'a> {
    pub(super) fn of(object: &'a ExternalCollectionRefresh, context: &'a Context) -> Self {
        let key = Key::of(object);
        let api = Api::namespaced(context.client.clone(), &key.namespace);
        Self { context, key, connection: object.connection(), object, api }
    }

    fn uid(&self) -> &str {
        self.object.metadata.uid.as_deref().unwrap_or_default()
    }
}

impl Ports for Outside<'_> {
    type Server = Arc<Server>;

    fn now(&self) -> Timestamp {
        self.context.clock.now()
    }

    fn instant(&self) -> Instant {
        Instant::now()
    }

    fn luck(&self) -> f64 {
        self.context.clock.random()
    }

    fn nonce(&self) -> u64 {
        self.context.clock.nonce()
    }

    fn leads(&self) -> bool {
        self.context.leadership.leads()
    }

    fn lets_others_start(&self) -> bool {
        (1..=MOST_BEFORE_RECORD).contains(&self.context.due.load(Ordering::Relaxed))
    }

    fn connection(&self) -> (Connection, Option<Self::Server>) {
        self.context.connection(&self.connection)
    }

    fn suspect(&self, error: &MilvusError) {
        if is_trouble(error.kind) {
            self.context.connections.wake(self.connection.clone());
        }
    }

    fn recovered(&self) {
        self.context.wake_refreshes_of(&self.connection);
    }

    fn untrack(&self, connection: &Key, refresh: &Key) {
        self.context.servers.forget(connection, refresh);
    }

    async fn own_source(&self, own: &OwnSource) -> Result<Source, OwnSourceCheck> {
        self.read_own_source(own).await
    }

    async fn spec_secrets(&self, place: &SpecPlace) -> Option<Arc<Secrets>> {
        self.read_spec_secrets(place).await
    }

    fn scouted(&self, plan: &scout::Plan) -> Scouted {
        let scout = &self.context.scout;
        let last = scout.sighting(&self.key, plan).map(|last| LastLook {
            age: last.began.elapsed(),
            failures: last.failures,
            found: last.found,
        });
        Scouted { last, waited: scout.under_way(&self.key) }
    }

    fn scout(&self, plan: scout::Plan, within: Duration) {
        let now = Instant::now();
        let not_before = now.checked_sub(within).unwrap_or(now);
        self.context.scout.look(&self.key, &self.connection, plan, not_before);
    }

    fn allows_queries(&self) -> bool {
        self.context.servers.allows_queries(&self.connection)
    }

    async fn write(&self, resource_version: &str, status: &RefreshStatus) -> Result<String, WriteError> {
        let Key { namespace, name } = &self.key;
        let on = Decided { namespace, name, uid: self.uid(), resource_version };
        let _first = self.context.events.give_way();
        status::write(&self.api, on, status, || self.leads()).await
    }

    async fn read(&self) -> Result<(String, Newest), WriteError> {
        let kept = status::read(&self.api, &self.key.name).await?;
        let object = kept.object().map_err(|error| WriteError::Unanswered(error.to_string()))?;
        let newest = Newest::of(&object);
        Ok((object.metadata.uid.unwrap_or_default(), newest))
    }

    async fn delete(&self, resource_version: &str) -> Result<(), WriteError> {
        status::delete(&self.api, &self.key.name, self.uid(), resource_version).await?;
        tracing::info!(
            controller = REFRESH,
            namespace = self.key.namespace,
            name = self.key.name,
            "deleted: spec.ttlSecondsAfterFinished has expired"
        );
        Ok(())
    }

    fn recorded(&self, durable: &Recorded, notices: Vec<Notice>) {
        self.context.metrics.refreshes.observe(self.uid(), &self.key, durable);
        if durable.watch.is_none() {
            self.context.scout.forget(&self.key);
        }
        // What happens to another attempt is another Event, with a text of its own.
        let (number, failures) = durable.run.as_ref().map_or((0, 0), |run| (run.number, run.failures));
        let action = format!("RefreshRun{number}Attempt{}", failures.saturating_add(1));
        for notice in notices {
            if notice.reason == SCHEDULE_MISSED {
                self.context.metrics.refreshes.missed();
            }
            tracing::info!(
                controller = REFRESH,
                namespace = self.key.namespace,
                name = self.key.name,
                reason = notice.reason,
                run = durable.run.as_ref().map(|run| run.number),
                job = durable.job.id.map(tracing::field::display),
                "{}",
                notice.message,
            );
            self.context.events.publish(self.object.object_ref(&()), action.clone(), notice);
        }
    }
}

impl ports::Server for Arc<Server> {
    fn endpoint(&self) -> &str {
        &self.endpoint
    }

    async fn describe(&self, database: &str, collection: &str) -> milvus::Result<Collection> {
        self.milvus.describe(database, collection).await
    }

    async fn list(&self, database: &str, collection: &str) -> milvus::Result<Vec<Job>> {
        self.milvus.list(database, collection).await
    }

    async fn submit(
        &self,
        database: &str,
        collection: &str,
        source: Option<&Source>,
        budget: Duration,
    ) -> milvus::Result<JobId> {
        self.milvus.submit(database, collection, source, budget).await
    }

    fn keep_secret(&self, secrets: &Arc<Secrets>) {
        self.milvus.keep_secret(secrets);
    }

    fn track(&self, refresh: &Key, job: JobId, age: Duration) -> Sighting {
        self.poller.track(refresh.clone(), job, age)
    }

    fn examine(&self, refresh: &Key, plan: Plan) -> Option<milvus::Result<Evidence>> {
        self.examiner.examine(refresh, plan)
    }

    fn examined(&self, refresh: &Key) -> Option<Instant> {
        self.examiner.examined(refresh)
    }

    fn hush(&self, refresh: &Key, until: Instant) {
        self.poller.hush(refresh, until);
    }
}
