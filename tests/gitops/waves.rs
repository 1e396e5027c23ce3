//! Argo CD's own sync, with our health rules, on objects that the real operator works on: waves, self-heal, prune.

use std::{collections::BTreeMap, time::Duration};

use k8s_openapi::{api::core::v1::ConfigMap, apimachinery::pkg::apis::meta::v1::Time};
use kube::{
    Api,
    api::{ListParams, PostParams},
};
use milvus_refresh_operator::api::ExternalCollectionRefresh;
use milvus_simulator::{Outcome, Plan};
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use crate::{
    engines::sync_by_argo_cd,
    harness::{World, condition, ready, status},
};

fn in_wave(wave: &str, kind: &str, name: &str) -> Value {
    let version = if kind == "ConfigMap" { "v1" } else { "milvus-refresh.dev/v1alpha1" };
    let annotations = json!({
        "argocd.argoproj.io/sync-wave": wave,
        "argocd.argoproj.io/tracking-id": format!("shop:{kind}/{name}"),
    });
    json!({ "apiVersion": version, "kind": kind, "metadata": { "name": name, "annotations": annotations } })
}

/// A refresh in the first wave and what waits for its data in the second.
fn application(spec: Value) -> Vec<Value> {
    let mut refresh = in_wave("0", "ExternalCollectionRefresh", "products");
    refresh["spec"] = json!({ "collectionName": "products" });
    refresh["spec"].as_object_mut().unwrap().extend(spec.as_object().unwrap().clone());
    vec![refresh, in_wave("1", "ConfigMap", "search")]
}

fn sync(world: &World<'_>, manifests: Vec<Value>) -> JoinHandle<BTreeMap<String, String>> {
    let kubeconfig = world.cluster.control_plane.kubeconfig().to_owned();
    let namespace = world.namespace.clone();
    tokio::task::spawn_blocking(move || sync_by_argo_cd(&kubeconfig, &namespace, &manifests))
}

/// When the second wave began.
async fn second_wave(world: &World<'_>) -> Option<Time> {
    let maps: Api<ConfigMap> = Api::namespaced(world.client.clone(), &world.namespace);
    let found = maps.list(&ListParams::default()).await.unwrap().items;
    found.into_iter().find(|map| map.metadata.name.as_deref() == Some("search"))?.metadata.creation_timestamp
}

#[tokio::test(flavor = "multi_thread")]
async fn the_next_wave_begins_when_the_refresh_has_completed_and_not_before() {
    let world = World::new().await;
    world.milvus.create_collection("products", Plan::completes_in(Duration::from_secs(5)));
    let outcomes = sync(&world, application(json!({}))).await.unwrap();
    assert!(outcomes.values().all(|outcome| outcome.starts_with("Synced")), "{outcomes:?}");
    let object = world.refreshes().get("products").await.unwrap();
    assert_eq!(ready(&object).unwrap().reason, "RefreshCompleted");
    let completed = status(&object).completion_time.clone().unwrap();
    assert!(second_wave(&world).await.unwrap().0 >= completed.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refresh_that_fails_ends_the_sync_before_the_next_wave() {
    let world = World::new().await;
    world.milvus.create_collection("products", Plan::fails_in(Duration::ZERO, "no files found in external source"));
    let outcomes = sync(&world, application(json!({}))).await.unwrap();
    assert!(outcomes["ExternalCollectionRefresh/products"].ends_with("Failed"), "{outcomes:?}");
    assert_eq!(second_wave(&world).await, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_suspended_or_idle_refresh_does_not_hold_the_next_wave() {
    for spec in [json!({ "suspend": true }), json!({ "runOnCreation": false })] {
        let world = World::new().await;
        world.milvus.create_collection("products", Plan::hangs());
        sync(&world, application(spec)).await.unwrap();
        assert!(second_wave(&world).await.is_some());
        assert_eq!(world.starts("products"), 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn self_heal_takes_back_what_git_has_and_leaves_the_rest() {
    let world = World::new().await;
    world.milvus.create_collection("products", Plan::completes_in(Duration::ZERO));
    let application = application(json!({ "trigger": "of-git" }));
    sync(&world, application.clone()).await.unwrap();
    let by_hand = json!({
        "metadata": { "annotations": { "milvus-refresh.dev/requestedAt": "2026-11-26T02:00:00Z" } },
        "spec": { "trigger": "by-hand", "suspend": true },
    });
    world.edit("products", by_hand).await;
    sync(&world, application.clone()).await.unwrap();
    let healed = world.refreshes().get("products").await.unwrap();
    assert_eq!((healed.spec.trigger.as_deref(), healed.spec.suspend), (Some("of-git"), true));
    let annotations = healed.metadata.annotations.clone().unwrap();
    assert_eq!(annotations["milvus-refresh.dev/requestedAt"], "2026-11-26T02:00:00Z");

    world.edit("products", json!({ "spec": { "suspend": false } })).await;
    let answered = |object: &ExternalCollectionRefresh| status(object).last_completed_request.is_some();
    let before = world.until("products", "answered", answered).await;
    assert_eq!(world.starts("products"), 2, "the request starts a run, the token that was handled does not");
    sync(&world, application).await.unwrap();
    let after = world.refreshes().get("products").await.unwrap();
    assert_eq!(after.metadata.resource_version, before.metadata.resource_version, "a second sync changes nothing");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refresh_that_is_pruned_while_its_job_runs_goes_at_once_and_waits_for_the_job_when_it_is_back() {
    let world = World::new().await;
    world.milvus.create_collection("products", Plan::hangs());
    let object = serde_json::from_value(application(json!({})).remove(0)).unwrap();
    world.refreshes().create(&PostParams::default(), &object).await.unwrap();
    world.until_reason("products", "RefreshInProgress").await;
    sync(&world, vec![in_wave("1", "ConfigMap", "search")]).await.unwrap();
    assert!(world.refreshes().get_opt("products").await.unwrap().is_none());

    let back = sync(&world, application(json!({})));
    let waits = world.until_reason("products", "WaitingForActiveJob").await;
    assert!(condition(&waits, "Reconciling").is_some_and(|condition| condition.status == "True"));
    world.milvus.set_plan("default", "products", Plan::completes_in(Duration::ZERO));
    world.milvus.finish_job(world.milvus.accepted_starts("default", "products")[0], Outcome::Complete);
    let outcomes = back.await.unwrap();
    assert!(outcomes["ExternalCollectionRefresh/products"].starts_with("Synced"), "{outcomes:?}");
    assert_eq!(world.starts("products"), 2);
}
