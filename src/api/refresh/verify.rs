//! `spec.verify` and `status.verification`.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What to check after Milvus has completed a job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct VerifySpec {
    /// What the checks decide. `Report`: only the condition `Verified`. `Require`: the run ends only when they have passed,
    /// and a check that fails ends it with `VerificationFailed`.
    pub policy: VerifyPolicy,

    /// How many rows Milvus must have mapped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = Rule::new("has(self.min) || has(self.maxDropPercent)").message("set min, maxDropPercent or both"))]
    pub rows: Option<VerifyRows>,

    /// What to do while the collection is not loaded. `IfLoaded`: the result is `Inconclusive`, and the run completes.
    /// `Required`: the check waits until it is loaded.
    #[serde(default)]
    pub load: LoadCheck,

    /// Whether all indexes of the collection must be finished. A finished index covers all rows; an index that failed does
    /// not heal by waiting.
    #[serde(default)]
    pub index: IndexCheck,

    /// Queries that must find rows, for example those of the newest batch. They need `allowVerifyQueries` in the connection.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 5), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub queries: Vec<VerifyQuery>,

    /// How long the checks may wait for Milvus to serve and index the rows, in seconds.
    #[serde(default = "default_timeout")]
    #[schemars(range(min = 10, max = 86_400))]
    pub timeout_seconds: i64,

    /// Checks again this often, in seconds, while no run is in progress: after a restart, Milvus can report a collection as
    /// loaded and serve no rows. Absent: only after a run and after an edit of the object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 60, max = 86_400))]
    pub recheck_interval_seconds: Option<i64>,
}

fn default_timeout() -> i64 {
    900
}

/// What the checks decide.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum VerifyPolicy {
    /// Only the condition `Verified`.
    Report,
    /// Whether the run completes.
    Require,
}

/// How many rows Milvus must have mapped. The rows of a refresh replace all earlier ones.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct VerifyRows {
    /// At least this many.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 9_007_199_254_740_991_i64))]
    pub min: Option<i64>,

    /// At most this much less than after the last run that was verified, in percent. If a larger drop is right, raise this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 100))]
    pub max_drop_percent: Option<i64>,
}

/// What to do while the collection is not loaded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum LoadCheck {
    /// The result is `Inconclusive`.
    #[default]
    IfLoaded,
    /// The check waits until it is loaded.
    Required,
}

/// Whether all indexes must be finished.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum IndexCheck {
    /// Not checked.
    #[default]
    Ignore,
    /// All must be finished.
    Require,
}

/// A query that must find rows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct VerifyQuery {
    /// Names the check.
    #[schemars(length(min = 1, max = 63))]
    #[x_kube(validation = Rule::new("self.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?$')")
        .message("must be lower-case letters, digits and -, beginning and ending with a letter or digit"))]
    pub name: String,

    /// A boolean expression of Milvus, for example `batch == "2026-11-25"`. The operator counts the rows for which it holds,
    /// with the consistency level Strong.
    #[schemars(length(min = 1, max = 1024))]
    pub filter: String,

    /// How many rows it must find at least.
    #[serde(default = "default_min_rows")]
    #[schemars(range(min = 1, max = 9_007_199_254_740_991_i64))]
    pub min_rows: i64,
}

fn default_min_rows() -> i64 {
    1
}

/// What the checks found.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct VerificationStatus {
    /// `Passed`; `Failed`; `Inconclusive`: Milvus cannot tell; `Error`: a check could not be made. Absent while the checks
    /// are in progress.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<String>,

    /// The number of the run whose result was checked.
    #[serde(default)]
    pub run: i64,

    /// The `metadata.generation` of the spec whose checks were made.
    #[serde(default)]
    pub observed_generation: i64,

    /// When these checks began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start_time: Option<Time>,

    /// When a check last found something else than before. A repeated check that finds the same does not change the status.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time: Option<Time>,

    /// Since when a repeated check has found something worse, which another check confirms before it counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failing_since: Option<Time>,

    /// The rows that the collection has according to Milvus' metadata.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mapped_rows: Option<i64>,

    /// The rows that a query finds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub served_rows: Option<i64>,

    /// The rows after the last run that was verified before this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous_rows: Option<i64>,

    /// The checks, one each of `rows`, `served`, `count`, `index` and `query/NAME`, as far as the spec asks for them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    pub checks: Vec<CheckStatus>,
}

/// What one check found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CheckStatus {
    /// `rows`, `served` (segments), `count` (rows that a query finds), `index` (rows without index) or `query/NAME`.
    #[serde(default)]
    pub name: String,

    /// `Passed`, `Failed`, `Inconclusive` or `Error`.
    #[serde(default)]
    pub outcome: String,

    /// What was found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed: Option<i64>,

    /// What is expected.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected: Option<i64>,

    /// What is wrong; empty if it passed.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub message: String,
}
