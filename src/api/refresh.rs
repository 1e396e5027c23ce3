//! `ExternalCollectionRefresh`: run one refresh job and report it.
// The lint takes the printer columns of a CRD for repetitions.
#![allow(clippy::duplicated_attributes)]

use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::RefreshStatus;
use crate::object::Key;

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
    printcolumn(name = "Suspend", type_ = "boolean", json_path = ".spec.suspend", priority = 1),
    printcolumn(name = "Job", type_ = "string", json_path = ".status.jobID", priority = 1),
    printcolumn(name = "Trigger", type_ = "string", json_path = ".status.run.trigger", priority = 1),
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

    /// An opaque token, for example a commit or a date: a value that has not been handled yet asks for a new run. It is
    /// captured when the run starts; one that comes while a run is under way asks for one more, and of several that come
    /// meanwhile the newest counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 128))]
    pub trigger: Option<String>,

    /// Holds the next start. A job that already runs in Milvus is tracked on, since Milvus cannot cancel one.
    #[serde(default)]
    pub suspend: bool,

    /// How long a run may wait for its start, in seconds from when it became due to when Milvus accepted it; suspended
    /// time does not count. Then it fails with `StartingDeadlineExceeded`. Absent: it waits as long as it takes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 2_147_483_647_i64))]
    pub starting_deadline_seconds: Option<i64>,

    /// How long one attempt may take, in seconds from its accepted start. Then the job is no longer tracked and the run
    /// fails with `DeadlineExceeded`, naming the job, which may still finish. Milvus itself gives a job up after 3600 s.
    #[serde(default = "default_active_deadline")]
    #[schemars(range(min = 1, max = 2_147_483_647_i64))]
    pub active_deadline_seconds: i64,

    /// How often a failed run is tried again, where its failure class is retryable: after 10 s, then twice as long each
    /// time, at most 6 minutes.
    #[serde(default = "default_backoff_limit")]
    #[schemars(range(min = 0, max = 20))]
    pub backoff_limit: i64,

    /// Deletes the object so many seconds after its last run has ended. Ignored, with the Event `TTLSkipped`, on objects
    /// that Argo CD, Flux or Helm own, which would recreate them and so refresh in an endless loop, and on objects that
    /// another one controls. Absent: it is never deleted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 60, max = 2_147_483_647_i64))]
    pub ttl_seconds_after_finished: Option<i64>,
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

/// A little longer than the 3600 s after which Milvus gives a job up by itself, so that its own verdict is heard.
fn default_active_deadline() -> i64 {
    4500
}

/// How often a failed run is tried again.
fn default_backoff_limit() -> i64 {
    3
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

impl ExternalCollectionRefresh {
    /// The connection that it goes through.
    pub fn connection(&self) -> Key {
        Key {
            namespace: self.metadata.namespace.clone().unwrap_or_default(),
            name: self.spec.connection_ref.name.clone(),
        }
    }
}
