//! Whom to ask, and what.

use std::{
    hash::{Hash, Hasher},
    sync::Arc,
};

use super::port::Blind;
use crate::{
    catalogs::{self, Catalog, Table},
    stores::{self, Snapshot, Store},
};

/// A question. Two are equal when the same client is asked the same.
#[derive(Clone, Debug)]
pub(super) enum Aim {
    Objects(Arc<dyn Store>, stores::Ask),
    Table(Arc<dyn Catalog>, catalogs::Ask),
}

/// Its answer.
#[derive(Clone, Debug)]
pub(super) enum Seen {
    Objects(Snapshot),
    Table(Table),
}

impl Aim {
    pub(super) async fn ask(&self) -> Result<Seen, Blind> {
        match self {
            Self::Objects(store, ask) => Ok(Seen::Objects(store.list(ask).await?)),
            Self::Table(catalog, ask) => Ok(Seen::Table(catalog.table(ask).await?)),
        }
    }

    /// Where the client is. A question holds on to its client, so no other one comes to be there meanwhile.
    fn client(&self) -> *const () {
        match self {
            Self::Objects(store, _) => Arc::as_ptr(store).cast(),
            Self::Table(catalog, _) => Arc::as_ptr(catalog).cast(),
        }
    }
}

impl PartialEq for Aim {
    fn eq(&self, other: &Self) -> bool {
        let same_question = match (self, other) {
            (Self::Objects(_, own), Self::Objects(_, other)) => own == other,
            (Self::Table(_, own), Self::Table(_, other)) => own == other,
            (Self::Objects(..), Self::Table(..)) | (Self::Table(..), Self::Objects(..)) => false,
        };
        same_question && self.client() == other.client()
    }
}

impl Eq for Aim {}

impl Hash for Aim {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.client().hash(state);
        match self {
            Self::Objects(_, ask) => ask.hash(state),
            Self::Table(_, ask) => ask.hash(state),
        }
    }
}
