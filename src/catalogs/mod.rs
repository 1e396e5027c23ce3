//! Iceberg catalogs as this operator sees them: the port ([`Catalog`]) that tells where a table stands.

mod port;

pub use port::{Ask, Catalog, CatalogError, CatalogErrorKind, Table};
