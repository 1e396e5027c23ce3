//! Finding out what became of a start whose outcome is unknown, and which listed jobs it can have made.

use std::time::Duration;

use jiff::Timestamp;

use crate::{
    milvus::{ErrorKind, Job, MilvusError},
    refresh::{
        Connection, FailureClass, Look, PastRun, Reason, Run,
        decide::{Effect, Outcome, Step, Wake},
        limits::{ABSENCE_WINDOW, GRACE, HOLD, LOOK_AGAIN, MAX_UNPROVEN_SUBMITS},
        record::elapsed,
    },
};

impl Step<'_> {
    /// A start may have been accepted (rule 7): from here on only a find decides.
    pub(in crate::refresh) fn unknown(&mut self, what: &str) -> Outcome {
        let message = format!(
            "It is unknown whether Milvus accepted the start ({}). The operator looks for its job for at least {} s before it \
             starts another.",
            what.trim_end_matches('.'),
            GRACE.as_secs()
        );
        self.await_outcome(message)
    }

    fn await_outcome(&mut self, message: String) -> Outcome {
        if !self.summarised(Reason::OutcomeUnknown) {
            self.warn("OutcomeUnknown", &message);
        }
        self.sum_up(Reason::OutcomeUnknown, message);
        let left = GRACE.saturating_sub(self.seen.claim_known);
        (Effect::None, Wake::After(if left.is_zero() { LOOK_AGAIN } else { left.min(LOOK_AGAIN) }))
    }

    pub(in crate::refresh) fn cannot_find(&mut self, error: &MilvusError) -> Outcome {
        let gone =
            matches!(error.kind, ErrorKind::CollectionNotFound | ErrorKind::DatabaseNotFound | ErrorKind::NotExternal);
        if gone && self.seen.claim_known >= GRACE {
            let message =
                format!("The collection no longer exists, and the outcome of a start is unknown: {}", error.message);
            return self.fail(FailureClass::JobLost, &message);
        }
        self.unless_out_of_reach(ABSENCE_WINDOW, &error.message, |step| step.unknown(&error.message))
    }

    /// Looks for the job of the standing claim (rules 7 to 9).
    pub(in crate::refresh) fn find(&mut self, look: &Look) -> Outcome {
        if let Some(lost) = another_incarnation(&self.run, look, self.endpoint()) {
            return self.fail(FailureClass::JobLost, &lost);
        }
        let found = self.candidates(look);
        if self.seen.claim_known < GRACE {
            let message = match found.first() {
                // Our own start may still land and would then be another job, so taking this one has to wait.
                Some(job) => format!(
                    "Job {} may come from this refresh. The operator tracks it once no other job of its start can appear, \
                     within {} s.",
                    job.id,
                    GRACE.as_secs()
                ),
                None => format!(
                    "It is unknown whether Milvus accepted the start, and Milvus lists no job of it yet. The operator looks \
                     again every {} s.",
                    LOOK_AGAIN.as_secs()
                ),
            };
            return self.await_outcome(message);
        }
        if !self.may_start() {
            return self.hold(HOLD);
        }
        if self.want.terminating {
            return self.leave_behind(&found);
        }
        if let Some(job) = found.first() {
            return self.adopt(job, &found);
        }
        if self.run.job_id_watermark.is_none() {
            return self.cannot_be_told();
        }
        if self.may_be_forgotten() {
            let message = "The start was over 12 hours ago, so Milvus may have forgotten its job.";
            // An id that Milvus once gave makes it a lost job, no id an unknown outcome.
            let class =
                if self.run.ended_job_ids.is_empty() { FailureClass::OutcomeUnknown } else { FailureClass::JobLost };
            return self.fail(class, message);
        }
        // Our own start may have made it, and the other object took it (rule 8).
        if let Some(job) =
            look.jobs.iter().find(|job| is_above_watermarks(&self.run, job) && look.taken.contains(&job.id))
        {
            let message = format!(
                "Job {} began after this run was claimed, and another refresh has recorded it as its own. It is unknown which of \
                 the two started it.",
                job.id
            );
            return self.fail(FailureClass::OutcomeUnknown, &message);
        }
        if let Some(refusal) = self.run.refusal.take() {
            self.run.prove_claim();
            self.run.clear_claim();
            return self.refused(refusal);
        }
        if let Some(job) = active(look) {
            self.run.clear_claim();
            return self.meet_foreign_job(job, look);
        }
        if self.run.unproven_submits >= MAX_UNPROVEN_SUBMITS {
            let message =
                format!("No job was found for {} starts in a row.", self.run.unproven_submits.saturating_add(1));
            return self.fail(FailureClass::OutcomeUnknown, &message);
        }
        self.run.unproven_submits = self.run.unproven_submits.saturating_add(1);
        self.release("No job was found for the last start; the operator starts again now.")
    }

    /// Whether the last claim is so old that Milvus may have forgotten its job: a list without that job proves nothing then.
    pub(in crate::refresh) fn may_be_forgotten(&self) -> bool {
        self.seen.claim_known >= ABSENCE_WINDOW || is_older_than(self.run.submit_time, self.now, ABSENCE_WINDOW)
    }

    /// Without a watermark no job of the run is told from older ones.
    pub(in crate::refresh) fn cannot_be_told(&mut self) -> Outcome {
        let message = "The record of the claim in status.run is damaged, so its job cannot be told from others.";
        self.fail(FailureClass::OutcomeUnknown, message)
    }

    pub(in crate::refresh) fn candidates<'a>(&self, look: &'a Look) -> Vec<&'a Job> {
        candidates(&self.run, &self.next.history, look)
    }

    /// The address in use, or the claimed one while there is none.
    fn endpoint(&self) -> &str {
        match &self.seen.connection {
            Connection::Ready { endpoint } => endpoint,
            Connection::NotReady { .. } | Connection::Unknown => self.run.endpoint.as_deref().unwrap_or_default(),
        }
    }

    /// Takes `job`, the first of those `found` that our own start can have made.
    pub(in crate::refresh) fn adopt(&mut self, job: &Job, found: &[&Job]) -> Outcome {
        if found.len() > 1 {
            let ids: Vec<String> = found.iter().take(5).map(|job| job.id.to_string()).collect();
            if let Some(other) = &self.run.passed_over {
                let message = format!(
                    "Jobs {} may all come from this refresh or from refresh {other}, which used the collection at the same \
                     time; none of them is tracked.",
                    ids.join(", ")
                );
                return self.fail(FailureClass::OutcomeUnknown, &message);
            }
            let message = format!("Jobs {} may all come from this refresh; the first one is tracked.", ids.join(", "));
            self.warn("AmbiguousAdoption", message);
        }
        self.take(job)
    }
}

/// The jobs that can have come from a start of `run`, lowest id first: begun after its watermarks were taken, of the claimed
/// source, and nobody's so far, not one of the `past` runs' either. A foreign job that matches began after that listing,
/// too, so its files are fresh enough to stand for ours. None without a watermark, which alone tells them from older jobs.
fn candidates<'a>(run: &Run, past: &[PastRun], look: &'a Look) -> Vec<&'a Job> {
    let ended = |job: &Job| past.iter().any(|run| run.job == Some(job.id));
    let mut found: Vec<&Job> = look.jobs.iter().filter(|job| is_candidate(run, look, job) && !ended(job)).collect();
    found.sort_by_key(|job| job.id);
    found
}

fn is_candidate(run: &Run, look: &Look, job: &Job) -> bool {
    // A source that was not known when the run was claimed (not set yet, or no right to describe) cannot be compared.
    is_above_watermarks(run, job)
        && (run.source.is_empty() || job.source == run.source)
        && !look.taken.contains(&job.id)
        && !run.ended_job_ids.contains(&job.id)
}

/// Whether `job` is newer than all that was listed when the watermarks of the claim were taken.
fn is_above_watermarks(run: &Run, job: &Job) -> bool {
    let Some(id_watermark) = run.job_id_watermark else { return false };
    // Ids come from one allocator but are not proven to rise over a restore of Milvus, so a newer start counts as well.
    let newer_start = job.start_time.zip(run.start_time_watermark).is_some_and(|(start, watermark)| start > watermark);
    job.id > id_watermark || newer_start
}

/// The job of the collection that is active in Milvus, if any; Milvus allows one at a time.
pub(in crate::refresh) fn active(look: &Look) -> Option<&Job> {
    look.jobs.iter().find(|job| !job.state.is_terminal())
}

/// Says so when the collection is not the one that was claimed: what was started there can no longer be found here, and
/// starting again could run twice (rule 11). Without the right to describe it, the address stands in for its id.
pub(in crate::refresh) fn another_incarnation(run: &Run, look: &Look, endpoint: &str) -> Option<String> {
    match (run.collection_id, &look.collection) {
        (Some(claimed), Some(now)) => (claimed != now.id).then(|| {
            format!(
                "Collection {} had id {claimed} when this run was claimed and now has id {}: it was recreated, or the name now \
                 refers to another collection.",
                now.name, now.id
            )
        }),
        (Some(_) | None, None) | (None, Some(_)) => {
            let claimed = run.endpoint.as_deref().unwrap_or_default();
            (claimed != endpoint).then(|| {
                format!("The run was claimed at {claimed}, and the connection now uses {endpoint}, which may be another Milvus.")
            })
        }
    }
}

/// A clock that was set back makes a claim look young, which only delays.
fn is_older_than(time: Option<Timestamp>, now: Timestamp, age: Duration) -> bool {
    time.is_none_or(|time| elapsed(time, now) >= age)
}
