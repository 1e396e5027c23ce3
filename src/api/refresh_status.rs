//! The status of an `ExternalCollectionRefresh`.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, MicroTime, Time};
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Milvus' record of the job, the operator's durable record of the run, and conditions that sum both up. It is the
/// operator's only memory: everything that a restart needs is here.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct RefreshStatus {
    /// The `metadata.generation` whose run this status reports; -1 until the operator has seen the object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,

    /// `RefreshPending`, `RefreshInProgress`, `RefreshCompleted` or `RefreshFailed`: Milvus' state of the job,
    /// `RefreshPending` also before a job exists. Every run that has ended, and only that, is Completed or Failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,

    /// How far the job is, in percent. Never falls within one job.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 100))]
    pub progress: Option<i64>,

    /// Why the job failed, in Milvus' words, without credentials; empty in normal cases. At most 1 KiB.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,

    /// Milvus' id of the job, as text: ids exceed 2^53, which JSON tools would round.
    #[serde(rename = "jobID", default, skip_serializing_if = "Option::is_none")]
    pub job_id: Option<String>,

    /// The collection as Milvus reports it for the job; an alias stays the alias.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub collection_name: Option<String>,

    /// The source that the job reads.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub external_source: Option<String>,

    /// When Milvus recorded the job.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start_time: Option<Time>,

    /// When the run ended; set on every run that has ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub completion_time: Option<Time>,

    /// The durable record of the run: what it was started with, and what makes a second start impossible.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<RunStatus>,

    /// The place among the runs that wait for the same collection, from 1; absent beyond 3 and while the run does not
    /// wait for another.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 3))]
    pub queue_position: Option<i64>,

    /// Why the run failed and what to do about it; absent unless it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<FailureStatus>,

    /// The tokens that runs have captured since the source last changed, in the order in which `spec.trigger` last had
    /// them: setting one of them again starts nothing. At most 20.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 20))]
    pub handled_triggers: Vec<String>,

    /// The last value of `spec.trigger` that nothing is due for any more: its run has ended, or it was handled before. What
    /// to wait for after setting `spec.trigger`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_handled_trigger: Option<String>,

    /// The value of the annotation `milvus-refresh.dev/requestedAt` that a run last captured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_handled_request: Option<String>,

    /// The value of that annotation whose run has last ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_completed_request: Option<String>,

    /// The last 10 runs that have ended, newest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 10))]
    pub history: Vec<PastRun>,

    /// When a run last completed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_successful_time: Option<Time>,

    /// The job of the run that last completed.
    #[serde(rename = "lastSuccessfulJobID", default, skip_serializing_if = "Option::is_none")]
    pub last_successful_job_id: Option<String>,

    /// `Ready` sums up, `Complete` and `Failed` are for `kubectl wait`, `Reconciling` and `Stalled` for GitOps tools,
    /// `Suspended` says that starts are held and what is due. Each carries `observedGeneration` of the status.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<Condition>,
}

/// The durable record of a run. Written before a start is sent to Milvus; a restart carries on from it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct RunStatus {
    /// Counts the runs of this object, from 1.
    #[serde(default)]
    pub number: i64,

    /// The `metadata.generation` that the run was opened for.
    #[serde(default)]
    pub generation: i64,

    /// The `spec.trigger` that the run captured when it was claimed; until then that of the run before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trigger: Option<String>,

    /// The value of the annotation `milvus-refresh.dev/requestedAt` that the run captured likewise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requested_at: Option<String>,

    /// Stands for the source that the run captured likewise; a different one makes a new run due.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub fingerprint: String,

    /// When the run became due.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queued_time: Option<Time>,

    /// Since when the start of the run is held by `spec.suspend`; absent while it is not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suspended_time: Option<Time>,

    /// How many seconds the start of the run was held by `spec.suspend` before.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub suspended_seconds: i64,

    /// The operator process that queued or claimed the run last. A process that takes over writes its own name on every
    /// run that is due, so that a late claim of its predecessor meets a conflict.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operator: Option<String>,

    /// How many times the run has been claimed, refused and abandoned claims too.
    #[serde(default)]
    pub attempt: i64,

    /// Names the last claim: `<number>-<attempt>-<random>`. Only the process that wrote a claim knows what became of its
    /// start, and this tells its claim from one that another process wrote under the same number and attempt.
    #[serde(rename = "claimID", default, skip_serializing_if = "Option::is_none")]
    pub claim_id: Option<String>,

    /// How many claims are proven over: Milvus refused the start, it was never sent, or the job that Milvus named in its
    /// reply has ended. While fewer than `attempt`, a job of an earlier claim may still turn up, and the operator looks for
    /// one before it starts another. Counts only together with a `claimID` of this number and attempt.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub proven_claims: i64,

    /// How many attempts have failed in a class that is retried; counts against `spec.backoffLimit`.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub failures: i64,

    /// When the next attempt is due; present only while a retry waits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_attempt_time: Option<Time>,

    /// When the standing claim was made; absent while no claim stands. A claim without `jobID` means that a start may
    /// have been sent whose outcome is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub submit_time: Option<Time>,

    /// Milvus' id of the collection that was claimed, as text. Another one means another incarnation of the collection.
    #[serde(rename = "collectionID", default, skip_serializing_if = "Option::is_none")]
    pub collection_id: Option<String>,

    /// The address of the Milvus that was claimed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<String>,

    /// The source that the claimed run reads; jobs of another source are never taken for ours.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub external_source: Option<String>,

    /// The highest job id that the collection had before the claim, as text; `0` when it had none. Taken anew for each claim
    /// before which all others are proven over.
    #[serde(rename = "jobIDWatermark", default, skip_serializing_if = "Option::is_none")]
    pub job_id_watermark: Option<String>,

    /// The newest start among those jobs, to the millisecond as Milvus has it: jobs of one second are told apart by it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start_time_watermark: Option<MicroTime>,

    /// Whether Milvus has shown the job at least once. A job that was accepted and never shown was never created.
    #[serde(default)]
    pub job_seen: bool,

    /// The ids of this run's jobs that have ended or never came into being.
    #[serde(rename = "endedJobIDs", default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    pub ended_job_ids: Vec<String>,

    /// How many claims of this run were given up because no job of theirs could be found. At most 2.
    #[serde(default)]
    pub unproven_submits: i64,

    /// Whether the job was found rather than started: the reply to our start was lost, or someone else started it.
    #[serde(default)]
    pub adopted: bool,

    /// What Milvus refused the standing claim's start with, where that is no proof yet: its own repetition of the call may
    /// have been refused while the first call goes on. It counts once no job of the claim can turn up any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refusal: Option<RefusalStatus>,

    /// The refresh of another namespace (`namespace/name`) that had held the collection for 75 minutes when this run
    /// started all the same. Of several jobs that could be its own, such a run takes none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub passed_over: Option<String>,
}

/// A refusal of a start.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RefusalStatus {
    /// The failure class, or the connection's reason where the connection is at fault.
    #[serde(default)]
    pub reason: String,

    /// Milvus' words.
    #[serde(default)]
    pub message: String,
}

/// Why a run failed and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct FailureStatus {
    /// The failure class, from a closed set; also the reason of the conditions.
    #[serde(default)]
    pub class: String,

    /// Whether the operator tries again by itself, as far as the spec lets it.
    #[serde(default)]
    pub retryable: bool,

    /// What a person can do about it.
    #[serde(default)]
    pub remedy: String,
}

/// A run that has ended.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PastRun {
    /// The run's number.
    #[serde(default)]
    pub number: i64,

    /// The `spec.trigger` that it captured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trigger: Option<String>,

    /// Milvus' id of its last job, as text; absent when none was started.
    #[serde(rename = "jobID", default, skip_serializing_if = "Option::is_none")]
    pub job_id: Option<String>,

    /// `RefreshCompleted` or `RefreshFailed`.
    #[serde(default)]
    pub state: String,

    /// Why it failed; absent when it completed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub class: Option<String>,

    /// When Milvus recorded that job.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start_time: Option<Time>,

    /// When the run ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub completion_time: Option<Time>,

    /// How it ended, in at most 128 bytes.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub message: String,
}

/// Counters that most objects never need are left out while they are zero.
#[allow(clippy::trivially_copy_pass_by_ref)] // serde hands over a reference
fn is_zero(number: &i64) -> bool {
    *number == 0
}
