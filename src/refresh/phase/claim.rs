//! From due to an accepted start: claim, submit, and what came of that.

use std::time::Duration;

use super::find::{active, another_incarnation};
use crate::{
    api::{ActiveJobPolicy, ConnectionReason},
    milvus::{Job, JobId, JobState, MilvusError, Refusal},
    refresh::{
        Ahead, Connection, Fact, FailureClass, Look, OwnSourceCheck, Permission, Reason, RefusedStart, Slot,
        Submission, Turn,
        decide::{Effect, Outcome, Step, Wake},
        failure::trouble,
        limits::{ABSENCE_WINDOW, GRACE, HOLD, LONGEST_JOB, LONGEST_SLEEP, LOOK_AGAIN, LOOK_FOR_SECRET, bounded},
    },
};

impl Step<'_> {
    /// The run is due and no claim stands.
    pub(in crate::refresh) fn start(&mut self) -> Outcome {
        let endpoint = match &self.seen.connection {
            Connection::Ready { endpoint } => endpoint,
            Connection::NotReady { reason, message } => {
                return self.await_connection(reason.as_str(), message, LONGEST_SLEEP);
            }
            Connection::Unknown => return (Effect::None, Wake::After(LONGEST_SLEEP)),
        };
        if let Turn::Behind { position } = self.seen.turn {
            return self.queue(position);
        }
        match self.seen.permission {
            Permission::Granted => {}
            Permission::Withheld | Permission::Announce => return self.hold(HOLD),
            Permission::Fenced => return self.await_takeover(),
        }
        if self.want.awaits_look(&self.seen.scouted, &self.seen.fact) {
            return self.await_look();
        }
        if self.seen.slot == Slot::Waiting {
            return self.await_slot();
        }
        match &self.seen.fact {
            Fact::Looked(Ok(look)) if self.seen.turn == Turn::Mine => self.claim(look, endpoint),
            Fact::Looked(Err(error)) => {
                if FailureClass::of_refusal(error.kind).is_some() {
                    self.capture();
                }
                self.refused(refused_start(error))
            }
            // The record of the run is kept while the look is under way, and written with what comes of it.
            Fact::Looked(Ok(_)) | Fact::Nothing | Fact::Submitted(_) | Fact::Sighted(_) | Fact::Examined(_) => {
                (Effect::Find, Wake::After(Duration::ZERO))
            }
        }
    }

    /// Claims the run from a fresh look at the collection (rule 3 of the start protocol).
    fn claim(&mut self, look: &Look, endpoint: &str) -> Outcome {
        if let Some(Ahead::PassedOver(other)) = &self.seen.ahead {
            self.run.passed_over = Some(other.clone());
        }
        if self.run.has_open_claims() {
            if let Some(lost) = another_incarnation(&self.run, look, endpoint) {
                return self.fail(FailureClass::JobLost, &lost);
            }
            if self.run.job_id_watermark.is_none() {
                return self.cannot_be_told();
            }
            // An earlier claim's start may have come through after all; a later claim never overtakes it.
            let found = self.candidates(look);
            if let Some(job) = found.first() {
                return self.adopt(job, &found);
            }
        } else {
            // Nothing of ours is there or can arrive, so what is listed is somebody else's and this is like a first claim.
            self.run.collection_id = None;
            self.run.job_id_watermark = None;
            self.run.start_time_watermark = None;
        }
        if let Some(own) = look.collection.as_ref().filter(|collection| !collection.external) {
            let message = format!("Collection {} is not an external collection: it holds its own data.", own.name);
            self.capture();
            return self.fail(FailureClass::NotExternalCollection, &message);
        }
        match &look.own_source {
            OwnSourceCheck::None | OwnSourceCheck::Usable => {}
            OwnSourceCheck::Missing(problem) => return self.await_spec(problem),
            OwnSourceCheck::Refused(class, problem) => {
                self.capture();
                return self.fail(*class, problem);
            }
        }
        let brings = self.want.brings(look.source.as_ref());
        if brings.is_none() && self.want.is_watched_table() {
            return self.await_look();
        }
        let stored = || look.collection.as_ref().map(|collection| collection.source.clone()).unwrap_or_default();
        let source = brings.map_or_else(stored, |own| own.source);
        if self.run.job_id_watermark.is_none() {
            self.run.collection_id = look.collection.as_ref().map(|collection| collection.id);
        }
        self.run.endpoint = Some(endpoint.to_owned());
        self.run.source.clone_from(&source);
        if let Some(job) = active(look) {
            return self.meet_foreign_job(job, look);
        }
        self.capture();
        self.capture_version(look.source.as_ref());
        let Some(attempt) = self.run.attempt.checked_add(1) else {
            let message = "The record of the run is damaged: status.run.attempt cannot be increased.";
            return self.fail(FailureClass::OutcomeUnknown, message);
        };
        if self.run.job_id_watermark.is_none() {
            self.run.job_id_watermark = Some(look.jobs.iter().map(|job| job.id).max().unwrap_or(JobId(0)));
            self.run.start_time_watermark = look.jobs.iter().filter_map(|job| job.start_time).max();
        }
        self.run.operator = Some(self.seen.operator.clone());
        self.run.attempt = attempt;
        self.run.claim_nonce = Some(self.seen.nonce);
        self.run.submit_time = Some(self.now);
        self.run.next_attempt_time = None;
        self.run.job_seen = false;
        self.run.adopted = false;
        self.run.refusal = None;
        self.next.failure = None;
        self.next.job.reason.clear();
        self.next.job.source = source;
        self.next.job.collection.clone_from(&self.want.collection);
        let message = format!("Starting the refresh of collection {}, attempt {attempt}.", self.want.collection);
        self.sum_up(Reason::Submitting, message);
        (Effect::Submit, Wake::After(Duration::ZERO))
    }

    /// Waits for the Secret with the spec of the refresh's own source. Git applies in any order, so its absence is no failure.
    fn await_spec(&mut self, problem: &str) -> Outcome {
        if !self.summarised(Reason::SecretNotFound) {
            self.warn(Reason::SecretNotFound.as_str(), problem);
        }
        self.sum_up(Reason::SecretNotFound, problem);
        (Effect::None, Wake::After(LOOK_FOR_SECRET))
    }

    /// A claim stands and no job is known for it.
    pub(in crate::refresh) fn settle(&mut self) -> Outcome {
        match &self.seen.fact {
            Fact::Submitted(Submission::Accepted(job)) if job.0 > 0 => self.accepted(*job),
            Fact::Submitted(Submission::Accepted(_)) => self.unknown("its reply has no job id"),
            Fact::Submitted(Submission::Withheld) => {
                let message = "The start was not sent, so nothing was started. The operator retries now.";
                self.run.prove_claim();
                self.release(message)
            }
            Fact::Submitted(Submission::Failed(error)) => match error.refusal() {
                Some(Refusal::Proven) => {
                    self.run.prove_claim();
                    self.run.clear_claim();
                    self.refused(refused_start(error))
                }
                Some(Refusal::Later) => {
                    self.run.refusal = Some(refused_start(error));
                    self.unknown(&error.message)
                }
                None => self.unknown(&error.message),
            },
            Fact::Looked(Ok(look)) => self.find(look),
            Fact::Looked(Err(error)) => self.cannot_find(error),
            Fact::Nothing | Fact::Sighted(_) | Fact::Examined(_) => match &self.seen.connection {
                // Whatever it showed, it could be neither taken nor started again now.
                Connection::Ready { .. } if self.seen.claim_known >= GRACE && !self.may_start() => self.hold(HOLD),
                Connection::Ready { .. } => (Effect::Find, Wake::After(Duration::ZERO)),
                Connection::NotReady { reason, message } => {
                    // Milvus is out of reach for now; a connection that is gone need not come back.
                    let limit = if *reason == ConnectionReason::NotFound { LONGEST_JOB } else { ABSENCE_WINDOW };
                    self.unless_out_of_reach(limit, message, |step| {
                        step.unknown(message);
                        (Effect::None, Wake::After(LONGEST_SLEEP))
                    })
                }
                Connection::Unknown => {
                    let why = "the connections in its namespace cannot be listed";
                    self.unless_out_of_reach(ABSENCE_WINDOW, why, |step| step.hold(LONGEST_SLEEP))
                }
            },
        }
    }

    /// Milvus accepted the start: the id is recorded before anything else happens (rule 5).
    fn accepted(&mut self, job: JobId) -> Outcome {
        self.next.job.id = Some(job);
        self.next.job.state = Some(JobState::Pending);
        let message = self.job_runs(job);
        let why = self.run.cause.map(|cause| format!(" Cause: {}.", cause.as_str())).unwrap_or_default();
        self.inform("RefreshStarted", format!("{message}{why}"));
        self.sum_up(Reason::RefreshInProgress, message);
        (Effect::None, Wake::After(Duration::ZERO))
    }

    /// Nothing was started, which is proven; no claim stands (rule 6). What is not the run's own fault is the connection's
    /// trouble: its own probe finds out and wakes the run when it is over.
    pub(in crate::refresh) fn refused(&mut self, RefusedStart { reason, message }: RefusedStart) -> Outcome {
        match FailureClass::parse(&reason) {
            Some(class) => self.fail(class, &message),
            None => self.await_connection(&reason, &message, LOOK_AGAIN),
        }
    }

    /// Somebody else's job is active: waits for its end, or takes it where the spec says so and it reads the same source.
    pub(in crate::refresh) fn meet_foreign_job(&mut self, job: &Job, look: &Look) -> Outcome {
        match self.want.active_job_policy {
            ActiveJobPolicy::Adopt if job.source == self.run.source && !look.taken.contains(&job.id) => {
                self.capture();
                // It may have listed the files before they were seen.
                self.run.seen = None;
                self.take(job)
            }
            ActiveJobPolicy::Adopt | ActiveJobPolicy::Wait => self.await_foreign_job(job.id),
        }
    }

    /// Takes a listed job for ours.
    pub(in crate::refresh) fn take(&mut self, job: &Job) -> Outcome {
        self.run.operator = Some(self.seen.operator.clone());
        self.run.adopted = true;
        self.run.job_seen = true;
        self.run.submit_time = self.run.submit_time.or(Some(self.now));
        self.run.refusal = None;
        self.run.next_attempt_time = None;
        self.next.failure = None;
        self.next.job.reason.clear();
        self.next.job.id = Some(job.id);
        self.next.job.source.clone_from(&job.source);
        let message = self.job_runs(job.id);
        self.inform("RefreshAdopted", &message);
        self.sum_up(Reason::RefreshInProgress, message);
        (Effect::None, Wake::After(Duration::ZERO))
    }

    /// Gives up the claim; the run is due again at once.
    pub(in crate::refresh) fn release(&mut self, message: &str) -> Outcome {
        self.run.clear_claim();
        self.sum_up(Reason::Submitting, message);
        (Effect::None, Wake::After(Duration::ZERO))
    }

    fn await_foreign_job(&mut self, job: JobId) -> Outcome {
        let waited = self.summarised(Reason::WaitingForActiveJob);
        let message = format!(
            "Waiting for job {job}, which this refresh did not start. The operator checks every {} s and starts this run after \
             the job has ended.",
            LOOK_AGAIN.as_secs()
        );
        if !waited {
            self.inform("WaitingForActiveJob", &message);
        }
        self.sum_up(Reason::WaitingForActiveJob, message);
        (Effect::None, Wake::After(LOOK_AGAIN))
    }
}

/// What is kept of a refusal, of a start or of the look before one.
fn refused_start(error: &MilvusError) -> RefusedStart {
    let reason =
        FailureClass::of_refusal(error.kind).map_or_else(|| trouble(error.kind).as_str(), FailureClass::as_str);
    RefusedStart { reason: reason.to_owned(), message: bounded(&error.message) }
}
