//! Objects as a GitOps tool keeps them: applied from manifests by server-side apply. And pictures of them as they are shown
//! in each state, none of which may have drifted from its manifest.

use std::collections::BTreeMap;

use kube::{
    Api,
    api::{DynamicObject, Patch, PatchParams},
    core::ApiResource,
};
use milvus_refresh_operator::api::{ExternalCollectionRefresh, MilvusConnection};
use milvus_simulator::Plan;
use serde_json::{Value, json};
use tokio::task::block_in_place;

use crate::{
    engines,
    harness::{World, condition, status},
};

/// As whom Flux applies.
const MANAGER: &str = "kustomize-controller";
/// The kind of a refresh, as a manifest and kubectl have it.
pub const REFRESH: &str = "ExternalCollectionRefresh";
pub const CONNECTION: &str = "MilvusConnection";

/// An object in a state.
pub struct Picture {
    /// The state, as the table says it.
    pub state: &'static str,
    /// The object as the API server shows it.
    pub object: Value,
}

impl Picture {
    pub fn kind(&self) -> &str {
        self.object["kind"].as_str().unwrap()
    }
}

pub struct Album {
    pub world: World<'static>,
    pub pictures: Vec<Picture>,
    manifests: BTreeMap<(&'static str, String), Value>,
}

impl Album {
    /// With a connection and a running operator.
    pub async fn new() -> Self {
        Self::of(World::new().await)
    }

    pub fn of(world: World<'static>) -> Self {
        Self { world, pictures: Vec::new(), manifests: BTreeMap::new() }
    }

    fn api(&self, kind: &str) -> Api<DynamicObject> {
        let resource = if kind == REFRESH {
            ApiResource::erase::<ExternalCollectionRefresh>(&())
        } else {
            ApiResource::erase::<MilvusConnection>(&())
        };
        assert_eq!(resource.kind, kind);
        Api::namespaced_with(self.world.client.clone(), &self.world.namespace, &resource)
    }

    /// The object as it is now.
    pub async fn now(&self, kind: &str, name: &str) -> Value {
        serde_json::to_value(self.api(kind).get(name).await.unwrap()).unwrap()
    }

    async fn put(&self, manifest: &Value) -> Value {
        let (kind, name) = (manifest["kind"].as_str().unwrap(), manifest["metadata"]["name"].as_str().unwrap());
        let applied = self.api(kind).patch(name, &PatchParams::apply(MANAGER), &Patch::Apply(manifest)).await;
        serde_json::to_value(applied.unwrap_or_else(|error| panic!("{manifest}: {error}"))).unwrap()
    }

    async fn apply(&mut self, kind: &'static str, name: &str, spec: Value) {
        let manifest = json!({
            "apiVersion": "milvus-refresh.dev/v1alpha1", "kind": kind,
            "metadata": { "name": name, "namespace": self.world.namespace }, "spec": spec,
        });
        self.put(&manifest).await;
        self.manifests.insert((kind, name.to_owned()), manifest);
    }

    /// Applies the manifest of a connection.
    pub async fn connection(&mut self, name: &str, spec: Value) {
        self.apply(CONNECTION, name, spec).await;
    }

    /// Applies the manifest of a refresh of this collection whose spec says this as well.
    pub async fn refresh(&mut self, name: &str, collection: &str, more: Value) {
        let mut spec = json!({ "collectionName": collection });
        spec.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        self.apply(REFRESH, name, spec).await;
    }

    /// Changes the manifest of a refresh as a commit does, and applies it. Gives its new generation.
    pub async fn commit(&mut self, name: &str, change: Value) -> i64 {
        let manifest = self.manifests.get_mut(&(REFRESH, name.to_owned())).unwrap();
        let spec = manifest["spec"].as_object_mut().unwrap();
        spec.extend(change.as_object().unwrap().clone());
        spec.retain(|_, value| !value.is_null());
        let manifest = manifest.clone();
        self.put(&manifest).await["metadata"]["generation"].as_i64().unwrap()
    }

    /// A refresh of a collection of its own that has completed.
    pub async fn completed(&mut self, name: &str) {
        self.world.milvus.create_collection(&name.replace('-', "_"), Plan::completes_in(std::time::Duration::ZERO));
        self.refresh(name, &name.replace('-', "_"), json!({})).await;
        self.world.until_ended(name).await;
    }

    /// A refresh of a collection of its own that has failed for good.
    pub async fn failed(&mut self, name: &str) {
        let plan = Plan::fails_in(std::time::Duration::ZERO, "no files found in external source");
        self.world.milvus.create_collection(&name.replace('-', "_"), plan);
        self.refresh(name, &name.replace('-', "_"), json!({})).await;
        self.world.until_ended(name).await;
    }

    /// A refresh of a collection of its own whose job runs and runs.
    pub async fn running(&mut self, name: &str) {
        self.world.milvus.create_collection(&name.replace('-', "_"), Plan::hangs());
        self.refresh(name, &name.replace('-', "_"), json!({})).await;
        self.world.until_reason(name, "RefreshInProgress").await;
    }

    /// Commits `suspend: true` and waits until the operator says so.
    pub async fn suspend(&mut self, name: &str) {
        let generation = self.commit(name, json!({ "suspend": true })).await;
        let held = |object: &ExternalCollectionRefresh| {
            let suspended = condition(object, "Suspended").is_some_and(|condition| condition.status == "True");
            suspended && status(object).conditions.iter().all(|c| c.observed_generation == Some(generation))
        };
        self.world.until(name, "suspended", held).await;
    }

    /// Requests a run by an annotation that is gone as soon as the operator has seen it.
    pub async fn request_and_forget(&self, name: &str) {
        let object = format!("ecrefresh/{name}");
        self.world.kubectl(&["annotate", &object, "milvus-refresh.dev/requestedAt=2026-11-26T02:00:00Z"]);
        let seen = |object: &ExternalCollectionRefresh| status(object).pending_request.is_some();
        self.world.until(name, "seen", seen).await;
        self.world.kubectl(&["annotate", &object, "milvus-refresh.dev/requestedAt-"]);
    }

    /// Takes a picture of the refresh once `Ready` has this reason.
    pub async fn picture_of(&mut self, state: &'static str, name: &str, reason: &str) {
        self.world.until_reason(name, reason).await;
        self.picture(state, name).await;
    }

    /// Takes a picture of the refresh as it is now.
    pub async fn picture(&mut self, state: &'static str, name: &str) {
        self.take(state, REFRESH, name).await;
    }

    /// Takes a picture of the connection as it is now.
    pub async fn picture_of_connection(&mut self, state: &'static str, name: &str) {
        self.take(state, CONNECTION, name).await;
    }

    async fn take(&mut self, state: &'static str, kind: &'static str, name: &str) {
        let object = self.now(kind, name).await;
        if let Some(manifest) = self.manifests.get(&(kind, name.to_owned())) {
            let applied = self.put(manifest).await;
            assert_eq!(spoken_for(&object), spoken_for(&applied), "{state}: a second apply changes something");
        }
        self.pictures.push(Picture { state, object });
    }

    /// Applies all manifests as Flux does. What it did with each.
    pub fn apply_by_flux(&self) -> Vec<String> {
        let manifests: Vec<Value> = self.manifests.values().cloned().collect();
        let kubeconfig = self.world.cluster.control_plane.kubeconfig();
        block_in_place(|| engines::apply_by_flux(kubeconfig, &manifests))
    }

    /// Fails unless `kubectl diff` and Flux find all objects as in their manifests. Asks again where an object was written between the
    /// two looks that it compares.
    pub fn assert_no_drift(&self) {
        let items: Vec<&Value> = self.manifests.values().collect();
        let list = json!({ "apiVersion": "v1", "kind": "List", "items": items }).to_string();
        let manager = format!("--field-manager={MANAGER}");
        for args in [&["diff", "--server-side", &manager, "-f", "-"][..], &["diff", "-f", "-"]] {
            let diff = || block_in_place(|| self.world.cluster.control_plane.kubectl_stdin(args, &list).unwrap());
            let clean = (0..5).any(|_| diff().status.success());
            assert!(clean, "{}", String::from_utf8_lossy(&diff().stdout));
        }
        // The first time it adds its labels.
        self.apply_by_flux();
        let done = self.apply_by_flux();
        assert!(done.iter().all(|action| action == "unchanged"), "{done:?}");
    }
}

/// What is not the operator's: everything but the status.
fn spoken_for(object: &Value) -> Value {
    let mut object = object.clone();
    object.as_object_mut().unwrap().remove("status");
    let metadata = object["metadata"].as_object_mut().unwrap();
    metadata.remove("resourceVersion");
    let fields = metadata["managedFields"].as_array_mut().unwrap();
    fields.retain(|entry| entry["subresource"] != "status");
    object
}
