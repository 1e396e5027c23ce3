//! The custom resources: data and documentation, no behaviour. What a field's doc comment says is what
//! `kubectl explain` shows.

#![allow(unreachable_pub, reason = "the derives of the schemas repeat `pub` in places that rustc takes for private")]

mod condition;
mod connection;
mod connection_reason;
mod crds;
mod reference;
mod refresh;
mod refresh_status;
mod schedule;
mod secret_reference;
mod sources;
mod tls;
mod verify;
mod watch;

pub use condition::{
    COMPLETE, FAILED, READY, RECONCILING, SOURCE_FRESH, SOURCES_READY, STALLED, SUSPENDED, VERIFIED, condition,
    conditions,
};
pub use connection::{ConnectionAuth, ConnectionSpec, ConnectionStatus, MilvusConnection, MilvusReference};
pub use connection_reason::ConnectionReason;
pub use crds::{crds, crds_yaml};
pub use reference::kinds as reference;
pub use refresh::{
    ActiveJobPolicy, ConnectionKind, ConnectionReference, ExternalCollectionRefresh, ExternalSpecSource, RefreshSpec,
    SecretKeyReference,
};
pub use refresh_status::{BaselineStatus, FailureStatus, PastRun, RefreshStatus, RefusalStatus, RunStatus};
pub use schedule::{ScheduleSpec, ScheduleStatus};
pub use secret_reference::SecretReference;
pub use sources::{
    Anonymous, AwsIdentity, AzureIdentity, CatalogAuth, IcebergCatalog, SourceAuth, SourceIdentity, WatchedSource,
};
pub use tls::{CaHolder, CaReference, ConnectionTls};
pub use verify::{
    CheckStatus, IndexCheck, LoadCheck, VerificationStatus, VerifyPolicy, VerifyQuery, VerifyRows, VerifySpec,
};
pub use watch::{IcebergWatch, ObjectsWatch, RewrittenFiles, SourceLook, WatchSpec, WatchStatus};

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
