//! The state machine: one function from what is wanted, recorded and seen to what to record and do.

use std::time::Duration;

use jiff::Timestamp;

use super::{
    Connection, Desired, Fact, Observation, Permission, Reason, Recorded, Run, Summary,
    limits::{ABSENCE_WINDOW, LONGEST_SLEEP, bounded},
    record::whole_second,
};
use crate::milvus::{JobId, JobState};

/// What to record, what to do, and when to look again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// What to record.
    pub next: Recorded,
    /// What to do once `next` is written, where [`Effect::must_be_recorded_first`] says so, else at once.
    pub effect: Effect,
    /// What is worth an Event once `next` is written.
    pub notices: Vec<Notice>,
    /// When to decide again, if nothing changes before.
    pub wake: Wake,
}

/// What the shell does for a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Nothing: the pass is over.
    None,
    /// Describe the collection, then list its jobs: what a claim is made from and what a lost job is found in.
    Find,
    /// Start the job, for the claim in `next`, and only after this process has seen that claim written.
    Submit,
    /// Have this job followed and hear the newest of it.
    Poll(JobId),
    /// Delete the object: its time has come.
    Delete,
}

impl Effect {
    /// Whether the decision must be durable before the effect: true for a start, whose claim is what makes its outcome
    /// findable after a crash.
    pub fn must_be_recorded_first(self) -> bool {
        match self {
            Self::Submit => true,
            Self::None | Self::Find | Self::Poll(_) | Self::Delete => false,
        }
    }
}

/// When to decide again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wake {
    /// After this long, or earlier when something changes.
    After(Duration),
    /// Only when something changes.
    OnChange,
}

/// A transition that is worth an Event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// Whether it is bad news.
    pub warning: bool,
    /// The Event's reason.
    pub reason: &'static str,
    /// The Event's text.
    pub message: String,
}

impl Notice {
    /// Whether it says what a run waits for, which may come and go.
    pub fn waits(&self) -> bool {
        let reasons = [
            Reason::Queued,
            Reason::WaitingForActiveJob,
            Reason::ConcurrencyLimit,
            Reason::ConnectionNotReady,
            Reason::SecretNotFound,
        ];
        reasons.iter().any(|reason| reason.as_str() == self.reason)
    }
}

/// Decides. Total and deterministic: the same inputs give the same decision.
pub fn decide(now: Timestamp, want: &Desired, record: &Recorded, seen: &Observation) -> Decision {
    let mut step =
        Step { now: whole_second(now), want, seen, next: record.clone(), notices: Vec::new(), problem: None };
    step.keep_time();
    let (effect, wake) = match step.phase() {
        Phase::Ended(run) => step.rest(&run, record.observed_generation != Some(want.generation)),
        Phase::Opened(run) => {
            step.queue_up(run);
            (Effect::None, Wake::After(Duration::ZERO))
        }
        Phase::Due(run) if seen.permission == Permission::Announce => step.announce(run),
        Phase::Due(run) if want.terminating => step.decline(run),
        Phase::Due(run) if want.suspend => step.suspend(run),
        // What came of a start is recorded whatever else is known.
        Phase::Claimed(run) if matches!(seen.fact, Fact::Submitted(_)) => step.settle(run),
        // The process has just started; what a connection is like is known in a moment, and saying nothing until then
        // keeps a restart from rewriting every status.
        Phase::Due(_) | Phase::Claimed(_) | Phase::Tracked(..)
            if seen.connection == Connection::Unknown
                && (record.claim().is_none() || seen.claim_known < ABSENCE_WINDOW) =>
        {
            let next = record.clone();
            return Decision { next, effect: Effect::None, notices: Vec::new(), wake: Wake::After(LONGEST_SLEEP) };
        }
        Phase::Due(run) => step.wait_or_start(run),
        Phase::Claimed(run) => step.settle(run),
        Phase::Tracked(run, job) => step.track(run, job),
    };
    step.decision(effect, wake)
}

/// What a step ends with.
pub(super) type Outcome = (Effect, Wake);

/// One decision in the making.
pub(super) struct Step<'a> {
    pub(super) now: Timestamp,
    pub(super) want: &'a Desired,
    pub(super) seen: &'a Observation,
    pub(super) next: Recorded,
    pub(super) notices: Vec<Notice>,
    /// What is wrong with the schedule.
    pub(super) problem: Option<String>,
}

/// Where a run stands, from what is durable of it.
enum Phase {
    /// Nothing is due: the last run is over, or none was asked for yet.
    Ended(Run),
    /// The clock has just made it due.
    Opened(Run),
    Due(Run),
    Claimed(Run),
    Tracked(Run, JobId),
}

impl Step<'_> {
    fn phase(&mut self) -> Phase {
        let Some(run) = self.next.run.clone().or_else(|| self.baseline()) else {
            return Phase::Due(self.open_run(None));
        };
        if self.next.is_at_rest() {
            // While nothing may start no run is opened: the last one's verdict stands.
            if self.want.holds_starts() {
                return Phase::Ended(run);
            }
            if self.want.asks_for_more_than(&run, &self.next.handled) {
                return Phase::Due(self.open_run(Some(&run)));
            }
            return self.due_by_clock(&run).map_or(Phase::Ended(run), Phase::Opened);
        }
        match (self.next.job.id, run.submit_time) {
            (None, None) => match self.withdraw(&run) {
                Some(last) => Phase::Ended(last),
                None => Phase::Due(run),
            },
            (None, Some(_)) => {
                self.observe_what_needs_no_run(&run);
                Phase::Claimed(run)
            }
            (Some(job), _) => {
                self.observe_what_needs_no_run(&run);
                Phase::Tracked(run, job)
            }
        }
    }

    /// Writes this process' name on a run that is due.
    fn announce(&mut self, mut run: Run) -> Outcome {
        run.operator = Some(self.seen.operator.clone());
        if self.want.suspend {
            return self.suspend(run);
        }
        self.resume(&mut run);
        match self.next.summary {
            Some(_) => self.next.run = Some(run),
            None => self.queue_up(run),
        }
        (Effect::None, Wake::After(Duration::ZERO))
    }

    /// Records that the run is due and that nothing has come of it yet.
    pub(super) fn queue_up(&mut self, run: Run) {
        let message = self.due();
        self.sum_up(run, Reason::Queued, message);
    }

    /// What is said of a run that waits for nothing in particular.
    pub(super) fn due(&self) -> String {
        format!("The refresh of collection {} is due.", self.want.collection)
    }

    /// Waits for the connection, keeping what is known of the run.
    pub(super) fn await_connection(&mut self, run: Run, reason: &str, message: &str, again: Duration) -> Outcome {
        let waited = self.summarised(Reason::ConnectionNotReady);
        self.sum_up(run, Reason::ConnectionNotReady, format!("{reason}: {message}"));
        if !waited {
            self.notice(true, "ConnectionNotReady", format!("{reason}: {message}"));
        }
        (Effect::None, Wake::After(again))
    }

    /// Records the run and what goes on with it.
    pub(super) fn sum_up(&mut self, run: Run, reason: Reason, message: impl AsRef<str>) {
        self.next.run = Some(run);
        // A run that was suspended before it ever began has shown no state.
        self.next.job.state = self.next.job.state.or(Some(JobState::Pending));
        self.next.queue_position = None;
        self.next.summary = Some(Summary { reason, message: bounded(message.as_ref()) });
    }

    /// Whether the record already said this reason before this step.
    pub(super) fn summarised(&self, reason: Reason) -> bool {
        self.next.summary.as_ref().is_some_and(|summary| summary.reason == reason)
    }

    pub(super) fn notice(&mut self, warning: bool, reason: &'static str, message: String) {
        self.notices.push(Notice { warning, reason, message: bounded(&message) });
    }

    fn decision(mut self, effect: Effect, wake: Wake) -> Decision {
        self.next.suspended = self.want.holds(&self.next);
        let goes_on = self.next.summary.as_ref().is_none_or(|summary| summary.reason.is_reconciling());
        self.next.invalid_schedule = self.problem.filter(|_| !goes_on).map(|problem| bounded(&problem));
        Decision { next: self.next, effect, notices: self.notices, wake }
    }
}
