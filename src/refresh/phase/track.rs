//! From an accepted start to the end of its job.

use std::time::Duration;

use crate::{
    milvus::{Answer, Job, JobId, JobState},
    refresh::{
        Connection, Fact, FailureClass, JobRecord, Reason,
        decide::{Effect, Outcome, Step, Wake},
        limits::{FIRST_WORD, GRACE, LONGEST_SLEEP, bounded},
        record::{elapsed, whole_second},
    },
};

impl Step<'_> {
    /// The job is known and not over.
    pub(in crate::refresh) fn track(&mut self, job: JobId) -> Outcome {
        match (&self.seen.connection, &self.seen.fact) {
            (Connection::Unknown, _) => self.unless_too_long(job, (Effect::None, Wake::After(LONGEST_SLEEP))),
            (Connection::NotReady { reason, message }, _) => {
                let waits = self.await_connection(reason.as_str(), message, LONGEST_SLEEP);
                self.unless_too_long(job, waits)
            }
            (Connection::Ready { .. }, Fact::Sighted(sighting)) => match sighting {
                None => {
                    let waits = self.running(job);
                    // After a restart the job may have ended long ago, which its first word will say.
                    if self.seen.claim_known < FIRST_WORD { waits } else { self.unless_too_long(job, waits) }
                }
                Some(Answer::Job(seen)) => self.sighted(job, seen),
                Some(Answer::NotFound) => self.vanished(job),
            },
            (Connection::Ready { .. }, Fact::Nothing | Fact::Looked(_) | Fact::Submitted(_) | Fact::Examined(_)) => {
                (Effect::Poll(job), Wake::After(LONGEST_SLEEP))
            }
        }
    }

    /// Goes on as decided while the attempt has time left; else stops tracking the job and fails the run. The job itself goes
    /// on in Milvus, which cannot cancel it.
    fn unless_too_long(&mut self, job: JobId, going_on: Outcome) -> Outcome {
        let since = self.run.submit_time.or(self.run.queued_time).unwrap_or(self.now);
        // At least as long as this process has known it, even if the clock that wrote the time was ahead.
        let age = elapsed(since, self.now).max(self.seen.claim_known);
        let left = self.want.active_deadline.saturating_sub(age);
        if left.is_zero() {
            let limit = self.want.active_deadline.as_secs();
            let progress = self.next.job.progress;
            let message = format!(
                "Job {job} took longer than {limit} s (spec.activeDeadlineSeconds) and was last seen at {progress}%. It is no \
                 longer tracked and may still finish."
            );
            return self.fail(FailureClass::DeadlineExceeded, &message);
        }
        match going_on {
            (effect, Wake::After(pause)) => (effect, Wake::After(pause.min(left))),
            (effect, Wake::OnChange) => (effect, Wake::After(left.min(LONGEST_SLEEP))),
        }
    }

    /// What is said of a job while it runs.
    pub(in crate::refresh) fn job_runs(&self, job: JobId) -> String {
        let found = if self.run.adopted { "; it was found in Milvus' job list" } else { "" };
        format!("Job {job} refreshes collection {}{found}.", self.want.collection)
    }

    fn running(&mut self, job: JobId) -> Outcome {
        let message = self.job_runs(job);
        self.sum_up(Reason::RefreshInProgress, message);
        (Effect::None, Wake::After(LONGEST_SLEEP))
    }

    /// The job runs, and may while its time lasts.
    fn go_on(&mut self, job: JobId) -> Outcome {
        let running = self.running(job);
        self.unless_too_long(job, running)
    }

    fn sighted(&mut self, id: JobId, seen: &Job) -> Outcome {
        if seen.id != id {
            return self.running(id);
        }
        self.run.job_seen = true;
        let job = &mut self.next.job;
        job.progress = job.progress.max(seen.progress.min(100));
        job.reason = bounded(&seen.reason);
        job.collection.clone_from(&seen.collection);
        if !seen.source.is_empty() {
            job.source.clone_from(&seen.source);
        }
        job.start_time = seen.start_time.map(whole_second).or(job.start_time);
        // A job that was found may be somebody else's: its end says nothing of ours.
        if seen.state.is_terminal() && !self.run.adopted {
            self.run.prove_claim();
        }
        match seen.state {
            JobState::Completed => {
                job.completion_time = seen.end_time.map(whole_second);
                self.completed_by_milvus(id)
            }
            JobState::Failed => {
                job.completion_time = seen.end_time.map(whole_second);
                let class = FailureClass::of_reason(&seen.reason);
                if class.new_data_is_live() {
                    self.refreshed();
                }
                self.fail(class, &seen.reason)
            }
            JobState::InProgress => {
                job.state = Some(JobState::InProgress);
                self.go_on(id)
            }
            // Milvus sets tasks back, and newer servers may know more states; neither is an end nor worth a write.
            JobState::Pending | JobState::Unknown(_) => self.go_on(id),
        }
    }

    /// Milvus does not know the job (rule 10).
    fn vanished(&mut self, job: JobId) -> Outcome {
        if self.run.job_seen {
            let message = format!(
                "Milvus no longer knows job {job}, and the operator has not seen its end (Milvus forgets jobs 24 h after they \
                 end)."
            );
            return self.fail(FailureClass::JobLost, &message);
        }
        // Milvus can accept a start and then create nothing. The claim stands until a find after the grace proves it.
        self.run.end_job(job);
        let JobRecord { collection, source, .. } = std::mem::take(&mut self.next.job);
        self.next.job = JobRecord { collection, source, ..JobRecord::default() };
        let message = format!(
            "Milvus accepted the start as job {job} but does not know that job. The operator looks for it for at least {} s \
             before it starts another.",
            GRACE.as_secs()
        );
        self.warn("OutcomeUnknown", &message);
        self.sum_up(Reason::OutcomeUnknown, message);
        (Effect::None, Wake::After(Duration::ZERO))
    }
}
