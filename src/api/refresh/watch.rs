//! `spec.watch` and `status.watch`.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How the operator looks at the source itself and refreshes when the data has changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("has(self.objects) != has(self.iceberg)").message("set either objects or iceberg"))]
pub struct WatchSpec {
    /// Watches the files of the source: `externalSource`, or else the source that Milvus stores for the collection. The
    /// connection's `sources` must list it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub objects: Option<ObjectsWatch>,

    /// Watches a table of an Iceberg catalog. Every run then reads the newest snapshot: the operator takes the metadata file
    /// and the snapshot from the catalog and sends them to Milvus, with `externalSpec` or `externalSpecFrom` for the rest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub iceberg: Option<IcebergWatch>,

    /// How often the operator looks, in seconds.
    #[serde(default = "default_interval")]
    #[schemars(range(min = 30, max = 86_400))]
    pub interval_seconds: i64,

    /// How long the source must stay unchanged before a run starts, in seconds: a writer may not be done yet. Absent: 60, and
    /// 0 for Iceberg, whose commits are atomic.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 86_400))]
    pub quiet_seconds: Option<i64>,

    /// How long after the first change a run starts at the latest, in seconds, even if the source still changes.
    #[serde(default = "default_max_delay")]
    #[schemars(range(min = 1, max = 86_400))]
    pub max_delay_seconds: i64,

    /// The shortest time between two runs that changes start, in seconds.
    #[serde(default = "default_min_interval")]
    #[schemars(range(min = 1, max = 86_400))]
    pub min_interval_seconds: i64,

    /// If more than this share of the files or of their bytes is gone, in percent, no run starts by itself: the change is held
    /// until you ask for a run with `spec.trigger` or the annotation `milvus-refresh.dev/requestedAt`. 100: never held.
    #[serde(default = "default_max_shrink")]
    #[schemars(range(min = 1, max = 100))]
    pub max_shrink_percent: i64,
}

fn default_interval() -> i64 {
    300
}

fn default_max_delay() -> i64 {
    1800
}

fn default_min_interval() -> i64 {
    60
}

fn default_max_shrink() -> i64 {
    50
}

/// Which files count.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct ObjectsWatch {
    /// Patterns for file names, with `*` and `?`; a file counts if one of them matches. Empty: all files. Files and folders
    /// whose name begins with `_` or `.` never count.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), inner(length(min = 1, max = 128)))]
    #[x_kube(validation = Rule::new("self.all(pattern, !pattern.contains('/'))").message("patterns match names of files, without a folder"))]
    pub include: Vec<String>,

    /// A file directly below the source, for example `_SUCCESS`, that the writer puts there last. Only a newer one is a change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 128))]
    #[x_kube(validation = Rule::new("!self.contains('/')").message("must be the name of a file, without a folder"))]
    pub marker: Option<String>,
}

/// Which table to watch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct IcebergWatch {
    /// The name of a catalog in the connection's `catalogs`.
    #[schemars(length(min = 1, max = 63))]
    pub catalog: String,

    /// The namespace and the name of the table, joined by dots, for example `shop.products`.
    #[schemars(length(min = 1, max = 512))]
    #[x_kube(validation = Rule::new(r"self.matches(r'^[^.\x00-\x20/]+([.][^.\x00-\x20/]+)+$')")
        .message("must be namespace.table, such as shop.products, without white space or slashes"))]
    pub table: String,

    /// The branch or tag.
    #[serde(rename = "ref", default = "default_reference")]
    #[schemars(length(min = 1, max = 255))]
    pub reference: String,
}

fn default_reference() -> String {
    "main".to_owned()
}

/// What the operator knows of the source.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct WatchStatus {
    /// Fingerprint of what is watched. With another one everything is looked at anew.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub fingerprint: String,

    /// Since when this source is watched.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Time>,

    /// The newest version seen: a hash of the file names, or the id of the table's snapshot.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_version: Option<String>,

    /// A hash of the file names, sizes and ETags. It differs from before at the same version if files were rewritten under
    /// their names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content_version: Option<String>,

    /// When the look began that first saw this version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub changed_time: Option<Time>,

    /// Number of files.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub objects: Option<i64>,

    /// The size of all files, in bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<i64>,

    /// The version that the collection has at least: seen before the start of the last run that completed. Empty if that run
    /// started without a look.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refreshed_version: Option<String>,

    /// `refreshedVersion` in detail.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refreshed: Option<SourceLook>,

    /// The version that no run has refreshed yet; absent if there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pending_version: Option<String>,

    /// When the look began that first saw something newer than the refreshed version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pending_since: Option<Time>,

    /// Files that were rewritten under their names. Milvus does not read them again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rewritten: Option<RewrittenFiles>,
}

/// What a look at the source found, besides its version.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SourceLook {
    /// When the look began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time: Option<Time>,

    /// A hash of the file names, sizes and ETags.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub content_version: String,

    /// Number of files.
    #[serde(default)]
    pub objects: i64,

    /// The size of all files, in bytes.
    #[serde(default)]
    pub bytes: i64,
}

/// Files that were rewritten under their names.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RewrittenFiles {
    /// Number of files that were rewritten.
    #[serde(default)]
    pub count: i64,

    /// The names of the first of these files, below the source.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 20))]
    pub names: Vec<String>,

    /// The files are newer than this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Time>,

    /// The content version with which they were last listed.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub content_version: String,

    /// Milvus' id of the collection that has the old content, as text.
    #[serde(rename = "collectionID", default, skip_serializing_if = "Option::is_none")]
    pub collection_id: Option<String>,
}
