//! One refresh job: its state is computed from its plan when somebody looks.

use std::time::Duration;

use super::{
    clock::Clock,
    plan::{Outcome, Plan},
    spec,
};
use crate::wire::milvus::{RefreshExternalCollectionJobInfo, RefreshExternalCollectionState as State};

/// Milvus' default: a job fails after an hour.
const TIMEOUT: Duration = Duration::from_secs(3600);

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
    /// Its times are those of this job: the jitter is in them.
    pub(super) plan: Plan,
    /// Set once, when the end was first noticed.
    pub(super) ended: Option<End>,
}

/// An end that is to come.
pub(super) struct Planned {
    pub(super) at: Duration,
    /// `None`: it completes.
    pub(super) failure: Option<String>,
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
        self.plan = Plan {
            pending: vary(plan.pending, first),
            duration: vary(plan.duration, second),
            tasks: plan.tasks.max(1),
            ..plan.clone()
        };
    }

    /// The end that the plan, or Milvus' own `timeout`, brings.
    pub(super) fn planned_end(&self) -> Option<Planned> {
        let planned = self.plan.pending.saturating_add(self.plan.duration);
        let (after, failure) = match &self.plan.outcome {
            Outcome::Hang => return None,
            _ if planned > TIMEOUT && self.plan.stumble.is_empty() => (TIMEOUT, Some("timeout".to_owned())),
            _ if planned > TIMEOUT => (TIMEOUT, Some(format!("timeout, last failure: {}", self.plan.stumble))),
            Outcome::Complete => (planned, None),
            Outcome::Fail(reason) => (planned.saturating_add(self.plan.unrecorded), Some(reason.clone())),
        };
        Some(Planned { at: self.started.saturating_add(after), failure })
    }

    /// Ends the job at `at`.
    pub(super) fn end(&mut self, at: Duration, failure: Option<String>) {
        let progress = if failure.is_some() { self.active_at(at).1 } else { 100 };
        self.ended = Some(End { at, failure, progress });
    }

    /// State and progress while it has no end on record: finished tasks in percent, the last of which counts only with the
    /// end.
    fn active_at(&self, now: Duration) -> (State, i64) {
        let Plan { pending, duration, setbacks, .. } = self.plan;
        let tasks = u128::from(self.plan.tasks);
        let percent = |done: u128| i64::try_from(done.min(tasks - 1) * 100 / tasks).unwrap_or(0);
        let Some(running) = now.checked_sub(self.started.saturating_add(pending)) else {
            return (State::RefreshPending, 0);
        };
        if running >= duration {
            return match self.plan.outcome {
                Outcome::Hang => (State::RefreshInProgress, 99),
                Outcome::Fail(_) => (State::RefreshFailed, percent(tasks)),
                Outcome::Complete => (State::RefreshInProgress, percent(tasks)),
            };
        }
        // Equal parts between the setbacks, each of which begins with a while in the queue.
        let part = (duration / setbacks.saturating_add(1)).max(Duration::from_nanos(1));
        let within = running.as_nanos() % part.as_nanos();
        if running >= part && within < part.as_nanos() / 10 {
            return (State::RefreshPending, 0);
        }
        (State::RefreshInProgress, percent(within * tasks / part.as_nanos()))
    }

    /// As Milvus reports it.
    pub(super) fn info(&self, now: Duration, clock: &Clock) -> RefreshExternalCollectionJobInfo {
        let (state, progress, reason) = match &self.ended {
            Some(End { failure: None, progress, .. }) => (State::RefreshCompleted, *progress, ""),
            Some(End { failure: Some(reason), progress, .. }) => (State::RefreshFailed, *progress, reason.as_str()),
            None => {
                let (state, progress) = self.active_at(now);
                let midway = self.started.saturating_add((self.plan.pending.saturating_add(self.plan.duration)) / 2);
                let stumbled = now >= midway && state != State::RefreshFailed;
                (state, progress, if stumbled { self.plan.stumble.as_str() } else { "" })
            }
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
