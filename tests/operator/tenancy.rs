//! What the author of a refresh cannot make the operator do, whatever the author writes into the object.

use std::time::Duration;

use k8s_openapi::api::core::v1::Namespace;
use kube::{
    Api,
    api::{ObjectMeta, PostParams},
};
use milvus_simulator::{Method, Plan, Settings, Simulator};
use serde_json::{Value, json};

use crate::harness::{World, ready, refresh, status};

const PLAIN: &str = r#"{"format":"parquet","extfs":{"use_iam":"true","cloud_provider":"aws","region":"eu"}}"#;

/// A world with a login that the simulator takes, and another Milvus, of the author's own.
async fn with_a_trap() -> (World<'static>, Simulator) {
    let world = World::without_operator().await;
    world.put_login("login", "refresher", "hunter2000").await;
    world.connect(Some("login")).await;
    world.start_operator();
    world.until_connected().await;
    let trap = Simulator::start("127.0.0.1:0".parse().unwrap(), Settings::default()).await.unwrap();
    (world, trap)
}

async fn put(world: &World<'_>, name: &str, spec: Value) -> kube::Result<()> {
    let object = serde_json::from_value(refresh(name, spec)).unwrap();
    world.refreshes().create(&PostParams::default(), &object).await.map(drop)
}

#[tokio::test(flavor = "multi_thread")]
async fn credentials_go_to_the_address_of_the_connection_and_nowhere_else() {
    let (world, trap) = with_a_trap().await;
    let address = trap.url().replace("http://", "");
    world.milvus.create_collection("products", Plan::completes_in(Duration::ZERO));
    let login = json!({ "secretRef": { "name": "login" } });
    let allowing = json!({ "address": world.milvus.url(), "auth": login, "allowedSources": ["s3://bucket/path"] });
    world.put_connection("allowing", allowing).await;
    world.until_connection("allowing", "Connected", |_| true).await;
    let elsewhere = format!("s3://{address}/bucket");
    let with = |more: &str| {
        let keys = r#""use_iam":"true","cloud_provider":"aws","region":"eu-central-1""#;
        format!(r#"{{"format":"parquet","extfs":{{{keys}{more}}}}}"#)
    };
    let endpoint = with(&format!(r#","endpoint_url":"http://{address}""#));
    for (name, connection, source, spec, why) in [
        ("nowhere", "default", "s3://bucket/path", with(""), Some("allowedSources is empty")),
        ("elsewhere", "allowing", &elsewhere, with(""), Some("externalSource matches no prefix")),
        ("detour", "allowing", "s3://bucket/path", endpoint, Some("the spec's key \"endpoint_url\"")),
        // It is for the one key alone that the detour is refused.
        ("straight", "allowing", "s3://bucket/path", with(""), None),
    ] {
        let spec = json!({
            "collectionName": "products", "connectionRef": { "name": connection },
            "externalSource": source, "externalSpec": spec,
        });
        put(&world, name, spec).await.unwrap();
        let ended = world.until_ended(name).await;
        let class = status(&ended).failure.as_ref().map(|failure| failure.class.as_str());
        assert_eq!(class, why.map(|_| "SourceNotAllowed"), "{name}: {ended:#?}");
        let message = &ready(&ended).unwrap().message;
        assert!(message.contains(why.unwrap_or_default()), "{name}: {message}");
    }
    // A name is a name: the API server takes neither an address nor a login in one.
    for spec in [
        json!({ "collectionName": format!("http://{address}/products") }),
        json!({ "collectionName": "products", "databaseName": format!("{address}/default") }),
        json!({ "collectionName": "products", "connectionRef": { "name": address } }),
    ] {
        assert!(put(&world, "refused", spec.clone()).await.is_err(), "{spec} was taken");
    }
    // Fields that there are not are dropped before anyone reads them.
    let unknown = json!({ "name": "default", "address": trap.url() });
    put(&world, "unknown", json!({ "collectionName": "products", "connectionRef": unknown, "address": 1 }))
        .await
        .unwrap();
    assert_eq!(status(&world.until_ended("unknown").await).state.as_deref(), Some("RefreshCompleted"));
    assert_eq!(trap.journal().len(), 0, "the author's Milvus was called");
    assert_eq!(world.milvus.calls(Method::Refresh), 2, "what was refused was not sent either");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_of_another_namespace_cannot_be_named() {
    let world = World::without_operator().await;
    world.put_connection("default", json!({ "address": world.milvus.url(), "allowedSources": ["*"] })).await;
    world.start_operator();
    world.until_connected().await;
    let elsewhere = World::in_namespace(world.cluster, another_namespace(&world).await).await;
    elsewhere.put_secret("theirs", "Opaque", json!({ "spec.json": PLAIN })).await;
    world.milvus.create_collection("products", Plan::completes_in(Duration::ZERO));
    let from = |name: &str| {
        json!({
            "collectionName": "products", "externalSource": "s3://bucket/path",
            "externalSpecFrom": { "secretKeyRef": { "name": name, "key": "spec.json", "namespace": elsewhere.namespace } },
        })
    };
    assert!(put(&world, "path", from(&format!("{}/theirs", elsewhere.namespace))).await.is_err());
    assert!(put(&world, "climbing", from("../theirs")).await.is_err());
    // The API server drops the namespace, which is no field; what is left names a Secret of this namespace.
    put(&world, "named", from("theirs")).await.unwrap();
    let waiting = world.until_reason("named", "SecretNotFound").await;
    assert!(ready(&waiting).unwrap().message.contains("does not exist in this namespace"));
    assert_eq!(world.starts("products"), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_of_another_namespace_cannot_be_reached() {
    let world = World::without_operator().await;
    let elsewhere = World::in_namespace(world.cluster, another_namespace(&world).await).await;
    elsewhere.milvus.create_collection("products", Plan::completes_in(Duration::ZERO));
    elsewhere.put_connection("theirs", json!({ "address": elsewhere.milvus.url() })).await;
    let both = ["--leader-elect=false", "--watch-namespace", &elsewhere.namespace];
    let _operator = world.spawn_operator("both", &world.cluster.operator_kubeconfig, &both);
    elsewhere.until_connection("theirs", "Connected", |_| true).await;
    let by = |connection: Value| json!({ "collectionName": "products", "connectionRef": connection });
    assert!(put(&world, "path", by(json!({ "name": format!("{}/theirs", elsewhere.namespace) }))).await.is_err());
    put(&world, "named", by(json!({ "name": "theirs", "namespace": elsewhere.namespace }))).await.unwrap();
    let waiting = world.until_reason("named", "ConnectionNotReady").await;
    assert!(ready(&waiting).unwrap().message.contains("does not exist in this namespace"));
    assert_eq!(elsewhere.starts("products"), 0);
}

/// Creates a namespace beside that of `world`.
async fn another_namespace(world: &World<'_>) -> String {
    let name = format!("{}-other", world.namespace);
    let metadata = ObjectMeta { name: Some(name.clone()), ..ObjectMeta::default() };
    let namespaces: Api<Namespace> = Api::all(world.client.clone());
    namespaces.create(&PostParams::default(), &Namespace { metadata, ..Namespace::default() }).await.unwrap();
    name
}
