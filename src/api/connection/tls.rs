//! How a connection speaks TLS: what it trusts, and who it is.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::secret_reference::SecretReference;

/// TLS settings of the connection to Milvus. Only for an `https://` address. Absent: the server's certificate must be signed
/// by a CA that the operator's system trusts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct ConnectionTls {
    /// The CA certificates (PEM) that must have signed the server's certificate. Absent: those of the operator's system.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_ref: Option<CaReference>,

    /// A Secret in the same namespace, of type `kubernetes.io/tls`, with the client certificate (`tls.crt`) and its key
    /// (`tls.key`). The operator presents it if the server asks for one (mutual TLS).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_certificate_ref: Option<SecretReference>,

    /// The name that the server's certificate must contain. Absent: the host of the address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    #[x_kube(validation = Rule::new("self.matches('^[A-Za-z0-9]([-A-Za-z0-9.]*[A-Za-z0-9])?$')")
        .message("must be a DNS name or an IPv4 address, without a port; for example milvus.default.svc"))]
    pub server_name: Option<String>,
}

/// Refers to CA certificates in a Secret or ConfigMap in the same namespace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct CaReference {
    /// `Secret` or `ConfigMap`.
    pub kind: CaHolder,

    /// Name of the Secret or ConfigMap.
    #[schemars(length(min = 1, max = 253))]
    #[x_kube(validation = Rule::new("self.matches('^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$')")
        .message("must be a valid object name: lower-case letters, digits, - and ., beginning and ending with a letter or digit"))]
    pub name: String,

    /// The key whose value holds one or more PEM certificates.
    #[serde(default = "ca_key")]
    #[schemars(length(min = 1, max = 253))]
    #[x_kube(validation = Rule::new("self.matches('^[-._A-Za-z0-9]+$')")
        .message("must be a valid key of a Secret or ConfigMap: letters, digits, -, _ and .; for example ca.crt"))]
    pub key: String,
}

/// What can hold CA certificates.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum CaHolder {
    /// A Secret.
    Secret,
    /// A ConfigMap.
    ConfigMap,
}

fn ca_key() -> String {
    "ca.crt".to_owned()
}
