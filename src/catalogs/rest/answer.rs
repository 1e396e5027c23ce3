//! The answers of the protocol: of each only what is needed.

use std::{
    fmt,
    io::{self, Read},
};

use hyper::body::{Buf, Bytes};
use serde::{
    Deserialize, Deserializer,
    de::{DeserializeOwned, Error as _, MapAccess, Visitor},
};
use tokio::{sync::mpsc, task};

use super::super::port::{Ask, CatalogError, CatalogErrorKind};
use crate::web::{Body, Failure};

/// The branch that every table has.
const MAIN: &str = "main";

/// Branches and tags of a table.
const MAX_REFERENCES: usize = 100_000;

/// How the catalog wants to be asked. Its other properties, which may be credentials, are passed over.
#[derive(Debug, Deserialize)]
pub(super) struct Config {
    /// What counts where nothing else is said.
    pub(super) defaults: Option<Properties>,
    /// What counts whatever else is said.
    pub(super) overrides: Option<Properties>,
}

/// Of them those that change where a table is.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Properties {
    pub(super) prefix: Option<String>,
    pub(super) namespace_separator: Option<String>,
}

/// A table with all of its snapshots, or those of its branches and tags.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Loaded {
    pub(super) metadata_location: String,
    metadata: Metadata,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Metadata {
    current_snapshot_id: Option<i64>,
    refs: Option<References>,
    snapshots: Option<Vec<Snapshot>>,
}

/// Ids are numbers beyond what a float can tell apart.
#[derive(Clone, Copy, Debug, Deserialize)]
struct Snapshot {
    #[serde(rename = "snapshot-id")]
    id: i64,
}

impl Loaded {
    /// The snapshot of the branch or tag that is asked for.
    ///
    /// # Errors
    /// When there is none.
    pub(super) fn snapshot(&self, ask: &Ask) -> Result<i64, CatalogError> {
        let Ask { table, reference, .. } = ask;
        let references = self.metadata.refs.iter().flat_map(|refs| &refs.0);
        if let Some((_, snapshot)) = references.into_iter().find(|(name, _)| name == reference) {
            return Ok(snapshot.id);
        }
        if reference != MAIN {
            return Err(CatalogError::new(
                CatalogErrorKind::NoReference,
                format!("The table {table} has no branch or tag {reference}. Create it, or correct ref."),
            ));
        }
        // Tables of the first version of the format have no references, and -1 where they hold nothing.
        self.metadata.current_snapshot_id.filter(|id| *id >= 0).ok_or_else(|| {
            CatalogError::new(
                CatalogErrorKind::Empty,
                format!("The table {table} holds nothing yet. Write something to it."),
            )
        })
    }

    /// Whether a snapshot is among those that were told.
    pub(super) fn has(&self, snapshot: i64) -> bool {
        self.metadata.snapshots.iter().flatten().any(|known| known.id == snapshot)
    }
}

/// Branches and tags.
#[derive(Debug)]
struct References(Vec<(String, Snapshot)>);

impl<'de> Deserialize<'de> for References {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Each;
        impl<'de> Visitor<'de> for Each {
            type Value = References;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("branches and tags")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<References, A::Error> {
                let mut references = Vec::new();
                while let Some(entry) = entries.next_entry()? {
                    if references.len() == MAX_REFERENCES {
                        return Err(A::Error::custom("too many of them"));
                    }
                    references.push(entry);
                }
                Ok(References(references))
            }
        }
        deserializer.deserialize_map(Each)
    }
}

/// Why an answer could not be read.
#[derive(Debug)]
pub(super) enum Unread {
    /// It did not come.
    Failed(Failure),
    /// It is none of the protocol. What the parser says of it would repeat some of it.
    Malformed,
}

/// Reads an answer as it comes, without keeping more than a piece of it.
pub(super) async fn read<T: DeserializeOwned + Send + 'static>(mut body: Body) -> Result<T, Unread> {
    let (pieces, received) = mpsc::channel(1);
    // The parser waits for its input. It ends with us: without a sender, the input is over.
    let parsing = task::spawn_blocking(move || parse(Pieces { received, piece: Bytes::new() }));
    while let Some(piece) = body.next().await.map_err(Unread::Failed)? {
        // The parser has seen enough.
        if pieces.send(piece).await.is_err() {
            break;
        }
    }
    drop(pieces);
    parsing.await.ok().flatten().ok_or(Unread::Malformed)
}

fn parse<T: DeserializeOwned>(input: impl Read) -> Option<T> {
    serde_json::from_reader(io::BufReader::new(input)).ok()
}

/// An input that comes in pieces.
struct Pieces {
    received: mpsc::Receiver<Bytes>,
    piece: Bytes,
}

impl Read for Pieces {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        while self.piece.is_empty() {
            match self.received.blocking_recv() {
                Some(piece) => self.piece = piece,
                None => return Ok(0),
            }
        }
        (&mut self.piece).reader().read(into)
    }
}
