//! `doctor`: what is missing at each step of an installation, what is broken, and what somebody may not see.

use std::time::Duration;

use milvus_simulator::Plan;
use serde_json::{Value, json};
use tokio::task::block_in_place;

use crate::{
    harness::{Cluster, World},
    world::Ended,
};

/// The findings of a level.
fn of(done: &Ended, level: &str) -> Vec<String> {
    let found: Vec<Value> = serde_json::from_str(&done.out).unwrap_or_else(|error| panic!("{error}: {done:?}"));
    let of_level = found.iter().filter(|finding| finding["level"] == level);
    of_level.map(|finding| finding["message"].as_str().unwrap().to_owned()).collect()
}

fn has(findings: &[String], says: &str) {
    assert!(findings.iter().any(|finding| finding.contains(says)), "{says:?} is not in {findings:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn each_step_of_an_installation_that_is_missing_is_told() {
    let cluster = block_in_place(Cluster::bare);
    let world = World::on(&cluster).await;
    let doctor = || world.plugin(&["doctor", "-o", "json"]);
    let bare = doctor();
    assert_eq!(bare.code, 1, "{bare:?}");
    has(&of(&bare, "problem"), "The CRD milvusconnections.milvus-refresh.dev is not installed");
    has(&of(&bare, "warning"), "No operator was found");
    let blind = world.plugin_as(&world.account("nobody", ""), &["doctor"]);
    assert!(blind.code == 1 && blind.out.contains("is not installed"), "{blind:?}");

    block_in_place(|| cluster.apply_crds("crds"));
    let idle = doctor();
    assert_eq!((idle.code, of(&idle, "problem").len()), (0, 0), "{idle:?}");
    has(&of(&idle, "warning"), "outside of the cluster without --leader-elect");
    has(&of(&idle, "warning"), "There are no connections in namespace");

    world.connect(None).await;
    let leads = ["--leader-elect=true", "--lease-namespace", "milvus-refresh-system"];
    let _operator = world.spawn_operator("leader", &cluster.operator_kubeconfig, &leads);
    world.until_connected().await;
    world.refresh("products", Plan::completes_in(Duration::ZERO));
    world.wait_for("products", "condition=Complete");
    let healthy = doctor();
    assert_eq!((healthy.code, of(&healthy, "warning").len()), (0, 0), "{healthy:?}");
    has(&of(&healthy, "ok"), "works: it renews its lease.");
    has(&of(&healthy, "ok"), "answers and supports the refresh API");
    let told = world.plugin(&["doctor"]);
    assert!(
        told.out.starts_with("ok       Kubernetes v") && told.out.ends_with("0 problems, 0 warnings.\n"),
        "{told:?}"
    );

    let labels = json!({ "app.kubernetes.io/name": "milvus-refresh-operator", "app.kubernetes.io/version": "0.0.1" });
    let pod = json!({ "metadata": { "labels": labels }, "spec": { "containers": [{ "name": "a", "image": "a" }] } });
    world.apply_object(&json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": { "name": "operator", "labels": labels },
        "spec": { "replicas": 1, "selector": { "matchLabels": labels }, "template": pod },
    }));
    let down = doctor();
    assert_eq!(down.code, 1, "{down:?}");
    has(&of(&down, "problem"), &format!("No pod of the Deployment {}/operator is ready", world.namespace));
    has(&of(&down, "warning"), "is of version 0.0.1");
    world.kubectl(&["delete", "deployment", "operator"]);

    block_in_place(|| cluster.apply_crds("tests/released/crds"));
    let older = doctor();
    assert_eq!(older.code, 0, "{older:?}");
    has(&of(&older, "warning"), "it lacks spec.");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_broken_is_told_with_what_to_do_and_no_value_of_a_secret() {
    let world = World::new().await;
    world.kubectl(&["create", "secret", "generic", "half", "--from-literal=username=hunter2"]);
    let login = |secret: &str| json!({ "secretRef": { "name": secret } });
    world.apply("MilvusConnection", "gone", json!({ "address": world.milvus.url(), "auth": login("missing") }));
    let spec = json!({
        "address": "http://127.0.0.1:1", "auth": login("half"),
        "sources": [{ "prefix": "s3://shop", "endpoint": "http://127.0.0.1:1", "auth": login("half") }],
    });
    world.apply("MilvusConnection", "broken", spec);
    let own = json!({ "connectionRef": { "name": "nowhere" }, "externalSource": "s3://shop/p",
        "externalSpecFrom": { "secretKeyRef": { "name": "half", "key": "spec.json" } } });
    world.refresh_with("products", Plan::hangs(), own);
    world.refresh("failed", Plan::fails_in(Duration::ZERO, "no files found in external source"));
    world.wait_for("failed", "condition=Failed");
    for name in ["gone", "broken"] {
        world.wait_for_object(&format!("milvusconn/{name}"), "condition=Ready=False");
    }
    world.wait_for_object("milvusconn/broken", "condition=SourcesReady=False");
    let done = world.plugin(&["doctor", "-o", "json"]);
    assert_eq!(done.code, 1, "{done:?}");
    let problems = of(&done, "problem");
    let place = &world.namespace;
    for says in [
        format!("Connection {place}/gone: SecretNotFound"),
        format!("Secret {place}/missing, which the login of connection {place}/gone needs, does not exist"),
        format!("Connection {place}/broken: "),
        format!(
            "Secret {place}/half has not what the login of connection {place}/broken needs: the key token, or the keys username and"
        ),
        format!("source s3://shop of connection {place}/broken needs: the keys accessKeyID and secretAccessKey"),
        format!("the external spec of refresh {place}/products needs: the key spec.json"),
        format!("There is no connection {place}/nowhere, which {place}/products refers to"),
    ] {
        has(&problems, &says);
    }
    has(&of(&done, "warning"), &format!("kubectl ecrefresh why failed -n {place}"));
    assert!(!done.out.contains("hunter2") && !done.err.contains("hunter2"), "{done:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_caller_may_not_see_is_a_warning_that_names_the_right() {
    let world = World::new().await;
    world.apply(
        "MilvusConnection",
        "locked",
        json!({ "address": "http://127.0.0.1:1", "auth": { "secretRef": { "name": "a" } } }),
    );
    world.wait_for_object("milvusconn/locked", "condition=Ready=False");
    let nobody = world.account("nobody", "");
    let blind = world.plugin_as(&nobody, &["doctor", "-o", "json"]);
    assert_eq!((blind.code, of(&blind, "problem")), (0, vec![]), "{blind:?}");
    let warnings = of(&blind, "warning");
    for says in [
        "You may not get customresourcedefinitions",
        "You may not list deployments",
        "leases",
        "You may not get, list, watch, patch, create externalcollectionrefreshes.milvus-refresh.dev",
        "You may not list milvusconnections.milvus-refresh.dev",
    ] {
        has(&warnings, says);
    }
    let verbs = "--verb=get,list";
    let resources = "--resource=milvusconnections.milvus-refresh.dev,externalcollectionrefreshes.milvus-refresh.dev";
    world.kubectl(&["create", "role", "sees", verbs, resources]);
    let account = format!("--serviceaccount={}:nobody", world.namespace);
    world.kubectl(&["create", "rolebinding", "sees", "--role=sees", &account]);
    let sees = world.plugin_as(&nobody, &["doctor", "-o", "json"]);
    assert_eq!(sees.code, 1, "{sees:?}");
    has(&of(&sees, "problem"), "/locked: ");
    has(&of(&sees, "warning"), "You may not get secrets");
    assert_eq!(world.plugin(&["doctor", "--context", "nowhere"]).code, 2);
}
