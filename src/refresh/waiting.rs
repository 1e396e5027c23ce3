//! A run that is due and may have to wait before anything is asked of Milvus: suspended, backing off, or too late.

use std::time::Duration;

use super::{
    FailureClass, Reason, Run,
    decide::{Effect, Outcome, Step, Wake},
    ending::longest_backoff,
    limits::LONGEST_WAIT,
    record::{elapsed, not_ahead},
};

/// What `Suspended` says while starts are held.
pub(super) const HELD: &str = "spec.suspend holds all starts; set it to false to continue.";

impl Step<'_> {
    /// Holds the start for as long as the spec says so.
    pub(super) fn suspend(&mut self, mut run: Run) -> Outcome {
        self.bring_back(&mut run);
        if run.was_tried() {
            self.observe_what_needs_no_run(&run);
        }
        run.suspended_time = run.suspended_time.or(Some(self.now));
        run.generation = self.want.generation;
        self.next.observed_generation = Some(self.want.generation);
        if !self.summarised(Reason::Suspended) {
            self.notice(false, "Suspended", HELD.to_owned());
        }
        let first = run.number <= 1;
        self.sum_up(run, Reason::Suspended, HELD);
        if first {
            self.next.job.state = None;
        }
        (Effect::None, Wake::OnChange)
    }

    /// Ends a suspension; what else the run waits for is said anew.
    pub(super) fn resume(&mut self, run: &mut Run) {
        let since = run.suspended_time.take();
        if let Some(since) = since {
            let held = i64::try_from(elapsed(since, self.now).as_secs()).unwrap_or(i64::MAX);
            run.suspended_seconds = run.suspended_seconds.saturating_add(held);
        }
        if since.is_some() || self.next.suspended.is_some() {
            self.notice(false, "Resumed", "spec.suspend is false; starts are no longer held.".to_owned());
        }
        self.next.summary.take_if(|summary| summary.reason == Reason::Suspended);
    }

    /// Starts the run unless it has to wait for its next attempt, and fails it when it has waited too long.
    pub(super) fn wait_or_start(&mut self, mut run: Run) -> Outcome {
        self.bring_back(&mut run);
        self.resume(&mut run);
        if !run.was_tried() {
            run.generation = self.want.generation;
            self.next.observed_generation = Some(self.want.generation);
        } else if self.want.asks_for_more_than(&run, &self.next.handled) {
            // Something else is asked for now: the failures of what was asked before say nothing about it.
            run.failures = 0;
            run.next_attempt_time = run.next_attempt_time.map(|next| next.min(self.now));
            self.next.failure = None;
            self.next.summary.take_if(|summary| matches!(summary.reason, Reason::Retrying(_)));
        } else {
            self.observe_what_needs_no_run(&run);
        }
        let left = self.starting_time_left(&run);
        if left.is_some_and(|left| left.is_zero()) {
            return self.miss_the_start(run);
        }
        let pause = run.next_attempt_time.map(|next| elapsed(self.now, next)).filter(|pause| !pause.is_zero());
        let (effect, wake) = match (pause, self.next.failure) {
            (_, Some(class)) if run.failures > self.want.backoff_limit => self.give_up(run, class),
            (Some(pause), Some(class)) => self.back_off(run, class, pause),
            (Some(_) | None, _) => self.start(run),
        };
        match (wake, left) {
            (Wake::After(pause), Some(left)) => (effect, Wake::After(pause.min(left))),
            (wake, _) => (effect, wake),
        }
    }

    /// Brings back to now what a clock that was ahead has recorded: the run would wait for it.
    fn bring_back(&self, run: &mut Run) {
        run.queued_time = run.queued_time.map(|time| not_ahead(time, self.now));
        run.suspended_time = run.suspended_time.map(|time| not_ahead(time, self.now));
        let latest = self.now.checked_add(longest_backoff(run.failures)).unwrap_or(self.now);
        run.next_attempt_time = run.next_attempt_time.map(|next| next.min(latest));
    }

    /// Waits for the next attempt.
    fn back_off(&mut self, run: Run, class: FailureClass, pause: Duration) -> Outcome {
        if self.summarised(Reason::Retrying(class)) {
            self.next.run = Some(run);
        } else {
            let message = format!("The last attempt failed ({}). {}", class.as_str(), self.retries(&run));
            self.sum_up(run, Reason::Retrying(class), message);
        }
        (Effect::None, Wake::After(pause.min(LONGEST_WAIT)))
    }

    /// The limit was lowered below what was tried already.
    fn give_up(&mut self, run: Run, class: FailureClass) -> Outcome {
        let reason = std::mem::take(&mut self.next.job.reason);
        self.fail(run, class, &reason)
    }

    /// What is left of the time in which the run has to be started; `None` without such a limit, and once an attempt was
    /// accepted.
    fn starting_time_left(&self, run: &Run) -> Option<Duration> {
        let limit = self.want.starting_deadline.filter(|_| run.ended_job_ids.is_empty())?;
        let waited = elapsed(run.queued_time?, self.now);
        let held = Duration::from_secs(u64::try_from(run.suspended_seconds).unwrap_or_default());
        Some(limit.saturating_sub(waited.saturating_sub(held)))
    }

    fn miss_the_start(&mut self, mut run: Run) -> Outcome {
        let limit = self.want.starting_deadline.unwrap_or_default().as_secs();
        let last = self.next.summary.take().map(|summary| summary.message).unwrap_or_default();
        let last = if last.is_empty() { last } else { format!(" Its last status was: {last}") };
        let message = format!("The refresh did not start within {limit} s (spec.startingDeadlineSeconds).{last}");
        self.capture(&mut run);
        self.fail(run, FailureClass::StartingDeadlineExceeded, &message)
    }
}
