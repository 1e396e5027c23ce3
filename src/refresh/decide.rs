//! The state machine: one function from what is wanted, recorded and seen to what to record and do.

use std::time::Duration;

use jiff::Timestamp;

use super::{
    Connection, Desired, FailureClass, JobRecord, Observation, Permission, Reason, Recorded, Run, Success, Summary,
    limits::{LONGEST_SLEEP, MESSAGE_BYTES, bounded, cut},
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
}

impl Effect {
    /// Whether the decision must be durable before the effect: true for a start, whose claim is what makes its outcome
    /// findable after a crash.
    pub fn must_be_recorded_first(self) -> bool {
        match self {
            Self::Submit => true,
            Self::None | Self::Find | Self::Poll(_) => false,
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

/// Decides. Total and deterministic: the same inputs give the same decision.
pub fn decide(now: Timestamp, want: &Desired, record: &Recorded, seen: &Observation) -> Decision {
    let mut step = Step { now: whole_second(now), want, seen, next: record.clone(), notices: Vec::new() };
    let (effect, wake) = match step.phase() {
        Phase::Ended => step.ended(),
        Phase::Due(run) if seen.permission == Permission::Announce => step.announce(run),
        // The process has just started; what a connection is like is known in a moment, and saying nothing until then
        // keeps a restart from rewriting every status.
        Phase::Due(_) | Phase::Claimed(_) | Phase::Tracked(..) if seen.connection == Connection::Unknown => {
            step.next = record.clone();
            (Effect::None, Wake::After(LONGEST_SLEEP))
        }
        Phase::Due(run) => step.start(run),
        Phase::Claimed(run) => step.settle(run),
        Phase::Tracked(run, job) => step.track(run, job),
    };
    step.decision(effect, wake)
}

/// Whether a run of `want` is due that no claim stands for: what a process that takes over has to announce.
pub fn is_due(want: &Desired, record: &Recorded) -> bool {
    match &record.run {
        None => true,
        Some(run) if record.ended() => want.differs_from(&run.fingerprint),
        Some(run) => run.submit_time.is_none() && record.job.id.is_none(),
    }
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
}

/// Where a run stands, from what is durable of it.
enum Phase {
    Ended,
    Due(Run),
    Claimed(Run),
    Tracked(Run, JobId),
}

impl Step<'_> {
    fn phase(&mut self) -> Phase {
        match self.next.run.clone() {
            None => Phase::Due(self.open_run(0)),
            Some(run) if self.next.ended() => {
                if self.want.differs_from(&run.fingerprint) {
                    Phase::Due(self.open_run(run.number))
                } else {
                    Phase::Ended
                }
            }
            Some(run) => match (self.next.job.id, run.submit_time) {
                (Some(job), _) => Phase::Tracked(run, job),
                (None, Some(_)) => Phase::Claimed(run),
                (None, None) => Phase::Due(run),
            },
        }
    }

    /// Opens the run after run `last`. Its first write also resets what the last one left.
    fn open_run(&mut self, last: i64) -> Run {
        self.next.observed_generation = Some(self.want.generation);
        self.next.job = JobRecord { state: Some(JobState::Pending), ..JobRecord::default() };
        self.next.failure = None;
        self.next.summary = None;
        Run {
            number: last.saturating_add(1),
            generation: self.want.generation,
            fingerprint: self.want.fingerprint.clone(),
            queued_time: Some(self.now),
            ..Run::default()
        }
    }

    /// Writes this process' name on a run that is due.
    fn announce(&mut self, mut run: Run) -> Outcome {
        run.operator = Some(self.seen.operator.clone());
        self.queue_up(run);
        (Effect::None, Wake::After(Duration::ZERO))
    }

    /// Records that the run is due and that nothing has come of it yet.
    pub(super) fn queue_up(&mut self, run: Run) {
        let message = format!("The refresh of collection {} is due.", self.want.collection);
        self.sum_up(run, Reason::Queued, message);
    }

    /// The run is over and none is due.
    fn ended(&mut self) -> Outcome {
        self.next.observed_generation = Some(self.want.generation);
        (Effect::None, Wake::OnChange)
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

    /// Ends the run in success.
    pub(super) fn complete(&mut self, run: Run, job: JobId) -> Outcome {
        let time = self.next.job.completion_time.unwrap_or(self.now);
        self.next.job.state = Some(JobState::Completed);
        self.next.job.progress = 100;
        self.next.job.completion_time = Some(time);
        self.next.last_success = Some(Success { time, job });
        let message = format!("Job {job} refreshed collection {}.", self.want.collection);
        self.notice(false, "RefreshCompleted", message.clone());
        self.close(run, Reason::RefreshCompleted, message)
    }

    /// Ends the run in failure. `message` is what Milvus or the operator says of it.
    pub(super) fn fail(&mut self, run: Run, class: FailureClass, message: &str) -> Outcome {
        self.next.job.state = Some(JobState::Failed);
        self.next.job.completion_time = Some(self.next.job.completion_time.unwrap_or(self.now));
        self.next.failure = Some(class);
        if self.next.job.reason.is_empty() {
            self.next.job.reason = bounded(message);
        }
        let message = if message.is_empty() { "Milvus gave no reason." } else { message };
        // What to do is worth more than the end of a long reason; the two characters are a full stop and a space.
        let room = MESSAGE_BYTES.saturating_sub(class.remedy().len() + 2);
        let message = format!("{} {}", sentence(cut(message, room)), class.remedy());
        self.notice(true, class.as_str(), message.clone());
        self.close(run, Reason::Failed(class), message)
    }

    fn close(&mut self, mut run: Run, reason: Reason, message: String) -> Outcome {
        if let Some(job) = self.next.job.id {
            run.end_job(job);
        }
        self.sum_up(run, reason, message);
        // A spec that was edited meanwhile has triggered its pass already, so nothing would come back for it.
        let edited = self.next.observed_generation != Some(self.want.generation);
        (Effect::None, if edited { Wake::After(Duration::ZERO) } else { Wake::OnChange })
    }

    /// Records the run and what goes on with it.
    pub(super) fn sum_up(&mut self, run: Run, reason: Reason, message: impl AsRef<str>) {
        self.next.run = Some(run);
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

    fn decision(self, effect: Effect, wake: Wake) -> Decision {
        Decision { next: self.next, effect, notices: self.notices, wake }
    }
}

/// `text` with a full stop, so that another sentence can follow.
fn sentence(text: &str) -> String {
    let text = text.trim_end();
    if text.ends_with(['.', '!', '?']) { text.to_owned() } else { format!("{text}.") }
}
