//! The controller of `MilvusConnection`.

mod credentials;
mod milvus_ref;
mod outlook;
mod probe;
mod reconcile;
mod references;
mod secret_data;
mod servers;
mod sources;

pub(super) use milvus_ref::MilvusRefs;
pub(super) use outlook::Outlook;
pub(super) use reconcile::{Lifecycle, reconcile};
pub(super) use references::References;
pub(super) use secret_data::Content;
#[cfg(test)]
pub(super) use servers::Origin;
pub(super) use servers::{Server, Servers};
pub use sources::{IdentityTokens, Rules};
