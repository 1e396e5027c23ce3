//! The custom resources: data and documentation, no behaviour. What a field's doc comment says is what
//! `kubectl explain` shows.

#![allow(unreachable_pub, reason = "the derives of the schemas repeat `pub` in places that rustc takes for private")]

mod condition;
mod connection;
mod crds;
mod reference;
mod refresh;

pub use condition::{
    COMPLETE, FAILED, READY, RECONCILING, SOURCE_FRESH, SOURCES_READY, STALLED, SUSPENDED, VERIFIED, condition,
    conditions,
};
pub use connection::{
    Anonymous, AwsIdentity, AzureIdentity, CaHolder, CaReference, CatalogAuth, ConnectionAuth, ConnectionReason,
    ConnectionSpec, ConnectionStatus, ConnectionTls, IcebergCatalog, MilvusConnection, MilvusReference,
    SecretReference, SourceAuth, SourceIdentity, WatchedSource,
};
pub use crds::{crds, crds_yaml};
pub use reference::kinds as reference;
pub use refresh::{
    ActiveJobPolicy, BaselineStatus, CheckStatus, ConnectionKind, ConnectionReference, ExternalCollectionRefresh,
    ExternalSpecSource, FailureStatus, IcebergWatch, IndexCheck, LoadCheck, ObjectsWatch, PastRun, RefreshSpec,
    RefreshStatus, RefusalStatus, RewrittenFiles, RunStatus, ScheduleSpec, ScheduleStatus, SecretKeyReference,
    SourceLook, VerificationStatus, VerifyPolicy, VerifyQuery, VerifyRows, VerifySpec, WatchSpec, WatchStatus,
};

/// The API group of every kind.
pub const GROUP: &str = "milvus-refresh.dev";
/// The API version of every kind.
pub const VERSION: &str = "v1alpha1";
/// The annotation that asks for a run: a value that no run has captured yet makes one due. For people and tools that do
/// not own the spec, as `kubectl annotate` by hand.
pub const REQUESTED_AT: &str = "milvus-refresh.dev/requestedAt";
/// The one field manager that writes status.
pub const FIELD_MANAGER: &str = "milvus-refresh-operator";

#[cfg(test)]
mod compatibility;
#[cfg(test)]
mod tests;
