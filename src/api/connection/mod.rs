//! `MilvusConnection`: where a Milvus is and how to log in.
// The lint takes the printer columns of a CRD for repetitions.
#![allow(clippy::duplicated_attributes)]

mod reason;
mod secret_reference;
mod sources;
mod tls;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::{CustomResource, KubeSchema};
use serde::{Deserialize, Serialize};

pub use reason::ConnectionReason;
pub use secret_reference::SecretReference;
pub use sources::{
    Anonymous, AwsIdentity, AzureIdentity, CatalogAuth, IcebergCatalog, SourceAuth, SourceIdentity, WatchedSource,
};
pub use tls::{CaHolder, CaReference, ConnectionTls};

/// A Milvus server and how the operator logs in to it. Refreshes in the same namespace refer to it by name.
#[derive(CustomResource, Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[kube(
    group = "milvus-refresh.dev",
    version = "v1alpha1",
    kind = "MilvusConnection",
    plural = "milvusconnections",
    shortname = "milvusconn",
    category = "milvus",
    namespaced,
    status = "ConnectionStatus",
    derive = "PartialEq",
    doc = "A Milvus server and how the operator logs in to it. Refreshes in the same namespace refer to it by name.",
    printcolumn(name = "Endpoint", type_ = "string", json_path = ".status.endpoint"),
    printcolumn(name = "Version", type_ = "string", json_path = ".status.serverVersion"),
    printcolumn(name = "Ready", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].status"),
    printcolumn(name = "Reason", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].reason"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    printcolumn(
        name = "Message",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Ready\")].message",
        priority = 1
    )
)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("has(self.address) != has(self.milvusRef)").message("set either address or milvusRef"))]
#[x_kube(validation = Rule::new("!has(self.tls) || !has(self.address) || self.address.startsWith('https://')")
    .message("tls is for an address that begins with https://; change the address or remove tls"))]
pub struct ConnectionSpec {
    /// Milvus' gRPC address: `http://host:port` or, with TLS, `https://host:port`. The port is required; Milvus' default is
    /// 19530.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 512))]
    #[x_kube(validation = Rule::new(r"self.matches('^https?://([A-Za-z0-9._-]+|\\[[0-9A-Fa-f:.]+\\]):[0-9]{1,5}$')")
        .message("must be http://host:port or https://host:port, with a port and without a path or login; for example http://milvus.default.svc:19530"))]
    pub address: Option<String>,

    /// The `Milvus` resource of milvus-operator to connect to, instead of an address. The connection is not ready until that
    /// `Milvus` is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub milvus_ref: Option<MilvusReference>,

    /// The sources that a refresh may set in `externalSource`: URI prefixes, matched on whole path segments. Empty: none.
    /// `["*"]`: every source whose scheme Milvus supports. With `s3://bucket` the refresh's spec chooses provider and region;
    /// a prefix with the endpoint, such as `s3://s3.eu-central-1.amazonaws.com/bucket`, pins them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), inner(length(min = 1, max = 512)))]
    #[x_kube(validation = Rule::new("size(self) == 1 || self.all(prefix, prefix != '*')").message("must be either * alone or prefixes only"))]
    #[x_kube(validation = Rule::new(r"self.all(prefix, prefix.matches(r'^(\*|(s3|s3a|aws|minio|oss|cos|obs|gs|gcs|azure)://[a-z0-9_-]+([.][a-z0-9_-]+)*(:[1-9][0-9]{0,4})?(/[A-Za-z0-9._~!$&()*+,;=:@-]+)*/?)$') && !prefix.matches(r'/[.][.]?(/|$)'))")
        .message("each prefix must look like s3://bucket/path: scheme and host in lower case, no login, no % or other encoding, no query, and no path segment that is empty, . or .."))]
    pub allowed_sources: Vec<String>,

    /// What the refreshes of this namespace may watch in object stores (`spec.watch.objects`), and how the operator lists it.
    /// Milvus reads with credentials of its own.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["prefix"]))]
    pub sources: Vec<WatchedSource>,

    /// The Iceberg REST catalogs whose tables the refreshes of this namespace may watch (`spec.watch.iceberg`).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub catalogs: Vec<IcebergCatalog>,

    /// Lets the refreshes of this namespace count rows with a filter of their own (`spec.verify.queries`). Whoever may create
    /// a refresh can then find out, query by query, what the collections hold that the login may read.
    #[serde(default)]
    pub allow_verify_queries: bool,

    /// How to log in. Absent: the operator sends no login.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auth: Option<ConnectionAuth>,

    /// TLS settings. With `address` only where that begins with `https://`; with `milvusRef` they make the address one of
    /// `https`, and `tls: {}` is enough for that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<ConnectionTls>,

    /// How many refreshes run through this connection at a time. The others wait; the one due longest starts first.
    #[serde(default = "max_concurrent_refreshes")]
    #[schemars(range(min = 1))]
    pub max_concurrent_refreshes: i64,

    /// Timeout of one call to Milvus, in seconds. The call that starts a refresh has its own timeout, 30 s.
    #[serde(default = "request_timeout_seconds")]
    #[schemars(range(min = 1, max = 300))]
    pub request_timeout_seconds: i64,
}

fn max_concurrent_refreshes() -> i64 {
    16
}

fn request_timeout_seconds() -> i64 {
    30
}

/// Refers to a `Milvus` (milvus.io/v1beta1) of milvus-operator in the same namespace. The address is
/// `<name>-milvus.<namespace>.svc:19530`, with `https` if its `config.common.security.tlsMode` is 1 or 2.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct MilvusReference {
    /// The name of the `Milvus`.
    #[schemars(length(min = 1, max = 56))]
    #[x_kube(validation = Rule::new("self.matches('^[a-z]([-a-z0-9]*[a-z0-9])?$')")
        .message("must be the name of a Milvus and valid as a Service name: lower-case letters, digits and -, beginning with a letter"))]
    pub name: String,

    /// Allows the login of `auth` to be sent unencrypted while this `Milvus` has TLS off. If `false`, the connection is then
    /// not ready (`InvalidSpec`) and the operator sends nothing.
    #[serde(default)]
    pub allow_plaintext_login: bool,
}

/// How the operator logs in to Milvus.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct ConnectionAuth {
    /// A Secret in the same namespace with the key `token`, or the keys `username` and `password`. One trailing line break in
    /// a value is ignored (`kubectl create secret --from-file` adds one).
    pub secret_ref: SecretReference,
}

/// What the operator found when it last checked the server.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct ConnectionStatus {
    /// The `metadata.generation` that this status describes; -1 until the operator has seen the object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,

    /// The version that Milvus reports (`GetVersion`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server_version: Option<String>,

    /// The address in use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<String>,

    /// `Ready`, with the reason `Connected`, `Unreachable` (also while the `Milvus` of `milvusRef` is missing or not ready),
    /// `Unauthenticated`, `UnsupportedServer`, `SecretNotFound` or `InvalidSpec`. `Reconciling` is true while the operator
    /// retries automatically; `Stalled` is true while somebody must change something. `SourcesReady`, only with `sources` or
    /// `catalogs`: whether all of them have settings that can be used; it does not decide about `Ready`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<Condition>,
}
