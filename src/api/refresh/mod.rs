//! `ExternalCollectionRefresh`: runs a refresh job and reports it.
// The lint takes the printer columns of a CRD for repetitions.
#![allow(clippy::duplicated_attributes)]

mod schedule;
mod status;
mod verify;
mod watch;

use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::object::Key;
pub use schedule::{ScheduleSpec, ScheduleStatus};
pub use status::{BaselineStatus, FailureStatus, PastRun, RefreshStatus, RefusalStatus, RunStatus};
pub use verify::{
    CheckStatus, IndexCheck, LoadCheck, VerificationStatus, VerifyPolicy, VerifyQuery, VerifyRows, VerifySpec,
};
pub use watch::{IcebergWatch, ObjectsWatch, RewrittenFiles, SourceLook, WatchSpec, WatchStatus};

/// Refreshes a Milvus external collection and reports state, progress and failures in its status.
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
    doc = "Refreshes a Milvus external collection and reports state, progress and failures in its status.",
    selectable = ".spec.collectionName",
    selectable = ".spec.databaseName",
    selectable = ".spec.connectionRef.name",
    selectable = ".status.state",
    printcolumn(name = "Collection", type_ = "string", json_path = ".spec.collectionName"),
    printcolumn(name = "State", type_ = "string", json_path = ".status.state"),
    printcolumn(name = "Progress", type_ = "integer", json_path = ".status.progress"),
    printcolumn(name = "Reason", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].reason"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    printcolumn(name = "Suspend", type_ = "boolean", json_path = ".spec.suspend", priority = 1),
    printcolumn(name = "Job", type_ = "string", json_path = ".status.jobID", priority = 1),
    printcolumn(name = "Trigger", type_ = "string", json_path = ".status.run.trigger", priority = 1),
    printcolumn(name = "Cause", type_ = "string", json_path = ".status.run.cause", priority = 1),
    // A date that lies ahead is shown as invalid by kubectl, a text as it is.
    printcolumn(
        name = "Next",
        type_ = "string",
        json_path = ".status.schedule.nextScheduleTime",
        priority = 1
    ),
    printcolumn(
        name = "Rows",
        type_ = "integer",
        json_path = ".status.verification.servedRows",
        priority = 1
    ),
    printcolumn(
        name = "Verified",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Verified\")].status",
        priority = 1
    ),
    printcolumn(
        name = "Fresh",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"SourceFresh\")].reason",
        priority = 1
    ),
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
#[x_kube(validation = Rule::new("has(self.watch) && has(self.watch.iceberg) ? !has(self.externalSource) && !(has(self.externalSpec) && has(self.externalSpecFrom)) : has(self.externalSource) ? has(self.externalSpec) != has(self.externalSpecFrom) : !has(self.externalSpec) && !has(self.externalSpecFrom)")
    .message("set externalSource together with either externalSpec or externalSpecFrom, or none of the three; with watch.iceberg, which brings the source, only one of the two specs or none"))]
#[x_kube(validation = Rule::new("!has(self.schedule) || !has(self.ttlSecondsAfterFinished)")
    .message("set schedule or ttlSecondsAfterFinished, not both: an object that is deleted after a run has no next one"))]
#[x_kube(validation = Rule::new("!has(self.watch) || !has(self.ttlSecondsAfterFinished)")
    .message("set watch or ttlSecondsAfterFinished, not both: an object that is deleted after a run watches nothing"))]
#[x_kube(validation = Rule::new("!has(self.verify) || !has(self.verify.recheckIntervalSeconds) || !has(self.ttlSecondsAfterFinished)")
    .message("set verify.recheckIntervalSeconds or ttlSecondsAfterFinished, not both: an object that is deleted after a run is not checked again"))]
pub struct RefreshSpec {
    /// The connection to Milvus, in the same namespace. Immutable.
    #[serde(default)]
    #[x_kube(validation = Rule::new("self == oldSelf").message("is immutable: create another ExternalCollectionRefresh instead"))]
    pub connection_ref: ConnectionReference,

    /// The Milvus database that holds the collection. Immutable.
    #[serde(default = "default_database")]
    #[schemars(length(min = 1, max = 255))]
    #[x_kube(validation = Rule::new("self.matches('^[A-Za-z_][A-Za-z0-9_]*$')")
        .message("must begin with a letter or _ and contain only letters, digits and _ (Milvus' rule for names)"))]
    #[x_kube(validation = Rule::new("self == oldSelf").message("is immutable: create another ExternalCollectionRefresh instead"))]
    pub database_name: String,

    /// The external collection to refresh: its name or an alias. Immutable.
    #[schemars(length(min = 1, max = 255))]
    #[x_kube(validation = Rule::new("self.matches('^[A-Za-z_][A-Za-z0-9_]*$')")
        .message("must begin with a letter or _ and contain only letters, digits and _ (Milvus' rule for names)"))]
    #[x_kube(validation = Rule::new("self == oldSelf").message("is immutable: create another ExternalCollectionRefresh instead"))]
    pub collection_name: String,

    /// Where Milvus reads the files, for example `s3://bucket/path`. Overrides the source that Milvus stores for the
    /// collection. Requires a spec, and a match in the connection's `allowedSources`. When the run completes, Milvus stores
    /// this source and spec and uses them for later refreshes that set none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 2048))]
    #[x_kube(validation = Rule::new(r"self.matches(r'^(s3|s3a|aws|minio|oss|cos|obs|gs|gcs|azure)://[^/?#@\\\x00-\x20]+(/[^?#\\\x00-\x20]*)?$')")
        .message("must be a URI with a host or bucket and one of the schemes s3, s3a, aws, minio, oss, cos, obs, gs, gcs, azure, without login, query, fragment, backslash or white space"))]
    pub external_source: Option<String>,

    /// How to read `externalSource`: Milvus' external spec, a JSON object of at most 64 KiB with `format`, `columns` and
    /// `extfs`. Not for credentials: everyone who can read this object, etcd or your Git repository sees them. Use
    /// `externalSpecFrom` instead.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 65_536))]
    #[x_kube(validation = Rule::new(r#"!self.matches(r'(?i)"(access_key_id|access_key_val|access_key_value|account_key|credential_json|external_id|sas_token|secret_access_key|session_token|ssl_ca_cert)"\s*:')"#)
        .message("must not contain credentials. They may already be in Git: rotate them, put the spec with the new ones into a Secret and refer to it in externalSpecFrom"))]
    pub external_spec: Option<String>,

    /// Secret key that holds the external spec; use it for specs with credentials. The operator reads the Secret when a run
    /// starts. A change of the Secret does not start a run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub external_spec_from: Option<ExternalSpecSource>,

    /// What to do while a job that this refresh did not start is active on the collection. `Wait`: start after it has ended.
    /// `Adopt`: track it as the job of this run if it reads the same source; it may have listed the files before your last
    /// change to them.
    #[serde(default)]
    pub active_job_policy: ActiveJobPolicy,

    /// Starts a new run when you set it to a new value. Any text, for example a commit or a date. The value is captured when
    /// the run starts. A new value during a run starts one more run afterwards, with the newest value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 128))]
    pub trigger: Option<String>,

    /// Whether a new object runs right away. If false, what the object asks for when the operator first sees it (its trigger,
    /// its request, its source) counts as handled: the object is Ready with the reason `Idle`, and only a later change or its
    /// schedule starts a run. Read only then; later changes of this field do nothing. An object that was restored from a
    /// backup without its status is new to the operator, too.
    #[serde(default = "default_run_on_creation")]
    pub run_on_creation: bool,

    /// When to run without being asked. Creating, changing or resuming a schedule does not start a run; its next scheduled
    /// time does. Scheduled times during a run start one more run afterwards, however many there were.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schedule: Option<ScheduleSpec>,

    /// Refreshes when the data at the source has changed: the operator looks at the source itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub watch: Option<WatchSpec>,

    /// Checks, after a run and while none is in progress, that Milvus serves what was refreshed: `RefreshCompleted` only says
    /// that its metadata points to the files.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verify: Option<VerifySpec>,

    /// Holds new starts. A job that already runs is still tracked: Milvus cannot cancel a job.
    #[serde(default)]
    pub suspend: bool,

    /// How long a run may wait to start, in seconds from when it became due until Milvus accepts it; suspended time does not
    /// count. After that the run fails with `StartingDeadlineExceeded`. A scheduled time that the operator notices later than
    /// that is skipped, with the Event `ScheduleMissed`. Absent: no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 2_147_483_647_i64))]
    pub starting_deadline_seconds: Option<i64>,

    /// How long one attempt may take, in seconds from when Milvus accepted its start. After that the operator stops tracking
    /// the job, which may still finish, and the run fails with `DeadlineExceeded`. Milvus itself fails a job after 3600 s.
    #[serde(default = "default_active_deadline")]
    #[schemars(range(min = 1, max = 2_147_483_647_i64))]
    pub active_deadline_seconds: i64,

    /// How many times the operator retries a run whose failure class is retryable: after 10 s, then after twice as long each
    /// time, at most 6 minutes.
    #[serde(default = "default_backoff_limit")]
    #[schemars(range(min = 0, max = 20))]
    pub backoff_limit: i64,

    /// Deletes the object this many seconds after its last run ended. Absent: never. Ignored, with the Event `TTLSkipped`, on
    /// objects owned by Argo CD, Flux or Helm, which would recreate them and so refresh in an endless loop, and on objects
    /// with a controller.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 60, max = 2_147_483_647_i64))]
    pub ttl_seconds_after_finished: Option<i64>,
}

/// Refers to an external spec that is kept outside of this object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct ExternalSpecSource {
    /// A Secret key in the same namespace that holds the whole spec as JSON.
    pub secret_key_ref: SecretKeyReference,
}

/// Refers to one key of a Secret in the same namespace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct SecretKeyReference {
    /// Name of the Secret.
    #[schemars(length(min = 1, max = 253))]
    #[x_kube(validation = Rule::new("self.matches('^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$')")
        .message("must be a valid Secret name: lower-case letters, digits, - and ., beginning and ending with a letter or digit"))]
    pub name: String,

    /// Key in the Secret.
    #[schemars(length(min = 1, max = 253))]
    #[x_kube(validation = Rule::new("self.matches('^[-._a-zA-Z0-9]+$') && self != '.' && !self.startsWith('..')")
        .message("must be a valid key of a Secret: letters, digits, -, _ and ., not . alone and not beginning with .."))]
    pub key: String,
}

/// What to do about an active job that this refresh did not start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ActiveJobPolicy {
    /// Wait until it has ended, then start.
    #[default]
    Wait,
    /// Track it as the job of this run if it reads the same source, else wait.
    Adopt,
}

/// Milvus' name for the database that exists everywhere.
fn default_database() -> String {
    "default".to_owned()
}

/// As refreshes without a schedule are meant.
fn default_run_on_creation() -> bool {
    true
}

/// A little longer than the 3600 s after which Milvus itself fails a job, so that its own verdict is reported.
fn default_active_deadline() -> i64 {
    4500
}

/// How many times a failed run is retried.
fn default_backoff_limit() -> i64 {
    3
}

/// Refers to the connection that a refresh uses.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct ConnectionReference {
    /// Kind of the connection.
    #[serde(default)]
    pub kind: ConnectionKind,

    /// Name of the connection.
    #[serde(default = "default_connection_name")]
    #[schemars(length(min = 1, max = 253))]
    #[x_kube(validation = Rule::new("self.matches('^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$')")
        .message("must be a valid MilvusConnection name: lower-case letters, digits, - and ., beginning and ending with a letter or digit"))]
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

/// The kinds of connection that a refresh can use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ConnectionKind {
    /// A `MilvusConnection` in the same namespace.
    #[default]
    MilvusConnection,
}

impl ExternalCollectionRefresh {
    /// The connection that it uses.
    pub fn connection(&self) -> Key {
        Key {
            namespace: self.metadata.namespace.clone().unwrap_or_default(),
            name: self.spec.connection_ref.name.clone(),
        }
    }
}
