//! `ExternalCollectionRefresh`: run one refresh job and report it.
// The lint takes the printer columns of a CRD for repetitions.
#![allow(clippy::duplicated_attributes)]

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, MicroTime, Time};
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Runs one refresh of a Milvus external collection and reports it.
#[derive(CustomResource, Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[kube(
    group = "milvus-refresh.dev",
    version = "v1alpha1",
    kind = "ExternalCollectionRefresh",
    plural = "externalcollectionrefreshes",
    shortname = "ecrefresh",
    category = "milvus",
    namespaced,
    status = "RefreshStatus",
    derive = "PartialEq",
    doc = "Runs one refresh of a Milvus external collection and reports it.",
    selectable = ".spec.collectionName",
    selectable = ".spec.databaseName",
    selectable = ".spec.connectionRef.name",
    selectable = ".status.state",
    printcolumn(name = "Collection", type_ = "string", json_path = ".spec.collectionName"),
    printcolumn(name = "State", type_ = "string", json_path = ".status.state"),
    printcolumn(name = "Progress", type_ = "integer", json_path = ".status.progress"),
    printcolumn(name = "Reason", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].reason"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    printcolumn(name = "Job", type_ = "string", json_path = ".status.jobID", priority = 1),
    printcolumn(name = "Attempt", type_ = "integer", json_path = ".status.run.attempt", priority = 1),
    printcolumn(name = "Completed", type_ = "date", json_path = ".status.completionTime", priority = 1),
    printcolumn(
        name = "Message",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Ready\")].message",
        priority = 1
    )
)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("has(self.externalSource) ? has(self.externalSpec) != has(self.externalSpecFrom) : !has(self.externalSpec) && !has(self.externalSpecFrom)")
    .message("set externalSource together with either externalSpec or externalSpecFrom, or none of the three"))]
pub struct RefreshSpec {
    /// The connection to refresh through, of the same namespace. Immutable.
    #[serde(default)]
    #[x_kube(validation = Rule::new("self == oldSelf").message("is immutable: create another ExternalCollectionRefresh instead"))]
    pub connection_ref: ConnectionReference,

    /// The Milvus database that holds the collection. Immutable.
    #[serde(default = "default_database")]
    #[schemars(length(min = 1, max = 255))]
    #[x_kube(validation = Rule::new("self.matches('^[A-Za-z_][A-Za-z0-9_]*$')")
        .message("must begin with a letter or _ and hold only letters, digits and _ (Milvus' rule for names)"))]
    #[x_kube(validation = Rule::new("self == oldSelf").message("is immutable: create another ExternalCollectionRefresh instead"))]
    pub database_name: String,

    /// The external collection to refresh, by its name or an alias. Immutable.
    #[schemars(length(min = 1, max = 255))]
    #[x_kube(validation = Rule::new("self.matches('^[A-Za-z_][A-Za-z0-9_]*$')")
        .message("must begin with a letter or _ and hold only letters, digits and _ (Milvus' rule for names)"))]
    #[x_kube(validation = Rule::new("self == oldSelf").message("is immutable: create another ExternalCollectionRefresh instead"))]
    pub collection_name: String,

    /// Where Milvus reads the files from now on, instead of from the source that it has stored for the collection; for
    /// example `s3://bucket/path`. Needs a spec, and a connection whose `allowedSources` has it. Once such a run has
    /// completed, Milvus keeps source and spec for later refreshes, also for those that name none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 2048))]
    #[x_kube(validation = Rule::new(r"self.matches(r'^(s3|s3a|aws|minio|oss|cos|obs|gs|gcs|azure)://[^/?#@\\\x00-\x20]+(/[^?#\\\x00-\x20]*)?$')")
        .message("must be a URI with a host or bucket and one of the schemes s3, s3a, aws, minio, oss, cos, obs, gs, gcs, azure; without login, query, fragment, backslash or white space"))]
    pub external_source: Option<String>,

    /// How to read `externalSource`: Milvus' external spec, a JSON object of at most 64 KiB with `format`, `columns` and
    /// `extfs`. For specs without credentials: whoever may read this object can read it, and so can etcd and Git.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 65_536))]
    #[x_kube(validation = Rule::new(r#"!self.matches(r'(?i)"(access_key_id|access_key_val|access_key_value|account_key|credential_json|external_id|sas_token|secret_access_key|session_token|ssl_ca_cert)"\s*:')"#)
        .message("must not hold credentials. The text may be in Git by now: rotate the credential, put the spec with the new one into a Secret and name that in externalSpecFrom"))]
    pub external_spec: Option<String>,

    /// Where the spec stands that says how to read `externalSource`. For specs with credentials. It is read when a run
    /// starts; changing it alone starts none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub external_spec_from: Option<ExternalSpecSource>,

    /// What to do when a job of somebody else is active on the collection: `Wait` for its end and then start our own, or
    /// `Adopt` it as ours if it reads the same source. An adopted job may have listed the files before they changed.
    #[serde(default)]
    pub active_job_policy: ActiveJobPolicy,
}

/// Where an external spec with credentials stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct ExternalSpecSource {
    /// A key of a Secret of the same namespace that holds the whole spec as JSON text.
    pub secret_key_ref: SecretKeyReference,
}

/// Refers to one key of a Secret of the same namespace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct SecretKeyReference {
    /// The Secret's name.
    #[schemars(length(min = 1, max = 253))]
    #[x_kube(validation = Rule::new("self.matches('^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$')")
        .message("must be the name of a Secret: lower-case letters, digits, - and ., beginning and ending with a letter or digit"))]
    pub name: String,

    /// The key within the Secret.
    #[schemars(length(min = 1, max = 253))]
    #[x_kube(validation = Rule::new("self.matches('^[-._a-zA-Z0-9]+$') && self != '.' && !self.startsWith('..')")
        .message("must be a key of a Secret: letters, digits, -, _ and ., not . alone and not beginning with .."))]
    pub key: String,
}

/// What to do about a job that somebody else has started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ActiveJobPolicy {
    /// Wait for its end, then start our own.
    #[default]
    Wait,
    /// Take it for ours if it reads the same source, else wait.
    Adopt,
}

/// Milvus' name for the database that exists everywhere.
fn default_database() -> String {
    "default".to_owned()
}

/// Refers to the connection that a refresh goes through.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct ConnectionReference {
    /// The kind of the connection.
    #[serde(default)]
    pub kind: ConnectionKind,

    /// The connection's name.
    #[serde(default = "default_connection_name")]
    #[schemars(length(min = 1, max = 253))]
    #[x_kube(validation = Rule::new("self.matches('^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$')")
        .message("must be the name of a MilvusConnection: lower-case letters, digits, - and ., beginning and ending with a letter or digit"))]
    pub name: String,
}

impl Default for ConnectionReference {
    fn default() -> Self {
        Self { kind: ConnectionKind::default(), name: default_connection_name() }
    }
}

/// The connection that a refresh uses when it names none.
fn default_connection_name() -> String {
    "default".to_owned()
}

/// The kinds that a refresh can go through.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ConnectionKind {
    /// A `MilvusConnection` of the same namespace.
    #[default]
    MilvusConnection,
}

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

    /// When a run last completed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_successful_time: Option<Time>,

    /// The job of the run that last completed.
    #[serde(rename = "lastSuccessfulJobID", default, skip_serializing_if = "Option::is_none")]
    pub last_successful_job_id: Option<String>,

    /// `Ready` sums up, `Complete` and `Failed` are for `kubectl wait`, `Reconciling` and `Stalled` for GitOps tools,
    /// `Suspended` says that starts are held. Each carries the generation of the run that it speaks of.
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

    /// Stands for what the run was asked to do; a different one makes a new run due.
    #[serde(default)]
    pub fingerprint: String,

    /// When the run became due.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queued_time: Option<Time>,

    /// The operator process that queued or claimed the run last. A process that takes over writes its own name on every
    /// run that is due, so that a late claim of its predecessor meets a conflict.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operator: Option<String>,

    /// How many times the run has been claimed, refused and abandoned claims too.
    #[serde(default)]
    pub attempt: i64,

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

    /// The highest job id that the collection had before the run's first claim, as text; `0` when it had none.
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
}

/// Why a run failed and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct FailureStatus {
    /// The failure class, from a closed set; also the reason of the conditions.
    #[serde(default)]
    pub class: String,

    /// What a person can do about it.
    #[serde(default)]
    pub remedy: String,
}
