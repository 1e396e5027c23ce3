//! From a status to the record: what a restart knows.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};

use super::{project::INVALID_SCHEDULE, whole_second};
use crate::{
    api::{self, BaselineStatus, COMPLETE, READY, RefreshStatus, RunStatus, STALLED, SUSPENDED, ScheduleStatus},
    milvus::{JobId, JobState},
    refresh::{
        Baseline, Cause, ClaimKey, FailureClass, Handled, JobRecord, PastRun, Reason, Recorded, RefusedStart, Run,
        ScheduleRecord, Seen, Success, Summary, Verification, WatchRecord, limits::HISTORY_KEPT, phase::waiting::HELD,
    },
};

impl Recorded {
    /// Reads a status. Text that makes no sense (edited by hand, written by another version) counts as absent, which at
    /// worst makes an outcome unknown and never repeats a start.
    pub fn of(status: Option<&RefreshStatus>) -> Self {
        let Some(status) = status else { return Self::default() };
        let mut run = status.run.as_ref().map(Run::of);
        let id = parse_id(status.job_id.as_deref());
        let percent = status.progress.filter(|_| id.is_some()).unwrap_or_default().clamp(0, 100);
        let job = JobRecord {
            state: status.state.as_deref().and_then(parse_state),
            progress: u8::try_from(percent).unwrap_or_default(),
            reason: status.reason.clone().unwrap_or_default(),
            id,
            collection: status.collection_name.clone().unwrap_or_default(),
            source: status.external_source.clone().unwrap_or_default(),
            start_time: status.start_time.as_ref().map(read_time),
            completion_time: status.completion_time.as_ref().map(read_time),
        };
        // Without a run there is nothing that it could be the job of.
        let job = if run.is_some() { job } else { JobRecord::default() };
        // Only a job that is known and of a run that is not over waits for its checks.
        let waits_for_checks = job.id.is_some() && !job.state.is_some_and(JobState::is_terminal);
        if let Some(run) = run.as_mut().filter(|_| !waits_for_checks) {
            run.job_completion_time = None;
        }
        let retries = run.as_ref().is_some_and(|run| run.next_attempt_time.is_some());
        let failure = status.failure.as_ref().filter(|_| job.state == Some(JobState::Failed) || retries);
        let failure = failure.map(|failure| FailureClass::parse(&failure.class).unwrap_or(FailureClass::Unknown));
        let last_success = match (&status.last_successful_time, parse_id(status.last_successful_job_id.as_deref())) {
            (Some(time), Some(job)) => Some(Success { time: read_time(time), job }),
            (Some(_) | None, _) => None,
        };
        // Only what waits for its start can be held.
        let waits = run.as_ref().is_none_or(|run| run.claim().is_none());
        let summary = summary_of(status, &job, failure).filter(|summary| waits || summary.reason != Reason::Suspended);
        let queue_position =
            status.queue_position.filter(|_| run.is_some()).and_then(|position| u8::try_from(position).ok());
        Self {
            observed_generation: observed_generation(status),
            run,
            baseline: status.baseline.as_ref().map(Baseline::of),
            schedule: status.schedule.as_ref().map(ScheduleRecord::of),
            watch: WatchRecord::of(status),
            verification: Verification::of(status),
            job,
            queue_position,
            failure,
            last_success,
            summary,
            suspended: suspension(status).map(str::to_owned),
            invalid_schedule: invalid_schedule(status).map(str::to_owned),
            handled: Handled {
                triggers: status.handled_triggers.clone(),
                last_trigger: status.last_handled_trigger.clone(),
                pending: status.pending_request.clone().filter(|it| Some(it) != status.last_handled_request.as_ref()),
                request: status.last_handled_request.clone(),
                completed_request: status.last_completed_request.clone(),
            },
            history: status.history.iter().take(HISTORY_KEPT).map(PastRun::of).collect(),
        }
    }
}

pub(super) fn condition<'a>(status: &'a RefreshStatus, type_: &str) -> Option<&'a Condition> {
    status.conditions.iter().find(|condition| condition.type_ == type_)
}

/// The generation that the whole status speaks of: the release before this one let conditions lag behind it.
fn observed_generation(status: &RefreshStatus) -> Option<i64> {
    let conditions = status.conditions.iter().filter_map(|condition| condition.observed_generation);
    let observed = status.observed_generation?;
    Some(conditions.fold(observed, i64::min)).filter(|generation| *generation >= 0)
}

/// What `Suspended` says while starts are held.
fn suspension(status: &RefreshStatus) -> Option<&str> {
    let suspended = condition(status, SUSPENDED).filter(|suspended| suspended.status == "True");
    suspended.map(|suspended| suspended.message.as_str())
}

/// What `Stalled` says of a schedule that makes no sense.
fn invalid_schedule(status: &RefreshStatus) -> Option<&str> {
    let stalled = condition(status, STALLED).filter(|stalled| stalled.status == "True");
    stalled.filter(|stalled| stalled.reason == INVALID_SCHEDULE).map(|stalled| stalled.message.as_str())
}

/// What the conditions say. An object that was suspended before its first run has no `Ready`.
fn summary_of(status: &RefreshStatus, job: &JobRecord, failure: Option<FailureClass>) -> Option<Summary> {
    // `Complete` keeps what the run came to when a later check makes the object not ready.
    let complete = condition(status, COMPLETE).filter(|complete| complete.status == "True");
    let says = complete.or_else(|| condition(status, READY)).or_else(|| condition(status, SUSPENDED))?;
    let reason = match (job.state, failure) {
        (Some(JobState::Completed), _) => Some(Reason::RefreshCompleted),
        (Some(JobState::Failed), class) => Some(Reason::Failed(class.unwrap_or(FailureClass::Unknown))),
        (Some(JobState::Pending | JobState::InProgress | JobState::Unknown(_)) | None, class) => {
            let retrying = class.map(Reason::Retrying);
            let idle = status.run.is_none().then_some(Reason::Idle);
            Reason::GOING_ON.into_iter().chain(idle).chain(retrying).find(|reason| reason.as_str() == says.reason)
        }
    }?;
    match reason {
        Reason::Suspended => suspension(status).map(|_| Summary { reason, message: HELD.to_owned() }),
        _ => Some(Summary { reason, message: says.message.clone() }),
    }
}

impl Run {
    fn of(status: &RunStatus) -> Self {
        let attempt = status.attempt.max(0);
        let claim = ClaimKey::parse(status.number, attempt, status.claim_id.as_deref());
        // Another version may have claimed since and left both standing: then nothing is proven.
        let counted = claim.nonce.is_some() && (0..=attempt).contains(&status.proven_claims);
        Self {
            number: status.number,
            generation: status.generation,
            cause: status.cause.as_deref().and_then(Cause::parse),
            trigger: status.trigger.clone(),
            requested_at: status.requested_at.clone(),
            fingerprint: status.fingerprint.clone(),
            seen: Seen::of(status.source_version.as_deref(), status.source_look.as_ref()),
            queued_time: status.queued_time.as_ref().map(read_time),
            suspended_time: status.suspended_time.as_ref().map(read_time),
            suspended_seconds: status.suspended_seconds.max(0),
            operator: status.operator.clone(),
            attempt,
            claim_nonce: claim.nonce,
            proven_claims: if counted { status.proven_claims } else { 0 },
            failures: status.failures.max(0),
            next_attempt_time: status.next_attempt_time.as_ref().map(read_time),
            submit_time: status.submit_time.as_ref().map(read_time),
            collection_id: status.collection_id.as_deref().and_then(|id| id.parse().ok()),
            endpoint: status.endpoint.clone(),
            source: status.external_source.clone().unwrap_or_default(),
            job_id_watermark: parse_id(status.job_id_watermark.as_deref()),
            start_time_watermark: status.start_time_watermark.as_ref().map(|time| time.0),
            job_completion_time: status.job_completion_time.as_ref().map(read_time),
            job_seen: status.job_seen,
            ended_job_ids: status.ended_job_ids.iter().filter_map(|id| parse_id(Some(id))).collect(),
            unproven_submits: status.unproven_submits.max(0),
            adopted: status.adopted,
            refusal: status
                .refusal
                .as_ref()
                .map(|refusal| RefusedStart { reason: refusal.reason.clone(), message: refusal.message.clone() }),
            passed_over: status.passed_over.clone(),
        }
    }
}

impl PastRun {
    fn of(status: &api::PastRun) -> Self {
        let failed = parse_state(&status.state) != Some(JobState::Completed);
        let class = status.class.as_deref().and_then(FailureClass::parse).unwrap_or(FailureClass::Unknown);
        Self {
            number: status.number,
            cause: status.cause.as_deref().and_then(Cause::parse),
            trigger: status.trigger.clone(),
            job: parse_id(status.job_id.as_deref()),
            failure: failed.then_some(class),
            start_time: status.start_time.as_ref().map(read_time),
            completion_time: status.completion_time.as_ref().map(read_time),
            message: status.message.clone(),
        }
    }
}

impl Baseline {
    fn of(status: &BaselineStatus) -> Self {
        Self { fingerprint: status.fingerprint.clone(), generation: status.generation }
    }
}

impl ScheduleRecord {
    fn of(status: &ScheduleStatus) -> Self {
        Self {
            cron: status.cron.clone(),
            time_zone: status.time_zone.clone(),
            since: status.since.as_ref().map(read_time),
            last: status.last_schedule_time.as_ref().map(read_time),
            next: status.next_schedule_time.as_ref().map(read_time),
        }
    }
}

pub(super) fn read_time(time: &Time) -> Timestamp {
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
