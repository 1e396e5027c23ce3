//! What the operator asks of an object store, and the types in which it thinks of the answer.

use std::{fmt, time::Duration};

use async_trait::async_trait;
use jiff::Timestamp;

use super::place::Place;

/// How many names a snapshot holds at most.
pub const MAX_NAMES: usize = 20;

/// Longest message of an error, in bytes.
pub const MAX_MESSAGE: usize = 1024;

/// What to list, and what of it counts.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Ask {
    /// A folder or a single object.
    pub place: Place,
    /// Globs on the file name, with `*` and `?`; a name has to match one of them. Empty: every name counts.
    pub include: Vec<String>,
    /// The path, below the place, of an object that tells that the data is complete. It is looked at although its name may be
    /// hidden, and is no data itself.
    pub marker: Option<String>,
    /// Whether the place is a Lance table, whose hidden folder `_versions` counts.
    pub lance: bool,
    /// Names objects that were written since then.
    pub newer_than: Option<Timestamp>,
    /// Of those, only these paths below the place are named and counted; empty: all.
    pub among: Vec<String>,
}

/// A listing in constant memory: nothing of it grows with the number of objects.
///
/// What counts are the objects that a reader of the place reads: no folders, and no names that begin with `_` or `.` in any
/// segment below the place, as Hive and Spark have it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// Of the sorted paths. Milvus identifies data by path, so a refresh changes something only when this differs.
    pub paths: Digest,
    /// Of the sorted paths with their sizes and `ETags`: differs also when an object was rewritten in place.
    pub contents: Digest,
    /// How many objects count.
    pub objects: u64,
    /// Their size.
    pub bytes: u64,
    /// The marker, where one was asked for and is there.
    pub marker: Option<Marker>,
    /// See [`Ask::newer_than`].
    pub newer: Newer,
}

/// The object that tells that the data is complete.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Marker {
    /// When the store says that it was written.
    pub modified: Timestamp,
    /// Without quotes; empty where the store has none.
    pub etag: String,
}

/// Objects that count and that were written since a time. Stores keep whole seconds: what was written in the second of that
/// time is among them, so it may be one too many, never one too few.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Newer {
    /// How many there are.
    pub count: u64,
    /// The first [`MAX_NAMES`] of their paths below the place, each on one line and at most 256 bytes long.
    pub names: Vec<String>,
}

/// SHA-256, shown as 64 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Digest(pub(crate) [u8; 32]);

#[cfg(test)]
impl Snapshot {
    /// So many objects of one byte each.
    pub(crate) fn of(objects: u8) -> Self {
        let digest = Digest([objects; 32]);
        let count = u64::from(objects);
        Self { paths: digest, contents: digest, objects: count, bytes: count, marker: None, newer: Newer::default() }
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Why there is no listing. The classes are those that the operator or its user acts on differently.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum StoreErrorKind {
    /// The credentials are unknown, wrong or expired, or they may not list (401, 403).
    Denied,
    /// No such bucket or container. A folder without objects is an empty listing instead.
    NotFound,
    /// The store is overloaded or failed inside (429, 5xx).
    Busy,
    /// There is no connection, or it broke.
    Unreachable,
    /// The listing was not complete by its deadline.
    Timeout,
    /// The answer is no listing: an error or a login page with status 200, pages that do not go on or do not end, objects out of
    /// order.
    Malformed,
    /// More objects than are looked at.
    TooLarge,
    /// The store sent us elsewhere, which is not followed; also where it says that the bucket is in another region.
    Redirected,
    /// TLS: the store's certificate is not accepted.
    Certificate,
    /// The access or the place cannot be used as they are written.
    Invalid,
}

/// A failed listing: its class, and a sentence that says what happened and what the reader can do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct StoreError {
    /// What the operator acts on.
    pub kind: StoreErrorKind,
    /// What a person reads: without credentials and at most [`MAX_MESSAGE`] bytes long.
    pub message: String,
    /// How long the store asks to be left alone, at most an hour.
    pub retry_after: Option<Duration>,
}

impl StoreError {
    /// An error of `kind` that says `message`.
    pub(super) fn new(kind: StoreErrorKind, message: impl Into<String>) -> Self {
        let mut message = message.into();
        message.truncate(message.floor_char_boundary(MAX_MESSAGE));
        Self { kind, message, retry_after: None }
    }
}

/// A store that can be listed. Implemented by [`super::Lister`].
#[async_trait]
pub trait Store: Send + Sync + fmt::Debug {
    /// Lists a place, page by page, under one deadline for the whole of it. Nothing is repeated: who asks pauses and asks again.
    ///
    /// # Errors
    /// When there is no complete listing.
    async fn list(&self, ask: &Ask) -> Result<Snapshot, StoreError>;
}
