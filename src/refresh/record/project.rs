//! From the record to the status that is written.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, MicroTime, Time};

use crate::{
    api::{
        self, BaselineStatus, COMPLETE, FAILED, FailureStatus, READY, RECONCILING, RefreshStatus, RefusalStatus,
        RunStatus, SOURCE_FRESH, STALLED, SUSPENDED, ScheduleStatus, VERIFIED, conditions,
    },
    milvus::{JobId, JobState},
    refresh::{Cause, JobRecord, PastRun, Reason, Recorded, Run, Seen, Verification, WatchRecord},
};

/// The whole status for `record`. `before` gives the conditions that stand, whose transition times are kept where their
/// status stays.
pub fn project(record: &Recorded, before: &[Condition], now: Timestamp) -> RefreshStatus {
    let job = &record.job;
    RefreshStatus {
        observed_generation: record.observed_generation,
        state: job.state.and_then(state_name).map(str::to_owned),
        progress: job.id.map(|_| i64::from(job.progress)),
        reason: text(&job.reason),
        job_id: job.id.map(|id| id.to_string()),
        collection_name: text(&job.collection),
        external_source: text(&job.source),
        start_time: job.start_time.map(Time),
        completion_time: job.completion_time.map(Time),
        run: record.run.as_ref().map(run_status),
        baseline: record.baseline.as_ref().map(|baseline| BaselineStatus {
            fingerprint: baseline.fingerprint.clone(),
            generation: baseline.generation,
        }),
        schedule: record.schedule.as_ref().map(|kept| ScheduleStatus {
            cron: kept.cron.clone(),
            time_zone: kept.time_zone.clone(),
            since: kept.since.map(Time),
            last_schedule_time: kept.last.map(Time),
            next_schedule_time: kept.next.map(Time),
        }),
        watch: record.watch.as_ref().map(WatchRecord::status),
        verification: record.verification.as_ref().map(Verification::status),
        queue_position: record.queue_position.map(i64::from),
        failure: record.failure.map(|class| FailureStatus {
            class: class.as_str().to_owned(),
            retryable: class.retryable(),
            remedy: class.remedy().to_owned(),
        }),
        handled_triggers: record.handled.triggers.clone(),
        last_handled_trigger: record.handled.last_trigger.clone(),
        pending_request: record.handled.pending.clone(),
        last_handled_request: record.handled.request.clone(),
        last_completed_request: record.handled.completed_request.clone(),
        history: record.history.iter().map(past_run).collect(),
        last_successful_time: record.last_success.as_ref().map(|success| Time(success.time)),
        last_successful_job_id: record.last_success.as_ref().map(|success| success.job.to_string()),
        conditions: conditions_of(record, before, now),
    }
}

/// How two records differ in what people wait for, apart from how far a running job is.
pub fn differs_only_in_progress(a: &Recorded, b: &Recorded) -> bool {
    let still = |record: &Recorded| {
        let mut record = record.clone();
        record.job = JobRecord { id: record.job.id, ..JobRecord::default() };
        if let Some(run) = &mut record.run {
            run.job_seen = false;
        }
        record
    };
    !a.ended() && !b.ended() && still(a) == still(b)
}

fn state_name(state: JobState) -> Option<&'static str> {
    match state {
        JobState::Pending => Some("RefreshPending"),
        JobState::InProgress => Some("RefreshInProgress"),
        JobState::Completed => Some("RefreshCompleted"),
        JobState::Failed => Some("RefreshFailed"),
        JobState::Unknown(_) => None,
    }
}

fn text(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}

fn cause_name(cause: Cause) -> String {
    cause.as_str().to_owned()
}

fn run_status(run: &Run) -> RunStatus {
    RunStatus {
        number: run.number,
        generation: run.generation,
        cause: run.cause.map(cause_name),
        trigger: run.trigger.clone(),
        requested_at: run.requested_at.clone(),
        fingerprint: run.fingerprint.clone(),
        source_version: run.seen.as_ref().map(|seen| seen.version.name.clone()),
        source_look: run.seen.as_ref().map(Seen::look),
        queued_time: run.queued_time.map(Time),
        suspended_time: run.suspended_time.map(Time),
        suspended_seconds: run.suspended_seconds,
        operator: run.operator.clone(),
        attempt: run.attempt,
        claim_id: run.last_claim().id(),
        proven_claims: run.proven_claims,
        failures: run.failures,
        next_attempt_time: run.next_attempt_time.map(Time),
        submit_time: run.submit_time.map(Time),
        collection_id: run.collection_id.map(|id| id.to_string()),
        endpoint: run.endpoint.clone(),
        external_source: text(&run.source),
        job_id_watermark: run.job_id_watermark.map(|id| id.to_string()),
        start_time_watermark: run.start_time_watermark.map(MicroTime),
        job_completion_time: run.job_completion_time.map(Time),
        job_seen: run.job_seen,
        ended_job_ids: run.ended_job_ids.iter().map(JobId::to_string).collect(),
        unproven_submits: run.unproven_submits,
        adopted: run.adopted,
        refusal: run
            .refusal
            .as_ref()
            .map(|refusal| RefusalStatus { reason: refusal.reason.clone(), message: refusal.message.clone() }),
        passed_over: run.passed_over.clone(),
    }
}

fn past_run(run: &PastRun) -> api::PastRun {
    let state = if run.failure.is_none() { JobState::Completed } else { JobState::Failed };
    api::PastRun {
        number: run.number,
        cause: run.cause.map(cause_name),
        trigger: run.trigger.clone(),
        job_id: run.job.map(|id| id.to_string()),
        state: state_name(state).unwrap_or_default().to_owned(),
        class: run.failure.map(|class| class.as_str().to_owned()),
        start_time: run.start_time.map(Time),
        completion_time: run.completion_time.map(Time),
        message: run.message.clone(),
    }
}

/// The rows of the condition table: Ready, Complete, Failed, Reconciling, Stalled. A condition without a status is left out.
fn row(reason: Reason) -> [&'static str; 5] {
    match reason {
        Reason::Queued
        | Reason::WaitingForActiveJob
        | Reason::ConcurrencyLimit
        | Reason::ConnectionNotReady
        | Reason::Submitting
        | Reason::RefreshInProgress
        | Reason::Verifying
        | Reason::OutcomeUnknown
        | Reason::SecretNotFound
        | Reason::SourceNotResolved => ["Unknown", "False", "False", "True", "False"],
        Reason::Retrying(_) => ["False", "False", "False", "True", "False"],
        // Nothing goes on until somebody ends the suspension, so a tool that waits must not see Unknown.
        Reason::Suspended => ["", "False", "False", "False", "False"],
        Reason::Terminating => ["Unknown", "False", "False", "False", "False"],
        Reason::Idle => ["True", "False", "False", "False", "False"],
        Reason::RefreshCompleted => ["True", "True", "False", "False", "False"],
        Reason::Failed(_) => ["False", "False", "True", "False", "True"],
    }
}

fn conditions_of(record: &Recorded, before: &[Condition], now: Timestamp) -> Vec<Condition> {
    let Some(summary) = &record.summary else { return before.to_vec() };
    let [ready, complete, failed, reconciling, stalled] = row(summary.reason);
    let not_served = record.verification.as_ref().filter(|checked| checked.stalls);
    let ready = if not_served.is_some() { "False" } else { ready };
    // Nothing goes on by the clock until the schedule is corrected.
    let stalled = if record.invalid_schedule.is_some() || not_served.is_some() { "True" } else { stalled };
    let suspended = if record.suspended.is_some() { "True" } else { "False" };
    let verified = record.verification.as_ref().map_or("", Verification::verified);
    let fresh = record.watch.as_ref().and_then(|watch| watch.fresh.as_ref()).map_or("", |fresh| fresh.reason.status());
    let types = [READY, COMPLETE, FAILED, RECONCILING, STALLED, SUSPENDED, VERIFIED, SOURCE_FRESH];
    let rows = types.into_iter().zip([ready, complete, failed, reconciling, stalled, suspended, verified, fresh]);
    let says = (summary.reason.as_str(), summary.message.as_str());
    let rows = rows.filter(|(_, status)| !status.is_empty());
    // kubectl and Flux ignore a condition of an older generation than the status has observed.
    let mut conditions = conditions(rows, says, record.observed_generation, before, now);
    for condition in &mut conditions {
        if let Some((reason, message)) = own_words(record, &condition.type_) {
            reason.clone_into(&mut condition.reason);
            message.clone_into(&mut condition.message);
        }
        if let (RECONCILING, Reason::Retrying(_)) = (condition.type_.as_str(), summary.reason) {
            PROGRESSING_WITH_RETRY.clone_into(&mut condition.reason);
        }
    }
    conditions
}

/// What a condition says that does not speak of the run.
fn own_words<'a>(record: &'a Recorded, type_: &str) -> Option<(&'a str, &'a str)> {
    let checked = record.verification.as_ref().map(|checked| (checked, (checked.reason.as_str(), &*checked.message)));
    let not_served = checked.filter(|(checked, _)| checked.stalls).map(|(_, says)| says);
    match type_ {
        READY => not_served,
        STALLED => record.invalid_schedule.as_deref().map(|problem| (INVALID_SCHEDULE, problem)).or(not_served),
        SUSPENDED => record.suspended.as_deref().map(|held| (Reason::Suspended.as_str(), held)),
        VERIFIED => checked.map(|(_, says)| says),
        SOURCE_FRESH => {
            let fresh = record.watch.as_ref()?.fresh.as_ref()?;
            Some((fresh.reason.as_str(), &*fresh.message))
        }
        _ => None,
    }
}

impl Reason {
    /// Whether something goes on that ends by itself.
    pub(in crate::refresh) fn is_reconciling(self) -> bool {
        let [.., reconciling, _] = row(self);
        reconciling == "True"
    }
}

/// The reason of a `Stalled` that a schedule causes.
pub(in crate::refresh) const INVALID_SCHEDULE: &str = "InvalidSchedule";

/// kstatus' reason of a `Reconciling` that follows a failure.
const PROGRESSING_WITH_RETRY: &str = "ProgressingWithRetry";
