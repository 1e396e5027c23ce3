//! What a look is for, and what it finds.

use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;

use crate::{catalogs::Table, stores::Snapshot};

/// What to look at, for one refresh.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// The Milvus database and the collection's name or alias, whose stored source counts where the refresh brings none.
    pub collection: (String, String),
    /// The source that the refresh brings along.
    pub source: Option<String>,
    /// What of it counts.
    pub what: What,
}

/// What of a source counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// The files below it.
    Objects {
        /// The `format` of the spec that the refresh brings along, where that can be read. In a Lance table the folder
        /// `_versions` counts.
        format: Option<String>,
        /// See [`crate::stores::Ask::include`].
        include: Vec<String>,
        /// See [`crate::stores::Ask::marker`].
        marker: Option<String>,
        /// See [`crate::stores::Ask::newer_than`].
        newer_than: Option<Timestamp>,
        /// See [`crate::stores::Ask::among`].
        among: Vec<String>,
    },
    /// A table of a catalog of the connection.
    Iceberg {
        /// The name of the catalog.
        catalog: String,
        /// What to ask it.
        ask: crate::catalogs::Ask,
    },
}

/// What a look has found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sight {
    /// Files.
    Objects(Snapshot),
    /// A table.
    Table {
        /// Where it stands.
        table: Table,
        /// The URI of its metadata file as Milvus takes it.
        source: String,
    },
}

/// Why a look has found nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Blind {
    /// See [`BlindReason`].
    pub reason: BlindReason,
    /// What happened and what the reader can do.
    pub message: String,
    /// How long whoever was asked wants to be left alone.
    pub retry_after: Option<Duration>,
}

/// The reason of `SourceFresh` where nothing could be seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BlindReason {
    /// The connection does not let its refreshes look there.
    NotAllowed,
    /// More files than are looked at.
    ListingTooLarge,
    /// Anything else.
    CheckFailed,
}

/// The last look for a refresh.
#[derive(Clone, Debug)]
pub struct Sighting {
    /// When it began: what it found was there at that time or later.
    pub began: Instant,
    /// How many looks in a row have failed, this one included.
    pub failures: u32,
    /// What it found.
    pub found: Result<Sight, Blind>,
}
