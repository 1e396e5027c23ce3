//! One pass over a refresh: observe, decide, act, write, and again, until nothing is left to do now.

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;
use tokio::time::Instant;

use super::{
    memory::{Newest, Remembered, newer},
    ports::{Ports, Server as _},
    subject::Subject,
    volatile::Volatile,
};
use crate::{
    cluster::status::WriteError,
    milvus::Source,
    object::{Key, REFRESH},
    refresh::{
        Connection, Decision, Desired, Effect, Fact, Notice, Observation, Permission, Recorded, Scouted, Slot,
        Submission, Wake, alarm, decide, differs_only_in_progress, elapsed, is_due, limits::LATE_CLAIM, project,
    },
    turns::Member,
};

/// More steps than any pass needs; a pass that reaches it goes on in the next one.
const MOST_STEPS: usize = 12;

/// The newest that is known of an object, and what has been seen and decided since.
pub(super) struct Pass<'a, P> {
    pub(super) ports: &'a P,
    pub(super) volatile: &'a Volatile,
    pub(super) key: Key,
    pub(super) connection: Key,
    pub(super) uid: String,
    /// What is decided and not written yet.
    pub(super) record: Recorded,
    /// What the last effect brought.
    pub(super) fact: Fact,
    /// The source that the refresh brings along, from the look that a claim is made of until its start is sent.
    pub(super) source: Option<Source>,
    /// What is known of looks at the source that it watches.
    pub(super) scouted: Scouted,
    /// When that effect began: what a listing shows counts from before it was asked for, not from its answer.
    asked: Instant,
    /// The version that decisions are made on, and what is durable at that version.
    newest: Newest,
    pub(super) durable: Recorded,
    notices: Vec<Notice>,
    /// Whether the run was last told to wait for a slot.
    slot: Slot,
}

/// One pass over `subject`. `written` is what this process wrote last, if the watch had not shown it when it was asked.
///
/// # Errors
/// When the API server does not take the status; what was decided is decided again in the next pass.
pub(super) async fn pass<P: Ports>(
    subject: Subject,
    written: Option<Newest>,
    volatile: &Volatile,
    ports: &P,
) -> Result<Wake, WriteError> {
    let mut pass = Pass::new(subject, written, volatile, ports);
    let ended = pass.run().await;
    pass.settle(&ended);
    ended
}

impl<'a, P: Ports> Pass<'a, P> {
    fn new(subject: Subject, written: Option<Newest>, volatile: &'a Volatile, ports: &'a P) -> Self {
        let Subject { key, uid, connection, shown } = subject;
        let newest = match written {
            Some(written) if newer(&written.resource_version, &shown.resource_version) => written,
            Some(_) | None => shown,
        };
        let durable = Recorded::of(newest.status.as_deref());
        // The outcome of the standing claim's start, if an earlier pass could not record it.
        let outcome = volatile.memory.with(&uid, |remembered| remembered.outcome(durable.claim()));
        Self {
            fact: outcome.map_or(Fact::Nothing, Fact::Submitted),
            record: durable.clone(),
            source: None,
            scouted: Scouted::default(),
            notices: Vec::new(),
            slot: Slot::Mine,
            asked: ports.instant(),
            ports,
            volatile,
            key,
            uid,
            connection,
            newest,
            durable,
        }
    }

    async fn run(&mut self) -> Result<Wake, WriteError> {
        // A pass that failed on something older may have freed what a claim holds that has come to light since.
        self.known();
        self.repeat_unanswered().await?;
        for _ in 0..MOST_STEPS {
            let began = self.ports.instant();
            let (view, server) = self.ports.connection();
            let seen = self.observe(view, server.as_ref());
            self.asked = began;
            let decision = decide(self.ports.now(), self.want(), &self.record, &seen);
            let Decision { next, effect, notices, wake, look } = self.paced(decision);
            self.record = next;
            if let Some((within, plan)) = look.zip(self.want().plan(&self.record)) {
                self.ports.scout(plan, within);
            }
            self.notices.extend(notices);
            let must_write = effect.must_be_recorded_first() || matches!(effect, Effect::None | Effect::Delete);
            if must_write && let Some(later) = self.write().await? {
                if let Some(server) = &server {
                    server.hush(&self.key, self.ports.instant() + later);
                }
                return Ok(wake.sooner(later));
            }
            if effect == Effect::Delete {
                self.ports.delete(&self.newest.resource_version).await?;
                return Ok(wake);
            }
            let Some(server) = server else { return Ok(wake) };
            self.fact = match effect {
                Effect::None | Effect::Delete => return Ok(wake),
                Effect::Find => Fact::Looked(self.look(&server).await),
                Effect::Submit => {
                    let outcome = self.submit(&server, began).await;
                    if self.ports.lets_others_start() {
                        // It is kept, and the next pass records it.
                        return Ok(Wake::After(Duration::ZERO));
                    }
                    Fact::Submitted(outcome)
                }
                Effect::Poll(job) => Fact::Sighted(self.follow(&server, job).await),
                Effect::Examine => Fact::Examined(self.examine(&server)),
            };
        }
        Ok(Wake::After(Duration::ZERO))
    }

    /// Tells the index, the fence and the memory how the pass has ended.
    fn settle(&self, ended: &Result<Wake, WriteError>) {
        let Volatile { turns, memory, alarms, .. } = self.volatile;
        match ended {
            Ok(_) | Err(WriteError::Conflict) => {
                memory.with(&self.uid, |remembered| remembered.errors = 0);
                let now = self.ports.now();
                alarms.set(&self.uid, &self.key, alarm(self.want(), &self.durable, now));
                let waits = self.slot == Slot::Waiting && self.durable.waits_for_connection();
                turns.settled(self.member(), &self.durable, waits, now);
            }
            // The claim may have been written: the collection stays taken until that is known.
            Err(WriteError::Unanswered(_) | WriteError::Refused(_))
                if memory.with(&self.uid, |r| r.unanswered().is_some()) => {}
            Err(WriteError::Unanswered(_) | WriteError::Refused(_)) => {
                turns.passed_over(self.member(), &self.durable);
            }
            Err(WriteError::Gone) => {
                turns.fence.announced(&self.uid);
                turns.passed_over(self.member(), &self.durable);
            }
        }
        if self.durable.is_at_rest() || self.durable.job.id.is_some() {
            turns.looks.forget(&self.uid);
        }
        if let Err(WriteError::Refused(why) | WriteError::Unanswered(why)) = ended
            && turns.fence.failed(&self.uid)
        {
            tracing::warn!(
                controller = REFRESH,
                namespace = self.key.namespace,
                name = self.key.name,
                error = why,
                "the refresh was due when this process became the leader, and its status cannot be written: refreshes that may \
                 use the same collection start once it is written, or {} s after the change of leader",
                LATE_CLAIM.as_secs(),
            );
        }
        let followed = if self.durable.is_at_rest() {
            memory.rest(&self.uid)
        } else if self.durable.job.id.is_none() || self.durable.is_verifying() {
            memory.with(&self.uid, |remembered| remembered.followed.take())
        } else {
            None
        };
        if let Some((connection, refresh)) = followed {
            self.ports.untrack(&connection, &refresh);
        }
    }

    fn observe(&mut self, connection: Connection, server: Option<&P::Server>) -> Observation {
        let claim = self.record.claim();
        let now = self.asked;
        self.scouted = self.want().plan(&self.record).map(|plan| self.ports.scouted(&plan)).unwrap_or_default();
        let (permission, fenced_by) = self.permission(&connection);
        let (turn, ahead) = self.volatile.turns.queue.turn(&self.uid, self.ports.now());
        let (connection, slot) = match permission {
            Permission::Granted => self.at_the_gate(connection, turn),
            Permission::Withheld | Permission::Announce | Permission::Fenced => (connection, Slot::Mine),
        };
        self.slot = slot;
        Observation {
            connection,
            claim_known: self.volatile.memory.with(&self.uid, |remembered| remembered.claim_known(claim, now)),
            permission,
            operator: self.volatile.operator.clone(),
            turn,
            ahead: fenced_by.or(ahead),
            slot,
            luck: self.ports.luck(),
            nonce: self.ports.nonce(),
            examined: server
                .filter(|_| self.want().verify.is_some())
                .and_then(|server| server.examined(&self.key))
                .map(|at| now.saturating_duration_since(at)),
            scouted: self.scouted.clone(),
            fact: std::mem::replace(&mut self.fact, Fact::Nothing),
        }
    }

    /// Whether the last write of the object was not taken and no claim of it stands.
    pub(super) fn is_unproven(&self) -> bool {
        is_due(self.want(), &self.durable) && self.volatile.memory.with(&self.uid, |remembered| remembered.errors > 0)
    }

    /// Writes what is decided if it is new. Gives a time to come back at when it is only progress whose turn has not come.
    async fn write(&mut self) -> Result<Option<Duration>, WriteError> {
        let unchanged = self.record == self.durable;
        if unchanged && !self.is_unproven() {
            // Also when the write was taken and only its reply was lost: an outcome that is kept would be decided on forever.
            self.volatile.memory.with(&self.uid, Remembered::outcome_recorded);
            return Ok(None);
        }
        let now = self.ports.now();
        if let Some(later) = self.hold_back(now).filter(|_| !unchanged) {
            return Ok(Some(later));
        }
        let conditions = self.newest.status.as_ref().map(|status| status.conditions.as_slice()).unwrap_or_default();
        let status = project(&self.record, conditions, now);
        let claim = self.record.claim().filter(|claim| Some(*claim) != self.durable.claim());
        if let Some(claim) = claim.filter(|_| self.record.job.id.is_none()) {
            self.volatile.memory.with(&self.uid, |remembered| remembered.claiming(claim));
        }
        let resource_version = match self.ports.write(&self.newest.resource_version, &status).await {
            Err(WriteError::Conflict) => return Err(self.read_anew().await),
            Err(error @ WriteError::Unanswered(_)) if self.record.claim() != self.durable.claim() => {
                let claim = Newest { status: Some(Arc::new(status)), ..self.newest.clone() };
                self.volatile.memory.with(&self.uid, |remembered| remembered.keep_unanswered(claim));
                return Err(error);
            }
            sent => sent?,
        };
        self.newest = Newest { resource_version, status: Some(Arc::new(status)), ..self.newest.clone() };
        let before = std::mem::replace(&mut self.durable, self.record.clone()).claim();
        self.volatile.memory.with(&self.uid, |remembered| {
            let now = self.ports.instant();
            if before != self.durable.claim() {
                remembered.claim_over(self.durable.claim());
            }
            remembered.newest = Some(self.newest.clone());
            remembered.written = Some(now);
            remembered.outcome_recorded();
            remembered.claim_known(self.durable.claim(), now);
        });
        self.volatile.turns.fence.announced(&self.uid);
        let news = self.news();
        self.ports.recorded(&self.durable, news);
        Ok(None)
    }

    /// What is worth telling: what a run waits for may come and go, and is told once.
    fn news(&mut self) -> Vec<Notice> {
        let run = self.durable.run.as_ref().map_or(0, |run| run.number);
        let mut notices = std::mem::take(&mut self.notices);
        self.volatile.memory.with(&self.uid, |remembered| {
            notices.retain(|notice| !notice.waits() || remembered.tells_first(run, notice.reason));
        });
        notices
    }

    /// How long a write that is only progress has to wait.
    fn hold_back(&self, now: Timestamp) -> Option<Duration> {
        if !differs_only_in_progress(&self.durable, &self.record) {
            return None;
        }
        let (age, instant) = (self.since_submit(now), self.ports.instant());
        self.volatile.memory.with(&self.uid, |remembered| {
            let since = remembered.written.map_or(Duration::MAX, |written| instant.saturating_duration_since(written));
            let turn = &mut remembered.progress_turn;
            let share = self.volatile.progress.of(&self.key.namespace);
            share.admit(instant, &self.durable.job, &self.record.job, since, age, turn).err()
        })
    }

    /// Writes a claim again whose write was not answered, at the same version, until it is taken or refused. Taken so late
    /// it is given up: nothing was sent for it.
    async fn repeat_unanswered(&mut self) -> Result<(), WriteError> {
        let Some(Newest { resource_version, want, status: Some(status) }) =
            self.volatile.memory.with(&self.uid, |remembered| remembered.unanswered())
        else {
            return Ok(());
        };
        // A successor counts on it that nothing is sent once the lease is lost.
        if !self.ports.leads() {
            return Err(WriteError::Unanswered("this process is no longer the leader".to_owned()));
        }
        let sent = self.ports.write(&resource_version, &status).await;
        // What is refused now may have been taken before.
        if !matches!(sent, Err(WriteError::Unanswered(_) | WriteError::Refused(_))) {
            self.volatile.memory.with(&self.uid, Remembered::answered);
        }
        let resource_version = match sent {
            Err(WriteError::Conflict) => return Err(self.read_anew().await),
            sent => sent?,
        };
        self.stands(Newest { resource_version, want, status: Some(status) });
        self.record = self.durable.clone();
        self.fact = Fact::Submitted(Submission::Withheld);
        Ok(())
    }

    /// Somebody wrote the object meanwhile: the next pass decides on what it is now. Gives the error that ends this one.
    async fn read_anew(&mut self) -> WriteError {
        let (uid, newest) = match self.ports.read().await {
            Ok(read) => read,
            Err(error) => return error,
        };
        if uid != self.uid {
            tracing::info!(
                controller = REFRESH,
                namespace = self.key.namespace,
                name = self.key.name,
                "the object was recreated; the result for the old one is dropped"
            );
            return WriteError::Gone;
        }
        self.stands(newest);
        WriteError::Conflict
    }

    /// This is durable, as the API server has said, and not by the write of what this pass has decided.
    fn stands(&mut self, newest: Newest) {
        self.durable = Recorded::of(newest.status.as_deref());
        self.ports.recorded(&self.durable, Vec::new());
        self.volatile.memory.with(&self.uid, |remembered| remembered.newest = Some(newest.clone()));
        self.newest = newest;
        self.known();
    }

    /// Takes note of what is durable, and then of the version that it is durable at.
    fn known(&self) {
        let version = &self.newest.resource_version;
        self.volatile.turns.seen(self.member(), version, &self.durable, self.ports.now());
    }

    /// What is wanted of the object at the version that decisions are made on.
    pub(super) fn want(&self) -> &Desired {
        &self.newest.want
    }

    fn member(&self) -> Member<'_> {
        Member { uid: &self.uid, key: &self.key, connection: &self.connection, want: self.want() }
    }

    /// The time since the standing claim: by the wall clock, and at least as long as this process has known it.
    pub(super) fn since_submit(&self, now: Timestamp) -> Duration {
        let (claim, instant) = (self.record.claim(), self.ports.instant());
        let known = self.volatile.memory.with(&self.uid, |remembered| remembered.claim_known(claim, instant));
        let submit = self.record.run.as_ref().and_then(|run| run.submit_time);
        submit.map_or(known, |time| elapsed(time, now).max(known))
    }
}
