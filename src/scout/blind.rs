//! The sentences for when nothing was found.

use std::time::Duration;

use super::port::{Blind, BlindReason};
use crate::{
    catalogs::CatalogError,
    milvus::MilvusError,
    object::Key,
    stores::{StoreError, StoreErrorKind},
};

impl Blind {
    fn new(reason: BlindReason, message: impl Into<String>) -> Self {
        Self { reason, message: message.into(), retry_after: None }
    }

    fn failed(message: impl Into<String>) -> Self {
        Self::new(BlindReason::CheckFailed, message)
    }

    /// No prefix of the connection covers the source.
    pub(super) fn no_source(connection: &Key, uri: &str) -> Self {
        let message = format!(
            "MilvusConnection {} does not allow watching {uri}: no prefix in its spec.sources covers it. Ask the owner of the \
             connection for an entry with the prefix {uri}, or one above it.",
            connection.name
        );
        Self::new(BlindReason::NotAllowed, message)
    }

    /// The connection has no such catalog.
    pub(super) fn no_catalog<'a>(connection: &Key, name: &str, known: impl Iterator<Item = &'a str>) -> Self {
        let known = known.collect::<Vec<_>>().join(", ");
        let known = if known.is_empty() { "none".to_owned() } else { known };
        let message = format!(
            "MilvusConnection {} has no catalog {name} in its spec.catalogs; it has: {known}. Use one of those, or ask the owner of \
             the connection for an entry with the name {name}.",
            connection.name
        );
        Self::new(BlindReason::NotAllowed, message)
    }

    /// The connection has an entry for it that cannot be used.
    pub(super) fn unusable(connection: &Key, problem: &str) -> Self {
        Self::failed(format!(
            "MilvusConnection {} allows watching it, but its settings cannot be used. {problem}",
            connection.name
        ))
    }

    /// The source is no URI that can be looked at.
    pub(super) fn unreadable(problem: &str) -> Self {
        Self::failed(format!("The source cannot be watched: its URI {problem}."))
    }

    /// Neither the refresh nor Milvus has a source.
    pub(super) fn sourceless() -> Self {
        Self::failed("Milvus has stored no source for the collection. Set externalSource in the refresh.")
    }

    /// Milvus has the source, and cannot be asked.
    pub(super) fn not_ready(connection: &Key) -> Self {
        Self::failed(format!(
            "The source is the one that Milvus has stored, and MilvusConnection {} is not ready. The condition Ready of the \
             connection says why.",
            connection.name
        ))
    }

    /// Milvus has the source, and does not tell it.
    pub(super) fn undescribed(error: &MilvusError) -> Self {
        Self::failed(format!(
            "Milvus does not tell which source it has stored for the collection: {}.",
            error.message.trim_end_matches('.')
        ))
    }

    /// Nothing is known of the connection.
    pub(super) fn unknown(connection: &Key) -> Self {
        Self::failed(format!(
            "MilvusConnection {} does not exist, or the operator cannot read it or what it refers to. Check its status.",
            connection.name
        ))
    }

    /// Whoever was asked allows itself more than is waited for.
    pub(super) fn late(limit: Duration) -> Self {
        Self::failed(format!("There was no answer within {} s. Check that it is not overloaded.", limit.as_secs()))
    }

    /// A fault in this program.
    pub(super) fn panicked() -> Self {
        Self::failed("The check ended with an internal error of the operator. Please report this bug, with its log.")
    }
}

impl From<StoreError> for Blind {
    fn from(StoreError { kind, message, retry_after }: StoreError) -> Self {
        let reason = match kind {
            StoreErrorKind::TooLarge => BlindReason::ListingTooLarge,
            _ => BlindReason::CheckFailed,
        };
        Self { reason, message, retry_after }
    }
}

impl From<CatalogError> for Blind {
    fn from(CatalogError { message, retry_after, .. }: CatalogError) -> Self {
        Self { reason: BlindReason::CheckFailed, message, retry_after }
    }
}
