//! A source that a refresh brings along, with its spec in the object or in a Secret.

use std::time::Duration;

use k8s_openapi::{ByteString, api::core::v1::Secret};
use kube::{
    Api, ResourceExt,
    api::{Patch, PatchParams, PostParams},
};
use milvus_refresh_operator::api::ExternalCollectionRefresh;
use milvus_simulator::{Method, Plan};
use serde_json::{Value, json};

use crate::harness::{World, condition, ready, refresh, status};

const SOURCE: &str = "s3://lake/products";
const PLAIN: &str = r#"{"format":"parquet","extfs":{"use_iam":"true","cloud_provider":"aws","region":"eu-central-1"}}"#;
const WITH_KEYS: &str = r#"{"format":"parquet","extfs":{"access_key_id":"AKIA7","access_key_value":"hunter2","cloud_provider":"aws","region":"eu-central-1"}}"#;

/// A world whose connection allows these sources.
async fn allowing(sources: &[&str]) -> World<'static> {
    let world = World::without_operator().await;
    world.put_connection("default", json!({ "address": world.milvus.url(), "allowedSources": sources })).await;
    world.start_operator();
    world.until_connected().await;
    world
}

fn plain(source: &str) -> Value {
    json!({ "externalSource": source, "externalSpec": PLAIN })
}

fn from(secret: &str, key: &str) -> Value {
    json!({ "externalSource": SOURCE, "externalSpecFrom": { "secretKeyRef": { "name": secret, "key": key } } })
}

impl World<'_> {
    /// Creates a refresh of the collection of its own name, which brings this along.
    async fn put_overriding(&self, name: &str, overrides: Value) -> kube::Result<ExternalCollectionRefresh> {
        let mut spec = overrides;
        spec["collectionName"] = name.into();
        let object = serde_json::from_value(refresh(name, spec)).unwrap();
        self.refreshes().create(&PostParams::default(), &object).await
    }

    /// The refresh once it has ended as of its present generation.
    async fn until_settled(&self, name: &str) -> ExternalCollectionRefresh {
        let settled = |object: &ExternalCollectionRefresh| {
            status(object).observed_generation == object.metadata.generation
                && ["Complete", "Failed"]
                    .iter()
                    .any(|type_| condition(object, type_).is_some_and(|c| c.status == "True"))
        };
        self.until(name, "settled", settled).await
    }

    async fn edit_secret(&self, name: &str, change: Value) {
        let secrets: Api<Secret> = Api::namespaced(self.client.clone(), &self.namespace);
        secrets.patch(name, &PatchParams::default(), &Patch::Merge(change)).await.unwrap();
    }

    /// Shows that the operator has been at work since: a refresh that comes now runs to its end.
    async fn until_another_ended(&self, name: &str) {
        self.milvus.create_collection(name, Plan::completes_in(Duration::ZERO));
        self.create(name, name).await;
        self.until_ended(name).await;
    }
}

fn class(object: &ExternalCollectionRefresh) -> &str {
    &status(object).failure.as_ref().unwrap().class
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_of_the_source_starts_a_run_and_so_does_its_reversal() {
    let world = allowing(&["s3://lake"]).await;
    world.milvus.create_collection("products", Plan::completes_in(Duration::ZERO));
    world.put_overriding("products", plain("s3://lake/a")).await.unwrap();
    for (starts, source) in [(1, "s3://lake/a"), (2, "s3://lake/b"), (3, "s3://lake/a")] {
        world.edit("products", json!({ "spec": { "externalSource": source } })).await;
        let done = world.until_settled("products").await;
        assert_eq!(status(&done).state.as_deref(), Some("RefreshCompleted"));
        assert_eq!(status(&done).external_source.as_deref(), Some(source), "the job's own source");
        assert_eq!(world.starts("products"), starts);
    }
    // Milvus keeps source and spec for a refresh that names none.
    let none = json!({ "spec": { "externalSource": null, "externalSpec": null } });
    world.edit("products", none).await;
    let done = world.until_settled("products").await;
    assert_eq!(status(&done).external_source.as_deref(), Some("s3://lake/a"));
    assert_eq!(world.starts("products"), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_content_of_the_secret_alone_starts_nothing_and_neither_does_a_restart() {
    let world = allowing(&["*"]).await;
    world.milvus.create_collection("products", Plan::completes_in(Duration::ZERO));
    world.put_secret("lake", "Opaque", json!({ "spec.json": WITH_KEYS, "other.json": PLAIN })).await;
    world.put_overriding("products", from("lake", "spec.json")).await.unwrap();
    let done = world.until_settled("products").await;
    assert_eq!(status(&done).state.as_deref(), Some("RefreshCompleted"));
    assert_eq!(status(&done).external_source.as_deref(), Some(SOURCE));
    let rotated = WITH_KEYS.replace("hunter2", "hunter3");
    world.edit_secret("lake", json!({ "stringData": { "spec.json": rotated } })).await;
    world.edit("products", json!({ "metadata": { "labels": { "looked": "at" } } })).await;
    world.until_another_ended("edited").await;
    world.kill_operator();
    world.start_operator();
    world.until_another_ended("restarted").await;
    assert_eq!(world.starts("products"), 1);
    let now = world.refreshes().get("products").await.unwrap();
    assert_eq!(now.status, done.status);
    // Another key of the Secret is another source.
    world.edit("products", json!({ "spec": from("lake", "other.json") })).await;
    world.until_settled("products").await;
    assert_eq!(world.starts("products"), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_the_connection_does_not_allow_fails_and_nothing_is_sent() {
    let world = allowing(&[]).await;
    world.milvus.create_collection("products", Plan::completes_in(Duration::ZERO));
    world.put_overriding("products", plain(SOURCE)).await.unwrap();
    let failed = world.until_settled("products").await;
    assert_eq!(class(&failed), "SourceNotAllowed");
    assert_eq!(condition(&failed, "Failed").unwrap().reason, "SourceNotAllowed");
    assert_eq!(world.milvus.calls(Method::Refresh), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn allowed_sources_that_are_narrowed_between_two_runs_take_effect() {
    let world = allowing(&["s3://lake"]).await;
    world.milvus.create_collection("products", Plan::completes_in(Duration::ZERO));
    world.put_overriding("products", plain("s3://lake/a/1")).await.unwrap();
    assert_eq!(status(&world.until_settled("products").await).state.as_deref(), Some("RefreshCompleted"));
    let narrowed = Patch::Merge(json!({ "spec": { "allowedSources": ["s3://lake/b"] } }));
    let connection = world.connections().patch("default", &PatchParams::default(), &narrowed).await.unwrap();
    let seen = connection.metadata.generation;
    world.until_connection("default", "Connected", |ready| ready.observed_generation == seen).await;
    world.edit("products", json!({ "spec": { "trigger": "again" } })).await;
    assert_eq!(class(&world.until_settled("products").await), "SourceNotAllowed");
    assert_eq!(world.starts("products"), 1);
    world.edit("products", json!({ "spec": { "externalSource": "s3://lake/b" } })).await;
    assert_eq!(status(&world.until_settled("products").await).state.as_deref(), Some("RefreshCompleted"));
    assert_eq!(world.starts("products"), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_secret_and_then_a_missing_key_are_waited_for() {
    let world = allowing(&["*"]).await;
    world.milvus.create_collection("products", Plan::completes_in(Duration::ZERO));
    world.put_overriding("products", from("lake", "spec.json")).await.unwrap();
    let waits = async |says: &str| {
        let says = says.to_owned();
        let waiting = world
            .until("products", "waiting", |object| {
                ready(object).is_some_and(|r| r.reason == "SecretNotFound" && r.message.starts_with(&says))
            })
            .await;
        assert_eq!(ready(&waiting).unwrap().status, "Unknown");
        assert_eq!(condition(&waiting, "Reconciling").unwrap().status, "True");
        assert_eq!(condition(&waiting, "Stalled").unwrap().status, "False");
    };
    waits("Secret lake of spec.externalSpecFrom does not exist").await;
    world.put_secret("lake", "Opaque", json!({ "spec.yaml": PLAIN })).await;
    waits("Secret lake has no key spec.json").await;
    assert_eq!(world.milvus.calls(Method::Refresh), 0);
    world.edit_secret("lake", json!({ "stringData": { "spec.json": WITH_KEYS } })).await;
    assert_eq!(status(&world.until_settled("products").await).state.as_deref(), Some("RefreshCompleted"));
    assert_eq!(world.starts("products"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_spec_that_milvus_would_refuse_or_misread_is_not_sent() {
    let world = allowing(&["*"]).await;
    let padded = |bytes: usize| format!("{PLAIN}{}", " ".repeat(bytes - PLAIN.len()));
    let utf8 = "must contain the external spec as JSON in UTF-8";
    let table = [
        ("binary", b"\xff{}".to_vec(), utf8),
        ("empty", Vec::new(), utf8),
        ("blank", b" \n".to_vec(), utf8),
        ("list", b"[]".to_vec(), "JSON, but not an object"),
        ("number", b"7".to_vec(), "JSON, but not an object"),
        ("broken", br#"{"extfs":{"access_key_value":"hunter2"}"#.to_vec(), "cannot be used"),
        ("twice", br#"{"format":"parquet","format":"hunter2"}"#.to_vec(), "occurs twice"),
        ("long", padded(65_537).into_bytes(), "more than the allowed 65536"),
    ];
    for (name, content, _) in &table {
        let data = json!({ "spec.json": ByteString(content.clone()) });
        world.put::<Secret>(json!({ "metadata": { "name": name }, "data": data })).await;
        world.milvus.create_collection(name, Plan::completes_in(Duration::ZERO));
        world.put_overriding(name, from(name, "spec.json")).await.unwrap();
    }
    let inline = |text: &str| json!({ "externalSource": SOURCE, "externalSpec": text });
    // What the schema counts in characters is bounded in bytes, and what CEL searches as text is read as JSON.
    let umlauts = format!(r#"{{"columns":["{}"]}}"#, "ü".repeat(40_000));
    let escaped = PLAIN.replace("use_iam\":\"true", "access_key\\u005fvalue\":\"hunter2");
    let plain = [
        ("characters", inline(&umlauts), "more than the allowed 65536"),
        ("escaped", inline(&escaped), "contains the credential key \"access_key_value\""),
        ("text", inline("hunter2"), "cannot be used"),
    ];
    for (name, overrides, _) in &plain {
        world.milvus.create_collection(name, Plan::completes_in(Duration::ZERO));
        world.put_overriding(name, overrides.clone()).await.unwrap();
    }
    let all =
        table.iter().map(|(name, _, says)| (*name, *says)).chain(plain.iter().map(|(name, _, says)| (*name, *says)));
    for (name, says) in all {
        let failed = world.until_settled(name).await;
        assert_eq!(class(&failed), "InvalidSpec", "{name}");
        let message = &ready(&failed).unwrap().message;
        assert!(message.contains(says) && !message.contains("hunter"), "{name}: {message}");
        assert_eq!(condition(&failed, "Stalled").unwrap().status, "True", "{name}");
    }
    assert_eq!(world.milvus.calls(Method::Refresh), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_longest_spec_is_sent_and_the_api_server_refuses_a_longer_one_and_credentials() {
    let world = allowing(&["*"]).await;
    world.milvus.create_collection("products", Plan::completes_in(Duration::ZERO));
    let padded = |bytes: usize| format!("{PLAIN}{}", " ".repeat(bytes - PLAIN.len()));
    let inline = |text: &str| json!({ "externalSource": SOURCE, "externalSpec": text });
    for (text, says) in [(padded(65_537), "65536"), (WITH_KEYS.to_owned(), "must not contain credentials")] {
        let refused = world.put_overriding("products", inline(&text)).await.unwrap_err().to_string();
        assert!(refused.contains(says), "{refused}");
    }
    world.put_overriding("products", inline(&padded(65_536))).await.unwrap();
    assert_eq!(status(&world.until_settled("products").await).state.as_deref(), Some("RefreshCompleted"));
    assert_eq!(world.starts("products"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn credentials_of_kubernetes_and_secrets_that_are_not_marked_are_not_sent() {
    let world = World::without_operator().await;
    world.put_connection("default", json!({ "address": world.milvus.url(), "allowedSources": ["*"] })).await;
    let marked = json!({ "milvus-refresh.dev/allow": "true" });
    for (name, type_, labels) in [
        ("account", "kubernetes.io/service-account-token", &marked),
        ("bootstrap", "bootstrap.kubernetes.io/token", &marked),
        ("unmarked", "Opaque", &json!({})),
        ("marked", "Opaque", &marked),
    ] {
        let metadata = json!({
            "name": name, "labels": labels, "annotations": { "kubernetes.io/service-account.name": "somebody" },
        });
        let data = json!({ "token": WITH_KEYS });
        world.put::<Secret>(json!({ "metadata": metadata, "type": type_, "stringData": data })).await;
        world.milvus.create_collection(name, Plan::completes_in(Duration::ZERO));
        world.put_overriding(name, from(name, "token")).await.unwrap();
    }
    let args = ["--leader-elect=false", "--require-secret-label"];
    let _operator = world.spawn_operator("labels", &world.cluster.operator_kubeconfig, &args);
    for (name, says) in [
        ("account", "Secret account is of type kubernetes.io/service-account-token"),
        ("bootstrap", "Secret bootstrap is of type bootstrap.kubernetes.io/token"),
        ("unmarked", "Secret unmarked lacks the label"),
    ] {
        let failed = world.until_settled(name).await;
        assert_eq!(class(&failed), "InvalidSpec", "{name}");
        assert!(ready(&failed).unwrap().message.starts_with(says), "{name}: {:?}", ready(&failed));
        assert_eq!(world.starts(name), 0, "{}", failed.name_any());
    }
    assert_eq!(status(&world.until_settled("marked").await).state.as_deref(), Some("RefreshCompleted"));
    assert_eq!(world.milvus.calls(Method::Refresh), 1);
}
