//! Runs because the source has changed. Everything is computed from values: what was seen of the source, what of that the last
//! run that completed had seen before its start, and the time that it is.
//!
//! A version that a run has captured is a lower bound of what Milvus read, for Milvus lists after that look. So comparing it with
//! what is seen later starts at worst one run too many, and never one too few.

mod fresh;
mod keep;
mod look;
mod rewritten;
mod start;
mod version;

use std::time::Duration;

use jiff::Timestamp;

use super::{Desired, SpecPlace, desired::seconds, limits::cut};
use crate::{
    api::{ExternalCollectionRefresh, IcebergWatch, WatchSpec},
    scout::{Blind, Sight},
};

pub use fresh::{Fresh, FreshReason};
pub(in crate::refresh) use look::{next_look, rests};
pub use rewritten::Rewritten;
pub use version::{Seen, Version};

/// The longest format that is told to whoever looks, in bytes.
const FORMAT_BYTES: usize = 64;

/// What `spec.watch` asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Watch {
    /// As the object has it.
    pub spec: WatchSpec,
    /// Stands for what is watched.
    pub fingerprint: String,
    /// Where the rest of the external spec stands, for a table of a catalog.
    pub template: Option<SpecPlace>,
    /// The `format` of the refresh's own spec, where that stands in the object.
    format: Option<String>,
    /// From which the times of the looks are drawn, together with the source: those of a connection at one source meet.
    place: String,
}

impl Watch {
    /// That of `object`.
    pub(super) fn of(object: &ExternalCollectionRefresh) -> Option<Self> {
        let watch = object.spec.watch.clone()?;
        let spec = SpecPlace::of(&object.spec);
        let mut parts: Vec<&str> = object.spec.external_source.as_deref().into_iter().collect();
        if let Some(objects) = &watch.objects {
            parts.push("objects");
            parts.extend(objects.include.iter().map(String::as_str));
            parts.push("marker");
            parts.extend(objects.marker.as_deref());
        }
        if let Some(iceberg) = &watch.iceberg {
            parts.extend(table_parts(iceberg));
        }
        let connection = object.connection();
        let format = match &spec {
            Some(SpecPlace::Object(text)) => format_of(text),
            Some(SpecPlace::Secret { .. }) | None => None,
        };
        Some(Self {
            fingerprint: super::desired::fingerprint(&parts),
            template: spec.filter(|_| watch.iceberg.is_some()),
            format,
            place: format!("{}/{}", connection.namespace, connection.name),
            spec: watch,
        })
    }

    /// What stands for the table that its runs are started from, and for the rest of their spec.
    pub(super) fn table_parts(&self) -> Option<Vec<&str>> {
        let mut parts = table_parts(self.spec.iceberg.as_ref()?).to_vec();
        parts.extend(self.template.iter().flat_map(SpecPlace::parts));
        Some(parts)
    }

    fn quiet(&self) -> Duration {
        let default = if self.spec.iceberg.is_some() { 0 } else { 60 };
        seconds(self.spec.quiet_seconds.unwrap_or(default))
    }

    fn has_marker(&self) -> bool {
        self.spec.objects.as_ref().is_some_and(|objects| objects.marker.is_some())
    }
}

fn table_parts(table: &IcebergWatch) -> [&str; 4] {
    ["iceberg", &table.catalog, &table.table, &table.reference]
}

fn format_of(spec: &str) -> Option<String> {
    let spec: serde_json::Value = serde_json::from_str(spec).ok()?;
    Some(cut(spec.get("format")?.as_str()?, FORMAT_BYTES).to_owned())
}

/// What is known of the source that an object watches.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WatchRecord {
    /// Stands for what this is about.
    pub fingerprint: String,
    /// Since when that is watched.
    pub since: Timestamp,
    /// The newest that was seen.
    pub observed: Option<Version>,
    /// When the look began that first saw that version.
    pub changed: Option<Timestamp>,
    /// What the last run that completed had seen before its start; of an unknown version if it had not looked.
    pub refreshed: Option<Seen>,
    /// When the look began that first saw something newer than that.
    pub pending_since: Option<Timestamp>,
    /// Files that were rewritten under their names.
    pub rewritten: Option<Rewritten>,
    /// What the condition says.
    pub fresh: Option<Fresh>,
}

impl WatchRecord {
    fn new(watch: &Watch, now: Timestamp) -> Self {
        Self { fingerprint: watch.fingerprint.clone(), since: now, ..Self::default() }
    }
}

/// What this process knows of looks at the source.
#[derive(Clone, Debug, Default)]
pub struct Scouted {
    /// The last look that has ended.
    pub last: Option<LastLook>,
    /// How long one that is under way has been waited for.
    pub waited: Option<Duration>,
}

/// A look that has ended.
#[derive(Clone, Debug)]
pub struct LastLook {
    /// How long ago it began.
    pub age: Duration,
    /// How many in a row have failed, this one included.
    pub failures: u32,
    /// What it found.
    pub found: Result<Sight, Blind>,
}

impl Desired {
    /// What every run of a watched table brings along, as the last look has it.
    pub(super) fn is_watched_table(&self) -> bool {
        self.watch.as_ref().is_some_and(|watch| watch.spec.iceberg.is_some())
    }
}
