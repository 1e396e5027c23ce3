//! A run that is due and may have to wait before anything is asked of Milvus: suspended, backing off, or too late.

use std::time::Duration;

use super::ending::longest_backoff;
use crate::refresh::{
    FailureClass, Reason,
    decide::{Effect, Outcome, Step, Wake},
    limits::LONGEST_WAIT,
    record::{elapsed, not_ahead},
};

/// What `Suspended` says while starts are held.
pub(in crate::refresh) const HELD: &str = "spec.suspend holds all starts; set it to false to continue.";

impl Step<'_> {
    /// Holds the start for as long as the spec says so.
    pub(in crate::refresh) fn suspend(&mut self) -> Outcome {
        self.bring_back();
        if self.run.was_tried() {
            self.observe_what_needs_no_run();
        }
        self.run.suspended_time = self.run.suspended_time.or(Some(self.now));
        self.run.generation = self.want.generation;
        self.next.observed_generation = Some(self.want.generation);
        if !self.summarised(Reason::Suspended) {
            self.inform("Suspended", HELD);
        }
        let first = self.run.number <= 1;
        self.sum_up(Reason::Suspended, HELD);
        if first {
            self.next.job.state = None;
        }
        (Effect::None, Wake::OnChange)
    }

    /// Ends a suspension; what else the run waits for is said anew.
    pub(in crate::refresh) fn resume(&mut self) {
        let since = self.run.suspended_time.take();
        if let Some(since) = since {
            let held = i64::try_from(elapsed(since, self.now).as_secs()).unwrap_or(i64::MAX);
            self.run.suspended_seconds = self.run.suspended_seconds.saturating_add(held);
        }
        if since.is_some() || self.next.suspended.is_some() {
            self.inform("Resumed", "spec.suspend is false; starts are no longer held.");
        }
        self.next.summary.take_if(|summary| summary.reason == Reason::Suspended);
    }

    /// Starts the run unless it has to wait for its next attempt, and fails it when it has waited too long.
    pub(in crate::refresh) fn wait_or_start(&mut self) -> Outcome {
        self.bring_back();
        self.resume();
        if !self.run.was_tried() {
            self.run.generation = self.want.generation;
            self.next.observed_generation = Some(self.want.generation);
        } else if self.want.asks_for_more_than(&self.run, &self.next.handled) {
            // Something else is asked for now: the failures of what was asked before say nothing about it.
            self.run.failures = 0;
            self.run.next_attempt_time = self.run.next_attempt_time.map(|next| next.min(self.now));
            self.next.failure = None;
            self.next.summary.take_if(|summary| matches!(summary.reason, Reason::Retrying(_)));
        } else {
            self.observe_what_needs_no_run();
        }
        let left = self.starting_time_left();
        if left.is_some_and(|left| left.is_zero()) {
            return self.miss_the_start();
        }
        let pause = self.run.next_attempt_time.map(|next| elapsed(self.now, next)).filter(|pause| !pause.is_zero());
        let (effect, wake) = match (pause, self.next.failure) {
            (_, Some(class)) if self.run.failures > self.want.backoff_limit => self.give_up(class),
            (Some(pause), Some(class)) => self.back_off(class, pause),
            (Some(_) | None, _) => self.start(),
        };
        match (wake, left) {
            (Wake::After(pause), Some(left)) => (effect, Wake::After(pause.min(left))),
            (wake, _) => (effect, wake),
        }
    }

    /// Brings back to now what a clock that was ahead has recorded: the run would wait for it.
    fn bring_back(&mut self) {
        self.run.queued_time = self.run.queued_time.map(|time| not_ahead(time, self.now));
        self.run.suspended_time = self.run.suspended_time.map(|time| not_ahead(time, self.now));
        let latest = self.now.checked_add(longest_backoff(self.run.failures)).unwrap_or(self.now);
        self.run.next_attempt_time = self.run.next_attempt_time.map(|next| next.min(latest));
    }

    /// Waits for the next attempt.
    fn back_off(&mut self, class: FailureClass, pause: Duration) -> Outcome {
        if !self.summarised(Reason::Retrying(class)) {
            let message = format!("The last attempt failed ({}). {}", class.as_str(), self.retries());
            self.sum_up(Reason::Retrying(class), message);
        }
        (Effect::None, Wake::After(pause.min(LONGEST_WAIT)))
    }

    /// The limit was lowered below what was tried already.
    fn give_up(&mut self, class: FailureClass) -> Outcome {
        let reason = std::mem::take(&mut self.next.job.reason);
        self.fail(class, &reason)
    }

    /// What is left of the time in which the run has to be started; `None` without such a limit, and once an attempt was
    /// accepted.
    fn starting_time_left(&self) -> Option<Duration> {
        let limit = self.want.starting_deadline.filter(|_| self.run.ended_job_ids.is_empty())?;
        let waited = elapsed(self.run.queued_time?, self.now);
        let held = Duration::from_secs(u64::try_from(self.run.suspended_seconds).unwrap_or_default());
        Some(limit.saturating_sub(waited.saturating_sub(held)))
    }

    fn miss_the_start(&mut self) -> Outcome {
        let limit = self.want.starting_deadline.unwrap_or_default().as_secs();
        let last = self.next.summary.take().map(|summary| summary.message).unwrap_or_default();
        let last = if last.is_empty() { last } else { format!(" Its last status was: {last}") };
        let message = format!("The refresh did not start within {limit} s (spec.startingDeadlineSeconds).{last}");
        self.capture();
        self.fail(FailureClass::StartingDeadlineExceeded, &message)
    }
}
