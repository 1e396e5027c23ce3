//! What a person does with kubectl.

use std::time::Duration;

use milvus_refresh_operator::simulator::Plan;

use crate::harness::World;

#[tokio::test(flavor = "multi_thread")]
async fn wait_get_explain_and_field_selectors_do_what_a_user_expects() {
    let world = World::new().await;
    world.milvus.create_collection("products", Plan::completes_in(Duration::from_secs(1)));
    world.create("products", "products").await;
    world.create("other", "elsewhere").await;
    let kubectl = |args: &[&str]| {
        let all = [&["--namespace", &world.namespace], args].concat();
        tokio::task::block_in_place(|| world.cluster.control_plane.kubectl_ok(&all).unwrap())
    };
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
