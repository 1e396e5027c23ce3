//! Connections that name a `Milvus` of milvus-operator: on a control plane of their own, which gets that kind halfway.
//!
//! The cluster's DNS does not resolve here, so the way ends at the address that the connection tries.

use kube::{
    Api, ResourceExt,
    api::{ApiResource, DeleteParams, DynamicObject, GroupVersionKind, Patch, PatchParams, PostParams},
    runtime::wait::await_condition,
};
use milvus_refresh_operator::api::MilvusConnection;
use serde_json::{Value, json};

use crate::harness::{Cluster, LONG, World};

fn milvuses(world: &World<'_>) -> Api<DynamicObject> {
    let kind = GroupVersionKind::gvk("milvus.io", "v1beta1", "Milvus");
    let resource = ApiResource::from_gvk_with_plural(&kind, "milvuses");
    Api::namespaced_with(world.client.clone(), &world.namespace, &resource)
}

async fn create_connection(world: &World<'_>, name: &str, spec: Value) {
    let object = json!({
        "apiVersion": "milvus-refresh.dev/v1alpha1", "kind": "MilvusConnection",
        "metadata": { "name": name }, "spec": spec,
    });
    world.connections().create(&PostParams::default(), &serde_json::from_value(object).unwrap()).await.unwrap();
}

/// Waits until the connection's message has these words, and gives it.
async fn until_says(world: &World<'_>, name: &str, says: &str) -> MilvusConnection {
    let wait = await_condition(world.connections(), name, |object: Option<&MilvusConnection>| {
        object.is_some_and(|object| message(object).contains(says))
    });
    match tokio::time::timeout(LONG, wait).await {
        Ok(Ok(Some(object))) => object,
        other => panic!("{name} never says {says:?}: {other:?}\noperator: {}", world.log_tail()),
    }
}

fn message(connection: &MilvusConnection) -> &str {
    condition(connection, "Ready").map_or("", |(_, message)| message)
}

/// Status and message of a condition.
fn condition<'a>(connection: &'a MilvusConnection, type_: &str) -> Option<(&'a str, &'a str)> {
    let conditions = connection.status.as_ref()?.conditions.iter();
    conditions.filter(|c| c.type_ == type_).map(|c| (c.status.as_str(), c.message.as_str())).next()
}

fn assert_waits(connection: &MilvusConnection) {
    let ready = connection.status.as_ref().unwrap().conditions.iter().find(|c| c.type_ == "Ready").unwrap();
    assert_eq!((ready.status.as_str(), ready.reason.as_str()), ("False", "Unreachable"), "{}", ready.message);
    assert_eq!(condition(connection, "Reconciling").unwrap().0, "True");
    assert_eq!(condition(connection, "Stalled").unwrap().0, "False");
}

fn endpoint(connection: &MilvusConnection) -> Option<&str> {
    connection.status.as_ref()?.endpoint.as_deref()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_follows_the_milvus_that_it_names() {
    let cluster = tokio::task::spawn_blocking(Cluster::start).await.unwrap();
    let world = World::on(&cluster).await;
    world.connect(None).await;
    create_connection(&world, "by-name", json!({ "milvusRef": { "name": "main" } })).await;
    world.start_operator();
    world.until_connected().await;
    let waiting = until_says(&world, "by-name", "does not have the kind Milvus").await;
    assert_waits(&waiting);
    assert_eq!(endpoint(&waiting), None);

    // A kind that comes later is found within minutes; an operator that starts afterwards finds it at once.
    let fixture = format!("{}/tests/operator/fixtures/milvuses.milvus.io.yaml", env!("CARGO_MANIFEST_DIR"));
    cluster.control_plane.kubectl_ok(&["apply", "-f", &fixture]).unwrap();
    cluster
        .control_plane
        .kubectl_ok(&["wait", "--for=condition=Established", "--timeout=60s", "crd", "--all"])
        .unwrap();
    world.kill_operator();
    world.start_operator();
    assert_waits(&until_says(&world, "by-name", "Milvus main does not exist in this namespace").await);

    let milvus = json!({
        "apiVersion": "milvus.io/v1beta1", "kind": "Milvus", "metadata": { "name": "main" },
        "spec": { "mode": "standalone", "config": {} },
    });
    milvuses(&world).create(&PostParams::default(), &serde_json::from_value(milvus).unwrap()).await.unwrap();
    assert_waits(&until_says(&world, "by-name", "Milvus main is not ready: milvus-operator gives no reason").await);

    set_ready(&world, "False").await;
    assert_waits(&until_says(&world, "by-name", "Milvus main is not ready: Because").await);

    set_ready(&world, "True").await;
    let tried = until_says(&world, "by-name", "Check that Milvus runs there").await;
    assert_waits(&tried);
    assert_eq!(endpoint(&tried), Some(format!("http://main-milvus.{}.svc:19530", world.namespace).as_str()));

    let tls = Patch::Merge(json!({ "spec": { "config": { "common": { "security": { "tlsMode": 1 } } } } }));
    milvuses(&world).patch("main", &PatchParams::default(), &tls).await.unwrap();
    let secure = format!("https://main-milvus.{}.svc:19530", world.namespace);
    let wait = await_condition(world.connections(), "by-name", |object: Option<&MilvusConnection>| {
        object.and_then(endpoint) == Some(&secure)
    });
    tokio::time::timeout(LONG, wait).await.expect("https").unwrap();

    milvuses(&world).delete("main", &DeleteParams::default()).await.unwrap();
    let gone = until_says(&world, "by-name", "does not exist").await;
    assert_waits(&gone);
    assert_eq!(endpoint(&gone), None);

    let lines = cluster.control_plane.audit().unwrap();
    let asked = lines.iter().filter(|line| line.resource == "milvuses" && line.code == 404);
    assert_eq!(asked.count(), 1, "a kind that does not exist is not asked for all the time");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_grant_the_connection_says_so_and_all_others_work() {
    let cluster = tokio::task::spawn_blocking(Cluster::start).await.unwrap();
    let world = World::on(&cluster).await;
    let binding = ["delete", "clusterrolebinding", "milvus-refresh-operator-milvus-ref"];
    cluster.control_plane.kubectl_ok(&binding).unwrap();
    world.connect(None).await;
    create_connection(&world, "by-name", json!({ "milvusRef": { "name": "main" } })).await;
    world.start_operator();
    world.until_connected().await;
    let refused = until_says(&world, "by-name", "list and watch on milvuses.milvus.io").await;
    assert_waits(&refused);
    // Another spec is looked at at once, whatever the Milvus is like.
    let address = Patch::Merge(json!({ "spec": { "milvusRef": null, "address": world.milvus.url() } }));
    world.connections().patch(&refused.name_any(), &PatchParams::default(), &address).await.unwrap();
    until_says(&world, "by-name", "supports the refresh API").await;
    let lines = cluster.control_plane.audit().unwrap();
    let asked = lines.iter().filter(|line| line.resource == "milvuses" && line.code == 403);
    assert_eq!(asked.count(), 1, "what is forbidden is not asked for all the time");
}

async fn set_ready(world: &World<'_>, status: &str) {
    let status = json!({ "status": {
        "status": "Healthy",
        "conditions": [{ "type": "MilvusReady", "status": status, "reason": "Because", "message": "for a test" }],
    } });
    milvuses(world).patch_status("main", &PatchParams::default(), &Patch::Merge(status)).await.unwrap();
}
