//! The answer that can be long: a table. Nothing is kept of it that grows with its branches, tags or snapshots.

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{DeserializeSeed, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor},
};

use super::super::port::{Ask, CatalogError, CatalogErrorKind};

/// The branch that every table has.
const MAIN: &str = "main";

/// What an ask wants to know of a table with all of its snapshots, or those of its branches and tags.
#[derive(Debug)]
pub(super) struct Wanted {
    reference: String,
    pinned: Option<i64>,
}

impl Wanted {
    pub(super) fn by(ask: &Ask) -> Self {
        Self { reference: ask.reference.clone(), pinned: ask.pinned }
    }
}

/// What the catalog says of it.
#[derive(Debug, Default)]
pub(super) struct Loaded {
    pub(super) metadata_location: String,
    current: Option<i64>,
    /// Of the branch or tag that is asked for.
    referred: Option<i64>,
    /// Whether the pinned snapshot is among those that were told.
    pub(super) has_pinned: bool,
}

impl Loaded {
    /// The snapshot of the branch or tag that is asked for.
    ///
    /// # Errors
    /// When there is none.
    pub(super) fn snapshot(&self, ask: &Ask) -> Result<i64, CatalogError> {
        let Ask { table, reference, .. } = ask;
        if let Some(snapshot) = self.referred {
            return Ok(snapshot);
        }
        if reference != MAIN {
            return Err(CatalogError::new(
                CatalogErrorKind::NoReference,
                format!("The table {table} has no branch or tag {reference}. Create it, or correct ref."),
            ));
        }
        // Tables of the first version of the format have no references, and -1 where they hold nothing.
        self.current.filter(|id| *id >= 0).ok_or_else(|| {
            CatalogError::new(
                CatalogErrorKind::Empty,
                format!("The table {table} holds nothing yet. Write something to it."),
            )
        })
    }
}

impl<'de> DeserializeSeed<'de> for Wanted {
    type Value = Loaded;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Loaded, D::Error> {
        let mut found = Found::default();
        Part { level: Level::Table, wanted: &self, found: &mut found }.deserialize(deserializer)?;
        match found {
            Found { metadata_location: Some(metadata_location), has_metadata: true, loaded } => {
                Ok(Loaded { metadata_location, ..loaded })
            }
            _ => Err(D::Error::custom("a part is missing")),
        }
    }
}

/// What has been read so far.
#[derive(Default)]
struct Found {
    metadata_location: Option<String>,
    has_metadata: bool,
    loaded: Loaded,
}

#[derive(Clone, Copy)]
enum Level {
    Table,
    Metadata,
    /// Branches and tags.
    References,
    Snapshots,
}

/// Ids are numbers beyond what a float can tell apart.
#[derive(Deserialize)]
struct Snapshot {
    #[serde(rename = "snapshot-id")]
    id: i64,
}

/// A part of the answer, which is to be read next.
struct Part<'a> {
    level: Level,
    wanted: &'a Wanted,
    found: &'a mut Found,
}

impl<'de> DeserializeSeed<'de> for Part<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        match self.level {
            Level::Table | Level::Metadata => deserializer.deserialize_map(self),
            Level::References | Level::Snapshots => deserializer.deserialize_option(self),
        }
    }
}

impl<'de> Visitor<'de> for Part<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a part of a table")
    }

    fn visit_none<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        match self.level {
            Level::Snapshots => deserializer.deserialize_seq(self),
            _ => deserializer.deserialize_map(self),
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<(), A::Error> {
        let Self { level, wanted, found } = self;
        while let Some(name) = fields.next_key::<String>()? {
            match (level, name.as_str()) {
                (Level::Table, "metadata-location") => found.metadata_location = Some(fields.next_value()?),
                (Level::Table, "metadata") => {
                    found.has_metadata = true;
                    fields.next_value_seed(Part { level: Level::Metadata, wanted, found })?;
                }
                (Level::Metadata, "current-snapshot-id") => found.loaded.current = fields.next_value()?,
                (Level::Metadata, "refs") => {
                    fields.next_value_seed(Part { level: Level::References, wanted, found })?;
                }
                (Level::Metadata, "snapshots") => {
                    fields.next_value_seed(Part { level: Level::Snapshots, wanted, found })?;
                }
                (Level::References, name) => {
                    let Snapshot { id } = fields.next_value()?;
                    if name == wanted.reference {
                        found.loaded.referred = Some(id);
                    }
                }
                _ => drop(fields.next_value::<IgnoredAny>()?),
            }
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut snapshots: A) -> Result<(), A::Error> {
        while let Some(Snapshot { id }) = snapshots.next_element()? {
            self.found.loaded.has_pinned |= self.wanted.pinned == Some(id);
        }
        Ok(())
    }
}
