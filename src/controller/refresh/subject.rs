//! What a pass is about.

use std::sync::Arc;

use super::memory::Newest;
use crate::{api::ExternalCollectionRefresh, object::Key, refresh::Desired};

/// An object as the watch shows it.
pub(super) struct Subject {
    pub(super) key: Key,
    pub(super) uid: String,
    pub(super) connection: Key,
    pub(super) want: Desired,
    pub(super) shown: Newest,
}

impl Subject {
    pub(super) fn of(object: &ExternalCollectionRefresh) -> Self {
        Self {
            key: Key::of(object),
            uid: object.metadata.uid.clone().unwrap_or_default(),
            connection: object.connection(),
            want: Desired::of(object),
            shown: Newest {
                resource_version: object.metadata.resource_version.clone().unwrap_or_default(),
                status: object.status.clone().map(Arc::new),
            },
        }
    }
}
