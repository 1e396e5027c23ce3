//! Objects of an older and of a newer release.

use kube::api::{DynamicObject, PostParams};
use kube::{Api, discovery::ApiResource};
use milvus_refresh_operator::api::ExternalCollectionRefresh;
use serde_json::json;

use crate::{
    harness::{Cluster, World},
    stage::plugin,
    terminal::piped,
};

#[tokio::test(flavor = "multi_thread")]
async fn one_object_of_another_release_does_not_hide_the_others() {
    let cluster = tokio::task::spawn_blocking(|| Cluster::with_crds("tests/released/crds")).await.unwrap();
    let world = World::on(&cluster).await;
    let run = |args: &[&str]| {
        tokio::task::block_in_place(|| piped(&mut plugin(cluster.control_plane.kubeconfig(), &world.namespace, args)))
    };
    let without_crds = tokio::task::block_in_place(|| {
        piped(&mut plugin(cluster.control_plane.kubeconfig(), &world.namespace, &["list", "-l", "a=b"]))
    });
    assert_eq!(without_crds.2, Some(0), "{without_crds:?}");

    world.connect_with(json!({})).await;
    world.create("older", "products").await;
    let (out, err, code) = run(&["list"]);
    assert!(out.contains("older   New") && code == Some(0), "{out}{err}");
    let (out, err, code) = run(&["why", "older"]);
    assert!(out.contains("older waits (ConnectionNotReady)") && code == Some(0), "{out}{err}");

    // A later release knows another policy.
    let crd = "externalcollectionrefreshes.milvus-refresh.dev";
    let path = "/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties/activeJobPolicy/enum/-";
    let patch = json!([{ "op": "add", "path": path, "value": "Later" }]).to_string();
    world.kubectl(&["patch", "crd", crd, "--type", "json", "-p", &patch]);
    let kind = ApiResource::erase::<ExternalCollectionRefresh>(&());
    let api: Api<DynamicObject> = Api::namespaced_with(world.client.clone(), &world.namespace, &kind);
    let newer: DynamicObject = serde_json::from_value(json!({
        "apiVersion": "milvus-refresh.dev/v1alpha1", "kind": "ExternalCollectionRefresh", "metadata": { "name": "newer" },
        "spec": { "collectionName": "products", "activeJobPolicy": "Later" },
    }))
    .unwrap();
    // The API server takes a moment to know the new schema.
    let created = async {
        while api.create(&PostParams::default(), &newer).await.is_err() {
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(crate::harness::LONG, created).await.unwrap();
    let (out, err, code) = run(&["list"]);
    assert!(out.contains("newer   Unreadable") && out.contains("older   New") && code == Some(0), "{out}{err}");
    assert!(err.starts_with("Refresh newer was written for another version than this plugin's"), "{err}");
    let (out, err, code) = run(&["status", "newer"]);
    assert!(
        out.is_empty() && err.contains("Refresh newer was written for another version than this plugin's"),
        "{out}{err}"
    );
    assert_eq!(code, Some(1));
    let (out, _, code) = run(&["list", "-o", "name"]);
    assert_eq!(out.lines().count(), 2);
    assert_eq!(code, Some(0));

    world.kubectl(&["delete", "crd", crd]);
    let (_, err, code) = run(&["list"]);
    assert!(err.contains("the CRDs of milvus-refresh-operator are not installed") && code == Some(4), "{err}");
}
