//! From due to an accepted start: claim, submit, and find what became of a start whose outcome is unknown.

use std::time::Duration;

use jiff::Timestamp;

use super::{
    Connection, Fact, FailureClass, Look, OwnSourceCheck, Permission, Reason, Run, Slot, Submission, Turn,
    decide::{Effect, Outcome, Step, Wake},
    failure::trouble,
    find::{active, candidates},
    limits::{ABSENCE_WINDOW, GRACE, HOLD, LONGEST_SLEEP, LOOK_AGAIN, LOOK_FOR_SECRET, MAX_UNPROVEN_SUBMITS},
    record::elapsed,
};
use crate::{
    api::ActiveJobPolicy,
    milvus::{ErrorKind, Job, JobId, JobState, MilvusError},
};

impl Step<'_> {
    /// The run is due and no claim stands.
    pub(super) fn start(&mut self, run: Run) -> Outcome {
        let endpoint = match &self.seen.connection {
            Connection::Ready { endpoint } => endpoint,
            Connection::NotReady { reason, message } => {
                return self.await_connection(run, reason, message, LONGEST_SLEEP);
            }
            Connection::Unknown => return (Effect::None, Wake::After(LONGEST_SLEEP)),
        };
        if let Turn::Behind { position } = self.seen.turn {
            return self.queue(run, position);
        }
        if self.seen.slot == Slot::Waiting {
            return self.await_slot(run);
        }
        match &self.seen.fact {
            Fact::Looked(Ok(look)) if self.seen.turn == Turn::Mine => match self.seen.permission {
                Permission::Granted => self.claim(run, look, endpoint),
                Permission::Withheld | Permission::Announce => self.hold(run),
            },
            Fact::Looked(Err(error)) => {
                let mut run = run;
                if FailureClass::of_refusal(error.kind).is_some() {
                    self.capture(&mut run);
                }
                self.refused(run, error)
            }
            // The record of the run is kept while the look is under way, and written with what comes of it.
            Fact::Looked(Ok(_)) | Fact::Nothing | Fact::Submitted(_) | Fact::Sighted(_) => {
                self.next.run = Some(run);
                (Effect::Find, Wake::After(Duration::ZERO))
            }
        }
    }

    /// Another run has the collection, or comes first.
    fn queue(&mut self, run: Run, position: Option<u8>) -> Outcome {
        let message = format!("Another refresh of collection {} goes first.", self.want.collection);
        if self.next.summary.as_ref().is_none_or(|summary| summary.message != message) {
            self.notice(false, "Queued", message.clone());
        }
        self.sum_up(run, Reason::Queued, message);
        self.next.queue_position = position;
        (Effect::None, Wake::After(LONGEST_SLEEP))
    }

    /// As many runs go through the connection as it allows.
    fn await_slot(&mut self, run: Run) -> Outcome {
        let message = "As many refreshes run as the connection's maxConcurrentRefreshes allows; this one goes on when it is \
                       its turn among those that wait.";
        if !self.summarised(Reason::ConcurrencyLimit) {
            self.notice(false, "ConcurrencyLimit", message.to_owned());
        }
        self.sum_up(run, Reason::ConcurrencyLimit, message);
        (Effect::None, Wake::After(LONGEST_SLEEP))
    }

    /// This process may not start or take anything now.
    fn hold(&mut self, run: Run) -> Outcome {
        match self.next.summary {
            Some(_) => {
                self.next.run = Some(run);
                self.next.queue_position = None;
            }
            None => self.queue_up(run),
        }
        (Effect::None, Wake::After(HOLD))
    }

    /// Claims the run from a fresh look at the collection (rule 3 of the start protocol).
    fn claim(&mut self, mut run: Run, look: &Look, endpoint: &str) -> Outcome {
        if run.attempt > 0 {
            if let Some(lost) = another_incarnation(&run, look, endpoint) {
                if run.next_attempt_time.is_none() || run.unproven_submits > 0 {
                    return self.fail(run, FailureClass::JobLost, &lost);
                }
                // The last attempt is proven to have failed, so nothing of it can appear here or there.
                run.collection_id = None;
                run.job_id_watermark = None;
                run.start_time_watermark = None;
            }
            // An earlier claim's start may have come through after all; a later claim never overtakes it.
            if !self.candidates(&run, look).is_empty() {
                return self.adopt(run, look);
            }
        }
        if let Some(own) = look.collection.as_ref().filter(|collection| !collection.external) {
            let message = format!("Collection {} holds its own data and is not external.", own.name);
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
            let message = "The record of the run is damaged: its attempts cannot be counted any further.";
            return self.fail(run, FailureClass::OutcomeUnknown, message);
        };
        if run.job_id_watermark.is_none() {
            run.job_id_watermark = Some(look.jobs.iter().map(|job| job.id).max().unwrap_or(JobId(0)));
            run.start_time_watermark = look.jobs.iter().filter_map(|job| job.start_time).max();
        }
        run.operator = Some(self.seen.operator.clone());
        run.attempt = attempt;
        run.submit_time = Some(self.now);
        run.next_attempt_time = None;
        run.job_seen = false;
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
    pub(super) fn settle(&mut self, run: Run) -> Outcome {
        match &self.seen.fact {
            Fact::Submitted(Submission::Accepted(job)) if job.0 > 0 => self.accepted(run, *job),
            Fact::Submitted(Submission::Accepted(_)) => self.unknown(run, "Milvus accepted the start without a job id"),
            Fact::Submitted(Submission::Withheld) => {
                let message =
                    "Recording the claim took longer than a start may take, so nothing was sent; trying again.";
                self.release(run, Reason::Submitting, message)
            }
            Fact::Submitted(Submission::Failed(error)) if error.kind.proves_refusal() => {
                let mut run = run;
                run.submit_time = None;
                self.refused(run, error)
            }
            Fact::Submitted(Submission::Failed(error)) => self.unknown(run, &error.message),
            Fact::Looked(Ok(look)) => self.find(run, look),
            Fact::Looked(Err(error)) => self.cannot_find(run, error),
            Fact::Nothing | Fact::Sighted(_) => match &self.seen.connection {
                Connection::Ready { .. } => (Effect::Find, Wake::After(Duration::ZERO)),
                Connection::NotReady { message, .. } => {
                    self.unknown(run, message);
                    (Effect::None, Wake::After(LONGEST_SLEEP))
                }
                Connection::Unknown => (Effect::None, Wake::After(LONGEST_SLEEP)),
            },
        }
    }

    /// Milvus accepted the start: the id is recorded before anything else happens (rule 5).
    fn accepted(&mut self, run: Run, job: JobId) -> Outcome {
        self.next.job.id = Some(job);
        self.next.job.state = Some(JobState::Pending);
        let message = format!("Job {job} refreshes collection {}.", self.want.collection);
        self.notice(false, "RefreshStarted", message.clone());
        self.sum_up(run, Reason::RefreshInProgress, message);
        (Effect::None, Wake::After(Duration::ZERO))
    }

    /// Nothing was started, which is proven; no claim stands (rule 6). What is not the run's own fault is the connection's
    /// trouble: its own probe finds out and wakes the run when it is over.
    fn refused(&mut self, run: Run, error: &MilvusError) -> Outcome {
        match FailureClass::of_refusal(error.kind) {
            Some(class) => self.fail(run, class, &error.message),
            None => self.await_connection(run, trouble(error.kind), &error.message, LOOK_AGAIN),
        }
    }

    /// A start may have been accepted (rule 7): from here on only a find decides.
    fn unknown(&mut self, run: Run, what: &str) -> Outcome {
        let message = format!(
            "Whether the start was accepted is not known ({}); looking for its job before anything is started again.",
            what.trim_end_matches('.')
        );
        self.await_outcome(run, message)
    }

    fn await_outcome(&mut self, run: Run, message: String) -> Outcome {
        if !self.summarised(Reason::OutcomeUnknown) {
            self.notice(true, "OutcomeUnknown", message.clone());
        }
        self.sum_up(run, Reason::OutcomeUnknown, message);
        let left = GRACE.saturating_sub(self.seen.claim_known);
        (Effect::None, Wake::After(if left.is_zero() { LOOK_AGAIN } else { left.min(LOOK_AGAIN) }))
    }

    fn cannot_find(&mut self, run: Run, error: &MilvusError) -> Outcome {
        let gone =
            matches!(error.kind, ErrorKind::CollectionNotFound | ErrorKind::DatabaseNotFound | ErrorKind::NotExternal);
        if gone && self.seen.claim_known >= GRACE {
            let message = format!("The collection is gone while the outcome of a start was unknown: {}", error.message);
            return self.fail(run, FailureClass::JobLost, &message);
        }
        self.unknown(run, &error.message)
    }

    /// Looks for the job of the standing claim (rules 7 to 9).
    fn find(&mut self, mut run: Run, look: &Look) -> Outcome {
        if let Some(lost) = another_incarnation(&run, look, self.endpoint()) {
            return self.fail(run, FailureClass::JobLost, &lost);
        }
        let found = self.candidates(&run, look);
        if self.seen.claim_known < GRACE {
            let message = match found.first() {
                // Our own start may still land and would then be another job, so taking this one has to wait.
                Some(job) => {
                    format!("Job {} may come from our start; it is taken for ours once no other can arrive.", job.id)
                }
                None => "Whether the start was accepted is not known; no job of it is listed yet.".to_owned(),
            };
            return self.await_outcome(run, message);
        }
        match self.seen.permission {
            Permission::Granted => {}
            Permission::Withheld | Permission::Announce => return self.hold(run),
        }
        if !found.is_empty() {
            return self.adopt(run, look);
        }
        if run.job_id_watermark.is_none() {
            let message = "The record of the claim is damaged, so its job cannot be told from others.";
            return self.fail(run, FailureClass::OutcomeUnknown, message);
        }
        if is_older_than(run.submit_time, self.now, ABSENCE_WINDOW) {
            let message = "The start is so long ago that Milvus may have forgotten its job.";
            // An id that Milvus once gave makes it a lost job, no id an unknown outcome.
            let class = if run.ended_job_ids.is_empty() { FailureClass::OutcomeUnknown } else { FailureClass::JobLost };
            return self.fail(run, class, message);
        }
        if let Some(job) = active(look) {
            run.submit_time = None;
            return self.meet_foreign_job(run, job, look);
        }
        if run.unproven_submits >= MAX_UNPROVEN_SUBMITS {
            let message = format!("{} starts in a row left no job behind.", run.unproven_submits.saturating_add(1));
            return self.fail(run, FailureClass::OutcomeUnknown, &message);
        }
        run.unproven_submits = run.unproven_submits.saturating_add(1);
        self.release(run, Reason::Submitting, "The last start left no job behind; starting again.")
    }

    fn candidates<'a>(&self, run: &Run, look: &'a Look) -> Vec<&'a Job> {
        candidates(run, &self.next.history, look)
    }

    /// The address in use, or the claimed one while there is none.
    fn endpoint(&self) -> &str {
        match &self.seen.connection {
            Connection::Ready { endpoint } => endpoint,
            Connection::NotReady { .. } | Connection::Unknown => {
                self.next.run.as_ref().and_then(|run| run.endpoint.as_deref()).unwrap_or_default()
            }
        }
    }

    /// Takes a job that our own start can have made.
    fn adopt(&mut self, run: Run, look: &Look) -> Outcome {
        let found = self.candidates(&run, look);
        let Some(job) = found.first() else { return (Effect::None, Wake::After(LOOK_AGAIN)) };
        if found.len() > 1 {
            let ids: Vec<String> = found.iter().take(5).map(|job| job.id.to_string()).collect();
            let message = format!("Jobs {} could all come from our start; the first is taken.", ids.join(", "));
            self.notice(true, "AmbiguousAdoption", message);
        }
        self.take(run, job)
    }

    /// Somebody else's job is active: waits for its end, or takes it where the spec says so and it reads the same source.
    fn meet_foreign_job(&mut self, mut run: Run, job: &Job, look: &Look) -> Outcome {
        match self.want.active_job_policy {
            ActiveJobPolicy::Adopt if job.source == run.source && !look.taken.contains(&job.id) => {
                self.capture(&mut run);
                self.take(run, job)
            }
            ActiveJobPolicy::Adopt | ActiveJobPolicy::Wait => self.await_foreign_job(run, job.id),
        }
    }

    /// Takes a listed job for ours.
    fn take(&mut self, mut run: Run, job: &Job) -> Outcome {
        run.operator = Some(self.seen.operator.clone());
        run.adopted = true;
        run.job_seen = true;
        run.submit_time = run.submit_time.or(Some(self.now));
        run.next_attempt_time = None;
        self.next.failure = None;
        self.next.job.reason.clear();
        self.next.job.id = Some(job.id);
        self.next.job.source.clone_from(&job.source);
        let message =
            format!("Job {} refreshes collection {}; it was found in Milvus' list.", job.id, self.want.collection);
        self.notice(false, "RefreshAdopted", message.clone());
        self.sum_up(run, Reason::RefreshInProgress, message);
        (Effect::None, Wake::After(Duration::ZERO))
    }

    /// Gives up the claim; the run is due again at once.
    fn release(&mut self, mut run: Run, reason: Reason, message: &str) -> Outcome {
        run.submit_time = None;
        self.sum_up(run, reason, message);
        (Effect::None, Wake::After(Duration::ZERO))
    }

    fn await_foreign_job(&mut self, run: Run, job: JobId) -> Outcome {
        let waited = self.summarised(Reason::WaitingForActiveJob);
        let message = format!("Job {job} of somebody else is active on the collection; ours starts when it has ended.");
        if !waited {
            self.notice(false, "WaitingForActiveJob", message.clone());
        }
        self.sum_up(run, Reason::WaitingForActiveJob, message);
        (Effect::None, Wake::After(LOOK_AGAIN))
    }
}

/// Says so when the collection is not the one that was claimed: what was started there can no longer be found here, and
/// starting again could run twice (rule 11). Without the right to describe it, the address stands in for its id.
fn another_incarnation(run: &Run, look: &Look, endpoint: &str) -> Option<String> {
    match (run.collection_id, &look.collection) {
        (Some(claimed), Some(now)) => (claimed != now.id).then(|| {
            format!(
                "Collection {} was claimed as id {claimed} and is now id {}: it was re-created, or the name points elsewhere.",
                now.name, now.id
            )
        }),
        (Some(_) | None, None) | (None, Some(_)) => {
            let claimed = run.endpoint.as_deref().unwrap_or_default();
            (claimed != endpoint).then(|| {
                format!("The run was claimed at {claimed} and the connection now leads to {endpoint}, which may be another Milvus.")
            })
        }
    }
}

/// A clock that was set back makes a claim look young, which only delays.
fn is_older_than(time: Option<Timestamp>, now: Timestamp, age: Duration) -> bool {
    time.is_none_or(|time| elapsed(time, now) >= age)
}
