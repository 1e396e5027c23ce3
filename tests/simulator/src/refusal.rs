//! Milvus' errors inside an answer: a code, its text and the legacy code that goes with it.

use std::collections::HashMap;

use crate::wire::common::{ErrorCode, Status};

/// An error that travels inside an OK answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) code: i32,
    pub(super) reason: String,
}

impl Refusal {
    /// Code 1100: the request itself is wrong.
    pub(super) fn invalid(message: impl std::fmt::Display) -> Self {
        Self { code: 1100, reason: format!("{message}: invalid parameter") }
    }

    /// Code 1101: a parameter is missing.
    pub(super) fn missing(message: &str) -> Self {
        Self { code: 1101, reason: format!("{message}: missing parameter") }
    }

    /// Code 100.
    pub(super) fn collection_not_found(database: &str, collection: &str) -> Self {
        Self { code: 100, reason: format!("collection not found[database={database}][collection={collection}]") }
    }

    /// Code 101.
    pub(super) fn not_loaded(collection: i64) -> Self {
        Self { code: 101, reason: format!("failed to query: collection not loaded[collection={collection}]") }
    }

    /// Code 700.
    pub(super) fn index_not_found(collection: i64) -> Self {
        Self { code: 700, reason: format!("index not found[collection={collection}]") }
    }

    /// Code 800.
    pub(super) fn database_not_found(database: &str) -> Self {
        Self { code: 800, reason: format!("database not found[database={database}]") }
    }

    /// Code 703.
    pub(super) fn duplicate(message: &str) -> Self {
        Self { code: 703, reason: format!("{message}: task duplicates[taskType=refresh_external_collection]") }
    }

    /// As the answer carries it.
    pub(super) fn into_status(self) -> Status {
        let wrong_input = (1100..=1102).contains(&self.code);
        let legacy = match self.code {
            0 => ErrorCode::Success,
            1 => ErrorCode::NotReadyServe,
            8 => ErrorCode::RateLimit,
            9 => ErrorCode::ForceDeny,
            100 => ErrorCode::CollectionNotExists,
            700 => ErrorCode::IndexNotExist,
            1100..=1102 => ErrorCode::IllegalArgument,
            _ => ErrorCode::UnexpectedError,
        };
        Status {
            error_code: legacy.into(),
            retriable: matches!(self.code, 1 | 2 | 4 | 8 | 12),
            detail: self.reason.clone(),
            reason: self.reason,
            code: self.code,
            extra_info: if wrong_input {
                HashMap::from([("is_input_error".to_owned(), "true".to_owned())])
            } else {
                HashMap::new()
            },
        }
    }
}
