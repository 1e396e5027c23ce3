//! What of an object's metadata is read. The rest, which can be larger than the object, is skipped and never decoded.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{OwnerReference, Time};
use kube::core::ObjectMeta;
use serde::Deserialize;

use crate::refresh::{ANNOTATIONS_READ, LABELS_READ, limits::cut};

/// The longest value of an annotation and part of an owner reference that is kept, in bytes: the API server bounds neither.
const MOST_BYTES_OF_VALUE: usize = 256;

/// The part of the metadata that is looked at.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Metadata {
    name: Option<String>,
    namespace: Option<String>,
    uid: Option<String>,
    resource_version: Option<String>,
    generation: Option<i64>,
    creation_timestamp: Option<Time>,
    deletion_timestamp: Option<Time>,
    owner_references: Option<Vec<OwnerReference>>,
    labels: Option<BTreeMap<String, String>>,
    annotations: Option<BTreeMap<String, String>>,
}

impl From<Metadata> for ObjectMeta {
    fn from(shown: Metadata) -> Self {
        Self {
            name: shown.name,
            namespace: shown.namespace,
            uid: shown.uid,
            resource_version: shown.resource_version,
            generation: shown.generation,
            creation_timestamp: shown.creation_timestamp,
            deletion_timestamp: shown.deletion_timestamp,
            owner_references: controller(shown.owner_references).map(|owner| vec![owner]),
            labels: read(shown.labels, &LABELS_READ),
            annotations: read(shown.annotations, &ANNOTATIONS_READ),
            ..Self::default()
        }
    }
}

/// The owner that controls the object; there is one at the most.
fn controller(owners: Option<Vec<OwnerReference>>) -> Option<OwnerReference> {
    let owner = owners.into_iter().flatten().find(|owner| owner.controller == Some(true))?;
    let [api_version, kind, name, uid] =
        [&owner.api_version, &owner.kind, &owner.name, &owner.uid].map(|part| short(part));
    Some(OwnerReference { api_version, kind, name, uid, ..owner })
}

/// Those of `names`.
fn read(all: Option<BTreeMap<String, String>>, names: &[&str]) -> Option<BTreeMap<String, String>> {
    let all = all?;
    let found = names.iter().filter_map(|name| Some(((*name).to_owned(), short(all.get(*name)?))));
    Some(found.collect()).filter(|found: &BTreeMap<_, _>| !found.is_empty())
}

/// As much of a text as is kept of one that anybody can write.
pub(super) fn short(text: &str) -> String {
    cut(text, MOST_BYTES_OF_VALUE).to_owned()
}
