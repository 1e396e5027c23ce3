//! An object as the watch keeps it. Thousands are kept and nearly all of them rest, so only what says whether a pass is due
//! is decoded; the rest is packed until somebody looks at it.

use std::{
    borrow::Cow,
    hash::{DefaultHasher, Hash, Hasher},
    marker::PhantomData,
    ops::Range,
};

use kube::{Resource, core::ObjectMeta};
use lz4_flex::block::{compress_prepend_size_with_dict, decompress_size_prepended_with_dict};
use serde::{Deserialize, Deserializer, de::DeserializeOwned, de::Error as _};
use serde_json::value::RawValue;

use super::metadata::{Metadata, short};

/// The longest spec and status together, in bytes of JSON. Ours are far below, with an external spec of 64 KiB too; what is
/// longer is not kept, so that nobody can fill the memory with a few objects.
const MOST_BYTES: usize = 256 * 1024;
/// A finished refresh. What others have in common with it they only refer to; it may be any text.
const USUAL: &[u8] = include_bytes!("packed/usual.json");

/// An object of kind `K` as the API server shows it, readable by this version or not.
#[derive(Clone, Debug)]
pub struct Shown<K> {
    /// What is read of it.
    metadata: ObjectMeta,
    packed: Packed<K>,
}

/// The same as it is kept. How much memory it takes has a bound, whatever is written into it.
#[derive(Clone, Debug)]
pub struct Packed<K> {
    /// Its uid, its version, and what `spec.connectionRef` names, so that it is known whose turn a pass takes before anything
    /// is unpacked; one after the other.
    names: Box<str>,
    /// Where the uid ends, and where the version ends.
    ends: [u32; 2],
    /// Stands for all that a pass depends on but the status, which is our own.
    stamp: u64,
    /// What is read of its metadata, spec and status; absent when they are too long.
    text: Option<Box<[u8]>>,
    kind: PhantomData<fn() -> K>,
}

impl<K> Shown<K> {
    /// What is kept of it.
    pub fn into_packed(self) -> Packed<K> {
        self.packed
    }
}

impl<K: DeserializeOwned> Shown<K> {
    /// The object.
    ///
    /// # Errors
    /// This version cannot read it.
    pub fn object(&self) -> serde_json::Result<K> {
        self.packed.object()
    }
}

impl<K> Packed<K> {
    /// Its uid.
    pub fn uid(&self) -> &str {
        self.name(0..self.ends[0])
    }

    /// The version that was shown.
    pub fn resource_version(&self) -> &str {
        self.name(self.ends[0]..self.ends[1])
    }

    /// Whether all that a pass depends on is as in `other`, but the status, which is our own.
    pub fn asks_as(&self, other: &Self) -> bool {
        self.stamp == other.stamp
    }

    /// The name of the connection that it goes through, as far as one is named.
    pub fn connection(&self) -> &str {
        self.name(self.ends[1]..u32::MAX)
    }

    fn name(&self, Range { start, end }: Range<u32>) -> &str {
        let place = |index: u32| usize::try_from(index).map_or(self.names.len(), |index| index.min(self.names.len()));
        self.names.get(place(start)..place(end)).unwrap_or_default()
    }
}

impl<K: DeserializeOwned> Packed<K> {
    /// The object.
    ///
    /// # Errors
    /// This version cannot read it.
    pub fn object(&self) -> serde_json::Result<K> {
        let too_long = || serde_json::Error::custom(format!("spec and status are longer than {MOST_BYTES} bytes"));
        let packed = self.text.as_ref().ok_or_else(too_long)?;
        let text = decompress_size_prepended_with_dict(packed, USUAL).map_err(serde_json::Error::custom)?;
        serde_json::from_slice(&text)
    }
}

impl<'de, K> Deserialize<'de> for Shown<K> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Parts { metadata, spec, status } = Parts::deserialize(deserializer)?;
        let connection = spec.as_ref().and_then(|spec| serde_json::from_str::<Spec>(spec.get()).ok());
        let connection = connection.and_then(|spec| spec.connection_ref.name).map(|name| short(&name));
        let [spec, status] = [&spec, &status].map(|part| part.as_deref().map_or("null", RawValue::get));
        let metadata: ObjectMeta = metadata.into();
        let read = serde_json::to_string(&metadata).map_err(D::Error::custom)?;
        let text = (spec.len().saturating_add(status.len()) <= MOST_BYTES).then(|| {
            let text = format!(r#"{{"metadata":{read},"spec":{spec},"status":{status}}}"#);
            compress_prepend_size_with_dict(text.as_bytes(), USUAL).into()
        });
        let [uid, version] =
            [&metadata.uid, &metadata.resource_version].map(|name| name.as_deref().unwrap_or_default());
        let ends = [uid.len(), uid.len().saturating_add(version.len())];
        let packed = Packed {
            names: [uid, version, connection.as_deref().unwrap_or_default()].concat().into(),
            ends: ends.map(|end| u32::try_from(end).unwrap_or(u32::MAX)),
            stamp: stamp(&metadata),
            text,
            kind: PhantomData,
        };
        Ok(Self { metadata, packed })
    }
}

fn stamp(meta: &ObjectMeta) -> u64 {
    let owners = meta.owner_references.iter().flatten().map(|owner| (&owner.uid, owner.controller));
    let mut hasher = DefaultHasher::new();
    (meta.generation, meta.deletion_timestamp.is_some(), &meta.annotations, &meta.labels).hash(&mut hasher);
    owners.for_each(|owner| owner.hash(&mut hasher));
    hasher.finish()
}

/// What the API server shows, as far as it is kept.
#[derive(Deserialize)]
struct Parts {
    metadata: Metadata,
    spec: Option<Box<RawValue>>,
    status: Option<Box<RawValue>>,
}

/// The part of the spec that is looked at before it is packed.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Spec {
    connection_ref: ConnectionRef,
}

#[derive(Deserialize)]
struct ConnectionRef {
    name: Option<String>,
}

impl<K: Resource> Resource for Shown<K> {
    type DynamicType = K::DynamicType;
    type Scope = K::Scope;

    fn kind(of: &Self::DynamicType) -> Cow<'_, str> {
        K::kind(of)
    }

    fn group(of: &Self::DynamicType) -> Cow<'_, str> {
        K::group(of)
    }

    fn version(of: &Self::DynamicType) -> Cow<'_, str> {
        K::version(of)
    }

    fn plural(of: &Self::DynamicType) -> Cow<'_, str> {
        K::plural(of)
    }

    fn meta(&self) -> &ObjectMeta {
        &self.metadata
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        &mut self.metadata
    }
}

#[cfg(test)]
impl<K: serde::Serialize> Shown<K> {
    /// `object` as a watch would show it.
    #[allow(clippy::expect_used)]
    pub fn of(object: &K) -> Self {
        serde_json::to_value(object).and_then(serde_json::from_value).expect("an object is kept")
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

    use kube::core::{ObjectList, WatchEvent};
    use serde_json::{Value, json};

    use super::*;
    use crate::{
        api::{ExternalCollectionRefresh, REQUESTED_AT},
        refresh::Desired,
    };

    type Refresh = Shown<ExternalCollectionRefresh>;

    fn shown() -> Value {
        json!({
            "apiVersion": "milvus-refresh.dev/v1alpha1", "kind": "ExternalCollectionRefresh",
            "metadata": {
                "name": "orders", "namespace": "shop", "uid": "7", "resourceVersion": "12", "generation": 3,
                "creationTimestamp": "2026-01-01T00:00:00Z", "deletionTimestamp": "2026-01-02T00:00:00Z",
                "labels": { "app.kubernetes.io/managed-by": "Helm" },
                "annotations": { "milvus-refresh.dev/requestedAt": "now" },
                "ownerReferences": [{ "apiVersion": "v1", "kind": "Cron", "name": "c", "uid": "8", "controller": true }],
            },
            "spec": { "collectionName": "orders", "trigger": "ü\"\\ 1" },
            "status": { "state": "RefreshPending", "handledTriggers": ["a"] },
        })
    }

    #[test]
    fn an_object_is_what_it_was_but_for_what_nobody_reads() {
        let expected: ExternalCollectionRefresh = serde_json::from_value(shown()).unwrap();
        let mut more = shown();
        more["metadata"]["finalizers"] = json!(["a/b"]);
        more["metadata"]["labels"]["app"] = json!("shop");
        more["metadata"]["annotations"]["kubectl.kubernetes.io/last-applied-configuration"] = json!("{}");
        more["metadata"]["managedFields"] = json!([{ "manager": "kubectl", "fieldsV1": { "f:spec": {} } }]);
        let owner = json!({ "apiVersion": "v1", "kind": "ConfigMap", "name": "d", "uid": "9" });
        more["metadata"]["ownerReferences"].as_array_mut().unwrap().insert(0, owner);
        let object = serde_json::from_value::<Refresh>(more).unwrap().object().unwrap();
        assert_eq!(serde_json::to_value(object).unwrap(), serde_json::to_value(expected).unwrap());
    }

    #[test]
    fn what_is_decided_on_a_kept_object_is_decided_on_the_object() {
        let long = "x".repeat(300_000);
        let marks = [
            ("annotations", REQUESTED_AT, long.as_str()),
            ("annotations", "argocd.argoproj.io/tracking-id", long.as_str()),
            ("labels", "argocd.argoproj.io/instance", "a"),
            ("labels", "app.kubernetes.io/instance", "a"),
            ("labels", "app.kubernetes.io/managed-by", "Helm"),
            ("labels", "kustomize.toolkit.fluxcd.io/name", "a"),
            ("labels", "helm.toolkit.fluxcd.io/name", "a"),
        ];
        for (field, name, value) in marks {
            let mut shown = shown();
            shown["metadata"]["ownerReferences"] = json!([]);
            shown["metadata"]["labels"] = json!({});
            shown["metadata"][field][name] = json!(value);
            let whole: ExternalCollectionRefresh = serde_json::from_value(shown.clone()).unwrap();
            let kept = serde_json::from_value::<Refresh>(shown).unwrap().object().unwrap();
            assert_eq!(Desired::of(&kept), Desired::of(&whole), "{name}");
        }
    }

    /// How many bytes an object takes, roughly.
    fn retained(kept: &Refresh) -> usize {
        let Packed { names, text, .. } = &kept.packed;
        size_of::<Packed<ExternalCollectionRefresh>>() + names.len() + text.as_ref().map_or(0, |text| text.len())
    }

    #[test]
    fn an_object_takes_little_memory_whatever_is_written_into_it() {
        // Another one than that which all refer to.
        let other =
            String::from_utf8_lossy(USUAL).replace("products", "orders").replace("2026-09-21T14:1", "2026-10-01T09:2");
        let other = other
            .replace("44928475912350000", "45200000000000431")
            .replace("e3b0c44298fc1c149afb", "9f86d081884c7d659a2f");
        let usual = retained(&serde_json::from_str(&other).unwrap());
        assert!(usual < 768, "{usual}");
        let long = "x".repeat(300_000);
        let owner = json!({ "apiVersion": long, "kind": long, "name": long, "uid": long, "controller": true });
        let metadata = [
            ("/metadata/annotations", json!({ "a": long, "b": long, REQUESTED_AT: long })),
            ("/metadata/labels", json!({ "a": long, "app.kubernetes.io/managed-by": long })),
            ("/metadata/ownerReferences", json!([owner, owner])),
        ];
        for (field, value) in metadata {
            let mut shown = shown();
            *shown.pointer_mut(field).unwrap() = value;
            let taken = retained(&serde_json::from_value(shown).unwrap());
            assert!(taken < 4096, "{field}: {taken}");
        }
        // Text that no packing makes shorter.
        let random: String = (0..1_000_000).map(|_| char::from(rand::random_range(b'0'..b'z'))).collect();
        for field in ["/spec/trigger", "/status/state", "/spec/collectionName"] {
            let mut shown = shown();
            *shown.pointer_mut(field).unwrap() = json!(random);
            let kept: Refresh = serde_json::from_value(shown).unwrap();
            assert!(retained(&kept) < 4096, "{field}");
            let refusal = kept.object().unwrap_err().to_string();
            assert!(refusal.contains("longer than 262144 bytes"), "{refusal}");
            assert_eq!(kept.meta().name.as_deref(), Some("orders"));
        }
    }

    #[test]
    fn the_connection_is_known_without_unpacking_where_one_is_named() {
        let mut shown = shown();
        let kept = |shown: &Value| serde_json::from_value::<Refresh>(shown.clone()).unwrap();
        assert_eq!(kept(&shown).packed.connection(), "");
        for (reference, name) in [(json!({ "name": "prod" }), "prod"), (json!({}), ""), (json!(7), "")] {
            *shown.pointer_mut("/spec").unwrap() = json!({ "collectionName": "a", "connectionRef": reference });
            assert_eq!(kept(&shown).packed.connection(), name);
        }
    }

    #[test]
    fn an_object_without_a_status_has_none() {
        let mut shown = shown();
        shown.as_object_mut().unwrap().remove("status");
        assert!(serde_json::from_value::<Refresh>(shown).unwrap().object().unwrap().status.is_none());
    }

    #[test]
    fn it_is_read_from_the_texts_of_a_list_and_of_a_watch() {
        let list =
            json!({ "kind": "List", "apiVersion": "v1", "metadata": {}, "items": [shown(), shown()] }).to_string();
        assert_eq!(serde_json::from_str::<ObjectList<Refresh>>(&list).unwrap().items.len(), 2);
        let event = format!(r#"{{"type":"MODIFIED","object":{}}}"#, shown());
        let WatchEvent::Modified(kept) = serde_json::from_str::<WatchEvent<Refresh>>(&event).unwrap() else {
            panic!("it is another event")
        };
        assert_eq!(kept.object().unwrap().spec.collection_name, "orders");
    }

    #[test]
    fn one_that_this_version_cannot_read_keeps_its_name() {
        for spec in [json!(null), json!("text"), json!({ "collectionName": 7 })] {
            let mut shown = shown();
            *shown.pointer_mut("/spec").unwrap() = spec;
            let kept: Refresh = serde_json::from_value(shown).unwrap();
            assert!(kept.object().is_err());
            assert_eq!(kept.meta().name.as_deref(), Some("orders"));
        }
    }
}
