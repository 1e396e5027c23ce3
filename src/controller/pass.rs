//! One pass over a refresh: observe, decide, act, write, and again, until nothing is left to do now.

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;
use kube::{Api, Resource};
use tokio::time::Instant;

use super::{
    Context, Kept, Key, REFRESH,
    memory::{Newest, Remembered, newer},
    status::{self, WriteError},
};
use crate::{
    api::{ExternalCollectionRefresh, RefreshStatus},
    milvus::Source,
    refresh::{
        Connection, Decision, Desired, Effect, Fact, Notice, Observation, Permission, Recorded, Slot, Submission, Turn,
        Wake, decide, differs_only_in_progress, elapsed, is_due, project,
    },
};

/// More steps than any pass needs; a pass that reaches it goes on in the next one.
const MOST_STEPS: usize = 12;

/// The newest that is known of an object, and what has been seen and decided since.
pub(super) struct Pass<'a> {
    pub(super) context: &'a Context,
    pub(super) key: Key,
    pub(super) uid: String,
    pub(super) want: Desired,
    /// What is decided and not written yet.
    pub(super) record: Recorded,
    /// What the last effect brought.
    pub(super) fact: Fact,
    /// The source that the refresh brings along, from the look that a claim is made of until its start is sent.
    pub(super) source: Option<Source>,
    /// When that effect began: what a listing shows counts from before it was asked for, not from its answer.
    asked: Instant,
    object: &'a ExternalCollectionRefresh,
    api: Api<Kept<ExternalCollectionRefresh>>,
    /// The version that decisions are made on, and what is durable at that version.
    newest: Newest,
    durable: Recorded,
    notices: Vec<Notice>,
}

impl<'a> Pass<'a> {
    /// `written` is what this process wrote last, if the watch had not shown it when it was asked.
    pub(super) fn new(object: &'a ExternalCollectionRefresh, context: &'a Context, written: Option<Newest>) -> Self {
        let key = Key::of(object);
        let uid = object.metadata.uid.clone().unwrap_or_default();
        let cached = Newest {
            resource_version: object.metadata.resource_version.clone().unwrap_or_default(),
            status: object.status.clone().map(Arc::new),
        };
        let newest = match written {
            Some(written) if newer(&written.resource_version, &cached.resource_version) => written,
            Some(_) | None => cached,
        };
        let durable = Recorded::of(newest.status.as_deref());
        // The outcome of the standing claim's start, if an earlier pass could not record it.
        let outcome = context.memory.with(&uid, |remembered| remembered.outcome(durable.claim()));
        Self {
            api: Api::namespaced(context.client.clone(), &key.namespace),
            want: Desired::of(object),
            fact: outcome.map_or(Fact::Nothing, Fact::Submitted),
            record: durable.clone(),
            source: None,
            notices: Vec::new(),
            asked: Instant::now(),
            context,
            object,
            key,
            uid,
            newest,
            durable,
        }
    }

    /// # Errors
    /// When the API server does not take the status; what was decided is decided again in the next pass.
    pub(super) async fn run(&mut self) -> Result<Wake, WriteError> {
        // A pass that failed on something older may have freed what a claim holds that has come to light since.
        self.context.index.seen(&self.uid, &self.want, &self.durable);
        self.repeat_unanswered().await?;
        for _ in 0..MOST_STEPS {
            let began = Instant::now();
            let connection = Key::connection_of(self.object);
            let (view, server) = self.context.connection(&connection);
            let seen = self.observe(view);
            self.asked = began;
            let Decision { next, effect, notices, wake } =
                decide(self.context.clock.now(), &self.want, &self.record, &seen);
            self.record = next;
            self.notices.extend(notices);
            let must_write = effect.must_be_recorded_first() || matches!(effect, Effect::None | Effect::Delete);
            if must_write && let Some(later) = self.write().await? {
                if let Some(server) = &server {
                    server.poller.hush(&self.key, Instant::now() + later);
                }
                return Ok(sooner(wake, later));
            }
            if effect == Effect::Delete {
                self.delete().await?;
                return Ok(wake);
            }
            let Some(server) = server else { return Ok(wake) };
            self.fact = match effect {
                Effect::None | Effect::Delete => return Ok(wake),
                Effect::Find => Fact::Looked(self.look(&server, &connection).await),
                Effect::Submit => Fact::Submitted(self.submit(&server, &connection, began).await),
                Effect::Poll(job) => Fact::Sighted(self.follow(&server, &connection, job).await),
            };
        }
        Ok(Wake::After(Duration::ZERO))
    }

    /// Tells the index, the fence and the memory how the pass has ended.
    pub(super) fn settle(&self, ended: &Result<Wake, WriteError>) {
        let Context { index, slots, fence, memory, servers, .. } = self.context;
        match ended {
            Ok(_) | Err(WriteError::Conflict) => {
                memory.with(&self.uid, |remembered| remembered.errors = 0);
                index.settled(&self.uid, &self.key, &self.want, &self.durable);
                slots.settled(&self.uid, &Key::connection_of(self.object), &self.durable);
            }
            // The claim may have been written: the collection stays taken until that is known.
            Err(WriteError::Unanswered(_)) if memory.with(&self.uid, |r| r.unanswered().is_some()) => {}
            Err(WriteError::Unanswered(_)) => {
                index.pass_over(&self.uid, &self.want, &self.durable);
                slots.pass_over(&self.uid, &self.durable);
            }
            // What the API server does not take from us it does not take from a predecessor either.
            Err(WriteError::Refused(_) | WriteError::Gone) => {
                fence.announced(&self.uid);
                index.pass_over(&self.uid, &self.want, &self.durable);
                slots.pass_over(&self.uid, &self.durable);
            }
        }
        let followed = if self.durable.ended() {
            memory.rest(&self.uid)
        } else if self.durable.job.id.is_none() {
            memory.with(&self.uid, |remembered| remembered.followed.take())
        } else {
            None
        };
        if let Some((connection, refresh)) = followed {
            servers.forget(&connection, &refresh);
        }
    }

    fn observe(&mut self, connection: Connection) -> Observation {
        let claim = self.record.claim();
        let now = self.asked;
        let turn = self.context.index.turn(&self.uid);
        let slot = self.slot(&connection, turn);
        Observation {
            connection,
            claim_known: self.context.memory.with(&self.uid, |remembered| remembered.claim_known(claim, now)),
            permission: self.permission(),
            operator: self.context.operator.clone(),
            turn,
            slot,
            luck: self.context.clock.random(),
            fact: std::mem::replace(&mut self.fact, Fact::Nothing),
        }
    }

    /// A run that is about to look at its collection needs a slot; one that waits for the collection must not have one.
    fn slot(&self, connection: &Connection, turn: Turn) -> Slot {
        let looks = matches!(connection, Connection::Ready { .. }) && !matches!(turn, Turn::Behind { .. });
        if !looks || !is_due(&self.want, &self.record) {
            return Slot::Mine;
        }
        let run = self.record.run.as_ref().filter(|_| !self.record.ended());
        let due = run.and_then(|run| run.queued_time).unwrap_or_else(|| self.context.clock.now());
        self.context.slots.take(&self.uid, &Key::connection_of(self.object), &self.key, due)
    }

    /// A run that is not due (any more) needs no announcement, and neither does one that carries this process' name already:
    /// the write was taken and its reply was lost. A claim that somebody took out of the status frees nothing before its
    /// start can have landed.
    fn permission(&self) -> Permission {
        let operator = self.durable.run.as_ref().and_then(|run| run.operator.as_ref());
        if operator == Some(&self.context.operator) || !is_due(&self.want, &self.durable) {
            self.context.fence.announced(&self.uid);
        }
        let (claim, now) = (self.durable.claim(), Instant::now());
        if self.context.memory.with(&self.uid, |remembered| remembered.may_land(claim, now)) {
            return Permission::Withheld;
        }
        self.context.permission(&self.uid)
    }

    /// Writes what is decided if it is new. Gives a time to come back at when it is only progress whose turn has not come.
    async fn write(&mut self) -> Result<Option<Duration>, WriteError> {
        if self.record == self.durable {
            // Also when the write was taken and only its reply was lost: an outcome that is kept would be decided on for ever.
            self.context.memory.with(&self.uid, Remembered::outcome_recorded);
            return Ok(None);
        }
        let now = self.context.clock.now();
        if let Some(later) = self.hold_back(now) {
            return Ok(Some(later));
        }
        let conditions = self.newest.status.as_ref().map(|status| status.conditions.as_slice()).unwrap_or_default();
        let status = project(&self.record, conditions, now);
        let resource_version = match self.send(&self.newest.resource_version, &status).await {
            Err(WriteError::Conflict) => return Err(self.read_anew().await),
            Err(error @ WriteError::Unanswered(_)) if self.record.claim() != self.durable.claim() => {
                let claim = Newest { status: Some(Arc::new(status)), ..self.newest.clone() };
                self.context.memory.with(&self.uid, |remembered| remembered.keep_unanswered(claim));
                return Err(error);
            }
            sent => sent?,
        };
        self.newest = Newest { resource_version, status: Some(Arc::new(status)) };
        let before = std::mem::replace(&mut self.durable, self.record.clone()).claim();
        self.context.memory.with(&self.uid, |remembered| {
            let now = Instant::now();
            if before != self.durable.claim() {
                remembered.claim_over();
            }
            remembered.newest = Some(self.newest.clone());
            remembered.written = Some(now);
            remembered.outcome_recorded();
            remembered.claim_known(self.durable.claim(), now);
        });
        self.context.fence.announced(&self.uid);
        self.context.metrics.refreshes.observe(&self.uid, &self.key, &self.durable);
        self.tell();
        Ok(None)
    }

    async fn send(&self, resource_version: &str, status: &RefreshStatus) -> Result<String, WriteError> {
        let written = status::write(&self.api, &self.key.name, resource_version, status).await?;
        Ok(written.meta().resource_version.clone().unwrap_or_default())
    }

    /// Deletes the object, if it is still what was decided on.
    async fn delete(&self) -> Result<(), WriteError> {
        status::delete(&self.api, &self.key.name, &self.uid, &self.newest.resource_version).await?;
        tracing::info!(
            controller = REFRESH,
            namespace = self.key.namespace,
            name = self.key.name,
            "deleted: spec.ttlSecondsAfterFinished has passed"
        );
        Ok(())
    }

    /// Publishes and logs what has become durable.
    fn tell(&mut self) {
        // What happens to another attempt is another Event, with a text of its own.
        let (number, failures) = self.durable.run.as_ref().map_or((0, 0), |run| (run.number, run.failures));
        let action = format!("RefreshRun{number}Attempt{}", failures.saturating_add(1));
        for notice in self.notices.drain(..) {
            tracing::info!(
                controller = REFRESH,
                namespace = self.key.namespace,
                name = self.key.name,
                reason = notice.reason,
                run = self.durable.run.as_ref().map(|run| run.number),
                job = self.durable.job.id.map(tracing::field::display),
                "{}",
                notice.message,
            );
            self.context.events.publish(self.object.object_ref(&()), action.clone(), notice);
        }
    }

    /// How long a write that is only progress has to wait.
    fn hold_back(&self, now: Timestamp) -> Option<Duration> {
        if !differs_only_in_progress(&self.durable, &self.record) {
            return None;
        }
        let age = self.since_submit(now);
        self.context.memory.with(&self.uid, |remembered| {
            let since = remembered.written.map_or(Duration::MAX, |written| written.elapsed());
            let turn = &mut remembered.progress_turn;
            self.context.progress.admit(&self.durable.job, &self.record.job, since, age, turn).err()
        })
    }

    /// Writes a claim again whose write was not answered, at the same version, until it is taken or refused. Taken so late
    /// it is given up: nothing was sent for it.
    async fn repeat_unanswered(&mut self) -> Result<(), WriteError> {
        let Some(Newest { resource_version, status: Some(status) }) =
            self.context.memory.with(&self.uid, |remembered| remembered.unanswered())
        else {
            return Ok(());
        };
        let sent = self.send(&resource_version, &status).await;
        if !matches!(sent, Err(WriteError::Unanswered(_))) {
            self.context.memory.with(&self.uid, Remembered::answered);
        }
        let resource_version = match sent {
            Err(WriteError::Conflict) => return Err(self.read_anew().await),
            sent => sent?,
        };
        self.stands(Newest { resource_version, status: Some(status) });
        self.record = self.durable.clone();
        self.fact = Fact::Submitted(Submission::Withheld);
        Ok(())
    }

    /// Somebody wrote the object meanwhile: the next pass decides on what it is now. Gives the error that ends this one.
    async fn read_anew(&mut self) -> WriteError {
        let read = status::read(&self.api, &self.key.name).await;
        let object = match read.map(|kept| kept.object()) {
            Ok(Ok(object)) => object,
            Ok(Err(error)) => return WriteError::Unanswered(error.to_string()),
            Err(error) => return error,
        };
        if object.metadata.uid.as_deref() != Some(&self.uid) {
            tracing::info!(
                controller = REFRESH,
                namespace = self.key.namespace,
                name = self.key.name,
                "the object was re-created; what was seen for the old one is dropped"
            );
            return WriteError::Gone;
        }
        let resource_version = object.metadata.resource_version.unwrap_or_default();
        self.stands(Newest { resource_version, status: object.status.map(Arc::new) });
        WriteError::Conflict
    }

    /// This is durable, as the API server has said, and not by the write of what this pass has decided.
    fn stands(&mut self, newest: Newest) {
        self.durable = Recorded::of(newest.status.as_deref());
        self.context.metrics.refreshes.observe(&self.uid, &self.key, &self.durable);
        self.context.memory.with(&self.uid, |remembered| remembered.newest = Some(newest.clone()));
        self.newest = newest;
    }

    /// The time since the standing claim, by the wall clock; zero when it was set back.
    pub(super) fn since_submit(&self, now: Timestamp) -> Duration {
        let submit = self.record.run.as_ref().and_then(|run| run.submit_time);
        submit.map(|time| elapsed(time, now)).unwrap_or_default()
    }
}

fn sooner(wake: Wake, later: Duration) -> Wake {
    match wake {
        Wake::After(pause) => Wake::After(pause.min(later)),
        Wake::OnChange => Wake::After(later),
    }
}
