//! What is recorded of an object, rebuilt from its status alone: a restart knows exactly this much.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::{failure::FailureClass, limits::ENDED_JOBS_KEPT};
use crate::{
    api::{READY, RefreshStatus, RunStatus},
    milvus::{JobId, JobState},
};

/// The durable state of an object. Its times are whole seconds, except the watermark that tells jobs apart.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recorded {
    /// The generation whose run the status reports; `None` for an object that no operator has seen.
    pub observed_generation: Option<i64>,
    /// The current or last run.
    pub run: Option<Run>,
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
    /// What it was asked to do.
    pub fingerprint: String,
    /// When it became due.
    pub queued_time: Option<Timestamp>,
    /// The process that queued or claimed it last.
    pub operator: Option<String>,
    /// How many claims it has had.
    pub attempt: i64,
    /// When the standing claim was made; `None` while none stands.
    pub submit_time: Option<Timestamp>,
    /// The incarnation of the collection that was claimed.
    pub collection_id: Option<i64>,
    /// The address that was claimed.
    pub endpoint: Option<String>,
    /// The source that was claimed.
    pub source: String,
    /// The highest job id before the first claim; 0 when there was no job; `None` before a claim.
    pub job_id_watermark: Option<JobId>,
    /// The newest start before the first claim.
    pub start_time_watermark: Option<Timestamp>,
    /// Whether Milvus has shown the job.
    pub job_seen: bool,
    /// Jobs of this run that have ended or never came into being.
    pub ended_job_ids: Vec<JobId>,
    /// Claims given up without a job to show for them.
    pub unproven_submits: i64,
    /// Whether the job was found rather than started.
    pub adopted: bool,
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
    /// A start was sent and its outcome is not known.
    OutcomeUnknown,
    /// The run completed.
    RefreshCompleted,
    /// The run failed for good.
    Failed(FailureClass),
}

impl Reason {
    /// The reasons of a run that is not over.
    pub const GOING_ON: [Self; 7] = [
        Self::Queued,
        Self::WaitingForActiveJob,
        Self::ConcurrencyLimit,
        Self::ConnectionNotReady,
        Self::Submitting,
        Self::RefreshInProgress,
        Self::OutcomeUnknown,
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
            Self::OutcomeUnknown => "OutcomeUnknown",
            Self::RefreshCompleted => "RefreshCompleted",
            Self::Failed(class) => class.as_str(),
        }
    }
}

/// Names one claim: no two claims of an object share it, and the result of an older one is dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ClaimKey {
    /// `run.number`
    pub number: i64,
    /// `run.attempt`
    pub attempt: i64,
}

impl Run {
    /// The claim that stands, if one does.
    pub fn claim(&self) -> Option<ClaimKey> {
        self.submit_time.map(|_| ClaimKey { number: self.number, attempt: self.attempt })
    }

    /// Remembers that `job` has ended or never came into being; the oldest are forgotten.
    pub(super) fn end_job(&mut self, job: JobId) {
        self.ended_job_ids.push(job);
        let excess = self.ended_job_ids.len().saturating_sub(ENDED_JOBS_KEPT);
        self.ended_job_ids.drain(..excess);
    }
}

impl Recorded {
    /// Reads a status. Text that makes no sense (edited by hand, written by another version) counts as absent, which at
    /// worst makes an outcome unknown and never repeats a start.
    pub fn of(status: Option<&RefreshStatus>) -> Self {
        let Some(status) = status else { return Self::default() };
        let run = status.run.as_ref().map(Run::of);
        let id = parse_id(status.job_id.as_deref());
        let percent = status.progress.filter(|_| id.is_some()).unwrap_or_default().clamp(0, 100);
        let job = JobRecord {
            state: status.state.as_deref().filter(|_| run.is_some()).and_then(parse_state),
            progress: u8::try_from(percent).unwrap_or_default(),
            reason: status.reason.clone().unwrap_or_default(),
            id,
            collection: status.collection_name.clone().unwrap_or_default(),
            source: status.external_source.clone().unwrap_or_default(),
            start_time: status.start_time.as_ref().map(read_time),
            completion_time: status.completion_time.as_ref().map(read_time),
        };
        let failure = status.failure.as_ref().filter(|_| job.state == Some(JobState::Failed));
        let failure = failure.map(|failure| FailureClass::parse(&failure.class).unwrap_or(FailureClass::Unknown));
        let last_success = match (&status.last_successful_time, parse_id(status.last_successful_job_id.as_deref())) {
            (Some(time), Some(job)) => Some(Success { time: read_time(time), job }),
            (Some(_) | None, _) => None,
        };
        let summary = status.conditions.iter().find(|c| c.type_ == READY).and_then(|ready| {
            let reason = match (job.state, failure) {
                (Some(JobState::Completed), _) => Some(Reason::RefreshCompleted),
                (Some(JobState::Failed), class) => Some(Reason::Failed(class.unwrap_or(FailureClass::Unknown))),
                (Some(JobState::Pending | JobState::InProgress | JobState::Unknown(_)) | None, _) => {
                    Reason::GOING_ON.into_iter().find(|reason| reason.as_str() == ready.reason)
                }
            }?;
            Some(Summary { reason, message: ready.message.clone() })
        });
        let queue_position = status.queue_position.and_then(|position| u8::try_from(position).ok());
        let observed_generation = status.observed_generation.filter(|generation| *generation >= 0);
        Self { observed_generation, run, job, queue_position, failure, last_success, summary }
    }

    /// Whether the current run is over.
    pub fn ended(&self) -> bool {
        self.run.is_some() && self.job.state.is_some_and(JobState::is_terminal)
    }

    /// The claim that stands, if one does: a run that was claimed and is not over.
    pub fn claim(&self) -> Option<ClaimKey> {
        if self.ended() { None } else { self.run.as_ref().and_then(Run::claim) }
    }

    /// Every job that this object has recorded as its own.
    pub fn jobs(&self) -> impl Iterator<Item = JobId> + '_ {
        let ended = self.run.iter().flat_map(|run| run.ended_job_ids.iter().copied());
        self.job.id.into_iter().chain(ended).chain(self.last_success.iter().map(|success| success.job))
    }
}

impl Run {
    fn of(status: &RunStatus) -> Self {
        Self {
            number: status.number,
            generation: status.generation,
            fingerprint: status.fingerprint.clone(),
            queued_time: status.queued_time.as_ref().map(read_time),
            operator: status.operator.clone(),
            attempt: status.attempt.max(0),
            submit_time: status.submit_time.as_ref().map(read_time),
            collection_id: status.collection_id.as_deref().and_then(|id| id.parse().ok()),
            endpoint: status.endpoint.clone(),
            source: status.external_source.clone().unwrap_or_default(),
            job_id_watermark: parse_id(status.job_id_watermark.as_deref()),
            start_time_watermark: status.start_time_watermark.as_ref().map(|time| time.0),
            job_seen: status.job_seen,
            ended_job_ids: status.ended_job_ids.iter().filter_map(|id| parse_id(Some(id))).collect(),
            unproven_submits: status.unproven_submits.max(0),
            adopted: status.adopted,
        }
    }
}

/// The second that `time` lies in. Kubernetes' times hold whole seconds; recording no more keeps what is decided equal to what
/// is read back of it.
pub(super) fn whole_second(time: Timestamp) -> Timestamp {
    Timestamp::from_second(time.as_second()).unwrap_or(time)
}

fn read_time(time: &Time) -> Timestamp {
    whole_second(time.0)
}

fn parse_id(text: Option<&str>) -> Option<JobId> {
    text.and_then(|text| text.parse().ok()).map(JobId)
}

fn parse_state(text: &str) -> Option<JobState> {
    match text {
        "RefreshPending" => Some(JobState::Pending),
        "RefreshInProgress" => Some(JobState::InProgress),
        "RefreshCompleted" => Some(JobState::Completed),
        "RefreshFailed" => Some(JobState::Failed),
        _ => None,
    }
}
