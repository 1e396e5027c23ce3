//! One refresh job: its state is computed from its plan when somebody looks.

use std::time::Duration;

use super::{
    clock::Clock,
    plan::{Outcome, Plan},
    spec,
};
use crate::milvus::wire::milvus::{RefreshExternalCollectionJobInfo, RefreshExternalCollectionState as State};

/// An accepted refresh.
pub(super) struct Job {
    pub(super) id: i64,
    pub(super) collection_id: i64,
    /// As submitted: an alias stays the alias.
    pub(super) submitted_name: String,
    pub(super) source: String,
    pub(super) spec: String,
    /// Whether source and spec came with the request and become the collection's when the job completes.
    pub(super) overrides: bool,
    pub(super) started: Duration,
    pub(super) pending: Duration,
    pub(super) duration: Duration,
    pub(super) tasks: u32,
    pub(super) outcome: Outcome,
    /// Set once, when the end was first noticed.
    pub(super) ended: Option<End>,
}

/// The end of a job.
#[derive(Clone)]
pub(super) struct End {
    pub(super) at: Duration,
    /// `None`: completed.
    pub(super) failure: Option<String>,
    /// Percent, the last value before the end.
    progress: i64,
}

impl Job {
    /// Takes `plan` with its jitter drawn: `draws` are two numbers from -1 to 1.
    pub(super) fn follow(&mut self, plan: &Plan, draws: [f64; 2]) {
        let jitter = if plan.jitter.is_finite() { plan.jitter.clamp(0.0, 1.0) } else { 0.0 };
        let vary = |time: Duration, draw: f64| {
            let varied = Duration::try_from_secs_f64(time.as_secs_f64() * (1.0 + draw * jitter)).unwrap_or(time);
            // Whole milliseconds, as in the answers, so that equal seeds show equal times.
            Duration::from_millis(varied.as_millis().try_into().unwrap_or(u64::MAX))
        };
        let [first, second] = draws;
        self.pending = vary(plan.pending, first);
        self.duration = vary(plan.duration, second);
        self.tasks = plan.tasks.max(1);
        self.outcome = plan.outcome.clone();
    }

    /// Notes the end that the plan, or Milvus' own `timeout`, has brought by now. Whether that is news.
    pub(super) fn settle(&mut self, now: Duration, timeout: Duration) -> bool {
        if self.ended.is_some() {
            return false;
        }
        let planned = self.pending.saturating_add(self.duration);
        let (after, failure) = match &self.outcome {
            Outcome::Hang => return false,
            _ if planned > timeout => (timeout, Some("timeout".to_owned())),
            Outcome::Complete => (planned, None),
            Outcome::Fail(reason) => (planned, Some(reason.clone())),
        };
        let at = self.started.saturating_add(after);
        if now < at {
            return false;
        }
        self.end(at, failure);
        true
    }

    /// Ends the job at `at`.
    pub(super) fn end(&mut self, at: Duration, failure: Option<String>) {
        let progress = if failure.is_some() { self.progress_at(at) } else { 100 };
        self.ended = Some(End { at, failure, progress });
    }

    /// Finished tasks in percent; the last task counts only with the end of the job.
    fn progress_at(&self, now: Duration) -> i64 {
        let running = now.saturating_sub(self.started).saturating_sub(self.pending);
        if self.outcome == Outcome::Hang && running >= self.duration {
            return 99;
        }
        let tasks = u128::from(self.tasks);
        let done = (running.as_nanos() * tasks).checked_div(self.duration.as_nanos()).unwrap_or(tasks);
        i64::try_from(done.min(tasks - 1) * 100 / tasks).unwrap_or(0)
    }

    /// As Milvus reports it.
    pub(super) fn info(&self, now: Duration, clock: &Clock) -> RefreshExternalCollectionJobInfo {
        let (state, progress, reason) = match &self.ended {
            Some(End { failure: None, progress, .. }) => (State::RefreshCompleted, *progress, ""),
            Some(End { failure: Some(reason), progress, .. }) => (State::RefreshFailed, *progress, reason.as_str()),
            None if now < self.started.saturating_add(self.pending) => (State::RefreshPending, 0, ""),
            None => (State::RefreshInProgress, self.progress_at(now), ""),
        };
        RefreshExternalCollectionJobInfo {
            job_id: self.id,
            collection_name: self.submitted_name.clone(),
            state: state.into(),
            progress,
            reason: reason.to_owned(),
            external_source: self.source.clone(),
            start_time: clock.unix_ms(self.started),
            end_time: self.ended.as_ref().map_or(0, |end| clock.unix_ms(end.at)),
            external_spec: spec::redact(&self.spec),
        }
    }
}
