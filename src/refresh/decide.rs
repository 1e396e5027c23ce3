//! The state machine: one function from what is wanted, recorded and seen to what to record and do.

use std::time::Duration;

use jiff::Timestamp;

use super::{
    Connection, Desired, Fact, Observation, Permission, Reason, Recorded, Run, Summary,
    limits::{ABSENCE_WINDOW, LONGEST_SLEEP, bounded},
    record::whole_second,
    verify::stalls,
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
    /// Has the source looked at, unless a look began so short a time ago. Nobody waits for it here.
    pub look: Option<Duration>,
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
    /// Have somebody look at what the collection serves, and hear what a look has found.
    Examine,
    /// Delete the object: its time has come.
    Delete,
}

impl Effect {
    /// Whether the decision must be durable before the effect: true for a start, whose claim is what makes its outcome
    /// findable after a crash.
    pub fn must_be_recorded_first(self) -> bool {
        match self {
            Self::Submit => true,
            Self::None | Self::Find | Self::Poll(_) | Self::Examine | Self::Delete => false,
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

impl Wake {
    /// The same, but after `pause` at the latest.
    #[must_use]
    pub fn sooner(self, pause: Duration) -> Self {
        match self {
            Self::After(other) => Self::After(other.min(pause)),
            Self::OnChange => Self::After(pause),
        }
    }
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
            Reason::SourceNotResolved,
        ];
        reasons.iter().any(|reason| reason.as_str() == self.reason)
    }
}

/// Decides. Total and deterministic: the same inputs give the same decision.
pub fn decide(now: Timestamp, want: &Desired, record: &Recorded, seen: &Observation) -> Decision {
    let mut step = Step {
        now: whole_second(now),
        exact: now,
        want,
        seen,
        run: Run::default(),
        next: record.clone(),
        notices: Vec::new(),
        problem: None,
        look: None,
    };
    step.keep_request();
    step.keep_time();
    step.keep_watch();
    let (effect, wake) = match step.enter_phase() {
        Phase::Ended => {
            let outcome = step.rest(record.observed_generation != Some(want.generation));
            let outcome = step.check_at_rest(outcome);
            return step.decision(outcome);
        }
        Phase::Opened => {
            step.queue_up();
            (Effect::None, Wake::After(Duration::ZERO))
        }
        Phase::Due if seen.permission == Permission::Announce => step.announce(),
        Phase::Due if want.terminating => step.decline(),
        Phase::Due if want.suspend => step.suspend(),
        // What came of a start is recorded whatever else is known.
        Phase::Claimed if matches!(seen.fact, Fact::Submitted(_)) => step.settle(),
        // The process has just started; what a connection is like is known in a moment, and saying nothing until then
        // keeps a restart from rewriting every status.
        Phase::Due | Phase::Claimed | Phase::Tracked(_)
            if seen.connection == Connection::Unknown
                && (record.claim().is_none() || seen.claim_known < ABSENCE_WINDOW) =>
        {
            let next = record.clone();
            let wake = Wake::After(LONGEST_SLEEP);
            return Decision { next, effect: Effect::None, notices: Vec::new(), wake, look: None };
        }
        Phase::Due => step.wait_or_start(),
        Phase::Claimed => step.settle(),
        Phase::Tracked(job) => step.track(job),
        Phase::Verifying(job) => step.verify(job),
    };
    step.next.run = Some(step.run.clone());
    step.decision((effect, wake))
}

/// What is said of a run of this collection that waits for nothing in particular.
pub fn due_in_words(collection: &str) -> String {
    format!("The refresh of collection {collection} is due.")
}

/// What a step ends with.
pub(super) type Outcome = (Effect, Wake);

/// One decision in the making.
pub(super) struct Step<'a> {
    pub(super) now: Timestamp,
    /// The same, not cut to a second.
    pub(super) exact: Timestamp,
    pub(super) want: &'a Desired,
    pub(super) seen: &'a Observation,
    /// The run that is decided on; of an object at rest, what was last answered.
    pub(super) run: Run,
    pub(super) next: Recorded,
    pub(super) notices: Vec<Notice>,
    /// What is wrong with the schedule.
    pub(super) problem: Option<String>,
    /// See [`Decision::look`].
    pub(super) look: Option<Duration>,
}

/// Where a run stands, from what is durable of it.
enum Phase {
    /// Nothing is due: the last run is over, or none was asked for yet.
    Ended,
    /// The clock has just made it due.
    Opened,
    Due,
    Claimed,
    Tracked(JobId),
    /// Milvus has completed the job, and the run waits for its checks.
    Verifying(JobId),
}

impl Step<'_> {
    /// Takes up the run where it stands, and opens the one that is due.
    fn enter_phase(&mut self) -> Phase {
        let Some(run) = self.next.run.clone().or_else(|| self.baseline()) else {
            self.open_run(None);
            return Phase::Due;
        };
        self.run = run;
        if self.next.is_at_rest() {
            // While nothing may start no run is opened: the last one's verdict stands.
            if self.want.holds_starts() {
                return Phase::Ended;
            }
            if self.want.asks_for_more_than(&self.run, &self.next.handled) {
                self.open_run(Some(self.run.clone()));
                return Phase::Due;
            }
            return if self.open_unasked() { Phase::Opened } else { Phase::Ended };
        }
        match (self.next.job.id, self.run.submit_time) {
            (None, None) if self.withdraw() => Phase::Ended,
            (None, None) => Phase::Due,
            (None, Some(_)) => {
                self.observe_what_needs_no_run();
                Phase::Claimed
            }
            (Some(job), _) => {
                self.observe_what_needs_no_run();
                if self.run.job_completion_time.is_some() { Phase::Verifying(job) } else { Phase::Tracked(job) }
            }
        }
    }

    /// Writes this process' name on a run that is due.
    fn announce(&mut self) -> Outcome {
        self.run.operator = Some(self.seen.operator.clone());
        if self.want.suspend {
            return self.suspend();
        }
        self.resume();
        if self.next.summary.is_none() {
            self.queue_up();
        }
        (Effect::None, Wake::After(Duration::ZERO))
    }

    /// Records that the run is due and that nothing has come of it yet.
    pub(super) fn queue_up(&mut self) {
        let message = self.due();
        self.sum_up(Reason::Queued, message);
    }

    /// What is said of a run that waits for nothing in particular.
    pub(super) fn due(&self) -> String {
        due_in_words(&self.want.collection)
    }

    /// Waits for the connection.
    pub(super) fn await_connection(&mut self, reason: &str, message: &str, again: Duration) -> Outcome {
        let waited = self.summarised(Reason::ConnectionNotReady);
        self.sum_up(Reason::ConnectionNotReady, format!("{reason}: {message}"));
        if !waited {
            self.warn("ConnectionNotReady", format!("{reason}: {message}"));
        }
        (Effect::None, Wake::After(again))
    }

    /// Records what goes on with the run.
    pub(super) fn sum_up(&mut self, reason: Reason, message: impl AsRef<str>) {
        // A run that was suspended before it ever began has shown no state.
        self.next.job.state = self.next.job.state.or(Some(JobState::Pending));
        self.next.queue_position = None;
        self.next.summary = Some(Summary { reason, message: bounded(message.as_ref()) });
    }

    /// Whether the record already said this reason before this step.
    pub(super) fn summarised(&self, reason: Reason) -> bool {
        self.next.summary.as_ref().is_some_and(|summary| summary.reason == reason)
    }

    /// Tells of bad news by an Event.
    pub(super) fn warn(&mut self, reason: &'static str, message: impl AsRef<str>) {
        self.notices.push(Notice { warning: true, reason, message: bounded(message.as_ref()) });
    }

    /// Tells of other news by an Event.
    pub(super) fn inform(&mut self, reason: &'static str, message: impl AsRef<str>) {
        self.notices.push(Notice { warning: false, reason, message: bounded(message.as_ref()) });
    }

    fn decision(mut self, (effect, wake): Outcome) -> Decision {
        if self.look.is_none() {
            self.ask_for_look(false);
        }
        self.judge_freshness();
        self.next.suspended = self.want.holds(&self.next);
        let goes_on = self.next.summary.as_ref().is_none_or(|summary| summary.reason.is_reconciling());
        self.next.invalid_schedule = self.problem.filter(|_| !goes_on).map(|problem| bounded(&problem));
        let stalls = stalls(self.want.verify.as_ref(), &self.next);
        if let Some(checked) = &mut self.next.verification {
            checked.stalls = stalls;
        }
        Decision { next: self.next, effect, notices: self.notices, wake, look: self.look }
    }
}
