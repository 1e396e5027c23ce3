//! `spec.sources` and `spec.catalogs` of a connection: where its refreshes may watch.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{secret_reference::SecretReference, tls::CaReference};

/// A place in an object store that refreshes may watch, and how the operator lists it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("!has(self.caRef) || !has(self.endpoint) || !self.endpoint.startsWith('http://')")
    .message("caRef is for TLS; change the endpoint to https:// or remove caRef"))]
#[x_kube(validation = Rule::new("!has(self.auth.workloadIdentity) || !has(self.endpoint)")
    .message("a workload identity is used at its cloud's own endpoint only; remove endpoint, or use secretRef"))]
pub struct WatchedSource {
    /// URI prefix, matched on whole path segments: a source is watched through the entry with the longest prefix that it is
    /// below. `s3://bucket/path`, or with its endpoint `s3://endpoint/bucket/path`; both forms of the same place match. Schemes:
    /// `s3`, `s3a`, `aws`, `minio`, `oss`, `cos`, `obs`, `gs`, `gcs` and `azure`.
    #[schemars(length(min = 1, max = 512))]
    #[x_kube(validation = Rule::new(r"self.matches(r'^(s3|s3a|aws|minio|oss|cos|obs|gs|gcs|azure)://[a-z0-9_-]+([.][a-z0-9_-]+)*(:[1-9][0-9]{0,4})?(/[A-Za-z0-9._~!$&()*+,;=:@-]+)*/?$') && !self.matches(r'/[.][.]?(/|$)')")
        .message("must look like s3://bucket/path: scheme and host in lower case, no login, no % or other encoding, no query, and no path segment that is empty, . or .."))]
    pub prefix: String,

    /// The bucket's region. Without `endpoint` it also decides which endpoint of the cloud is used. Absent: `us-east-1`, which
    /// most S3-compatible stores accept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64))]
    #[x_kube(validation = Rule::new("self.matches('^[A-Za-z0-9_-]+$')")
        .message("must be the name of a region: letters, digits, - and _; for example eu-central-1"))]
    pub region: Option<String>,

    /// The store's address: `https://host`, with a port and a path if it has them. Absent: that of `prefix`, or else that of the
    /// cloud. Required for S3-compatible stores, and for an Azure container with `anonymous`: `https://ACCOUNT.blob.core.windows.net`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 512))]
    #[x_kube(validation = Rule::new("self.matches('^https?://[a-z0-9]([a-z0-9._-]*[a-z0-9])?(:[1-9][0-9]{0,4})?(/[A-Za-z0-9_-]+)*/?$')")
        .message("must be https://host, https://host:port or the same with http://, in lower case and without a login or query; for example https://minio.storage.svc:9000"))]
    pub endpoint: Option<String>,

    /// As whom the operator lists it.
    #[x_kube(validation = Rule::new("[has(self.secretRef), has(self.workloadIdentity), has(self.anonymous)].filter(set, set).size() == 1")
        .message("set exactly one of secretRef, workloadIdentity and anonymous: {}"))]
    pub auth: SourceAuth,

    /// The CA certificates (PEM) that must have signed the store's certificate. Absent: those of the operator's system.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_ref: Option<CaReference>,
}

/// As whom the operator lists a source. It needs the permission to list, and none to read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct SourceAuth {
    /// A Secret in the same namespace. For S3-compatible stores, `oss`, `cos`, `obs` and Google's HMAC keys: the keys
    /// `accessKeyID` and `secretAccessKey`, and `sessionToken` if there is one. For Google: `serviceAccount`, the JSON key of a
    /// service account. For Azure: `accountName` with either `accountKey` or `sasToken`. One trailing line break in a value is
    /// ignored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_ref: Option<SecretReference>,

    /// An identity of a cloud that trusts the operator's service account. Only if the installation allows it
    /// (`--allow-workload-identity`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = Rule::new("has(self.aws) != has(self.azure)").message("set either aws or azure"))]
    pub workload_identity: Option<SourceIdentity>,

    /// No credentials: everybody may list the bucket.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub anonymous: Option<Anonymous>,
}

/// Says that no credentials are sent. It has no fields.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Anonymous {}

/// An identity of a cloud that trusts the operator's service account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SourceIdentity {
    /// A role of AWS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub aws: Option<AwsIdentity>,

    /// A managed identity or an application of Azure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub azure: Option<AzureIdentity>,
}

/// A role of AWS.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct AwsIdentity {
    /// The role's ARN. Its trust policy must name the operator's service account.
    #[serde(rename = "roleARN")]
    #[schemars(length(min = 1, max = 512))]
    #[x_kube(validation = Rule::new("self.matches('^arn:[a-z-]+:iam::[0-9]{12}:role/[A-Za-z0-9+=,.@_/-]+$')")
        .message("must be the ARN of a role; for example arn:aws:iam::123456789012:role/reader"))]
    pub role_arn: String,
}

/// A managed identity or an application of Azure.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct AzureIdentity {
    /// The storage account.
    #[schemars(length(min = 1, max = 63))]
    #[x_kube(validation = Rule::new("self.matches('^[a-z0-9]+$')")
        .message("must be the name of an Azure storage account: lower-case letters and digits"))]
    pub account_name: String,

    /// The identity's client id. It must have a federated credential for the operator's service account.
    #[serde(rename = "clientID")]
    #[schemars(length(min = 1, max = 64))]
    #[x_kube(validation = Rule::new("self.matches('^[0-9A-Fa-f-]{36}$')")
        .message("must be a UUID; for example 6f0a7c1e-5d3b-4b0e-9a64-2f8c1d3e5a70"))]
    pub client_id: String,

    /// The identity's tenant.
    #[serde(rename = "tenantID")]
    #[schemars(length(min = 1, max = 64))]
    #[x_kube(validation = Rule::new("self.matches('^[0-9A-Fa-f-]{36}$')")
        .message("must be a UUID; for example 6f0a7c1e-5d3b-4b0e-9a64-2f8c1d3e5a70"))]
    pub tenant_id: String,
}

/// An Iceberg REST catalog whose tables refreshes may watch, and how the operator asks it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("!has(self.caRef) || self.uri.startsWith('https://')")
    .message("caRef is for TLS; change the uri to https:// or remove caRef"))]
pub struct IcebergCatalog {
    /// The name by which refreshes refer to it.
    #[schemars(length(min = 1, max = 63))]
    #[x_kube(validation = Rule::new("self.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?$')")
        .message("must be lower-case letters, digits and -, beginning and ending with a letter or digit"))]
    pub name: String,

    /// The catalog's address, up to but without `/v1`.
    #[schemars(length(min = 1, max = 512))]
    #[x_kube(validation = Rule::new("self.matches('^https?://[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?(:[1-9][0-9]{0,4})?(/[A-Za-z0-9._~-]+)*/?$') && !self.matches('/[.][.]?(/|$)')")
        .message("must be https://host/path or the same with http://, with a port if it has one, and without a login, query or empty path segment; for example https://catalog.example.com/api/catalog"))]
    pub uri: String,

    /// The warehouse that the catalog is asked for, as it names it. Absent: the catalog's default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 512))]
    pub warehouse: Option<String>,

    /// How to log in. Absent: the operator sends no login.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auth: Option<CatalogAuth>,

    /// The CA certificates (PEM) that must have signed the catalog's certificate, and that of `tokenURI`. Absent: those of the
    /// operator's system.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_ref: Option<CaReference>,
}

/// How the operator logs in to a catalog.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CatalogAuth {
    /// A Secret in the same namespace with the key `token`, or the keys `clientID` and `clientSecret` (OAuth2 client
    /// credentials). With those, `tokenURI` may name where tokens are given out (absent: `/v1/oauth/tokens` of the catalog), and
    /// `scope` what the token is for, which some catalogs require. One trailing line break in a value is ignored.
    pub secret_ref: SecretReference,
}
