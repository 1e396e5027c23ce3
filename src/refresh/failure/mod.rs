//! Failure classes: a closed set, so that people and alerts can rely on them.

mod entry;
mod page;
mod reason;
mod refusal;
mod table;

use crate::complete::complete;

pub(super) use entry::Words;
pub use page::{page, section_of};
pub use refusal::{is_trouble, trouble};

complete! {
    /// Why a run failed. Shown as the reason of the conditions and as `status.failure.class`.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
    pub enum FailureClass {
        /// The collection does not exist.
        CollectionNotFound,
        /// The database does not exist.
        DatabaseNotFound,
        /// The collection holds its own data, so there is nothing to refresh.
        NotExternalCollection,
        /// The operator's account lacks a privilege in Milvus.
        PermissionDenied,
        /// The request or the spec is invalid.
        InvalidSpec,
        /// The connection does not allow the source of the refresh.
        SourceNotAllowed,
        /// The source or its bucket does not exist.
        SourceNotFound,
        /// Milvus is not allowed to read the source.
        SourceAccessDenied,
        /// The source has no files or no rows, or would leave the collection empty.
        SourceEmpty,
        /// The files do not match the collection's schema.
        SchemaMismatch,
        /// Milvus reported an internal error.
        ServerInternal,
        /// The job exceeded Milvus' own time limit.
        JobTimeout,
        /// The new data is live, but Milvus' wait for its indexes timed out.
        IndexWaitTimeout,
        /// The attempt ran longer than the refresh allows.
        DeadlineExceeded,
        /// The run did not start within the time that the refresh allows.
        StartingDeadlineExceeded,
        /// The job vanished, or its collection was replaced.
        JobLost,
        /// It is unknown whether Milvus accepted the start.
        OutcomeUnknown,
        /// Milvus completed the job, but not all that was refreshed is served as the refresh demands.
        VerificationFailed,
        /// The job failed for a reason that this version does not know.
        Unknown,
    }
}

impl FailureClass {
    /// The class as conditions and status show it.
    pub fn as_str(self) -> &'static str {
        self.entry().name
    }

    /// The class with this name; `None` for a name that this version does not know.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|class| class.as_str() == name)
    }

    /// Whether the same run may succeed later although nobody changes anything in the refresh.
    pub fn retryable(self) -> bool {
        self.entry().retryable
    }

    /// Whether the collection has the new data although the job failed. Milvus takes nothing back when its wait for indexes
    /// (`refreshWaitForIndex`) ends; after any other failure the collection is as it was.
    pub fn new_data_is_live(self) -> bool {
        self == Self::IndexWaitTimeout
    }

    /// What a person can do about it: one line, which ends with where more is written.
    pub fn remedy(self) -> &'static str {
        self.entry().remedy
    }

    /// The class of a failed job, from Milvus' free text. What no rule knows is [`Unknown`](Self::Unknown).
    pub fn of_reason(reason: &str) -> Self {
        reason::class_of(reason)
    }
}
