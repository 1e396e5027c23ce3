//! Where the refreshes of a connection may look.

use std::sync::Arc;

use super::{
    aim::Aim,
    port::{Blind, What},
};
use crate::{
    catalogs::{self, Catalog},
    object::Key,
    stores::{self, Place, Store},
};

/// The format whose hidden folder counts.
const LANCE: &str = "lance-table";

/// What a connection lets its refreshes look at, and by which client; or the sentence that says why there is none.
#[derive(Debug, Default)]
pub struct Sources {
    /// The object stores.
    pub stores: Vec<Source>,
    /// The catalogs.
    pub catalogs: Vec<NamedCatalog>,
}

/// A catalog that may be asked.
#[derive(Debug)]
pub struct NamedCatalog {
    /// Its name.
    pub name: String,
    /// Asks it.
    pub catalog: Result<Arc<dyn Catalog>, String>,
}

/// A prefix that may be looked at.
#[derive(Debug)]
pub struct Source {
    /// The prefix.
    pub place: Place,
    /// The store's own address, which a URI need not repeat.
    pub endpoint: Option<String>,
    /// The bucket's region, by which a URI finds its endpoint.
    pub region: Option<String>,
    /// Lists it.
    pub store: Result<Arc<dyn Store>, String>,
}

impl Source {
    /// The place of `uri`, if it is within the prefix.
    fn place(&self, uri: &str) -> Option<Place> {
        let place = Place::parse(uri, self.endpoint.as_deref(), self.region.as_deref()).ok()?;
        place.is_within(&self.place).then_some(place)
    }
}

impl Sources {
    /// What `uri` is looked at through: the longest prefix that it is within.
    fn find(&self, uri: &str) -> Option<(&Source, Place)> {
        let found = self.stores.iter().filter_map(|source| Some((source, source.place(uri)?)));
        found.max_by_key(|(source, _)| source.place.key.len())
    }

    /// The address of the store that `uri` is in, where it has one of its own.
    pub(super) fn endpoint_of(&self, uri: &str) -> Option<&str> {
        self.find(uri)?.0.endpoint.as_deref()
    }

    /// How to look at the files below `uri`, as `what` says. An unknown format may be that of a Lance table.
    pub(super) fn objects(&self, connection: &Key, uri: &str, format: Option<&str>, what: &What) -> Result<Aim, Blind> {
        let What::Objects { include, marker, newer_than, among, .. } = what else { return Err(Blind::sourceless()) };
        // No endpoint makes another URI of it.
        Place::parse(uri, None, None).map_err(|problem| Blind::unreadable(&problem))?;
        let (source, place) = self.find(uri).ok_or_else(|| Blind::no_source(connection, uri))?;
        let store = source.store.clone().map_err(|problem| Blind::unusable(connection, &problem))?;
        let ask = stores::Ask {
            place,
            include: include.clone(),
            marker: marker.clone(),
            lance: format.is_none_or(|format| format == LANCE),
            newer_than: *newer_than,
            among: among.clone(),
        };
        Ok(Aim::Objects(store, ask))
    }

    /// How to look at a table of the catalog of that `name`.
    pub(super) fn table(&self, connection: &Key, name: &str, ask: &catalogs::Ask) -> Result<Aim, Blind> {
        let names = || self.catalogs.iter().map(|known| known.name.as_str());
        let found = self.catalogs.iter().find(|known| known.name == name);
        let found = found.ok_or_else(|| Blind::no_catalog(connection, name, names()))?;
        let catalog = found.catalog.clone().map_err(|problem| Blind::unusable(connection, &problem))?;
        Ok(Aim::Table(catalog, ask.clone()))
    }
}
