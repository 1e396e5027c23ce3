//! The status of an `ExternalCollectionRefresh`.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, MicroTime, Time};
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    schedule::ScheduleStatus,
    verify::VerificationStatus,
    watch::{SourceLook, WatchStatus},
};

/// Milvus' record of the job, the operator's durable record of the run, and conditions that summarize both. Everything that
/// the operator needs after a restart is here.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct RefreshStatus {
    /// The `metadata.generation` that this status describes; -1 until the operator has seen the object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,

    /// Milvus' state of the job: `RefreshPending` (also before a job exists), `RefreshInProgress`, `RefreshCompleted` or
    /// `RefreshFailed`. It is Completed or Failed if and only if the run has ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,

    /// Progress of the job in percent. It never decreases within one job.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 100))]
    pub progress: Option<i64>,

    /// Why the run failed, in Milvus' words or the operator's; while the job runs, what Milvus reports of trouble. Credentials are
    /// removed. At most 1 KiB.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,

    /// Milvus' id of the job, as text: it exceeds 2^53, and JSON tools would round the number.
    #[serde(rename = "jobID", default, skip_serializing_if = "Option::is_none")]
    pub job_id: Option<String>,

    /// The collection as Milvus reports it for the job. An alias is not resolved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub collection_name: Option<String>,

    /// The source that the job reads.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub external_source: Option<String>,

    /// When Milvus recorded the job.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start_time: Option<Time>,

    /// When the run ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub completion_time: Option<Time>,

    /// The durable record of the run: what it was started with, and what prevents a second start.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<RunStatus>,

    /// What the object asked for when it was first seen with `runOnCreation: false`. Absent once its first run has started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub baseline: Option<BaselineStatus>,

    /// The state of the schedule; absent without one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schedule: Option<ScheduleStatus>,

    /// What is known of the source; absent without `spec.watch`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub watch: Option<WatchStatus>,

    /// What `spec.verify` found; absent without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verification: Option<VerificationStatus>,

    /// Position among the runs that wait for the same collection, from 1. Absent beyond 3, and while the run does not wait for
    /// another.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 3))]
    pub queue_position: Option<i64>,

    /// Why the run failed and what you can do; absent unless it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<FailureStatus>,

    /// Values of `spec.trigger` that runs have captured since the source last changed, in the order in which they were last
    /// set. Setting one of them again starts nothing. At most 20.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 20))]
    pub handled_triggers: Vec<String>,

    /// The last value of `spec.trigger` that is done: its run has ended, or the value was handled before. Wait for it after
    /// you set `spec.trigger`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_handled_trigger: Option<String>,

    /// A value of the annotation `milvus-refresh.dev/requestedAt` that the operator has seen and no run has captured yet. It is
    /// answered even if the annotation is removed by then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pending_request: Option<String>,

    /// The value of the annotation `milvus-refresh.dev/requestedAt` that a run last captured, or that stood there at first
    /// with `runOnCreation: false`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_handled_request: Option<String>,

    /// The value of the annotation `milvus-refresh.dev/requestedAt` whose run last ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_completed_request: Option<String>,

    /// The last 10 runs that ended, newest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 10))]
    pub history: Vec<PastRun>,

    /// When a run last completed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_successful_time: Option<Time>,

    /// Milvus' id of the job of the run that last completed, as text.
    #[serde(rename = "lastSuccessfulJobID", default, skip_serializing_if = "Option::is_none")]
    pub last_successful_job_id: Option<String>,

    /// `Ready` summarizes the others. `Complete` and `Failed` are for `kubectl wait`, `Reconciling` and `Stalled` for GitOps
    /// tools. `Suspended` tells that starts are held and what is due. `Stalled` also reports an invalid schedule. `Verified` tells
    /// what `spec.verify` found, `SourceFresh` what `spec.watch` saw. Each has the `observedGeneration` of the status.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<Condition>,
}

/// The durable record of a run. The operator writes it before it sends a start to Milvus, and continues from it after a
/// restart.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct RunStatus {
    /// Number of the run, counted from 1 for each object.
    #[serde(default)]
    pub number: i64,

    /// The `metadata.generation` for which the run became due.
    #[serde(default)]
    pub generation: i64,

    /// Why it runs: `Trigger`, `Request`, `SourceEdited`, `SourceChanged`, `Schedule` or `Creation`; if several apply, the first of these.
    /// Absent for runs that an older version opened.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<String>,

    /// The `spec.trigger` that the run captured when it was claimed; until then, that of the previous run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trigger: Option<String>,

    /// The value of the annotation `milvus-refresh.dev/requestedAt` that the run captured when it was claimed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requested_at: Option<String>,

    /// Fingerprint of the source that the run captured when it was claimed. A different source makes a new run due.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub fingerprint: String,

    /// The version of the watched source that the run captured: seen before the claim, so that Milvus reads this or a newer
    /// one. Absent if the operator could not look.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_version: Option<String>,

    /// `sourceVersion` in detail.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_look: Option<SourceLook>,

    /// When the run became due.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queued_time: Option<Time>,

    /// Since when `spec.suspend` has held the start of the run; absent while it does not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suspended_time: Option<Time>,

    /// For how many seconds `spec.suspend` has held the start of the run before `suspendedTime`.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub suspended_seconds: i64,

    /// The operator process that last queued or claimed the run. A new leader writes its own name on every run that is due,
    /// so that a late claim of its predecessor gets a conflict.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operator: Option<String>,

    /// How many times the run was claimed, including claims that were refused or abandoned.
    #[serde(default)]
    pub attempt: i64,

    /// Id of the last claim: `<number>-<attempt>-<random>`. It tells the claims of two processes for the same attempt apart;
    /// only the process that wrote a claim knows the outcome of its start.
    #[serde(rename = "claimID", default, skip_serializing_if = "Option::is_none")]
    pub claim_id: Option<String>,

    /// How many claims are proven over: Milvus refused the start, it was never sent, or the job that Milvus named in its
    /// reply has ended. While this is below `attempt`, a job of an earlier claim may still appear, and the operator looks for
    /// it before it starts another. Counts only together with a `claimID` of this number and attempt.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub proven_claims: i64,

    /// How many attempts failed with a retryable class; counts against `spec.backoffLimit`.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub failures: i64,

    /// When the next attempt is due; absent unless a retry is pending.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_attempt_time: Option<Time>,

    /// When the current claim was made; absent while there is none. A claim without `jobID` means that a start may have been
    /// sent and its outcome is unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub submit_time: Option<Time>,

    /// Milvus' id of the claimed collection, as text. A different id means that the collection was recreated.
    #[serde(rename = "collectionID", default, skip_serializing_if = "Option::is_none")]
    pub collection_id: Option<String>,

    /// The Milvus address that the run was claimed for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<String>,

    /// The source that the claimed run reads. A job that reads another source is never taken for a job of this run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub external_source: Option<String>,

    /// The highest job id of the collection before the claim, as text; `0` if it had no job. Taken again for each claim that
    /// is made while all earlier ones are proven over.
    #[serde(rename = "jobIDWatermark", default, skip_serializing_if = "Option::is_none")]
    pub job_id_watermark: Option<String>,

    /// The newest start time of the collection's jobs before the claim, in milliseconds: several jobs can start within one
    /// second.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start_time_watermark: Option<MicroTime>,

    /// When Milvus completed the job, while the run waits for `spec.verify`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job_completion_time: Option<Time>,

    /// Whether Milvus has listed the job at least once. A job that was accepted and never listed was never created.
    #[serde(default)]
    pub job_seen: bool,

    /// Ids of this run's jobs that ended or were never created.
    #[serde(rename = "endedJobIDs", default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    pub ended_job_ids: Vec<String>,

    /// How many claims of this run were given up because no job was found for them. At most 2.
    #[serde(default)]
    pub unproven_submits: i64,

    /// Whether the job was found rather than named in Milvus' reply: the reply was lost, or this refresh did not start the
    /// job.
    #[serde(default)]
    pub adopted: bool,

    /// Milvus' refusal of the current claim's start, while it is not yet proof that no job exists: Milvus may have refused its
    /// own retry of the call while the first call continues. It counts once no job of the claim can appear any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refusal: Option<RefusalStatus>,

    /// The refresh in another namespace (`namespace/name`) that had held the collection for 75 minutes when this run started
    /// anyway. Among several jobs that could be its own, such a run takes none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub passed_over: Option<String>,
}

/// What an object asked for when it was first seen.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct BaselineStatus {
    /// Hash of its source; a different one starts a run.
    #[serde(default)]
    pub fingerprint: String,

    /// Its `metadata.generation`.
    #[serde(default)]
    pub generation: i64,
}

/// Milvus' refusal of a start.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RefusalStatus {
    /// The failure class, or the reason of the connection if the connection is the cause.
    #[serde(default)]
    pub reason: String,

    /// Milvus' message.
    #[serde(default)]
    pub message: String,
}

/// Why a run failed and what you can do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct FailureStatus {
    /// The failure class, one of a fixed set; also the reason of the conditions.
    #[serde(default)]
    pub class: String,

    /// Whether the operator retries this class automatically, up to `backoffLimit` times.
    #[serde(default)]
    pub retryable: bool,

    /// What you can do.
    #[serde(default)]
    pub remedy: String,
}

/// A run that ended.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PastRun {
    /// The run's number.
    #[serde(default)]
    pub number: i64,

    /// Why the run ran; absent if unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<String>,

    /// The `spec.trigger` that the run captured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trigger: Option<String>,

    /// Milvus' id of the run's last job, as text; absent if no job was started.
    #[serde(rename = "jobID", default, skip_serializing_if = "Option::is_none")]
    pub job_id: Option<String>,

    /// `RefreshCompleted` or `RefreshFailed`.
    #[serde(default)]
    pub state: String,

    /// The failure class; absent if the run completed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub class: Option<String>,

    /// When Milvus recorded the job.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start_time: Option<Time>,

    /// When the run ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub completion_time: Option<Time>,

    /// How the run ended, in at most 128 bytes.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub message: String,
}

/// Counters that most objects never need are left out while they are zero.
#[allow(clippy::trivially_copy_pass_by_ref)] // serde hands over a reference
fn is_zero(number: &i64) -> bool {
    *number == 0
}
