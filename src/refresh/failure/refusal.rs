//! What an error says of a run that nothing was started for.

use super::FailureClass;
use crate::{api::ConnectionReason, milvus::ErrorKind};

impl FailureClass {
    /// The failure class of an error that proves that nothing was started and is the run's own; `None` for the connection's trouble.
    pub fn of_refusal(kind: ErrorKind) -> Option<Self> {
        match kind {
            ErrorKind::CollectionNotFound => Some(Self::CollectionNotFound),
            ErrorKind::DatabaseNotFound => Some(Self::DatabaseNotFound),
            ErrorKind::NotExternal => Some(Self::NotExternalCollection),
            ErrorKind::InvalidRequest => Some(Self::InvalidSpec),
            ErrorKind::PermissionDenied => Some(Self::PermissionDenied),
            ErrorKind::NotSent
            | ErrorKind::Unreachable
            | ErrorKind::Timeout
            | ErrorKind::Busy
            | ErrorKind::Starting
            | ErrorKind::Unauthenticated
            | ErrorKind::Unsupported
            | ErrorKind::NotLoaded
            | ErrorKind::DuplicateJob
            | ErrorKind::JobNotFound
            | ErrorKind::Malformed
            | ErrorKind::Internal => None,
        }
    }
}

/// Whether an error is trouble of the connection: neither the run's own failure nor an answer about a job.
pub fn is_trouble(kind: ErrorKind) -> bool {
    FailureClass::of_refusal(kind).is_none() && !matches!(kind, ErrorKind::DuplicateJob | ErrorKind::JobNotFound)
}

/// The connection's reason that such trouble goes by.
pub fn trouble(kind: ErrorKind) -> ConnectionReason {
    match kind {
        ErrorKind::NotSent | ErrorKind::Unreachable | ErrorKind::Timeout | ErrorKind::Busy | ErrorKind::Starting => {
            ConnectionReason::Unreachable
        }
        ErrorKind::Unauthenticated => ConnectionReason::Unauthenticated,
        ErrorKind::Unsupported => ConnectionReason::UnsupportedServer,
        ErrorKind::CollectionNotFound
        | ErrorKind::DatabaseNotFound
        | ErrorKind::NotExternal
        | ErrorKind::InvalidRequest
        | ErrorKind::PermissionDenied
        | ErrorKind::NotLoaded
        | ErrorKind::DuplicateJob
        | ErrorKind::JobNotFound
        | ErrorKind::Malformed
        | ErrorKind::Internal => ConnectionReason::ServerError,
    }
}
