//! An object as the watch keeps it. Thousands are kept and nearly all of them rest, so only what says whether a pass is due
//! is decoded; the rest is packed until somebody looks at it.

use std::{borrow::Cow, collections::BTreeMap, marker::PhantomData, sync::Arc};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{OwnerReference, Time};
use kube::{Resource, core::ObjectMeta};
use lz4_flex::block::{compress_prepend_size, decompress_size_prepended};
use serde::{Deserialize, Deserializer, de::DeserializeOwned, de::Error as _};
use serde_json::value::RawValue;

/// Where `kubectl apply` keeps a copy of the object.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// An object of kind `K`, readable by this version or not.
#[derive(Clone, Debug)]
pub struct Kept<K> {
    /// Without what no pass reads: the managed fields, and the copy of `kubectl apply`.
    metadata: ObjectMeta,
    packed: Arc<[u8]>,
    kind: PhantomData<fn() -> K>,
}

impl<K: Resource + DeserializeOwned> Kept<K> {
    /// The object.
    ///
    /// # Errors
    /// This version cannot read it.
    pub fn object(&self) -> serde_json::Result<K> {
        let text = decompress_size_prepended(&self.packed).map_err(serde_json::Error::custom)?;
        let mut object: K = serde_json::from_slice(&text)?;
        object.meta_mut().clone_from(&self.metadata);
        Ok(object)
    }
}

impl<'de, K> Deserialize<'de> for Kept<K> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Shown { metadata, spec, status } = Shown::deserialize(deserializer)?;
        let [spec, status] = [&spec, &status].map(|part| part.as_deref().map_or("null", RawValue::get));
        let text = format!(r#"{{"metadata":{{}},"spec":{spec},"status":{status}}}"#);
        Ok(Self { metadata: metadata.into(), packed: compress_prepend_size(text.as_bytes()).into(), kind: PhantomData })
    }
}

/// What the API server shows, as far as it is kept.
#[derive(Deserialize)]
struct Shown {
    metadata: Metadata,
    spec: Option<Box<RawValue>>,
    status: Option<Box<RawValue>>,
}

/// The part of the metadata that is kept. The rest, which can be larger than the object, is skipped and never decoded.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Metadata {
    name: Option<String>,
    namespace: Option<String>,
    uid: Option<String>,
    resource_version: Option<String>,
    generation: Option<i64>,
    creation_timestamp: Option<Time>,
    deletion_timestamp: Option<Time>,
    finalizers: Option<Vec<String>>,
    owner_references: Option<Vec<OwnerReference>>,
    labels: Option<BTreeMap<String, String>>,
    annotations: Option<BTreeMap<String, String>>,
}

impl From<Metadata> for ObjectMeta {
    fn from(shown: Metadata) -> Self {
        let mut annotations = shown.annotations;
        if let Some(annotations) = &mut annotations {
            annotations.remove(LAST_APPLIED);
        }
        Self {
            name: shown.name,
            namespace: shown.namespace,
            uid: shown.uid,
            resource_version: shown.resource_version,
            generation: shown.generation,
            creation_timestamp: shown.creation_timestamp,
            deletion_timestamp: shown.deletion_timestamp,
            finalizers: shown.finalizers,
            owner_references: shown.owner_references,
            labels: shown.labels,
            annotations,
            ..Self::default()
        }
    }
}

impl<K: Resource> Resource for Kept<K> {
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
impl<K: serde::Serialize> Kept<K> {
    /// `object` as a watch would keep it.
    #[allow(clippy::expect_used)]
    pub fn of(object: &K) -> Self {
        serde_json::to_value(object).and_then(serde_json::from_value).expect("an object is kept")
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]

    use kube::core::{ObjectList, WatchEvent};
    use serde_json::{Value, json};

    use super::*;
    use crate::api::ExternalCollectionRefresh;

    type Refresh = Kept<ExternalCollectionRefresh>;

    fn shown() -> Value {
        json!({
            "apiVersion": "milvus-refresh.dev/v1alpha1", "kind": "ExternalCollectionRefresh",
            "metadata": {
                "name": "orders", "namespace": "shop", "uid": "7", "resourceVersion": "12", "generation": 3,
                "creationTimestamp": "2026-01-01T00:00:00Z", "labels": { "app": "shop" }, "finalizers": ["a/b"],
                "annotations": { LAST_APPLIED: "{}", "milvus-refresh.dev/requestedAt": "now" },
                "ownerReferences": [{ "apiVersion": "v1", "kind": "ConfigMap", "name": "c", "uid": "8" }],
                "managedFields": [{ "manager": "kubectl", "fieldsV1": { "f:spec": {} } }],
            },
            "spec": { "collectionName": "orders", "trigger": "ü\"\\ 1" },
            "status": { "state": "RefreshPending", "handledTriggers": ["a"] },
        })
    }

    #[test]
    fn an_object_is_what_it_was_but_for_what_nobody_reads() {
        let object = serde_json::from_value::<Refresh>(shown()).unwrap().object().unwrap();
        let mut expected: ExternalCollectionRefresh = serde_json::from_value(shown()).unwrap();
        expected.metadata.managed_fields = None;
        expected.metadata.annotations.as_mut().unwrap().remove(LAST_APPLIED);
        assert_eq!(serde_json::to_value(object).unwrap(), serde_json::to_value(expected).unwrap());
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
