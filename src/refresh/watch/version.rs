//! Versions of a source, and which difference is a change.

use jiff::Timestamp;
use sha2::{Digest as _, Sha256};

use crate::{
    scout::Sight,
    stores::{Digest, Marker, Snapshot},
};

/// How many digits of a hash tell versions apart: 128 bits.
const DIGITS: usize = 32;
/// Between the hash of the names and that of the marker.
const WITH_MARKER: char = '-';

/// A version of a source.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Version {
    /// A hash of the file names, with a marker followed by `-` and a hash of that, or the id of a table's snapshot. Empty where it
    /// is not known.
    pub name: String,
    /// A hash of the files' names, sizes and `ETags`; empty for a table.
    pub content: String,
    /// How many files there are.
    pub objects: i64,
    /// Their size in bytes.
    pub bytes: i64,
}

/// A version, and when it was seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// What was seen.
    pub version: Version,
    /// When the look began.
    pub time: Timestamp,
}

impl Version {
    /// What a look has found. With a marker that is not there, the one of `before` counts.
    pub(super) fn of(sight: &Sight, with_marker: bool, before: Option<&Self>) -> Self {
        let snapshot = match sight {
            Sight::Objects(snapshot) => snapshot,
            Sight::Table { table, .. } => return Self { name: table.snapshot.to_string(), ..Self::default() },
        };
        let Snapshot { paths, contents, objects, bytes, marker, .. } = snapshot;
        let mut name = short(paths);
        if with_marker {
            name.push(WITH_MARKER);
            match (marker, before) {
                (Some(marker), _) => name.push_str(&hash_of(marker)),
                (None, Some(before)) => name.push_str(before.marker()),
                (None, None) => {}
            }
        }
        let whole = |number: &u64| i64::try_from(*number).unwrap_or(i64::MAX);
        Self { name, content: short(contents), objects: whole(objects), bytes: whole(bytes) }
    }

    fn marker(&self) -> &str {
        self.name.split_once(WITH_MARKER).map_or("", |(_, marker)| marker)
    }

    fn names(&self) -> &str {
        self.name.split_once(WITH_MARKER).map_or(&*self.name, |(names, _)| names)
    }

    /// Whether it is the same files, some of them with other contents: Milvus tells files apart by their names.
    pub(super) fn is_rewrite_of(&self, older: &Self) -> bool {
        !self.content.is_empty() && self.names() == older.names() && self.content != older.content
    }

    /// Whether a run would bring something new to a collection that has `refreshed`.
    pub(super) fn is_change_of(&self, refreshed: &Self, with_marker: bool) -> bool {
        match with_marker {
            _ if self.is_rewrite_of(refreshed) => false,
            true => !self.marker().is_empty() && self.marker() != refreshed.marker(),
            false => self.name != refreshed.name,
        }
    }

    /// Whether more than `percent` of the files or of their bytes are gone since `older`.
    pub(super) fn lacks_more_than(&self, percent: i64, older: &Self) -> bool {
        let gone = |now: i64, before: i64| {
            let lost = i128::from(before) - i128::from(now);
            lost * 100 > i128::from(before) * i128::from(percent) && lost > 0
        };
        gone(self.objects, older.objects) || gone(self.bytes, older.bytes)
    }
}

fn short(digest: &Digest) -> String {
    let mut text = digest.to_string();
    text.truncate(DIGITS);
    text
}

fn hash_of(marker: &Marker) -> String {
    let text = format!("{}\0{}", marker.modified, marker.etag);
    short(&Digest(Sha256::digest(text).into()))
}
