//! What the API server itself accepts and refuses.

use kube::{
    Api, ResourceExt,
    api::{ApiResource, DynamicObject, Patch, PatchParams, PostParams},
};
use milvus_refresh_operator::api::{ExternalCollectionRefresh, MilvusConnection};
use serde_json::{Value, json};

use crate::harness::{World, refresh};

fn connection(spec: Value) -> Value {
    json!({
        "apiVersion": "milvus-refresh.dev/v1alpha1", "kind": "MilvusConnection",
        "metadata": { "name": "x" }, "spec": spec,
    })
}

async fn dry_run(world: &World<'_>, object: Value) -> Result<DynamicObject, String> {
    let resource = if object["kind"] == "MilvusConnection" {
        ApiResource::erase::<MilvusConnection>(&())
    } else {
        ApiResource::erase::<ExternalCollectionRefresh>(&())
    };
    let api: Api<DynamicObject> = Api::namespaced_with(world.client.clone(), &world.namespace, &resource);
    let params = PostParams { dry_run: true, ..PostParams::default() };
    let object = serde_json::from_value(object).unwrap();
    api.create(&params, &object).await.map_err(|error| error.to_string())
}

#[tokio::test(flavor = "multi_thread")]
async fn good_objects_are_accepted() {
    let world = World::without_operator().await;
    for spec in [
        json!({ "collectionName": "products" }),
        json!({ "collectionName": "_p1" }),
        json!({ "collectionName": "p".repeat(255) }),
        json!({ "collectionName": "p", "databaseName": "sales" }),
        json!({ "collectionName": "p", "connectionRef": { "name": "prod.eu-1" } }),
        json!({ "collectionName": "p", "connectionRef": { "kind": "MilvusConnection" } }),
        json!({ "collectionName": "p", "connectionRef": {} }),
    ] {
        let created =
            dry_run(&world, refresh("x", spec.clone())).await.unwrap_or_else(|error| panic!("{spec}: {error}"));
        assert_eq!(created.data["status"]["observedGeneration"], -1, "no operator has seen it");
        assert_eq!(created.data["spec"]["connectionRef"]["kind"], "MilvusConnection");
    }
    for spec in [
        json!({ "address": "http://milvus:19530" }),
        json!({ "address": "http://10.0.0.1:19530" }),
        json!({ "address": "http://[::1]:19530" }),
        json!({ "address": "http://milvus.ns.svc:1", "auth": { "secretRef": { "name": "login" } } }),
        json!({ "address": "https://milvus:19530" }),
        json!({ "address": "https://milvus:19530", "tls": {} }),
        json!({ "address": "https://milvus:19530", "tls": { "caRef": { "kind": "ConfigMap", "name": "ca" } } }),
        json!({ "address": "https://milvus:19530", "tls": { "caRef": { "kind": "Secret", "name": "a", "key": "b_c.pem" } } }),
        json!({ "address": "https://10.0.0.1:19530", "tls": { "serverName": "milvus.ns.svc" } }),
        json!({ "address": "https://milvus:19530", "tls": { "clientCertificateRef": { "name": "own" } } }),
        json!({ "address": "http://milvus:19530", "requestTimeoutSeconds": 300, "maxConcurrentRefreshes": 1 }),
    ] {
        dry_run(&world, connection(spec.clone())).await.unwrap_or_else(|error| panic!("{spec}: {error}"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_objects_are_refused_and_the_message_says_what_to_write() {
    let world = World::without_operator().await;
    for (spec, says) in [
        (json!({}), "spec.collectionName: Required value"),
        (json!({ "collectionName": "" }), "should be at least 1 chars long"),
        (json!({ "collectionName": "1st" }), "must begin with a letter or _"),
        (json!({ "collectionName": "a-b" }), "must begin with a letter or _"),
        (json!({ "collectionName": "größe" }), "must begin with a letter or _"),
        (json!({ "collectionName": "a b" }), "must begin with a letter or _"),
        (json!({ "collectionName": "a\n" }), "must begin with a letter or _"),
        (json!({ "collectionName": "p".repeat(256) }), "255"),
        (json!({ "collectionName": 7 }), "must be of type string"),
        (json!({ "collectionName": ["p"] }), "must be of type string"),
        (json!({ "collectionName": null }), "spec.collectionName"),
        (json!({ "collectionName": "p", "databaseName": "" }), "should be at least 1 chars long"),
        (json!({ "collectionName": "p", "databaseName": "a.b" }), "must begin with a letter or _"),
        (json!({ "collectionName": "p", "databaseName": "d".repeat(256) }), "255"),
        (json!({ "collectionName": "p", "connectionRef": "default" }), "must be of type object"),
        (
            json!({ "collectionName": "p", "connectionRef": { "kind": "Secret" } }),
            "supported values: \"MilvusConnection\"",
        ),
        (json!({ "collectionName": "p", "connectionRef": { "name": "A" } }), "must be the name of a MilvusConnection"),
        (json!({ "collectionName": "p", "connectionRef": { "name": "a".repeat(254) } }), "253"),
        (json!({ "collectionName": "p", "connectionRef": { "name": "" } }), "should be at least 1 chars long"),
    ] {
        let refused = dry_run(&world, refresh("x", spec.clone())).await.expect_err(&spec.to_string());
        assert!(refused.contains(says), "{spec}: {refused}");
    }
    for (spec, says) in [
        (json!({}), "spec.address: Required value"),
        (json!({ "address": "milvus:19530" }), "must be http://host:port"),
        (json!({ "address": "http://milvus" }), "must be http://host:port"),
        (json!({ "address": "http://milvus:19530/" }), "must be http://host:port"),
        (json!({ "address": "http://u:p@milvus:19530" }), "must be http://host:port"),
        (json!({ "address": "ftp://milvus:19530" }), "must be http://host:port"),
        (json!({ "address": "http://mil vus:19530" }), "must be http://host:port"),
        (json!({ "address": format!("http://{}:1", "m".repeat(600)) }), "512"),
        (json!({ "address": "http://m:1", "auth": {} }), "secretRef: Required value"),
        (
            json!({ "address": "http://m:1", "auth": { "secretRef": { "name": "A_B" } } }),
            "must be the name of a Secret",
        ),
        (json!({ "address": "http://m:1", "tls": {} }), "tls is for an address that begins with https://"),
        (json!({ "address": "https://m:1", "tls": { "serverName": "m:1" } }), "must be a DNS name"),
        (json!({ "address": "https://m:1", "tls": { "caRef": { "name": "ca" } } }), "kind: Required value"),
        (
            json!({ "address": "https://m:1", "tls": { "caRef": { "kind": "Pod", "name": "ca" } } }),
            "supported values: \"Secret\", \"ConfigMap\"",
        ),
        (
            json!({ "address": "https://m:1", "tls": { "caRef": { "kind": "Secret", "name": "ca", "key": "a/b" } } }),
            "must be a key of a Secret",
        ),
        (json!({ "address": "http://m:1", "requestTimeoutSeconds": 0 }), "greater than or equal to 1"),
        (json!({ "address": "http://m:1", "requestTimeoutSeconds": 301 }), "less than or equal to 300"),
        (json!({ "address": "http://m:1", "maxConcurrentRefreshes": 0 }), "greater than or equal to 1"),
    ] {
        let refused = dry_run(&world, connection(spec.clone())).await.expect_err(&spec.to_string());
        assert!(refused.contains(says), "{spec}: {refused}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_refresh_is_about_cannot_be_changed() {
    let world = World::without_operator().await;
    let object = world.create("fixed", "products").await;
    for spec in [
        json!({ "collectionName": "orders" }),
        json!({ "databaseName": "sales" }),
        json!({ "connectionRef": { "name": "other" } }),
        json!({ "databaseName": null, "collectionName": "orders" }),
    ] {
        let patch = Patch::Merge(json!({ "spec": spec }));
        let refused =
            world.refreshes().patch("fixed", &PatchParams::default(), &patch).await.expect_err(&spec.to_string());
        assert!(refused.to_string().contains("is immutable"), "{spec}: {refused}");
    }
    let labelled = Patch::Merge(json!({ "metadata": { "labels": { "team": "search" } } }));
    let labelled = world.refreshes().patch("fixed", &PatchParams::default(), &labelled).await.unwrap();
    assert_eq!(labelled.uid(), object.uid());
}
