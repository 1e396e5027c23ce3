//! Iceberg catalogs as this operator sees them: the port ([`Catalog`]) that tells where a table stands, and the adapter
//! behind it ([`Rest`]) for catalogs that speak the REST API.
//!
//! A look is two GETs of which the first is kept, and one more where only the whole table tells whether a snapshot is gone.
//! Nothing that a catalog says reaches a message but its status and the message of its error, without what we sent it. The
//! `config` of a table, where catalogs put the keys of its storage, is not even read.

mod access;
mod location;
mod port;
mod rest;
#[cfg(test)]
mod tests;

pub use access::{Access, Login};
pub use location::milvus_source;
pub use port::{Ask, Catalog, CatalogError, CatalogErrorKind, Table};
pub use rest::{Limits, Rest};
