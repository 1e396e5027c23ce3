//! The reconciler of `ExternalCollectionRefresh`: observe, decide, act, write, and again, until nothing is left to do now.

use std::{collections::HashSet, sync::Arc, time::Duration};

use jiff::Timestamp;
use kube::{Api, Resource, core::DeserializeGuard, runtime::controller::Action};
use tokio::time::Instant;

use super::{
    Context, Error, Key,
    memory::{Newest, Remembered, newer},
    servers::Server,
    status::{self, WriteError},
    stream,
};
use crate::{
    api::ExternalCollectionRefresh,
    milvus::{ErrorKind, JobId, MilvusError, Sighting},
    refresh::{
        Decision, Desired, Effect, Fact, Look, Notice, Observation, Recorded, Submission, Wake, decide,
        differs_only_in_progress, limits::SUBMIT_BUDGET, project,
    },
};

/// More steps than any pass needs; a pass that reaches it goes on in the next one.
const MOST_STEPS: usize = 12;

/// The pause before deciding again on what somebody else wrote.
const AFTER_CONFLICT: Duration = Duration::from_millis(50);

/// Hears of refreshes that come and go.
pub struct Lifecycle {
    /// What the passes share.
    pub context: Arc<Context>,
}

impl stream::Lifecycle<DeserializeGuard<ExternalCollectionRefresh>> for Lifecycle {
    fn seen(&self, object: &DeserializeGuard<ExternalCollectionRefresh>) {
        if let (Some(uid), Some(version)) = (&object.meta().uid, &object.meta().resource_version) {
            self.context.memory.caught_up(uid, version);
        }
    }

    fn gone(&self, object: &DeserializeGuard<ExternalCollectionRefresh>) {
        if let Some(uid) = &object.meta().uid {
            self.stop_following(self.context.memory.forget(uid));
        }
    }

    fn listed(&self, uids: &HashSet<String>, _: &HashSet<Key>) {
        for forgotten in self.context.memory.retain(uids) {
            self.stop_following(Some(forgotten));
        }
    }
}

impl Lifecycle {
    fn stop_following(&self, forgotten: Option<Remembered>) {
        if let Some((connection, refresh)) = forgotten.and_then(|remembered| remembered.followed) {
            self.context.servers.forget(&connection, &refresh);
        }
    }
}

/// One pass over a refresh.
///
/// # Errors
/// When the API server does not take a status; everything else is a value.
pub async fn reconcile(triggered: Arc<ExternalCollectionRefresh>, context: Arc<Context>) -> Result<Action, Error> {
    // Memory before store: the memory lets go of a status only once the store has it, so in this order nothing is missed.
    let written = context.memory.with(triggered.metadata.uid.as_deref().unwrap_or_default(), |r| r.newest.clone());
    let object = context.cached(&triggered);
    let mut pass = Pass::new(&object, &context, written);
    match pass.run().await {
        Ok(wake) => {
            context.memory.with(&pass.uid, |remembered| remembered.errors = 0);
            Ok(match wake {
                Wake::After(pause) => Action::requeue(pause),
                Wake::OnChange => Action::await_change(),
            })
        }
        // The object is gone; its deletion event frees what was held for it.
        Err(WriteError::Gone) => Ok(Action::await_change()),
        Err(WriteError::Conflict) => Ok(Action::requeue(AFTER_CONFLICT)),
        Err(error @ WriteError::Failed(_)) => Err(error.into()),
    }
}

/// One pass: the newest that is known of the object, and what has been seen so far.
struct Pass<'a> {
    context: &'a Context,
    api: Api<ExternalCollectionRefresh>,
    object: &'a ExternalCollectionRefresh,
    key: Key,
    uid: String,
    want: Desired,
    /// The version that decisions are made on, and what is durable at that version.
    newest: Newest,
    durable: Recorded,
    /// What is decided and not written yet.
    record: Recorded,
    notices: Vec<Notice>,
    fact: Fact,
}

impl<'a> Pass<'a> {
    fn new(object: &'a ExternalCollectionRefresh, context: &'a Context, written: Option<Newest>) -> Self {
        let key = Key::of(object);
        let uid = object.metadata.uid.clone().unwrap_or_default();
        let cached = Newest {
            resource_version: object.metadata.resource_version.clone().unwrap_or_default(),
            status: object.status.clone(),
        };
        let newest = match written {
            Some(written) if newer(&written.resource_version, &cached.resource_version) => written,
            Some(_) | None => cached,
        };
        let durable = Recorded::of(newest.status.as_ref());
        Self {
            api: Api::namespaced(context.client.clone(), &key.namespace),
            context,
            object,
            want: Desired::of(object),
            fact: outcome_to_record(context, &uid, &durable),
            record: durable.clone(),
            durable,
            newest,
            notices: Vec::new(),
            key,
            uid,
        }
    }

    async fn run(&mut self) -> Result<Wake, WriteError> {
        for _ in 0..MOST_STEPS {
            let began = Instant::now();
            let connection = Key::connection_of(self.object);
            let (view, server) = self.context.connection(&connection);
            let claim_known = self.context.memory.with(&self.uid, |r| r.claim_known(self.record.claim(), began));
            let fact = std::mem::replace(&mut self.fact, Fact::Nothing);
            let seen = Observation { connection: view, claim_known, fact };
            let Decision { next, effect, notices, wake } =
                decide(self.context.clock.now(), &self.want, &self.record, &seen);
            self.record = next;
            self.notices.extend(notices);
            let must_write = effect.must_be_recorded_first() || effect == Effect::None;
            if must_write && let Some(later) = self.write().await? {
                return Ok(sooner(wake, later));
            }
            let Some(server) = server else {
                return Ok(wake);
            };
            match effect {
                Effect::None => return Ok(wake),
                Effect::Find => self.fact = Fact::Looked(self.look(&server, &connection).await),
                Effect::Submit => self.submit(&server, &connection, began).await,
                Effect::Poll(job) => self.fact = Fact::Sighted(self.follow(&server, &connection, job)),
            }
        }
        Ok(Wake::After(Duration::ZERO))
    }

    /// Writes what is decided if it is new. Gives a time to come back at when it is only progress whose turn has not come.
    async fn write(&mut self) -> Result<Option<Duration>, WriteError> {
        if self.record == self.durable {
            self.rest_if_ended();
            return Ok(None);
        }
        let now = self.context.clock.now();
        if let Some(later) = self.hold_back(now) {
            return Ok(Some(later));
        }
        let conditions = self.newest.status.as_ref().map(|status| status.conditions.as_slice()).unwrap_or_default();
        let status = project(&self.record, conditions, now);
        let written = match status::write(&self.api, &self.key.name, &self.newest.resource_version, &status).await {
            Err(WriteError::Conflict) => {
                self.read_anew().await?;
                return Err(WriteError::Conflict);
            }
            written => written?,
        };
        self.newest =
            Newest { resource_version: written.metadata.resource_version.unwrap_or_default(), status: Some(status) };
        let recorded_claim = self.record.claim();
        self.context.memory.with(&self.uid, |remembered| {
            remembered.newest = Some(self.newest.clone());
            remembered.written = Some(Instant::now());
            remembered.outcome_recorded();
            remembered.claim_known(recorded_claim, Instant::now());
        });
        self.durable = self.record.clone();
        for notice in self.notices.drain(..) {
            tracing::info!(
                namespace = self.key.namespace,
                refresh = self.key.name,
                reason = notice.reason,
                message = notice.message,
                run = self.durable.run.as_ref().map(|run| run.number),
                "transition",
            );
            self.context.events.publish(self.object.object_ref(&()), notice);
        }
        self.rest_if_ended();
        Ok(None)
    }

    /// How long a write that is only progress has to wait.
    fn hold_back(&self, now: Timestamp) -> Option<Duration> {
        if !differs_only_in_progress(&self.durable, &self.record) {
            return None;
        }
        let since = self.context.memory.with(&self.uid, |remembered| remembered.written);
        let since = since.map_or(Duration::MAX, |written| written.elapsed());
        let age = since_submit(&self.record, now);
        self.context.progress.admit(&self.durable.job, &self.record.job, since, age).err()
    }

    /// Somebody wrote the object meanwhile: the next pass decides on what it is now.
    async fn read_anew(&mut self) -> Result<(), WriteError> {
        let object = status::read(&self.api, &self.key.name).await?;
        if object.metadata.uid.as_deref() != Some(&self.uid) {
            tracing::info!(
                namespace = self.key.namespace,
                refresh = self.key.name,
                "the object was re-created; what was seen for the old one is dropped"
            );
            return Err(WriteError::Gone);
        }
        let newest =
            Newest { resource_version: object.metadata.resource_version.unwrap_or_default(), status: object.status };
        self.context.memory.with(&self.uid, |remembered| remembered.newest = Some(newest));
        Ok(())
    }

    /// Describes the collection and then lists its jobs, so that a job of another incarnation is never listed.
    async fn look(&self, server: &Server, connection: &Key) -> Result<Look, MilvusError> {
        let Desired { database, collection, .. } = &self.want;
        let looked = async {
            let described = server.milvus.describe(database, collection).await?;
            if !described.external {
                return Ok((described, Vec::new()));
            }
            let jobs = server.milvus.list(database, collection).await?;
            Ok((described, jobs))
        };
        let (collection, jobs) = looked.await.inspect_err(|error| self.suspect(connection, error))?;
        Ok(Look { collection, jobs, taken: self.context.jobs_of_others(&self.uid) })
    }

    /// Sends the start of the claim that was just written. Its outcome is kept until it is recorded, whatever happens to
    /// the write.
    async fn submit(&mut self, server: &Server, connection: &Key, claiming_began: Instant) {
        let Some(claim) = self.record.claim() else { return };
        let left = SUBMIT_BUDGET.saturating_sub(claiming_began.elapsed());
        let outcome = if left.is_zero() {
            Submission::Withheld
        } else {
            match server.milvus.submit(&self.want.database, &self.want.collection, left).await {
                Ok(job) => Submission::Accepted(job),
                Err(error) => {
                    self.suspect(connection, &error);
                    Submission::Failed(error)
                }
            }
        };
        self.context.memory.with(&self.uid, |remembered| remembered.keep_outcome(claim, outcome.clone()));
        self.fact = Fact::Submitted(outcome);
    }

    /// Has the poller follow the job and gives its newest sighting.
    fn follow(&self, server: &Server, connection: &Key, job: JobId) -> Sighting {
        let age = since_submit(&self.record, self.context.clock.now());
        self.context.memory.with(&self.uid, |r| r.followed = Some((connection.clone(), self.key.clone())));
        let sighting = server.poller.track(self.key.clone(), job, age);
        if let Sighting::Failing(error) = &sighting {
            self.suspect(connection, error);
        }
        sighting
    }

    /// Has the connection looked at when a call failed in a way that is the connection's trouble.
    fn suspect(&self, connection: &Key, error: &MilvusError) {
        match error.kind {
            ErrorKind::NotSent
            | ErrorKind::Unreachable
            | ErrorKind::Timeout
            | ErrorKind::Unauthenticated
            | ErrorKind::Unsupported => self.context.connections.wake(connection.clone()),
            ErrorKind::Busy
            | ErrorKind::PermissionDenied
            | ErrorKind::CollectionNotFound
            | ErrorKind::DatabaseNotFound
            | ErrorKind::NotExternal
            | ErrorKind::InvalidRequest
            | ErrorKind::DuplicateJob
            | ErrorKind::JobNotFound
            | ErrorKind::Malformed
            | ErrorKind::Internal => {}
        }
    }

    /// A run that is over and recorded needs no poller and nothing remembered but what the watch has not shown yet.
    fn rest_if_ended(&self) {
        if !self.durable.ended() {
            return;
        }
        if let Some((connection, refresh)) = self.context.memory.rest(&self.uid) {
            self.context.servers.forget(&connection, &refresh);
        }
    }
}

/// The outcome of the standing claim's start, if an earlier pass could not record it.
fn outcome_to_record(context: &Context, uid: &str, durable: &Recorded) -> Fact {
    context.memory.with(uid, |remembered| remembered.outcome(durable.claim())).map_or(Fact::Nothing, Fact::Submitted)
}

fn since_submit(record: &Recorded, now: Timestamp) -> Duration {
    let submit = record.run.as_ref().and_then(|run| run.submit_time);
    submit.and_then(|time| Duration::try_from(now.duration_since(time)).ok()).unwrap_or_default()
}

fn sooner(wake: Wake, later: Duration) -> Wake {
    match wake {
        Wake::After(pause) => Wake::After(pause.min(later)),
        Wake::OnChange => Wake::After(later),
    }
}
