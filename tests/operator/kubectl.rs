//! What a person does with kubectl.

use std::time::Duration;

use kube::api::PostParams;
use milvus_simulator::{Outcome, Plan};
use serde_json::json;

use crate::harness::{World, refresh, status};

#[tokio::test(flavor = "multi_thread")]
async fn wait_get_explain_and_field_selectors_do_what_a_user_expects() {
    let world = World::new().await;
    world.milvus.create_collection("products", Plan::completes_in(Duration::from_secs(1)));
    world.create("products", "products").await;
    world.create("other", "elsewhere").await;
    let kubectl = |args: &[&str]| world.kubectl(args);
    kubectl(&["wait", "--for=condition=Complete", "--timeout=120s", "ecrefresh/products"]);
    kubectl(&["wait", "--for=condition=Failed", "--timeout=120s", "ecrefresh/other"]);
    let table = kubectl(&["get", "ecrefresh", "--field-selector", "spec.collectionName=products"]);
    let lines: Vec<&str> = table.lines().collect();
    assert_eq!(lines.len(), 2, "{table}");
    for word in ["NAME", "COLLECTION", "STATE", "PROGRESS", "REASON", "AGE"] {
        assert!(lines[0].contains(word), "{table}");
    }
    for word in ["products", "RefreshCompleted", "100"] {
        assert!(lines[1].contains(word), "{table}");
    }
    assert!(kubectl(&["get", "ecrefresh", "--field-selector", "status.state=RefreshFailed"]).contains("other"));
    assert!(kubectl(&["get", "milvus"]).contains("milvusconnection.milvus-refresh.dev/default"));
    let explained = kubectl(&["explain", "ecrefresh.spec"]);
    for field in ["collectionName", "databaseName", "connectionRef"] {
        assert!(explained.contains(field), "{explained}");
    }
    let events = kubectl(&["get", "events.events.k8s.io"]);
    assert!(events.contains("RefreshStarted") && events.contains("CollectionNotFound"), "{events}");
}

#[tokio::test(flavor = "multi_thread")]
async fn wait_returns_after_each_edit_that_needs_no_run() {
    let world = World::new().await;
    world.milvus.create_collection("products", Plan::hangs());
    let object = refresh("products", json!({ "collectionName": "products", "trigger": "one" }));
    world.refreshes().create(&PostParams::default(), &serde_json::from_value(object).unwrap()).await.unwrap();
    let kubectl = |args: &[&str]| world.kubectl(args);
    let edit = |spec: &str| kubectl(&["patch", "ecrefresh", "products", "--type=merge", "-p", spec]);
    let wait = |condition: &str| kubectl(&["wait", condition, "--timeout=120s", "ecrefresh/products"]);
    let completes = async |number: usize| {
        world.milvus.wait_until(|milvus| milvus.accepted_starts("default", "products").len() == number).await;
        world.milvus.finish_job(world.milvus.accepted_starts("default", "products")[number - 1], Outcome::Complete);
    };
    world.milvus.wait_until(|milvus| milvus.accepted_starts("default", "products").len() == 1).await;
    edit(r#"{"spec":{"backoffLimit":7}}"#);
    completes(1).await;
    wait("--for=condition=Complete");
    edit(r#"{"spec":{"backoffLimit":8}}"#);
    wait("--for=condition=Complete");
    edit(r#"{"spec":{"trigger":"two"}}"#);
    completes(2).await;
    wait("--for=jsonpath={.status.lastHandledTrigger}=two");
    for spec in [r#"{"spec":{"trigger":"one"}}"#, r#"{"spec":{"suspend":true}}"#, r#"{"spec":{"suspend":false}}"#] {
        edit(spec);
        wait("--for=condition=Complete");
        wait("--for=jsonpath={.status.lastHandledTrigger}=one");
    }
    let now = world.refreshes().get("products").await.unwrap();
    assert_eq!((status(&now).observed_generation, world.starts("products")), (now.metadata.generation, 2));
}
