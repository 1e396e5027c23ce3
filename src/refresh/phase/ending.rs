//! How an attempt ends: in success, in another attempt, or in failure; and what becomes of the object afterwards.

use std::time::Duration;

use crate::{
    backoff::{doubled, lengthened},
    milvus::{JobId, JobState},
    refresh::{
        FailureClass, JobRecord, Reason, Success,
        decide::{Effect, Outcome, Step, Wake},
        limits::{
            FIRST_RETRY, HISTORY_KEPT, HOLD, LONGEST_RETRY, LONGEST_WAIT, MESSAGE_BYTES, PAST_MESSAGE_BYTES, bounded,
            cut,
        },
        observation::Permission,
        record::{PastRun, elapsed, not_ahead, whole_second},
    },
};

impl Step<'_> {
    /// Ends the run in success.
    pub(in crate::refresh) fn complete(&mut self, job: JobId) -> Outcome {
        let time = self.next.job.completion_time.unwrap_or(self.now);
        self.next.job.state = Some(JobState::Completed);
        self.next.job.progress = 100;
        self.next.failure = None;
        self.next.job.completion_time = Some(time);
        self.next.last_success = Some(Success { time, job });
        let message = format!("Job {job} refreshed collection {}.", self.want.collection);
        self.inform("RefreshCompleted", &message);
        self.close(Reason::RefreshCompleted, message)
    }

    /// Ends the attempt in failure, and with it the run where nothing speaks for another one. `message` is what Milvus or the
    /// operator says of it.
    pub(in crate::refresh) fn fail(&mut self, class: FailureClass, message: &str) -> Outcome {
        // What an earlier attempt failed of says nothing about this one.
        if self.next.job.reason.is_empty() || self.next.job.id.is_none() {
            self.next.job.reason = bounded(message);
        }
        self.next.failure = Some(class);
        let message = if message.is_empty() { "Milvus gave no reason." } else { message };
        if class.retryable() && self.run.failures < self.want.backoff_limit {
            // The job that failed was only found: ours may be another one, which no look before the retry would show.
            if self.run.adopted && self.run.has_open_claims() && self.may_be_forgotten() {
                let message = format!(
                    "{} That job was found in Milvus' list, and the start was over 12 hours ago: its own job may be one that \
                     Milvus has forgotten.",
                    sentence(message)
                );
                return self.fail(FailureClass::OutcomeUnknown, &message);
            }
            return self.retry(class, message);
        }
        self.next.job.state = Some(JobState::Failed);
        self.next.job.completion_time = Some(self.next.job.completion_time.unwrap_or(self.now));
        let message = with_advice(message, class.remedy());
        self.warn(class.as_str(), &message);
        self.close(Reason::Failed(class), message)
    }

    /// Waits before the next attempt.
    fn retry(&mut self, class: FailureClass, message: &str) -> Outcome {
        if let Some(job) = self.next.job.id {
            self.run.end_job(job);
        }
        self.run.failures = self.run.failures.saturating_add(1);
        let pause = backoff(self.run.failures, self.seen.luck);
        self.run.clear_claim();
        self.run.job_seen = false;
        self.run.adopted = false;
        self.run.next_attempt_time = self.now.checked_add(pause).ok().map(whole_second);
        let reason = std::mem::take(&mut self.next.job.reason);
        self.next.job = JobRecord { reason, ..JobRecord::default() };
        let message = with_advice(message, &self.retries());
        self.warn(class.as_str(), &message);
        // What came meanwhile does not wait for what failed.
        let pause = if self.want.asks_for_more_than(&self.run, &self.next.handled) { Duration::ZERO } else { pause };
        self.sum_up(Reason::Retrying(class), message);
        (Effect::None, Wake::After(pause))
    }

    /// When the next attempt comes.
    pub(in crate::refresh) fn retries(&self) -> String {
        let (retry, limit) = (self.run.failures, self.want.backoff_limit);
        match self.run.next_attempt_time {
            Some(time) => format!("Retry {retry} of {limit} starts automatically at {time}."),
            None => format!("Retry {retry} of {limit} starts automatically."),
        }
    }

    /// The run is over. A run that is due after it is opened in the same step, so that nothing in between reads as done.
    fn close(&mut self, reason: Reason, message: String) -> Outcome {
        if let Some(job) = self.next.job.id {
            self.run.end_job(job);
        }
        self.run.next_attempt_time = None;
        self.run.job_completion_time = None;
        self.run.refusal = None;
        self.remember(&message);
        if !self.want.suspend && self.want.asks_for_more_than(&self.run, &self.next.handled) {
            self.open_run(Some(self.run.clone()));
            self.queue_up();
            return (Effect::None, Wake::After(Duration::ZERO));
        }
        if !self.want.holds_starts() && self.open_unasked() {
            self.queue_up();
            return (Effect::None, Wake::After(Duration::ZERO));
        }
        self.sum_up(reason, message);
        self.next.run = Some(self.run.clone());
        self.rest(true)
    }

    /// Puts the run into the history and answers what asked for it.
    fn remember(&mut self, message: &str) {
        let handled = &mut self.next.handled;
        if self.run.trigger.is_some() {
            handled.last_trigger.clone_from(&self.run.trigger);
        }
        if self.run.requested_at.is_some() {
            handled.completed_request.clone_from(&self.run.requested_at);
        }
        let past = PastRun {
            number: self.run.number,
            cause: self.run.cause,
            trigger: self.run.trigger.clone(),
            job: self.next.job.id.or(self.run.ended_job_ids.last().copied()),
            failure: self.next.failure.filter(|_| self.next.job.state == Some(JobState::Failed)),
            start_time: self.next.job.start_time,
            completion_time: self.next.job.completion_time,
            message: cut(message, PAST_MESSAGE_BYTES).to_owned(),
        };
        self.next.history.insert(0, past);
        self.next.history.truncate(HISTORY_KEPT);
    }

    /// The run is over and none may start, or the first was not asked for yet: the object rests until it is edited or its time has
    /// come. `newly` when this is the first look at the object as it is.
    pub(in crate::refresh) fn rest(&mut self, newly: bool) -> Outcome {
        self.next.observed_generation = Some(self.want.generation);
        if self.next.run.is_none() {
            self.idle();
        }
        if self.want.asks_for_more_than(&self.run, &self.next.handled) {
            // Starts are held. What is due comes before a deletion.
            let held = self.want.holds(&self.next);
            if let Some(held) = held.filter(|held| self.next.suspended.as_ref() != Some(held)) {
                self.inform("Suspended", held);
            }
            return (Effect::None, Wake::OnChange);
        }
        if let Some(trigger) = &self.want.trigger {
            // Else it is an edit of something else, and the token is where it was.
            let reverted = self.next.handled.triggers.last() != Some(trigger);
            if newly && reverted && self.run.trigger.as_ref() != Some(trigger) {
                let message = "A run has already handled this value of spec.trigger, so nothing is started. Set a new value to \
                               start a run.";
                self.inform("TriggerAlreadyHandled", message);
            }
            self.next.handled.put_last(trigger);
            self.next.handled.last_trigger = Some(trigger.clone());
        }
        match (self.want.ttl.filter(|_| !self.want.terminating && self.next.ended()), &self.want.keeper) {
            (None, _) => (Effect::None, Wake::OnChange),
            (Some(_), Some(keeper)) => {
                if newly {
                    self.warn("TTLSkipped", keeper.why_it_stays());
                }
                (Effect::None, Wake::OnChange)
            }
            (Some(ttl), None) => self.stay(ttl),
        }
    }

    /// The object stays for `ttl` from its end on and is deleted then.
    fn stay(&mut self, ttl: Duration) -> Outcome {
        let ended = self.next.job.completion_time.map_or(self.now, |time| not_ahead(time, self.now));
        self.next.job.completion_time = Some(ended);
        let left = ttl.saturating_sub(elapsed(ended, self.now));
        if !left.is_zero() {
            return (Effect::None, Wake::After(left.min(LONGEST_WAIT)));
        }
        match self.seen.permission {
            Permission::Granted => (Effect::Delete, Wake::OnChange),
            Permission::Withheld | Permission::Announce | Permission::Fenced => (Effect::None, Wake::After(HOLD)),
        }
    }
}

/// The pause after so many failures, in whole seconds: twice as long after each, and up to a tenth longer so that runs that
/// failed together do not come back together.
fn backoff(failures: i64, luck: f64) -> Duration {
    let failures = u32::try_from(failures.max(1)).unwrap_or(u32::MAX);
    Duration::from_secs(lengthened(doubled(FIRST_RETRY, failures, LONGEST_RETRY), luck).as_secs())
}

/// The longest pause that can come after so many failures.
pub(in crate::refresh) fn longest_backoff(failures: i64) -> Duration {
    backoff(failures, 1.0)
}

/// `message` and what follows from it, which is worth more than the end of a long message.
fn with_advice(message: &str, advice: &str) -> String {
    // The two characters are a full stop and a space.
    let room = MESSAGE_BYTES.saturating_sub(advice.len() + 2);
    format!("{} {advice}", sentence(cut(message, room)))
}

/// `text` with a full stop, so that another sentence can follow.
fn sentence(text: &str) -> String {
    let text = text.trim_end();
    if text.ends_with(['.', '!', '?']) { text.to_owned() } else { format!("{text}.") }
}
