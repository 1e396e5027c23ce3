//! Failure classes: a closed set, so that people and alerts can rely on them.

/// Why a run failed. Shown as the reason of the conditions and as `status.failure.class`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FailureClass {
    /// The collection does not exist.
    CollectionNotFound,
    /// The database does not exist.
    DatabaseNotFound,
    /// The source or its bucket does not exist.
    SourceNotFound,
    /// Milvus failed inside.
    ServerInternal,
    /// A reason that this version does not know; Milvus' words are kept.
    Unknown,
    /// Milvus refused the request or the spec as wrong.
    InvalidSpec,
    /// The collection holds its own data, so there is nothing to refresh.
    NotExternalCollection,
    /// Milvus may not read the source.
    SourceAccessDenied,
    /// The source holds no files, or would leave the collection empty.
    SourceEmpty,
    /// The files do not fit the collection's schema.
    SchemaMismatch,
    /// The operator's account lacks a privilege in Milvus.
    PermissionDenied,
    /// The job ran into Milvus' own time limit.
    JobTimeout,
    /// The data is live, only the wait for its indexes ran out.
    IndexWaitTimeout,
    /// The job vanished, or the collection it belonged to is another one now.
    JobLost,
    /// Whether a start was accepted could not be found out.
    OutcomeUnknown,
    /// The connection does not allow the source that the refresh asks for.
    SourceNotAllowed,
    /// The attempt ran longer than the refresh allows.
    DeadlineExceeded,
    /// The run was not started in the time that the refresh allows.
    StartingDeadlineExceeded,
}

impl FailureClass {
    /// Every class.
    pub const ALL: [Self; 18] = [
        Self::CollectionNotFound,
        Self::DatabaseNotFound,
        Self::SourceNotFound,
        Self::ServerInternal,
        Self::Unknown,
        Self::InvalidSpec,
        Self::NotExternalCollection,
        Self::SourceAccessDenied,
        Self::SourceEmpty,
        Self::SchemaMismatch,
        Self::PermissionDenied,
        Self::JobTimeout,
        Self::IndexWaitTimeout,
        Self::JobLost,
        Self::OutcomeUnknown,
        Self::SourceNotAllowed,
        Self::DeadlineExceeded,
        Self::StartingDeadlineExceeded,
    ];

    /// The class as conditions and status show it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::CollectionNotFound => "CollectionNotFound",
            Self::DatabaseNotFound => "DatabaseNotFound",
            Self::SourceNotFound => "SourceNotFound",
            Self::ServerInternal => "ServerInternal",
            Self::Unknown => "Unknown",
            Self::InvalidSpec => "InvalidSpec",
            Self::NotExternalCollection => "NotExternalCollection",
            Self::SourceAccessDenied => "SourceAccessDenied",
            Self::SourceEmpty => "SourceEmpty",
            Self::SchemaMismatch => "SchemaMismatch",
            Self::PermissionDenied => "PermissionDenied",
            Self::JobTimeout => "JobTimeout",
            Self::IndexWaitTimeout => "IndexWaitTimeout",
            Self::JobLost => "JobLost",
            Self::OutcomeUnknown => "OutcomeUnknown",
            Self::SourceNotAllowed => "SourceNotAllowed",
            Self::DeadlineExceeded => "DeadlineExceeded",
            Self::StartingDeadlineExceeded => "StartingDeadlineExceeded",
        }
    }

    /// The class with this name; `None` for a name that this version does not know.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|class| class.as_str() == name)
    }

    /// Whether the same run may succeed later although nobody changes anything in the refresh.
    pub fn retryable(self) -> bool {
        match self {
            Self::CollectionNotFound
            | Self::DatabaseNotFound
            | Self::SourceNotFound
            | Self::ServerInternal
            | Self::Unknown => true,
            Self::InvalidSpec
            | Self::SourceNotAllowed
            | Self::NotExternalCollection
            | Self::SourceAccessDenied
            | Self::SourceEmpty
            | Self::SchemaMismatch
            | Self::PermissionDenied
            | Self::JobTimeout
            | Self::IndexWaitTimeout
            | Self::JobLost
            | Self::OutcomeUnknown
            | Self::DeadlineExceeded
            | Self::StartingDeadlineExceeded => false,
        }
    }

    /// What a person can do about it.
    pub fn remedy(self) -> &'static str {
        match self {
            Self::CollectionNotFound => {
                "Create the external collection in Milvus, or correct spec.collectionName in a new refresh."
            }
            Self::DatabaseNotFound => "Create the database in Milvus, or correct spec.databaseName in a new refresh.",
            Self::SourceNotFound => "Check that the bucket and the path of the collection's external source exist.",
            Self::ServerInternal => "Look into Milvus' own logs for the job; create the refresh anew to try again.",
            Self::Unknown => "Read Milvus' reason; create the refresh anew to try again.",
            Self::InvalidSpec => "Correct what Milvus' reason names in the collection's external source or spec.",
            Self::NotExternalCollection => "Only collections over external files can be refreshed; name one of those.",
            Self::SourceAccessDenied => {
                "Give Milvus read access to the source: check its credentials, role and bucket policy."
            }
            Self::SourceEmpty => {
                "Put files under the source path; Milvus refuses to refresh a collection to zero rows."
            }
            Self::SchemaMismatch => "Make the files' columns and types fit the collection's schema.",
            Self::PermissionDenied => {
                "Grant the connection's Milvus account RefreshExternalCollection and DescribeCollection on the collection."
            }
            Self::JobTimeout => {
                "Raise dataCoord.externalCollectionJobTimeout in Milvus, or refresh fewer files at a time."
            }
            Self::IndexWaitTimeout => {
                "The new data is live. Check the index build in Milvus; another refresh only waits again."
            }
            Self::JobLost => {
                "Check in Milvus whether the collection has the data; create the refresh anew to run it again."
            }
            Self::SourceNotAllowed => {
                "Have the connection's owner add the source to its spec.allowedSources, or use a source that it allows."
            }
            Self::DeadlineExceeded => {
                "The job may still finish in Milvus; look there, then raise spec.activeDeadlineSeconds."
            }
            Self::StartingDeadlineExceeded => {
                "Find out what held the start back, or raise spec.startingDeadlineSeconds."
            }
            Self::OutcomeUnknown => {
                "Check Milvus' job list for the collection, then create the refresh anew if it did not run."
            }
        }
    }

    /// The class of a failed job, from Milvus' free text, which is matched loosely because its wording differs between
    /// releases.
    pub fn of_reason(reason: &str) -> Self {
        let text = reason.to_lowercase();
        let says = |words: &[&str]| words.iter().any(|word| text.contains(word));
        if says(&["timeout waiting for indexes"]) {
            Self::IndexWaitTimeout
        } else if text == "timeout" || text.starts_with("timeout, last failure") {
            Self::JobTimeout
        } else if says(&["no files found", "refusing to drop all"]) {
            Self::SourceEmpty
        } else if says(&["failed revalidation"]) {
            Self::InvalidSpec
        } else if says(&[
            "access denied",
            "accessdenied",
            "forbidden",
            "permission denied",
            "invalidaccesskey",
            "signaturedoesnotmatch",
            "credential",
        ]) {
            Self::SourceAccessDenied
        } else if says(&[
            "task result not found",
            "task not found",
            "query task failed",
            "requested retry",
            "task source mismatch",
            "job canceled",
        ]) {
            Self::ServerInternal
        } else if says(&[
            "nosuchbucket",
            "nosuchkey",
            "no such bucket",
            "no such file",
            "bucket does not exist",
            "bucket not found",
            "key not found",
        ]) {
            Self::SourceNotFound
        } else if says(&["column", "type mismatch", "schema", "zero rows"]) {
            Self::SchemaMismatch
        } else {
            Self::Unknown
        }
    }
}
