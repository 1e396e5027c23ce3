//! A Secret by its name.

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

/// Refers to a Secret in the same namespace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct SecretReference {
    /// Name of the Secret.
    #[schemars(length(min = 1, max = 253))]
    #[x_kube(validation = Rule::new("self.matches('^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$')")
        .message("must be a valid Secret name: lower-case letters, digits, - and ., beginning and ending with a letter or digit"))]
    pub name: String,
}
