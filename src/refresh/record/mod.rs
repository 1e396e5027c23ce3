//! What is recorded of an object, rebuilt from its status alone: a restart knows exactly this much.

pub(super) mod project;
mod read;
mod verification;
mod watch;

use std::{borrow::Cow, time::Duration};

use jiff::Timestamp;

use super::{
    Cause, ClaimKey, ScheduleRecord, Seen, Verification, WatchRecord, failure::FailureClass, limits::CLOCK_SKEW,
};
use crate::milvus::{JobId, JobState};

/// The durable state of an object. Its times are whole seconds, except the watermark that tells jobs apart.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recorded {
    /// The generation whose run the status reports; `None` for an object that no operator has seen.
    pub observed_generation: Option<i64>,
    /// The current or last run.
    pub run: Option<Run>,
    /// What an object that waits for its first run stood at when it was first seen.
    pub baseline: Option<Baseline>,
    /// How far the schedule is.
    pub schedule: Option<ScheduleRecord>,
    /// What is known of the source that is watched.
    pub watch: Option<WatchRecord>,
    /// What the checks of a run's result came to.
    pub verification: Option<Verification>,
    /// Milvus' record of that run's job.
    pub job: JobRecord,
    /// The place among the runs that wait for the same collection, 1 to 3.
    pub queue_position: Option<u8>,
    /// Why the run failed.
    pub failure: Option<FailureClass>,
    /// The last run that completed.
    pub last_success: Option<Success>,
    /// What goes on, in one reason and one sentence.
    pub summary: Option<Summary>,
    /// What `Suspended` says while starts are held; `None` while they are not.
    pub suspended: Option<String>,
    /// What `Stalled` says of a schedule that makes no sense, while the object rests.
    pub invalid_schedule: Option<String>,
    /// Which requests for a run have been answered.
    pub handled: Handled,
    /// The runs that have ended, newest first, at most [`super::limits::HISTORY_KEPT`].
    pub history: Vec<PastRun>,
}

/// Which requests for a run have been answered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Handled {
    /// The tokens that were captured for the current fingerprint, in the order in which the spec last had them, at most
    /// [`super::limits::TRIGGERS_KEPT`].
    pub triggers: Vec<String>,
    /// The last of the spec's tokens that nothing is due for any more.
    pub last_trigger: Option<String>,
    /// A request that was seen and that no run has captured yet.
    pub pending: Option<String>,
    /// The last request that was captured.
    pub request: Option<String>,
    /// The request of the last run that has ended.
    pub completed_request: Option<String>,
}

/// A run that has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PastRun {
    /// Its number.
    pub number: i64,
    /// Why it ran; `None` for a run of a version that kept none.
    pub cause: Option<Cause>,
    /// The token that it captured.
    pub trigger: Option<String>,
    /// Its last job, if one was started.
    pub job: Option<JobId>,
    /// Why it failed; `None` when it completed.
    pub failure: Option<FailureClass>,
    /// When Milvus recorded the job.
    pub start_time: Option<Timestamp>,
    /// When it ended.
    pub completion_time: Option<Timestamp>,
    /// How it ended, at most [`super::limits::PAST_MESSAGE_BYTES`].
    pub message: String,
}

/// Milvus' record of a job, under the names of its API.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct JobRecord {
    /// Pending also before a job exists; `None` before the first run.
    pub state: Option<JobState>,
    /// Percent; never falls within one job.
    pub progress: u8,
    /// Milvus' words.
    pub reason: String,
    /// Absent until a start was accepted or found.
    pub id: Option<JobId>,
    /// The collection as the job names it.
    pub collection: String,
    /// The source that the job reads.
    pub source: String,
    /// When Milvus recorded the job.
    pub start_time: Option<Timestamp>,
    /// When the run ended.
    pub completion_time: Option<Timestamp>,
}

/// The record of one run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Run {
    /// Counts the object's runs, from 1.
    pub number: i64,
    /// The generation it was opened for.
    pub generation: i64,
    /// Why it runs; `None` for a run that a version opened which kept none.
    pub cause: Option<Cause>,
    /// The token that it captured when it was claimed; until then that of the run before, as the next two.
    pub trigger: Option<String>,
    /// The request that it captured.
    pub requested_at: Option<String>,
    /// What it was asked to do.
    pub fingerprint: String,
    /// What was seen of the watched source before it was claimed; once it has failed, what it failed for.
    pub seen: Option<Seen>,
    /// When it became due.
    pub queued_time: Option<Timestamp>,
    /// Since when its start is held by a suspension.
    pub suspended_time: Option<Timestamp>,
    /// How many seconds its start was held before.
    pub suspended_seconds: i64,
    /// The process that queued or claimed it last.
    pub operator: Option<String>,
    /// How many claims it has had.
    pub attempt: i64,
    /// The random part of the last claim's id; `None` for a claim of a version that gave none.
    pub claim_nonce: Option<u64>,
    /// How many of its claims are proven over.
    pub proven_claims: i64,
    /// How many of its attempts have failed in a class that is retried.
    pub failures: i64,
    /// When its next attempt is due, while a retry waits.
    pub next_attempt_time: Option<Timestamp>,
    /// When the standing claim was made; `None` while none stands.
    pub submit_time: Option<Timestamp>,
    /// The incarnation of the collection that was claimed.
    pub collection_id: Option<i64>,
    /// The address that was claimed.
    pub endpoint: Option<String>,
    /// The source that was claimed.
    pub source: String,
    /// The highest job id before the claim; 0 when there was no job; `None` before a claim.
    pub job_id_watermark: Option<JobId>,
    /// The newest start before the claim.
    pub start_time_watermark: Option<Timestamp>,
    /// When Milvus completed the job, while the run waits for its checks.
    pub job_completion_time: Option<Timestamp>,
    /// Whether Milvus has shown the job.
    pub job_seen: bool,
    /// Jobs of this run that have ended or never came into being.
    pub ended_job_ids: Vec<JobId>,
    /// Claims given up without a job to show for them.
    pub unproven_submits: i64,
    /// Whether the job was found rather than started.
    pub adopted: bool,
    /// What the standing claim's start was refused with, where that is no proof yet.
    pub refusal: Option<RefusedStart>,
    /// The refresh of another namespace that had the collection when this run was claimed nevertheless.
    pub passed_over: Option<String>,
}

/// What an object asked for when it was first seen, and what starts nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Baseline {
    /// Stands for its source.
    pub fingerprint: String,
    /// Its generation.
    pub generation: i64,
}

impl Baseline {
    /// The baseline as if it were the run before the first.
    pub(super) fn run(&self) -> Run {
        Run { generation: self.generation, fingerprint: self.fingerprint.clone(), ..Run::default() }
    }
}

/// A refusal of a start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefusedStart {
    /// The failure class, or the connection's reason where the connection is at fault.
    pub reason: String,
    /// Milvus' words.
    pub message: String,
}

/// The last run that completed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Success {
    /// When.
    pub time: Timestamp,
    /// By which job.
    pub job: JobId,
}

/// What goes on with an object: the reason and message of its `Ready` condition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    /// See [`Reason`].
    pub reason: Reason,
    /// One sentence for a person. Holds no time and nothing that changes from pass to pass.
    pub message: String,
}

/// What goes on, as conditions name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// Another of our runs has the collection.
    Queued,
    /// Somebody else's job of the collection is active.
    WaitingForActiveJob,
    /// As many runs go through the connection as it allows.
    ConcurrencyLimit,
    /// The connection is missing, unreachable or refused.
    ConnectionNotReady,
    /// A start is being sent.
    Submitting,
    /// The job is accepted, queued or running.
    RefreshInProgress,
    /// Milvus has completed the job, and the run waits for its checks.
    Verifying,
    /// A start was sent and its outcome is not known.
    OutcomeUnknown,
    /// The Secret with the spec of its own source cannot be read.
    SecretNotFound,
    /// The catalog has not said what to read.
    SourceNotResolved,
    /// Its start is held by `spec.suspend`.
    Suspended,
    /// It is due, but its object is being deleted.
    Terminating,
    /// An attempt failed and the next one waits.
    Retrying(FailureClass),
    /// Nothing has asked for the first run yet.
    Idle,
    /// The run completed.
    RefreshCompleted,
    /// The run failed for good.
    Failed(FailureClass),
}

impl Reason {
    /// The reasons of a run that is not over, but for a retry's.
    pub const GOING_ON: [Self; 12] = [
        Self::Queued,
        Self::WaitingForActiveJob,
        Self::ConcurrencyLimit,
        Self::ConnectionNotReady,
        Self::Submitting,
        Self::RefreshInProgress,
        Self::Verifying,
        Self::OutcomeUnknown,
        Self::SecretNotFound,
        Self::SourceNotResolved,
        Self::Suspended,
        Self::Terminating,
    ];

    /// The reason as conditions show it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "Queued",
            Self::WaitingForActiveJob => "WaitingForActiveJob",
            Self::ConcurrencyLimit => "ConcurrencyLimit",
            Self::ConnectionNotReady => "ConnectionNotReady",
            Self::Submitting => "Submitting",
            Self::RefreshInProgress => "RefreshInProgress",
            Self::Verifying => "Verifying",
            Self::OutcomeUnknown => "OutcomeUnknown",
            Self::SecretNotFound => "SecretNotFound",
            Self::SourceNotResolved => "SourceNotResolved",
            Self::Suspended => "Suspended",
            Self::Terminating => "Terminating",
            Self::Idle => "Idle",
            Self::RefreshCompleted => "RefreshCompleted",
            Self::Retrying(class) | Self::Failed(class) => class.as_str(),
        }
    }
}

impl Run {
    /// Whether it was claimed or has failed at least once: it is then more than a wish.
    pub(super) fn was_tried(&self) -> bool {
        self.attempt > 0 || self.failures > 0
    }
}

impl Recorded {
    /// Whether the current run is over.
    pub fn ended(&self) -> bool {
        self.run.is_some() && self.job.state.is_some_and(JobState::is_terminal)
    }

    /// Whether no run is under way and none was opened.
    pub fn is_at_rest(&self) -> bool {
        self.ended() || self.run.is_none() && self.baseline.is_some()
    }

    /// What was last answered, of an object at rest: its last run, or what it stood at when it was first seen.
    pub(super) fn last(&self) -> Option<Cow<'_, Run>> {
        match &self.run {
            Some(run) => self.ended().then_some(Cow::Borrowed(run)),
            None => self.baseline.as_ref().map(|baseline| Cow::Owned(baseline.run())),
        }
    }

    /// Whether Milvus has completed the job and the run waits for its checks: nothing of it runs in Milvus any more.
    pub fn is_verifying(&self) -> bool {
        let run = self.run.as_ref().filter(|_| !self.ended() && self.job.id.is_some());
        run.is_some_and(|run| run.job_completion_time.is_some())
    }

    /// The reason of `Ready`.
    pub fn ready_reason(&self) -> Option<&'static str> {
        let stalls = self.verification.as_ref().filter(|checked| checked.stalls);
        stalls.map(|checked| checked.reason.as_str()).or(self.summary.as_ref().map(|summary| summary.reason.as_str()))
    }

    /// Whether it says that the connection is not ready, which looks that fail say, too.
    pub fn waits_for_connection(&self) -> bool {
        self.summary.as_ref().is_some_and(|summary| summary.reason == Reason::ConnectionNotReady)
    }

    /// The claim that stands, if one does: a run that was claimed and whose job is not over.
    pub fn claim(&self) -> Option<ClaimKey> {
        if self.ended() || self.is_verifying() { None } else { self.run.as_ref().and_then(Run::claim) }
    }

    /// The collection of the next claim, where the run cannot be claimed for another: while a claim is not proven over.
    pub fn bound_to(&self) -> Option<i64> {
        self.run.as_ref().filter(|run| !self.ended() && run.has_open_claims())?.collection_id
    }

    /// Every job that this object has recorded as its own.
    pub fn jobs(&self) -> impl Iterator<Item = JobId> + '_ {
        let ended = self.run.iter().flat_map(|run| run.ended_job_ids.iter().copied());
        let past = self.history.iter().filter_map(|run| run.job);
        self.job.id.into_iter().chain(ended).chain(past).chain(self.last_success.iter().map(|success| success.job))
    }
}

/// The second that `time` lies in. Kubernetes' times hold whole seconds; recording no more keeps what is decided equal to what
/// is read back of it.
pub(super) fn whole_second(time: Timestamp) -> Timestamp {
    Timestamp::from_second(time.as_second()).unwrap_or(time)
}

/// `time`, or `now` where it lies so far ahead that a clock which was wrong must have written it.
pub(super) fn not_ahead(time: Timestamp, now: Timestamp) -> Timestamp {
    if elapsed(now, time) > CLOCK_SKEW { now } else { time }
}

/// The time from `since` to `now`; none when the clock was set back.
pub fn elapsed(since: Timestamp, now: Timestamp) -> Duration {
    Duration::try_from(now.duration_since(since)).unwrap_or_default()
}
