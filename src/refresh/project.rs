//! From the record to the status that is written.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, MicroTime, Time};

use super::{JobRecord, Reason, Recorded, Run, conditions};
use crate::{
    api::{COMPLETE, FAILED, FailureStatus, READY, RECONCILING, RefreshStatus, RunStatus, STALLED, SUSPENDED},
    milvus::{JobId, JobState},
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
        queue_position: record.queue_position.map(i64::from),
        failure: record
            .failure
            .map(|class| FailureStatus { class: class.as_str().to_owned(), remedy: class.remedy().to_owned() }),
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

fn run_status(run: &Run) -> RunStatus {
    RunStatus {
        number: run.number,
        generation: run.generation,
        fingerprint: run.fingerprint.clone(),
        queued_time: run.queued_time.map(Time),
        operator: run.operator.clone(),
        attempt: run.attempt,
        submit_time: run.submit_time.map(Time),
        collection_id: run.collection_id.map(|id| id.to_string()),
        endpoint: run.endpoint.clone(),
        external_source: text(&run.source),
        job_id_watermark: run.job_id_watermark.map(|id| id.to_string()),
        start_time_watermark: run.start_time_watermark.map(MicroTime),
        job_seen: run.job_seen,
        ended_job_ids: run.ended_job_ids.iter().map(JobId::to_string).collect(),
        unproven_submits: run.unproven_submits,
        adopted: run.adopted,
    }
}

/// The rows of the condition table: Ready, Complete, Failed, Reconciling, Stalled, Suspended.
fn row(reason: Reason) -> [&'static str; 6] {
    match reason {
        Reason::Queued
        | Reason::WaitingForActiveJob
        | Reason::ConcurrencyLimit
        | Reason::ConnectionNotReady
        | Reason::Submitting
        | Reason::RefreshInProgress
        | Reason::OutcomeUnknown => ["Unknown", "False", "False", "True", "False", "False"],
        Reason::RefreshCompleted => ["True", "True", "False", "False", "False", "False"],
        Reason::Failed(_) => ["False", "False", "True", "False", "True", "False"],
    }
}

fn conditions_of(record: &Recorded, before: &[Condition], now: Timestamp) -> Vec<Condition> {
    let Some(summary) = &record.summary else { return before.to_vec() };
    let types = [READY, COMPLETE, FAILED, RECONCILING, STALLED, SUSPENDED];
    let says = (summary.reason.as_str(), summary.message.as_str());
    conditions(
        types.into_iter().zip(row(summary.reason)),
        says,
        record.run.as_ref().map(|run| run.generation),
        before,
        now,
    )
}
