//! Objects whose statuses cannot be written, and who waits for them.

use std::time::Duration;

use k8s_openapi::api::admissionregistration::v1::ValidatingWebhookConfiguration;
use kube::{
    Api,
    api::{DeleteParams, Patch, PatchParams, PostParams},
};
use milvus_simulator::{Method, Plan};
use serde_json::json;

use crate::harness::{World, ready, refresh, status};

/// A webhook that nobody serves and that has to agree to each write of a status in the world's namespace, once the API server
/// asks it.
async fn break_statuses(world: &World<'_>) {
    let name = format!("dead.{}.example.com", world.namespace);
    let webhook = json!({
        "apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingWebhookConfiguration",
        "metadata": { "name": name },
        "webhooks": [{
            "name": name, "failurePolicy": "Fail", "sideEffects": "None", "timeoutSeconds": 1,
            "admissionReviewVersions": ["v1"],
            "clientConfig": { "url": "https://127.0.0.1:1/nobody-is-here" },
            "namespaceSelector": { "matchLabels": { "kubernetes.io/metadata.name": world.namespace } },
            "rules": [{
                "apiGroups": ["milvus-refresh.dev"], "apiVersions": ["*"], "operations": ["UPDATE"],
                "resources": ["externalcollectionrefreshes/status"],
            }],
        }],
    });
    let webhooks: Api<ValidatingWebhookConfiguration> = Api::all(world.client.clone());
    webhooks.create(&PostParams::default(), &serde_json::from_value(webhook).unwrap()).await.unwrap();
    world.create("probe", "probe").await;
    let params = PatchParams { dry_run: true, ..PatchParams::default() };
    while world
        .refreshes()
        .patch_status("probe", &params, &Patch::Merge(json!({ "status": { "reason": "probe" } })))
        .await
        .is_ok()
    {
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    world.refreshes().delete("probe", &DeleteParams::default()).await.unwrap();
}

async fn mend_statuses(world: &World<'_>) {
    let webhooks: Api<ValidatingWebhookConfiguration> = Api::all(world.client.clone());
    let name = format!("dead.{}.example.com", world.namespace);
    webhooks.delete(&name, &DeleteParams::default()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_namespace_whose_statuses_cannot_be_written_holds_others_only_where_a_late_claim_could_and_not_for_long() {
    let (good, bad) = (World::without_operator().await, World::without_operator().await);
    for (world, collections) in [(&good, ["products", "unused"]), (&bad, ["orders", "goods"])] {
        world.connect(None).await;
        for collection in collections {
            world.milvus.create_collection(collection, Plan::completes_in(Duration::ZERO));
        }
    }
    // What is another namespace's, on the same Milvus as that of the one that fails.
    good.put_connection("shared", json!({ "address": bad.milvus.url() })).await;
    break_statuses(&bad).await;
    bad.create("orders", "orders").await;
    let both = ["--leader-elect=false", "--watch-namespace", &bad.namespace];
    let _operator = good.spawn_operator("both", &good.cluster.operator_kubeconfig, &both);
    good.until_connected().await;

    good.create("products", "products").await;
    let shared = json!({ "collectionName": "goods", "connectionRef": { "name": "shared" } });
    let shared = serde_json::from_value(refresh("shared", shared)).unwrap();
    good.refreshes().create(&PostParams::default(), &shared).await.unwrap();
    let elsewhere = good.until_ended("products").await;
    assert_eq!(status(&elsewhere).state.as_deref(), Some("RefreshCompleted"));
    let named = format!("{}/orders", bad.namespace);
    let says_so = |object: &_| ready(object).is_some_and(|ready| ready.message.contains(&named));
    let waiting = good.until("shared", "waiting for the one that cannot be written", says_so).await;
    assert_eq!(ready(&waiting).unwrap().reason, "Queued");
    assert_eq!(bad.milvus.calls(Method::Describe), 0, "neither of them asks for anything meanwhile");

    let after = good.until_ended("shared").await;
    assert_eq!(status(&after).state.as_deref(), Some("RefreshCompleted"));
    assert_eq!(bad.starts("orders"), 0);
    let looks = bad.milvus.calls(Method::Describe);
    assert!(looks <= 2, "the one that cannot be written asked {looks} times");
    mend_statuses(&bad).await;
    bad.until_ended("orders").await;
    assert_eq!(bad.starts("orders"), 1);
}
