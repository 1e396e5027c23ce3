//! What the operator asks of a catalog, and the types in which it thinks of the answer.

use std::{fmt, time::Duration};

use async_trait::async_trait;

/// Longest message of an error, in bytes.
pub(super) const MAX_MESSAGE: usize = 1024;

/// Which table to look at.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Ask {
    /// The namespace, its levels joined by dots, and the name of the table after the last dot.
    pub table: String,
    /// The branch or tag.
    pub reference: String,
    /// A snapshot of which to tell whether the table still has it.
    pub pinned: Option<i64>,
}

/// Where a table stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    /// The URI of its newest metadata file, as the catalog has it.
    pub metadata_location: String,
    /// The snapshot of the branch or tag.
    pub snapshot: i64,
    /// Whether the table has expired [`Ask::pinned`]; false where that was not asked, or where the catalog cannot tell.
    pub pinned_is_gone: bool,
}

/// Why it is not known where a table stands. The classes are those that the operator or its user acts on differently.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CatalogErrorKind {
    /// The credentials are unknown, wrong or expired, or they may not read the table (401, 403).
    Denied,
    /// The catalog does not have the table: it was dropped, or never there.
    NoTable,
    /// The table does not have the branch or tag.
    NoReference,
    /// The table, or its branch, holds nothing yet.
    Empty,
    /// The catalog is overloaded or failed inside (429, 5xx).
    Busy,
    /// There is no connection, or it broke.
    Unreachable,
    /// The answer was not complete by its deadline.
    Timeout,
    /// The answer is none of the protocol.
    Malformed,
    /// The answer is larger than what is read of one.
    TooLarge,
    /// The catalog sent us elsewhere, which is not followed.
    Redirected,
    /// TLS: the catalog's certificate is not accepted.
    Certificate,
    /// The address or the credentials cannot be used as they are written.
    Invalid,
}

/// A failed look: its class, and a sentence that says what happened and what the reader can do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct CatalogError {
    /// What the operator acts on.
    pub kind: CatalogErrorKind,
    /// What a person reads: without credentials and at most 1024 bytes long.
    pub message: String,
    /// How long the catalog asks to be left alone, at most an hour.
    pub retry_after: Option<Duration>,
}

impl CatalogError {
    /// An error of `kind` that says `message`.
    pub fn new(kind: CatalogErrorKind, message: impl Into<String>) -> Self {
        let mut message = message.into();
        message.truncate(message.floor_char_boundary(MAX_MESSAGE));
        Self { kind, message, retry_after: None }
    }
}

/// A catalog that can be asked.
#[async_trait]
pub trait Catalog: Send + Sync + fmt::Debug {
    /// Tells where a table stands, under one deadline. Nothing is repeated: who asks pauses and asks again.
    ///
    /// # Errors
    /// When that cannot be told.
    async fn table(&self, ask: &Ask) -> Result<Table, CatalogError>;
}
