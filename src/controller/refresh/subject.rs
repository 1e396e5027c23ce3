//! What a pass is about.

use std::sync::Arc;

use super::memory::Newest;
use crate::{api::ExternalCollectionRefresh, object::Key, refresh::Desired};

/// An object as the watch shows it.
pub(super) struct Subject {
    pub(super) key: Key,
    pub(super) uid: String,
    pub(super) connection: Key,
    pub(super) shown: Newest,
}

impl Subject {
    pub(super) fn of(object: &ExternalCollectionRefresh) -> Self {
        Self {
            key: Key::of(object),
            uid: object.metadata.uid.clone().unwrap_or_default(),
            connection: object.connection(),
            shown: Newest::of(object),
        }
    }
}

impl Newest {
    pub(super) fn of(object: &ExternalCollectionRefresh) -> Self {
        Self {
            resource_version: object.metadata.resource_version.clone().unwrap_or_default(),
            want: Arc::new(Desired::of(object)),
            status: object.status.clone().map(Arc::new),
        }
    }
}
