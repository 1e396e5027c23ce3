//! A connection's sources and catalogs: what the API server itself accepts and refuses, and what the operator says of them.

use k8s_openapi::{
    api::{core::v1::Secret, events::v1::Event},
    apimachinery::pkg::apis::meta::v1::Condition,
};
use kube::{
    Api,
    api::{ListParams, Patch, PatchParams},
};
use serde_json::{Value, json};
use tokio::time::{Duration, sleep};

use crate::{admission::dry_run, harness::World};

fn connection(field: &str, list: &Value) -> Value {
    json!({
        "apiVersion": "milvus-refresh.dev/v1alpha1", "kind": "MilvusConnection",
        "metadata": { "name": "x" }, "spec": { "address": "http://m:1", field: list },
    })
}

/// `base` with the fields of `more`, without those that are null there.
fn with(base: Value, more: &Value) -> Value {
    let mut object = base;
    object.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    object.as_object_mut().unwrap().retain(|_, value| !value.is_null());
    object
}

fn source(more: &Value) -> Value {
    with(json!({ "prefix": "s3://bucket/a", "auth": { "secretRef": { "name": "reader" } } }), more)
}

fn catalog(more: &Value) -> Value {
    with(json!({ "name": "lake", "uri": "https://catalog.example.com/api/catalog" }), more)
}

async fn each_is_accepted(world: &World<'_>, field: &str, lists: impl IntoIterator<Item = Value>) {
    for list in lists {
        let accepted = dry_run(world, connection(field, &list)).await;
        accepted.unwrap_or_else(|error| panic!("{list}: {error}"));
    }
}

async fn each_is_refused(world: &World<'_>, field: &str, lists: impl IntoIterator<Item = (Value, &str)>) {
    for (list, says) in lists {
        let refused = dry_run(world, connection(field, &list)).await.expect_err(&list.to_string());
        assert!(refused.contains(says), "{list}: {refused}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_says_how_each_source_is_listed() {
    let world = World::without_operator().await;
    let ca = json!({ "kind": "ConfigMap", "name": "ca" });
    let (aws, azure) = (
        json!({ "aws": { "roleARN": "arn:aws-cn:iam::123456789012:role/a/reader" } }),
        json!({ "azure": {
            "accountName": "shop", "clientID": "6f0a7c1e-5d3b-4b0e-9a64-2f8c1d3e5a70",
            "tenantID": "6F0A7C1E-5D3B-4B0E-9A64-2F8C1D3E5A70",
        } }),
    );
    let longest = |number| {
        json!({
            "prefix": format!("s3://bucket{number:02}/{}", "a/".repeat(249)), "region": "r".repeat(64),
            "endpoint": format!("https://{}.svc:9000/a", "s".repeat(480)), "auth": { "anonymous": {} }, "caRef": ca,
        })
    };
    each_is_accepted(
        &world,
        "sources",
        [
            json!([]),
            json!([source(&json!({}))]),
            json!([source(&json!({ "endpoint": "http://10.0.0.1:9000", "region": "eu-central-1" }))]),
            json!([source(&json!({ "caRef": ca }))]),
            json!([source(&json!({ "auth": { "workloadIdentity": aws } }))]),
            json!([source(&json!({ "auth": { "workloadIdentity": azure }, "prefix": "azure://container" }))]),
            json!((0..16).map(longest).collect::<Vec<_>>()),
        ],
    )
    .await;
    let (one, plain, endpoint) = (
        "set exactly one of secretRef, workloadIdentity and anonymous",
        "must look like s3://bucket/path",
        "must be https://host, https://host:port",
    );
    let with_prefix = |prefix: &str| json!([source(&json!({ "prefix": prefix }))]);
    let with_endpoint = |endpoint: &str| json!([source(&json!({ "endpoint": endpoint }))]);
    let with_auth = |auth: Value| json!([source(&json!({ "auth": auth }))]);
    each_is_refused(
        &world,
        "sources",
        [
            (json!([source(&json!({ "prefix": null }))]), "prefix: Required value"),
            (with_prefix("*"), plain),
            (with_prefix("s3://bucket/../a"), plain),
            (with_prefix("s3://key:secret@bucket/a"), plain),
            (with_prefix("https://bucket/a"), plain),
            (with_prefix("s3://bucket/a?b"), plain),
            (json!([source(&json!({})), source(&json!({ "region": "x" }))]), "Duplicate value"),
            (with_endpoint("store:9000"), endpoint),
            (with_endpoint("https://Store"), endpoint),
            (with_endpoint("https://key:secret@store"), endpoint),
            (with_endpoint("https://store/a?b"), endpoint),
            (with_endpoint("https://store/../a"), endpoint),
            (json!([source(&json!({ "region": "eu central" }))]), "must be the name of a region"),
            (json!([source(&json!({ "auth": null }))]), "auth: Required value"),
            (with_auth(json!({})), one),
            (with_auth(json!({ "anonymous": {}, "secretRef": { "name": "reader" } })), one),
            (with_auth(json!({ "secretRef": { "name": "A_B" } })), "must be a valid Secret name"),
            (with_auth(json!({ "workloadIdentity": {} })), "set either aws or azure"),
            (with_auth(json!({ "workloadIdentity": with(aws.clone(), &azure) })), "set either aws or azure"),
            (with_auth(json!({ "workloadIdentity": { "aws": { "roleARN": "reader" } } })), "must be the ARN of a role"),
            (
                json!([source(&json!({ "auth": { "workloadIdentity": aws }, "endpoint": "https://evil.example" }))]),
                "at its cloud's own endpoint only",
            ),
            (json!([source(&json!({ "caRef": ca, "endpoint": "http://store" }))]), "caRef is for TLS"),
            (json!(vec![source(&json!({})); 17]), "16"),
        ],
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_says_how_each_catalog_is_asked() {
    let world = World::without_operator().await;
    let ca = json!({ "kind": "Secret", "name": "ca", "key": "root.pem" });
    let longest = |number| {
        json!({
            "name": format!("{}{number}", "l".repeat(62)), "uri": format!("https://c/{}", "a/".repeat(251)),
            "warehouse": "w".repeat(512), "auth": { "secretRef": { "name": "catalog" } }, "caRef": ca,
        })
    };
    each_is_accepted(
        &world,
        "catalogs",
        [
            json!([]),
            json!([catalog(&json!({}))]),
            json!([catalog(&json!({ "uri": "http://127.0.0.1:8181" }))]),
            json!([catalog(&json!({ "uri": "https://c:8443/a.b/c_d/" }))]),
            json!([catalog(&json!({ "warehouse": "arn:aws:s3tables:eu-central-1:123456789012:bucket/shop" }))]),
            json!((0..8).map(longest).collect::<Vec<_>>()),
        ],
    )
    .await;
    let uri = "must be https://host/path";
    let with_uri = |uri: &str| json!([catalog(&json!({ "uri": uri }))]);
    each_is_refused(
        &world,
        "catalogs",
        [
            (json!([catalog(&json!({ "name": null }))]), "name: Required value"),
            (json!([catalog(&json!({ "name": "Lake" }))]), "must be lower-case letters"),
            (json!([catalog(&json!({})), catalog(&json!({}))]), "Duplicate value"),
            (json!([catalog(&json!({ "uri": null }))]), "uri: Required value"),
            (with_uri("catalog:8181"), uri),
            (with_uri("ftp://catalog"), uri),
            (with_uri("https://id:secret@catalog/api"), uri),
            (with_uri("https://catalog/api?warehouse=a"), uri),
            (with_uri("https://catalog//api"), uri),
            (with_uri("https://catalog/../api"), uri),
            (json!([catalog(&json!({ "warehouse": "" }))]), "should be at least 1 chars long"),
            (json!([catalog(&json!({ "auth": {} }))]), "secretRef: Required value"),
            (json!([catalog(&json!({ "uri": "http://catalog", "caRef": ca }))]), "caRef is for TLS"),
            (json!((0..9).map(|n| catalog(&json!({ "name": format!("c{n}") }))).collect::<Vec<_>>()), "8"),
        ],
    )
    .await;
}

impl World<'_> {
    /// Waits until the condition `SourcesReady` of the connection has that reason.
    async fn until_sources(&self, name: &str, reason: &str) -> Condition {
        loop {
            let status = self.connections().get(name).await.unwrap().status;
            let mut conditions = status.into_iter().flat_map(|status| status.conditions);
            if let Some(told) = conditions.find(|c| c.type_ == "SourcesReady" && c.reason == reason) {
                return told;
            }
            sleep(Duration::from_millis(100)).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_secret_of_a_source_is_told_leaves_the_connection_ready_and_is_taken_once_it_is_mended() {
    let world = World::without_operator().await;
    world.put_secret("reader", "Opaque", json!({ "accessKeyID": "hunter2" })).await;
    let auth = json!({ "secretRef": { "name": "reader" } });
    let spec = json!({
        "address": world.milvus.url(),
        "sources": [
            { "prefix": "s3://lake/a", "endpoint": "http://127.0.0.1:1", "auth": auth },
            { "prefix": "s3://lake/b", "endpoint": "http://127.0.0.1:1", "auth": { "anonymous": {} } },
            { "prefix": "s3://lake/c", "auth": { "workloadIdentity": {
                "aws": { "roleARN": "arn:aws:iam::123456789012:role/reader" },
            } } },
        ],
        "catalogs": [{ "name": "lake", "uri": "http://127.0.0.1:1", "auth": { "secretRef": { "name": "gone" } } }],
    });
    world.put_connection("default", spec).await;
    world.start_operator();
    world.until_connected().await;
    let told = world.until_sources("default", "SecretNotFound").await;
    assert_eq!(told.status, "False");
    for says in [
        "The source s3://lake/a: Secret reader cannot be used: it needs the keys accessKeyID and secretAccessKey",
        "The source s3://lake/c: This installation does not let connections use a workload identity",
        "The catalog lake: Secret gone does not exist",
    ] {
        assert!(told.message.contains(says), "{says}: {}", told.message);
    }
    assert!(!told.message.contains("hunter2") && !told.message.contains("lake/b"), "{}", told.message);

    let secrets: Api<Secret> = Api::namespaced(world.client.clone(), &world.namespace);
    let whole = Patch::Merge(json!({ "stringData": { "secretAccessKey": "hunter3" } }));
    secrets.patch("reader", &PatchParams::default(), &whole).await.unwrap();
    world.put_secret("gone", "Opaque", json!({ "token": "hunter4" })).await;
    let told = world.until_sources("default", "InvalidSpec").await;
    assert!(!told.message.contains("lake/a") && !told.message.contains("The catalog"), "{}", told.message);

    let fewer = Patch::Merge(json!({ "spec": { "sources": [
        { "prefix": "s3://lake/a", "endpoint": "http://127.0.0.1:1", "auth": auth },
    ] } }));
    world.connections().patch("default", &PatchParams::default(), &fewer).await.unwrap();
    let told = world.until_sources("default", "PlaintextCredentials").await;
    assert!(told.status == "True" && told.message.contains("source s3://lake/a, catalog lake"), "{}", told.message);
    let events: Api<Event> = Api::namespaced(world.client.clone(), &world.namespace);
    let warned = async || {
        let all = events.list(&ListParams::default()).await.unwrap().items;
        all.iter().any(|event| event.reason.as_deref() == Some("PlaintextCredentials"))
    };
    while !warned().await {
        sleep(Duration::from_millis(100)).await;
    }
    world.until_connected().await;
    let log = world.log_tail();
    assert!(!log.contains("hunter"), "{log}");
}
