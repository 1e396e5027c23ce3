//! What an object asks for, parsed from its spec.

use std::fmt::Write as _;

use sha2::{Digest, Sha256};

use crate::api::{ActiveJobPolicy, ExternalCollectionRefresh};

/// The version of the fingerprint's recipe. A run of another version counts as equal: an upgrade starts nothing.
const FINGERPRINT_VERSION: &str = "v1:";

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
    /// Stands for what a run would be asked to do.
    pub fingerprint: String,
}

impl Desired {
    /// Parses an object. The API server has already refused what the schema and its rules forbid.
    pub fn of(object: &ExternalCollectionRefresh) -> Self {
        Self {
            generation: object.metadata.generation.unwrap_or_default(),
            database: object.spec.database_name.clone(),
            collection: object.spec.collection_name.clone(),
            active_job_policy: object.spec.active_job_policy,
            fingerprint: fingerprint(&[]),
        }
    }

    /// Whether a run with `fingerprint` was asked to do something else than this.
    pub fn differs_from(&self, fingerprint: &str) -> bool {
        fingerprint.starts_with(FINGERPRINT_VERSION) && fingerprint != self.fingerprint
    }
}

/// Hashes what decides what a run does: the parts are the source and the spec of an override, none for a refresh from the
/// persisted source. Keyless and the same in every process, so that no restart and no upgrade makes a run due.
fn fingerprint(parts: &[&str]) -> String {
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
    use super::*;

    #[test]
    fn the_fingerprint_of_a_refresh_without_override_never_changes() {
        assert_eq!(fingerprint(&[]), "v1:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    }

    #[test]
    fn parts_cannot_be_shifted_into_each_other() {
        assert_ne!(fingerprint(&["ab", "c"]), fingerprint(&["a", "bc"]));
    }
}
