//! The API server goes away, the cluster is restored from a backup, and objects that this version cannot read: on a control
//! plane of their own.

use std::time::Duration;

use kube::api::{Patch, PatchParams, PostParams};
use milvus_simulator::{Outcome, Plan};
use serde_json::json;

use crate::harness::{Cluster, World, refresh, status};

#[tokio::test(flavor = "multi_thread")]
async fn what_ends_while_the_api_server_is_away_is_told_when_it_is_back() {
    let cluster = tokio::task::spawn_blocking(Cluster::start).await.unwrap();
    let world = World::on(&cluster).await;
    world.connect(None).await;
    world.start_operator();
    world.milvus.create_collection("products", Plan::hangs());
    world.create("products", "products").await;
    world.until("products", "started", |object| status(object).job_id.is_some()).await;
    tokio::task::block_in_place(|| cluster.control_plane.stop_api_server().unwrap());
    let job = world.milvus.accepted_starts("default", "products")[0];
    world.milvus.finish_job(job, Outcome::Complete);
    // Long enough for the operator to see the end of the job and to fail at telling it.
    tokio::time::sleep(Duration::from_secs(20)).await;
    tokio::task::block_in_place(|| cluster.control_plane.start_api_server().unwrap());
    let done = world.until_ended("products").await;
    assert_eq!(status(&done).state.as_deref(), Some("RefreshCompleted"));
    assert_eq!(world.starts("products"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn after_the_cluster_was_restored_from_a_backup_the_operator_follows_it_without_a_restart() {
    let cluster = tokio::task::spawn_blocking(Cluster::start).await.unwrap();
    let world = World::on(&cluster).await;
    world.connect(None).await;
    world.milvus.create_collection("products", Plan::completes_in(Duration::ZERO));
    world.start_operator();
    world.create("products", "products").await;
    world.until_ended("products").await;
    let backup = tokio::task::block_in_place(|| cluster.control_plane.back_up().unwrap());
    let set = |trigger: &str| Patch::Merge(json!({ "spec": { "trigger": trigger } }));
    world.refreshes().patch("products", &PatchParams::default(), &set("lost")).await.unwrap();
    let handled = |object: &_, trigger: &str| status(object).last_handled_trigger.as_deref() == Some(trigger);
    world.until("products", "refreshed again", |object| handled(object, "lost")).await;
    // So many that the restored cluster is behind its own past for longer than this test takes.
    for number in 0..3000 {
        let label = Patch::Merge(json!({ "metadata": { "labels": { "number": number.to_string() } } }));
        world.connections().patch("default", &PatchParams::default(), &label).await.unwrap();
    }
    tokio::task::block_in_place(|| cluster.control_plane.restore(&backup).unwrap());
    let restored = world.refreshes().get("products").await.unwrap();
    assert_eq!(restored.spec.trigger, None);
    world.refreshes().patch("products", &PatchParams::default(), &set("wanted")).await.unwrap();
    world.until("products", "refreshed in the restored cluster", |object| handled(object, "wanted")).await;
    assert_eq!(world.starts("products"), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_that_cannot_be_read_is_skipped_and_all_others_go_on() {
    let cluster = tokio::task::spawn_blocking(Cluster::start).await.unwrap();
    // A later version of the CRD knows another kind of connection.
    let path = "/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties/connectionRef/properties/kind/enum";
    let patch = json!([{ "op": "add", "path": format!("{path}/-"), "value": "ClusterMilvusConnection" }]).to_string();
    let crd = "externalcollectionrefreshes.milvus-refresh.dev";
    cluster.control_plane.kubectl_ok(&["patch", "crd", crd, "--type=json", "-p", &patch]).unwrap();
    let world = World::on(&cluster).await;
    world.connect(None).await;
    world.milvus.create_collection("products", Plan::completes_in(Duration::ZERO));
    world.start_operator();
    let odd =
        refresh("odd", json!({ "collectionName": "odd", "connectionRef": { "kind": "ClusterMilvusConnection" } }));
    let resource = kube::api::ApiResource::erase::<milvus_refresh_operator::api::ExternalCollectionRefresh>(&());
    let api: kube::Api<kube::api::DynamicObject> =
        kube::Api::namespaced_with(world.client.clone(), &world.namespace, &resource);
    let mut tries = 0;
    // The API server serves the changed schema a moment after the patch.
    while let Err(error) = api.create(&PostParams::default(), &serde_json::from_value(odd.clone()).unwrap()).await {
        tries += 1;
        assert!(tries < 100, "{error}");
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
    world.create("products", "products").await;
    world.until_ended("products").await;
    assert!(world.log_tail().contains("cannot read the object"), "{}", world.log_tail());
}
