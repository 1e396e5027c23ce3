//! Refreshes that nobody asked for: the real operator, a real S3 server, a real Iceberg catalog.

use std::time::Duration;

use kube::api::{Patch, PatchParams};
use milvus_refresh_operator::api::{ExternalCollectionRefresh, WatchStatus};
use milvus_simulator::{CollectionSpec, Plan};
use serde_json::{Value, json};

use crate::{
    admission::dry_run,
    catalog::Catalog,
    gateway::{Gateway, KEY, REGION, SECRET},
    harness::{World, condition, refresh, status},
};

const SOURCE: &str = "s3://shop/products";

/// A namespace whose connection may watch a bucket with one file in it, and an operator.
struct Shop {
    world: World<'static>,
    store: Gateway,
}

impl Shop {
    async fn open() -> Self {
        let shop = Self::without_operator().await;
        shop.world.start_operator();
        shop.world.until_connected().await;
        shop
    }

    async fn without_operator() -> Self {
        let store = Gateway::start(None);
        store.bucket("shop").await;
        store.put("shop/products/a.parquet", "a").await;
        let world = World::without_operator().await;
        secret(&world, "reader", json!({ "accessKeyID": KEY, "secretAccessKey": SECRET })).await;
        let sources = json!([source(&store, "s3://shop", "reader")]);
        world.connect_with(json!({ "sources": sources })).await;
        collection(&world, "products", Duration::ZERO);
        Self { world, store }
    }

    /// A refresh that looks as often as it may.
    async fn watch(&self, more: Value) {
        self.watch_as("products", more, json!({})).await;
    }

    async fn watch_as(&self, name: &str, more: Value, spec: Value) {
        let mut watch = json!({ "objects": {}, "intervalSeconds": 30, "quietSeconds": 0, "minIntervalSeconds": 1 });
        watch.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let mut spec = spec;
        spec["watch"] = watch;
        self.world.create_with(name, "products", spec).await;
    }

    async fn until_run(&self, name: &str, number: i64) -> ExternalCollectionRefresh {
        let is_done = |object: &ExternalCollectionRefresh| {
            let Some(status) = &object.status else { return false };
            let run = status.run.as_ref().map(|run| run.number);
            run == Some(number) && status.state.as_deref() == Some("RefreshCompleted") && fresh(object) == "UpToDate"
        };
        self.world.until(name, &format!("fresh after run {number}"), is_done).await
    }

    async fn until_fresh(&self, name: &str, reason: &str) -> ExternalCollectionRefresh {
        self.world.until(name, reason, |object| fresh(object) == reason).await
    }
}

fn source(store: &Gateway, prefix: &str, secret: &str) -> Value {
    let auth = json!({ "secretRef": { "name": secret } });
    json!({ "prefix": prefix, "endpoint": store.url, "region": REGION, "auth": auth })
}

fn collection(world: &World<'_>, name: &str, duration: Duration) {
    let spec = CollectionSpec::external(name, Plan::completes_in(duration));
    world.milvus.create(CollectionSpec { source: SOURCE.into(), ..spec });
}

async fn secret(world: &World<'_>, name: &str, data: Value) {
    let api: kube::Api<k8s_openapi::api::core::v1::Secret> =
        kube::Api::namespaced(world.client.clone(), &world.namespace);
    let secret = json!({ "apiVersion": "v1", "kind": "Secret", "metadata": { "name": name }, "stringData": data });
    api.patch(name, &PatchParams::apply("test").force(), &Patch::Apply(secret)).await.unwrap();
}

fn fresh(object: &ExternalCollectionRefresh) -> &str {
    condition(object, "SourceFresh").map_or("", |fresh| &fresh.reason)
}

fn says(object: &ExternalCollectionRefresh) -> &str {
    condition(object, "SourceFresh").map_or("", |fresh| &fresh.message)
}

fn watched(object: &ExternalCollectionRefresh) -> &WatchStatus {
    status(object).watch.as_ref().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_put_starts_one_run_that_nobody_asked_for() {
    let shop = Shop::open().await;
    shop.watch(json!({})).await;
    let first = shop.until_run("products", 1).await;
    assert_eq!(status(&first).run.as_ref().unwrap().cause.as_deref(), Some("Creation"));
    assert_eq!(watched(&first).objects, Some(1));
    shop.store.put("shop/products/_temporary/b.parquet", "b").await;
    shop.store.put("shop/products/b.parquet", "b").await;
    let second = shop.until_run("products", 2).await;
    assert_eq!(status(&second).run.as_ref().unwrap().cause.as_deref(), Some("SourceChanged"));
    assert_eq!(watched(&second).objects, Some(2), "without what is hidden");
    assert_eq!(watched(&second).refreshed_version, watched(&second).observed_version);
    let events = shop.world.kubectl(&["get", "events", "-o", "jsonpath={.items[*].reason}"]);
    assert!(events.contains("SourceChanged"), "{events}");
    let table = shop.world.kubectl(&["get", "ecrefresh", "products", "-o", "wide"]);
    for word in ["FRESH", "UpToDate", "SourceChanged"] {
        assert!(table.contains(word), "{word} is not in\n{table}");
    }
    assert_eq!(shop.world.starts("products"), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_emptied_source_is_held_until_a_person_asks() {
    let shop = Shop::open().await;
    shop.watch(json!({})).await;
    shop.until_run("products", 1).await;
    shop.store.remove("shop/products/a.parquet").await;
    let held = shop.until_fresh("products", "Held").await;
    assert!(says(&held).contains("spec.trigger"), "{}", says(&held));
    assert_eq!(shop.world.starts("products"), 1);
    shop.world.edit("products", json!({ "spec": { "trigger": "that is right" } })).await;
    let released = shop.until_run("products", 2).await;
    assert_eq!(status(&released).run.as_ref().unwrap().cause.as_deref(), Some("Trigger"));
    assert_eq!(watched(&released).objects, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn files_that_are_rewritten_in_place_are_named_and_start_nothing() {
    let shop = Shop::open().await;
    shop.store.put("shop/products/b.parquet", "b").await;
    shop.watch(json!({})).await;
    shop.until_run("products", 1).await;
    shop.store.put("shop/products/b.parquet", "something else").await;
    let named = |object: &ExternalCollectionRefresh| {
        fresh(object) == "InPlaceRewrite"
            && watched(object).rewritten.as_ref().is_some_and(|listed| !listed.names.is_empty())
    };
    let rewritten = shop.world.until("products", "rewritten", named).await;
    let listed = watched(&rewritten).rewritten.clone().unwrap();
    // The store keeps whole seconds: what was written in the second of the look may be named as well.
    assert!(listed.names.contains(&"b.parquet".to_owned()), "{listed:?}");
    assert_eq!(shop.world.starts("products"), 1);
    shop.store.put("shop/products/b.parquet", "b").await;
    shop.until_run("products", 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn where_a_connection_does_not_let_look_other_runs_go_on_until_it_does() {
    let shop = Shop::open().await;
    let elsewhere = json!({ "spec": { "sources": [source(&shop.store, "s3://elsewhere", "reader")] } });
    shop.world.connections().patch("default", &PatchParams::default(), &Patch::Merge(elsewhere)).await.unwrap();
    shop.watch(json!({})).await;
    let refused = shop.until_fresh("products", "NotAllowed").await;
    assert!(says(&refused).contains("spec.sources"), "{}", says(&refused));
    let done = |object: &ExternalCollectionRefresh| status(object).state.as_deref() == Some("RefreshCompleted");
    shop.world.until("products", "completed", done).await;
    assert_eq!(shop.world.starts("products"), 1);
    let allowed = json!({ "spec": { "sources": [source(&shop.store, "s3://shop/products", "reader")] } });
    shop.world.connections().patch("default", &PatchParams::default(), &Patch::Merge(allowed)).await.unwrap();
    // What the run had not seen counts as a change.
    shop.until_run("products", 2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_credentials_are_said_and_heal_with_the_secret_and_another_watch_goes_on() {
    let shop = Shop::without_operator().await;
    secret(&shop.world, "reader", json!({ "accessKeyID": KEY, "secretAccessKey": "hunter2-is-wrong" })).await;
    secret(&shop.world, "other", json!({ "accessKeyID": KEY, "secretAccessKey": SECRET })).await;
    shop.store.put("shop/orders/a.parquet", "a").await;
    let sources = json!([source(&shop.store, "s3://shop", "reader"), source(&shop.store, "s3://shop/orders", "other")]);
    let patch = json!({ "spec": { "sources": sources } });
    shop.world.connections().patch("default", &PatchParams::default(), &Patch::Merge(patch)).await.unwrap();
    let orders = CollectionSpec::external("orders", Plan::completes_in(Duration::ZERO));
    shop.world.milvus.create(CollectionSpec { source: "s3://shop/orders".into(), ..orders });
    shop.world.start_operator();
    shop.watch(json!({})).await;
    let watch = json!({ "objects": {}, "intervalSeconds": 30, "quietSeconds": 0, "minIntervalSeconds": 1 });
    shop.world.create_with("orders", "orders", json!({ "watch": watch })).await;
    let failed = shop.until_fresh("products", "CheckFailed").await;
    let text = serde_json::to_string(&failed).unwrap();
    assert!(!text.contains("hunter2"), "{text}");
    shop.until_run("orders", 1).await;
    secret(&shop.world, "reader", json!({ "accessKeyID": KEY, "secretAccessKey": SECRET })).await;
    shop.until_run("products", 2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_after_a_change_was_seen_and_while_its_run_is_under_way_there_is_one_run_for_it() {
    let shop = Shop::open().await;
    collection(&shop.world, "products", Duration::from_secs(3));
    shop.watch(json!({ "quietSeconds": 20 })).await;
    shop.until_run("products", 1).await;
    shop.store.put("shop/products/b.parquet", "b").await;
    shop.until_fresh("products", "Settling").await;
    shop.world.kill_operator();
    shop.world.start_operator();
    let claimed = |object: &ExternalCollectionRefresh| {
        status(object).run.as_ref().is_some_and(|run| run.number == 2 && run.submit_time.is_some())
    };
    shop.world.until("products", "claimed", claimed).await;
    shop.world.kill_operator();
    shop.world.start_operator();
    let done = shop.until_run("products", 2).await;
    assert_eq!(watched(&done).objects, Some(2));
    assert_eq!(shop.world.starts("products"), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_to_an_iceberg_table_starts_a_run_that_brings_its_snapshot() {
    let store = Gateway::start(None);
    let lake = Catalog::start(&store, "", None).await;
    let first = lake.write("shop.products", &["create", "append=3"]).unwrap();
    let world = World::without_operator().await;
    world
        .connect_with(json!({ "allowedSources": ["*"], "catalogs": [{ "name": "lake", "uri": lake.url }],
                "sources": [{ "prefix": "s3://warehouse", "endpoint": store.url, "auth": { "anonymous": {} } }] }))
        .await;
    world.milvus.create_collection("products", Plan::completes_in(Duration::ZERO));
    world.start_operator();
    let iceberg = json!({ "catalog": "lake", "table": "shop.products" });
    let watch = json!({ "iceberg": iceberg, "intervalSeconds": 30, "minIntervalSeconds": 1 });
    let spec = r#"{"extfs":{"cloud_provider":"aws","region":"eu-central-1","use_iam":"true"}}"#;
    world.create_with("products", "products", json!({ "watch": watch, "externalSpec": spec })).await;
    let is_of = |number: i64| {
        move |object: &ExternalCollectionRefresh| {
            let run = object.status.as_ref().and_then(|status| status.run.as_ref());
            run.is_some_and(|run| run.number == number) && fresh(object) == "UpToDate"
        }
    };
    let done = world.until("products", "of the first snapshot", is_of(1)).await;
    let run = status(&done).run.as_ref().unwrap();
    assert_eq!(run.source_version.as_deref(), Some(first.snapshot.to_string().as_str()));
    let second = lake.write("shop.products", &["append=2"]).unwrap();
    let done = world.until("products", "of the second snapshot", is_of(2)).await;
    let run = status(&done).run.as_ref().unwrap();
    assert_eq!(run.source_version.as_deref(), Some(second.snapshot.to_string().as_str()));
    assert_eq!(run.cause.as_deref(), Some("SourceChanged"));
    assert_eq!(status(&done).external_source, run.external_source, "Milvus was told to read that metadata file");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_its_catalog_a_table_starts_nothing() {
    let world = World::without_operator().await;
    world.connect_with(json!({ "allowedSources": ["*"] })).await;
    world.milvus.create_collection("products", Plan::completes_in(Duration::ZERO));
    world.start_operator();
    let iceberg = json!({ "catalog": "lake", "table": "shop.products" });
    world.create_with("products", "products", json!({ "watch": { "iceberg": iceberg } })).await;
    let waits = world.until_reason("products", "SourceNotResolved").await;
    assert_eq!(fresh(&waits), "NotAllowed");
    assert!(says(&waits).contains("lake"), "{}", says(&waits));
    assert_eq!(world.starts("products"), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_makes_no_sense_is_refused() {
    let world = World::without_operator().await;
    let spec = |more: Value| {
        let mut spec = json!({ "collectionName": "products" });
        spec.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        refresh("products", spec)
    };
    let table = json!({ "catalog": "lake", "table": "shop.products" });
    for (more, says) in [
        (json!({ "watch": {} }), "either objects or iceberg"),
        (json!({ "watch": { "objects": {}, "iceberg": table } }), "either objects or iceberg"),
        (json!({ "watch": { "objects": {}, "intervalSeconds": 29 } }), "intervalSeconds"),
        (json!({ "watch": { "objects": { "marker": "a/b" } } }), "without a folder"),
        (json!({ "watch": { "iceberg": { "catalog": "lake", "table": "products" } } }), "namespace.table"),
        (json!({ "watch": { "objects": {}, "maxShrinkPercent": 0 } }), "maxShrinkPercent"),
        (json!({ "watch": { "objects": {} }, "ttlSecondsAfterFinished": 60 }), "watch or ttlSecondsAfterFinished"),
        (
            json!({ "watch": { "iceberg": table }, "externalSource": "s3://b/p", "externalSpec": "{}" }),
            "which brings the source",
        ),
        (json!({ "externalSpec": "{}" }), "set externalSource together with"),
    ] {
        let refused = dry_run(&world, spec(more.clone())).await.expect_err(&more.to_string());
        assert!(refused.contains(says), "{more}: {refused}");
    }
    for more in [
        json!({ "watch": { "objects": {} } }),
        json!({ "watch": { "objects": { "include": ["*.parquet"], "marker": "_SUCCESS" } } }),
        json!({ "watch": { "iceberg": table }, "externalSpec": "{}" }),
        json!({ "watch": { "iceberg": table } }),
    ] {
        dry_run(&world, spec(more.clone())).await.unwrap_or_else(|error| panic!("{more}: {error}"));
    }
}
