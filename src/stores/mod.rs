//! Object stores as this operator sees them: the port ([`Store`]) that lists a place, and the adapter behind it ([`Lister`]).
//!
//! Credentials and signatures are those of the `object_store` crate, over our own HTTP client. The list call itself is ours: the
//! crate takes any answer with status 200 for a listing, fails on keys such as `a//b` and keeps no `Retry-After`.
//!
//! Nothing that a store says reaches a message but its status, its error code and a region, each checked: bodies of refusals
//! hold signatures and what was signed.

mod access;
mod http;
mod lister;
mod names;
mod page;
mod place;
mod port;
mod refusal;
mod sign;
mod tally;
#[cfg(test)]
mod tests;

pub use access::{Access, AzureLogin, Credentials, WorkloadIdentity};
pub use lister::{Limits, Lister};
pub use place::{Place, Scheme};
pub use port::{Ask, Digest, MAX_MESSAGE, MAX_NAMES, Marker, Newer, Snapshot, Store, StoreError, StoreErrorKind};
