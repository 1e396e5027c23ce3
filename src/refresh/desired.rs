//! What an object asks for, parsed from its spec.

use std::{fmt::Write as _, time::Duration};

use sha2::{Digest, Sha256};

use super::{
    LastLook, Schedule, Verify, Watch,
    keeper::{self, Keeper},
    limits::cut,
};
use crate::{
    api::{ActiveJobPolicy, ExternalCollectionRefresh, REQUESTED_AT, RefreshSpec, SecretKeyReference},
    scout::Sight,
};

/// The version of the fingerprint's recipe. A run of another version counts as equal: an upgrade starts nothing.
const FINGERPRINT_VERSION: &str = "v1:";

/// The annotations of an object that are read, as far as their first 256 bytes. The watch keeps no others.
pub const ANNOTATIONS_READ: [&str; 2] = [REQUESTED_AT, keeper::ANNOTATION];

/// What an object asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Desired {
    /// `metadata.generation` of the spec that asks.
    pub generation: i64,
    /// The Milvus database.
    pub database: String,
    /// The collection's name or alias.
    pub collection: String,
    /// What to do about a job that somebody else has started.
    pub active_job_policy: ActiveJobPolicy,
    /// The source and spec of the refresh's own; `None` to refresh from what Milvus has stored.
    pub own_source: Option<OwnSource>,
    /// Stands for what a run would be asked to do.
    pub fingerprint: String,
    /// The token that asks for a run, if there is one.
    pub trigger: Option<String>,
    /// The request by annotation, likewise.
    pub requested_at: Option<String>,
    /// Whether a new object runs without being asked.
    pub run_on_creation: bool,
    /// When it runs without being asked.
    pub schedule: Option<Schedule>,
    /// Whether and how it watches its source.
    pub watch: Option<Watch>,
    /// What to check of what it refreshed.
    pub verify: Option<Verify>,
    /// Whether starts are held.
    pub suspend: bool,
    /// Whether the object is being deleted and only a finalizer keeps it.
    pub terminating: bool,
    /// How long a run may wait for its start.
    pub starting_deadline: Option<Duration>,
    /// How long one attempt may take.
    pub active_deadline: Duration,
    /// How often a failed run is tried again.
    pub backoff_limit: i64,
    /// How long the object stays after its last run has ended; `None` keeps it.
    pub ttl: Option<Duration>,
    /// Who would bring the object back if it were deleted.
    pub keeper: Option<Keeper>,
}

/// A source that a refresh brings along, and how to read it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnSource {
    /// The URI.
    pub source: String,
    /// Where the external spec stands.
    pub spec: SpecPlace,
    /// The snapshot that the spec has to name, of a table that is watched.
    pub snapshot: Option<i64>,
}

/// Where an external spec stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SpecPlace {
    /// In the object, without credentials.
    Object(String),
    /// Under a key of a Secret of the same namespace.
    Secret {
        /// The Secret.
        name: String,
        /// The key.
        key: String,
    },
}

impl OwnSource {
    /// The API server has already refused halves.
    fn of(spec: &RefreshSpec) -> Option<Self> {
        Some(Self { source: spec.external_source.clone()?, spec: SpecPlace::of(spec)?, snapshot: None })
    }

    /// Stands for the source and where its spec stands, never for a Secret's content: editing that alone starts nothing.
    fn parts(&self) -> Vec<&str> {
        let mut parts = vec![&*self.source];
        parts.extend(self.spec.parts());
        parts
    }
}

impl SpecPlace {
    pub(super) fn of(spec: &RefreshSpec) -> Option<Self> {
        match (&spec.external_spec, &spec.external_spec_from) {
            (Some(text), _) => Some(Self::Object(text.clone())),
            (None, Some(from)) => {
                let SecretKeyReference { name, key } = from.secret_key_ref.clone();
                Some(Self::Secret { name, key })
            }
            (None, None) => None,
        }
    }

    pub(super) fn parts(&self) -> Vec<&str> {
        match self {
            Self::Object(text) => vec!["object", text],
            Self::Secret { name, key } => vec!["secret", name, key],
        }
    }
}

/// The longest request that is told from others, in bytes.
const REQUEST_BYTES: usize = 256;

impl Desired {
    /// Parses an object. The API server has already refused what the schema and its rules forbid.
    pub fn of(object: &ExternalCollectionRefresh) -> Self {
        let own_source = OwnSource::of(&object.spec);
        let watch = Watch::of(object);
        let table = watch.as_ref().and_then(Watch::table_parts);
        let asked = table.or_else(|| own_source.as_ref().map(OwnSource::parts)).unwrap_or_default();
        let fingerprint = fingerprint(&asked);
        let uid = object.metadata.uid.as_deref().unwrap_or_default();
        Self {
            generation: object.metadata.generation.unwrap_or_default(),
            database: object.spec.database_name.clone(),
            collection: object.spec.collection_name.clone(),
            active_job_policy: object.spec.active_job_policy,
            fingerprint,
            watch,
            own_source,
            trigger: object.spec.trigger.clone().filter(|token| !token.is_empty()),
            requested_at: annotation(object, REQUESTED_AT)
                .map(|request| cut(request, REQUEST_BYTES).to_owned())
                .filter(|request| !request.is_empty()),
            run_on_creation: object.spec.run_on_creation,
            schedule: object.spec.schedule.as_ref().map(|schedule| Schedule::of(schedule, uid)),
            verify: object.spec.verify.as_ref().map(|verify| Verify::of(verify, uid)),
            suspend: object.spec.suspend,
            terminating: object.metadata.deletion_timestamp.is_some(),
            starting_deadline: object.spec.starting_deadline_seconds.map(seconds),
            active_deadline: seconds(object.spec.active_deadline_seconds),
            backoff_limit: object.spec.backoff_limit,
            ttl: object.spec.ttl_seconds_after_finished.map(seconds),
            keeper: Keeper::of(object),
        }
    }

    /// What a run brings along: of a watched table, what the last look at it has found.
    pub fn brings(&self, last: Option<&LastLook>) -> Option<OwnSource> {
        let Some(watch) = self.watch.as_ref().filter(|watch| watch.spec.iceberg.is_some()) else {
            return self.own_source.clone();
        };
        let Some(Ok(Sight::Table { table, source })) = last.map(|last| &last.found) else { return None };
        let spec = watch.template.clone().unwrap_or_else(|| SpecPlace::Object("{}".to_owned()));
        Some(OwnSource { source: source.clone(), spec, snapshot: Some(table.snapshot) })
    }

    /// Where the spec stands that its runs are started with.
    pub fn spec_place(&self) -> Option<&SpecPlace> {
        let own = self.own_source.as_ref().map(|own| &own.spec);
        own.or(self.watch.as_ref().and_then(|watch| watch.template.as_ref()))
    }

    /// Whether no run may be opened.
    pub fn holds_starts(&self) -> bool {
        self.suspend || self.terminating
    }

    /// Whether a run with `fingerprint` was asked to do something else than this.
    pub fn differs_from(&self, fingerprint: &str) -> bool {
        fingerprint.starts_with(FINGERPRINT_VERSION) && fingerprint != self.fingerprint
    }
}

fn annotation<'a>(object: &'a ExternalCollectionRefresh, name: &str) -> Option<&'a String> {
    object.metadata.annotations.as_ref()?.get(name)
}

/// The API server refuses negative times; one that came by anyway has passed.
pub(super) fn seconds(seconds: i64) -> Duration {
    Duration::from_secs(u64::try_from(seconds).unwrap_or_default())
}

/// A number that is drawn from `uid`, the first eight bytes of its hash.
pub(super) fn drawn(uid: &str) -> u64 {
    Sha256::digest(uid.as_bytes()).iter().take(8).fold(0, |number, byte| number << 8 | u64::from(*byte))
}

/// Hashes what decides what a run does: the parts are the source and the spec of the refresh's own, none for a refresh from the
/// persisted source. Keyless and the same in every process, so that no restart and no upgrade makes a run due.
pub(super) fn fingerprint(parts: &[&str]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part.as_bytes());
    }
    let mut text = FINGERPRINT_VERSION.to_owned();
    for byte in hash.finalize() {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn the_fingerprint_of_a_refresh_without_override_never_changes() {
        assert_eq!(fingerprint(&[]), "v1:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    }

    #[test]
    fn the_fingerprint_tells_sources_and_places_of_specs_apart() {
        let object = |spec: &str| OwnSource {
            source: "s3://b/p".to_owned(),
            spec: SpecPlace::Object(spec.to_owned()),
            snapshot: None,
        };
        let secret = |name: &str, key: &str| OwnSource {
            source: "s3://b/p".to_owned(),
            spec: SpecPlace::Secret { name: name.to_owned(), key: key.to_owned() },
            snapshot: None,
        };
        let elsewhere = OwnSource { source: "s3://b/q".to_owned(), ..object("{}") };
        let all = [object("{}"), object("secret"), elsewhere, secret("a", "b"), secret("b", "a"), secret("ab", "")];
        let prints: HashSet<String> = all.iter().map(|own| fingerprint(&own.parts())).collect();
        assert_eq!(prints.len(), all.len());
        assert_eq!(
            fingerprint(&object("{}").parts()),
            "v1:a8460a39f98cc5b6fa283557c6f562aa7705124884c7dbacf0d1eae4b5c8a14d",
            "the same in every release: an upgrade starts nothing"
        );
    }

    #[test]
    fn parts_cannot_be_shifted_into_each_other() {
        assert_ne!(fingerprint(&["ab", "c"]), fingerprint(&["a", "bc"]));
    }
}
