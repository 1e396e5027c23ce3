//! From an accepted start to the end of its job.

use std::time::Duration;

use super::{
    Connection, Fact, FailureClass, JobRecord, Reason, Run,
    decide::{Effect, Outcome, Step, Wake},
    limits::{LONGEST_SLEEP, bounded},
    record::whole_second,
};
use crate::milvus::{Answer, Job, JobId, JobState};

impl Step<'_> {
    /// The job is known and not over.
    pub(super) fn track(&mut self, run: Run, job: JobId) -> Outcome {
        match (&self.seen.connection, &self.seen.fact) {
            (Connection::Unknown, _) => (Effect::None, Wake::After(LONGEST_SLEEP)),
            (Connection::NotReady { reason, message }, _) => self.await_connection(run, reason, message, LONGEST_SLEEP),
            (Connection::Ready { .. }, Fact::Sighted(sighting)) => match sighting {
                None => self.running(run, job),
                Some(Answer::Job(seen)) => self.sighted(run, job, seen),
                Some(Answer::NotFound) => self.vanished(run, job),
            },
            (Connection::Ready { .. }, Fact::Nothing | Fact::Looked(_) | Fact::Submitted(_)) => {
                (Effect::Poll(job), Wake::After(LONGEST_SLEEP))
            }
        }
    }

    fn running(&mut self, run: Run, job: JobId) -> Outcome {
        let message = if run.adopted {
            format!("Job {job} refreshes collection {}; it was found in Milvus' list.", self.want.collection)
        } else {
            format!("Job {job} refreshes collection {}.", self.want.collection)
        };
        self.sum_up(run, Reason::RefreshInProgress, message);
        (Effect::None, Wake::After(LONGEST_SLEEP))
    }

    fn sighted(&mut self, mut run: Run, id: JobId, seen: &Job) -> Outcome {
        if seen.id != id {
            return self.running(run, id);
        }
        run.job_seen = true;
        let job = &mut self.next.job;
        job.progress = job.progress.max(seen.progress.min(100));
        job.reason = bounded(&seen.reason);
        job.collection.clone_from(&seen.collection);
        if !seen.source.is_empty() {
            job.source.clone_from(&seen.source);
        }
        job.start_time = seen.start_time.map(whole_second).or(job.start_time);
        match seen.state {
            JobState::Completed => {
                job.completion_time = seen.end_time.map(whole_second);
                self.complete(run, id)
            }
            JobState::Failed => {
                job.completion_time = seen.end_time.map(whole_second);
                self.fail(run, FailureClass::of_reason(&seen.reason), &seen.reason)
            }
            JobState::InProgress => {
                job.state = Some(JobState::InProgress);
                self.running(run, id)
            }
            // Milvus sets tasks back, and newer servers may know more states; neither is an end nor worth a write.
            JobState::Pending | JobState::Unknown(_) => self.running(run, id),
        }
    }

    /// Milvus does not know the job (rule 10).
    fn vanished(&mut self, mut run: Run, job: JobId) -> Outcome {
        if run.job_seen {
            let message = format!(
                "Milvus no longer knows job {job}, whose end was not seen (it forgets jobs 24 h after their end)."
            );
            return self.fail(run, FailureClass::JobLost, &message);
        }
        // Milvus can accept a start and then create nothing. The claim stands until a find after the grace proves it.
        run.end_job(job);
        let JobRecord { collection, source, .. } = std::mem::take(&mut self.next.job);
        self.next.job = JobRecord { state: Some(JobState::Pending), collection, source, ..JobRecord::default() };
        let message = format!(
            "Milvus accepted the start as job {job} and does not know that job; looking for what became of it."
        );
        self.notice(true, "OutcomeUnknown", message.clone());
        self.sum_up(run, Reason::OutcomeUnknown, message);
        (Effect::None, Wake::After(Duration::ZERO))
    }
}
