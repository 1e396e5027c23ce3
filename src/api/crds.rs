//! The CRDs as they are installed.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{CustomResourceDefinition, JSON};
use kube::CustomResourceExt;

use super::{ExternalCollectionRefresh, MilvusConnection};

/// The CRDs, in the order in which they are printed.
pub fn crds() -> Vec<CustomResourceDefinition> {
    let all = [ExternalCollectionRefresh::crd(), MilvusConnection::crd()];
    all.into_iter().map(with_unseen_status).map(with_label).collect()
}

/// The CRDs as a YAML stream.
///
/// # Errors
/// Only when the YAML library cannot express them, which a test excludes.
pub fn crds_yaml() -> Result<String, serde_saphyr::ser::Error> {
    let mut out = String::new();
    for crd in crds() {
        out.push_str("---\n");
        out.push_str(&serde_saphyr::to_string(&crd)?);
    }
    Ok(out)
}

/// Says whose it is. The chart puts its own labels in place of this one.
fn with_label(mut crd: CustomResourceDefinition) -> CustomResourceDefinition {
    let label = ("app.kubernetes.io/name".to_owned(), "milvus-refresh-operator".to_owned());
    crd.metadata.labels.get_or_insert_default().extend([label]);
    crd
}

/// Gives new objects `status: {observedGeneration: -1}`, so that tools which compare it with `metadata.generation` (kstatus,
/// Flux) do not take an object that no operator has seen for one that is done.
fn with_unseen_status(mut crd: CustomResourceDefinition) -> CustomResourceDefinition {
    for version in &mut crd.spec.versions {
        let status = version
            .schema
            .as_mut()
            .and_then(|schema| schema.open_api_v3_schema.as_mut())
            .and_then(|schema| schema.properties.as_mut())
            .and_then(|properties| properties.get_mut("status"));
        if let Some(status) = status {
            status.default = Some(JSON(serde_json::json!({ "observedGeneration": -1 })));
        }
    }
    crd
}
