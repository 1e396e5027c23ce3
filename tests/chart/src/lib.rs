//! What is made from the Helm chart, and helm itself: the chart is the one source of all that is installed.
//!
//! `chart docs` writes its README, `chart dist` writes `dist/install.yaml` and `deploy/rbac.yaml`, `chart package` packs
//! it.

pub mod docs;
mod helm;
pub mod manifests;

pub use helm::Helm;

/// The repository.
pub const REPOSITORY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");
/// The chart.
pub const CHART: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../charts/milvus-refresh-operator");
/// The release and the namespace of what is installed without Helm, and those that the documentation uses with it.
pub const RELEASE: (&str, &str) = ("milvus-refresh-operator", "milvus-refresh-system");
