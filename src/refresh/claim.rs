//! From due to an accepted start: claim, submit, and what came of that.

use std::time::Duration;

use super::{
    Ahead, Connection, Fact, FailureClass, Look, OwnSourceCheck, Permission, Reason, RefusedStart, Run, Slot,
    Submission, Turn,
    decide::{Effect, Outcome, Step, Wake},
    failure::trouble,
    find::{active, another_incarnation},
    limits::{ABSENCE_WINDOW, GRACE, HOLD, LONGEST_JOB, LONGEST_SLEEP, LOOK_AGAIN, LOOK_FOR_SECRET, bounded},
};
use crate::{
    api::{ActiveJobPolicy, ConnectionReason},
    milvus::{Job, JobId, JobState, MilvusError, Refusal},
};

impl Step<'_> {
    /// The run is due and no claim stands.
    pub(super) fn start(&mut self, run: Run) -> Outcome {
        let endpoint = match &self.seen.connection {
            Connection::Ready { endpoint } => endpoint,
            Connection::NotReady { reason, message } => {
                return self.await_connection(run, reason.as_str(), message, LONGEST_SLEEP);
            }
            Connection::Unknown => return (Effect::None, Wake::After(LONGEST_SLEEP)),
        };
        if let Turn::Behind { position } = self.seen.turn {
            return self.queue(run, position);
        }
        match self.seen.permission {
            Permission::Granted => {}
            Permission::Withheld | Permission::Announce => return self.hold(run, HOLD),
            Permission::Fenced => return self.await_takeover(run),
        }
        if self.seen.slot == Slot::Waiting {
            return self.await_slot(run);
        }
        match &self.seen.fact {
            Fact::Looked(Ok(look)) if self.seen.turn == Turn::Mine => self.claim(run, look, endpoint),
            Fact::Looked(Err(error)) => {
                let mut run = run;
                if FailureClass::of_refusal(error.kind).is_some() {
                    self.capture(&mut run);
                }
                self.refused(run, refused_start(error))
            }
            // The record of the run is kept while the look is under way, and written with what comes of it.
            Fact::Looked(Ok(_)) | Fact::Nothing | Fact::Submitted(_) | Fact::Sighted(_) => {
                self.next.run = Some(run);
                (Effect::Find, Wake::After(Duration::ZERO))
            }
        }
    }

    /// Claims the run from a fresh look at the collection (rule 3 of the start protocol).
    fn claim(&mut self, mut run: Run, look: &Look, endpoint: &str) -> Outcome {
        if let Some(Ahead::PassedOver(other)) = &self.seen.ahead {
            run.passed_over = Some(other.clone());
        }
        if run.has_open_claims() {
            if let Some(lost) = another_incarnation(&run, look, endpoint) {
                return self.fail(run, FailureClass::JobLost, &lost);
            }
            if run.job_id_watermark.is_none() {
                return self.cannot_be_told(run);
            }
            // An earlier claim's start may have come through after all; a later claim never overtakes it.
            if !self.candidates(&run, look).is_empty() {
                return self.adopt(run, look);
            }
        } else {
            // Nothing of ours is there or can arrive, so what is listed is somebody else's and this is like a first claim.
            run.collection_id = None;
            run.job_id_watermark = None;
            run.start_time_watermark = None;
        }
        if let Some(own) = look.collection.as_ref().filter(|collection| !collection.external) {
            let message = format!("Collection {} is not an external collection: it holds its own data.", own.name);
            self.capture(&mut run);
            return self.fail(run, FailureClass::NotExternalCollection, &message);
        }
        match &look.own_source {
            OwnSourceCheck::None | OwnSourceCheck::Usable => {}
            OwnSourceCheck::Missing(problem) => return self.await_spec(run, problem),
            OwnSourceCheck::Refused(class, problem) => {
                self.capture(&mut run);
                return self.fail(run, *class, problem);
            }
        }
        let stored = || look.collection.as_ref().map(|collection| collection.source.clone()).unwrap_or_default();
        let source = self.want.own_source.as_ref().map_or_else(stored, |own| own.source.clone());
        if run.job_id_watermark.is_none() {
            run.collection_id = look.collection.as_ref().map(|collection| collection.id);
        }
        run.endpoint = Some(endpoint.to_owned());
        run.source.clone_from(&source);
        if let Some(job) = active(look) {
            return self.meet_foreign_job(run, job, look);
        }
        self.capture(&mut run);
        let Some(attempt) = run.attempt.checked_add(1) else {
            let message = "The record of the run is damaged: status.run.attempt cannot be increased.";
            return self.fail(run, FailureClass::OutcomeUnknown, message);
        };
        if run.job_id_watermark.is_none() {
            run.job_id_watermark = Some(look.jobs.iter().map(|job| job.id).max().unwrap_or(JobId(0)));
            run.start_time_watermark = look.jobs.iter().filter_map(|job| job.start_time).max();
        }
        run.operator = Some(self.seen.operator.clone());
        run.attempt = attempt;
        run.claim_nonce = Some(self.seen.nonce);
        run.submit_time = Some(self.now);
        run.next_attempt_time = None;
        run.job_seen = false;
        run.adopted = false;
        run.refusal = None;
        self.next.failure = None;
        self.next.job.reason.clear();
        self.next.job.source = source;
        self.next.job.collection.clone_from(&self.want.collection);
        let message = format!("Starting the refresh of collection {}, attempt {attempt}.", self.want.collection);
        self.sum_up(run, Reason::Submitting, message);
        (Effect::Submit, Wake::After(Duration::ZERO))
    }

    /// Waits for the Secret with the spec of the refresh's own source. Git applies in any order, so its absence is no failure.
    fn await_spec(&mut self, run: Run, problem: &str) -> Outcome {
        if !self.summarised(Reason::SecretNotFound) {
            self.notice(true, Reason::SecretNotFound.as_str(), problem.to_owned());
        }
        self.sum_up(run, Reason::SecretNotFound, problem);
        (Effect::None, Wake::After(LOOK_FOR_SECRET))
    }

    /// A claim stands and no job is known for it.
    pub(super) fn settle(&mut self, mut run: Run) -> Outcome {
        match &self.seen.fact {
            Fact::Submitted(Submission::Accepted(job)) if job.0 > 0 => self.accepted(run, *job),
            Fact::Submitted(Submission::Accepted(_)) => self.unknown(run, "its reply has no job id"),
            Fact::Submitted(Submission::Withheld) => {
                let message = "The start was not sent, so nothing was started. The operator retries now.";
                run.prove_claim();
                self.release(run, message)
            }
            Fact::Submitted(Submission::Failed(error)) => match error.refusal() {
                Some(Refusal::Proven) => {
                    run.prove_claim();
                    run.clear_claim();
                    self.refused(run, refused_start(error))
                }
                Some(Refusal::Later) => {
                    run.refusal = Some(refused_start(error));
                    self.unknown(run, &error.message)
                }
                None => self.unknown(run, &error.message),
            },
            Fact::Looked(Ok(look)) => self.find(run, look),
            Fact::Looked(Err(error)) => self.cannot_find(run, error),
            Fact::Nothing | Fact::Sighted(_) => match &self.seen.connection {
                // Whatever it showed, it could be neither taken nor started again now.
                Connection::Ready { .. } if self.seen.claim_known >= GRACE && !self.may_start() => self.hold(run, HOLD),
                Connection::Ready { .. } => (Effect::Find, Wake::After(Duration::ZERO)),
                Connection::NotReady { reason, message } => {
                    // Milvus is out of reach for now; a connection that is gone need not come back.
                    let limit = if *reason == ConnectionReason::NotFound { LONGEST_JOB } else { ABSENCE_WINDOW };
                    self.unless_out_of_reach(run, limit, message, |step, run| {
                        step.unknown(run, message);
                        (Effect::None, Wake::After(LONGEST_SLEEP))
                    })
                }
                Connection::Unknown => {
                    let why = "the connections in its namespace cannot be listed";
                    self.unless_out_of_reach(run, ABSENCE_WINDOW, why, |step, run| step.hold(run, LONGEST_SLEEP))
                }
            },
        }
    }

    /// Milvus accepted the start: the id is recorded before anything else happens (rule 5).
    fn accepted(&mut self, run: Run, job: JobId) -> Outcome {
        self.next.job.id = Some(job);
        self.next.job.state = Some(JobState::Pending);
        let message = format!("Job {job} refreshes collection {}.", self.want.collection);
        let why = run.cause.map(|cause| format!(" Cause: {}.", cause.as_str())).unwrap_or_default();
        self.notice(false, "RefreshStarted", format!("{message}{why}"));
        self.sum_up(run, Reason::RefreshInProgress, message);
        (Effect::None, Wake::After(Duration::ZERO))
    }

    /// Nothing was started, which is proven; no claim stands (rule 6). What is not the run's own fault is the connection's
    /// trouble: its own probe finds out and wakes the run when it is over.
    pub(super) fn refused(&mut self, run: Run, RefusedStart { reason, message }: RefusedStart) -> Outcome {
        match FailureClass::parse(&reason) {
            Some(class) => self.fail(run, class, &message),
            None => self.await_connection(run, &reason, &message, LOOK_AGAIN),
        }
    }

    /// Somebody else's job is active: waits for its end, or takes it where the spec says so and it reads the same source.
    pub(super) fn meet_foreign_job(&mut self, mut run: Run, job: &Job, look: &Look) -> Outcome {
        match self.want.active_job_policy {
            ActiveJobPolicy::Adopt if job.source == run.source && !look.taken.contains(&job.id) => {
                self.capture(&mut run);
                self.take(run, job)
            }
            ActiveJobPolicy::Adopt | ActiveJobPolicy::Wait => self.await_foreign_job(run, job.id),
        }
    }

    /// Takes a listed job for ours.
    pub(super) fn take(&mut self, mut run: Run, job: &Job) -> Outcome {
        run.operator = Some(self.seen.operator.clone());
        run.adopted = true;
        run.job_seen = true;
        run.submit_time = run.submit_time.or(Some(self.now));
        run.refusal = None;
        run.next_attempt_time = None;
        self.next.failure = None;
        self.next.job.reason.clear();
        self.next.job.id = Some(job.id);
        self.next.job.source.clone_from(&job.source);
        let message =
            format!("Job {} refreshes collection {}; it was found in Milvus' job list.", job.id, self.want.collection);
        self.notice(false, "RefreshAdopted", message.clone());
        self.sum_up(run, Reason::RefreshInProgress, message);
        (Effect::None, Wake::After(Duration::ZERO))
    }

    /// Gives up the claim; the run is due again at once.
    pub(super) fn release(&mut self, mut run: Run, message: &str) -> Outcome {
        run.clear_claim();
        self.sum_up(run, Reason::Submitting, message);
        (Effect::None, Wake::After(Duration::ZERO))
    }

    fn await_foreign_job(&mut self, run: Run, job: JobId) -> Outcome {
        let waited = self.summarised(Reason::WaitingForActiveJob);
        let message = format!(
            "Waiting for job {job}, which this refresh did not start. The operator checks every {} s and starts this run after \
             the job has ended.",
            LOOK_AGAIN.as_secs()
        );
        if !waited {
            self.notice(false, "WaitingForActiveJob", message.clone());
        }
        self.sum_up(run, Reason::WaitingForActiveJob, message);
        (Effect::None, Wake::After(LOOK_AGAIN))
    }
}

/// What is kept of a refusal, of a start or of the look before one.
fn refused_start(error: &MilvusError) -> RefusedStart {
    let reason =
        FailureClass::of_refusal(error.kind).map_or_else(|| trouble(error.kind).as_str(), FailureClass::as_str);
    RefusedStart { reason: reason.to_owned(), message: bounded(&error.message) }
}
