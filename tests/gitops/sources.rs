//! How the real operator is brought into each state of a watched source, on a real S3 server where one can be in that state.

use std::time::Duration;

use k8s_openapi::api::core::v1::Secret;
use kube::{Api, api::PostParams};
use milvus_refresh_operator::api::ExternalCollectionRefresh;
use milvus_simulator::{CollectionSpec, Plan};
use serde_json::{Value, json};

use crate::{
    album::{Album, Picture},
    fakes::Fake,
    gateway::{Gateway, KEY, REGION, SECRET},
    harness::{World, condition},
};

/// The name of each refresh, its collection and its folder in the bucket; how long its source has to be quiet.
const WATCHED: [(&str, u32); 6] =
    [("fresh", 0), ("shrunk", 0), ("rewritten", 0), ("settling", 3600), ("pending", 0), ("shut", 0)];

fn is(reason: &str) -> impl Fn(&ExternalCollectionRefresh) -> bool {
    move |object| condition(object, "SourceFresh").is_some_and(|condition| condition.reason == reason)
}

async fn secret(world: &World<'_>, name: &str, key: &str) {
    let api: Api<Secret> = Api::namespaced(world.client.clone(), &world.namespace);
    let secret = json!({ "metadata": { "name": name }, "stringData": { "accessKeyID": KEY, "secretAccessKey": key } });
    api.create(&PostParams::default(), &serde_json::from_value(secret).unwrap()).await.unwrap();
}

fn watch(quiet: u32) -> Value {
    let objects = json!({ "objects": {}, "intervalSeconds": 30, "quietSeconds": quiet, "maxDelaySeconds": 86_400 });
    json!({ "watch": objects })
}

/// What is not on the S3 server of the others: a store with too many files, a table without the snapshot that is read.
struct Elsewhere {
    store: Fake,
    catalog: Fake,
}

impl Elsewhere {
    async fn start() -> Self {
        Self { store: Fake::endless_store().await, catalog: Fake::catalog().await }
    }

    fn sources(&self) -> [Value; 2] {
        ["s3://endless", "s3://lake"]
            .map(|prefix| json!({ "prefix": prefix, "endpoint": self.store.url, "auth": { "anonymous": {} } }))
    }

    async fn watch(&self, album: &mut Album) {
        let endless = CollectionSpec::external("endless", Plan::completes_in(Duration::ZERO));
        album.world.milvus.create(CollectionSpec { source: "s3://endless/all".to_owned(), ..endless });
        album.refresh("endless", "endless", watch(0)).await;
        album.world.milvus.create_collection("expired", Plan::completes_in(Duration::ZERO));
        let iceberg = json!({ "catalog": "lake", "table": "shop.products" });
        let spec = r#"{"extfs":{"cloud_provider":"aws","region":"eu-central-1","use_iam":"true"}}"#;
        let watch = json!({ "iceberg": iceberg, "intervalSeconds": 30, "quietSeconds": 3600 });
        album.refresh("expired", "expired", json!({ "watch": watch, "externalSpec": spec })).await;
    }

    /// The run that reads the newest snapshot goes on and on.
    async fn expire(&self, album: &Album) {
        album.world.until("expired", "fresh", is_fresh).await;
        album.world.milvus.set_plan("default", "expired", Plan::hangs());
        self.catalog.replace_snapshot();
    }
}

fn is_fresh(object: &ExternalCollectionRefresh) -> bool {
    condition(object, "Complete").is_some_and(|complete| complete.status == "True") && is("UpToDate")(object)
}

pub async fn watched() -> Vec<Picture> {
    let elsewhere = Elsewhere::start().await;
    let store = Gateway::start(None);
    store.bucket("shop").await;
    let world = World::without_operator().await;
    secret(&world, "reader", SECRET).await;
    secret(&world, "wrong", "wrong").await;
    let mut album = Album::of(world);
    let source = |prefix: &str, secret: &str| {
        let auth = json!({ "secretRef": { "name": secret } });
        json!({ "prefix": prefix, "endpoint": store.url, "region": REGION, "auth": auth })
    };
    let mut sources = vec![source("s3://shop", "reader"), source("s3://shop/shut", "wrong")];
    sources.extend(elsewhere.sources());
    let catalogs = [json!({ "name": "lake", "uri": elsewhere.catalog.url })];
    let address = album.world.milvus.url();
    let spec = json!({ "address": address, "allowedSources": ["*"], "sources": sources, "catalogs": catalogs });
    album.connection("default", spec).await;
    album.world.start_operator();
    album.world.until_connected().await;
    for (name, quiet) in WATCHED {
        store.put(&format!("shop/{name}/a.parquet"), "a").await;
        let spec = CollectionSpec::external(name, Plan::completes_in(Duration::ZERO));
        album.world.milvus.create(CollectionSpec { source: format!("s3://shop/{name}"), ..spec });
        album.refresh(name, name, watch(quiet)).await;
    }
    let unlisted = CollectionSpec::external("unlisted", Plan::completes_in(Duration::ZERO));
    album.world.milvus.create(CollectionSpec { source: "s3://elsewhere/unlisted".to_owned(), ..unlisted });
    album.refresh("unlisted", "unlisted", watch(0)).await;
    elsewhere.watch(&mut album).await;
    let table = json!({ "catalog": "unknown", "table": "shop.products" });
    album.world.milvus.create_collection("table", Plan::hangs());
    album.refresh("table", "table", json!({ "watch": { "iceberg": table } })).await;

    for (name, _) in WATCHED.iter().filter(|(name, _)| *name != "shut") {
        album.world.until(name, "fresh", is_fresh).await;
    }
    elsewhere.expire(&album).await;
    let fails = Plan::fails_in(Duration::ZERO, "no files found in external source");
    album.world.milvus.set_plan("default", "pending", fails);
    store.put("shop/pending/b.parquet", "b").await;
    store.remove("shop/shrunk/a.parquet").await;
    store.put("shop/rewritten/a.parquet", "something else").await;
    store.put("shop/settling/b.parquet", "b").await;

    album.picture("its source is watched, and the collection is fresh", "fresh").await;
    for (state, name, reason) in [
        ("its source has changed and is not quiet yet", "settling", "Settling"),
        ("too much of its source is gone: held", "shrunk", "Held"),
        ("files of its source were rewritten in place", "rewritten", "InPlaceRewrite"),
        ("its source cannot be looked at", "shut", "CheckFailed"),
        ("its source may not be looked at", "unlisted", "NotAllowed"),
        ("its source has more files than are looked at", "endless", "ListingTooLarge"),
    ] {
        album.world.until(name, reason, is(reason)).await;
        album.world.until_ended(name).await;
        album.picture(state, name).await;
    }
    let failed = |object: &ExternalCollectionRefresh| {
        condition(object, "Failed").is_some_and(|failed| failed.status == "True") && is("ChangePending")(object)
    };
    album.world.until("pending", "failed for the change", failed).await;
    album.picture("its source has changed, and the run for that has failed", "pending").await;
    album.world.until("expired", "expired", is("PinnedSnapshotExpired")).await;
    album.picture_of("its table has expired the snapshot that it reads", "expired", "RefreshInProgress").await;
    album.picture_of("its catalog does not say what to read", "table", "SourceNotResolved").await;
    album.assert_no_drift();
    album.pictures
}
