//! How the real operator is brought into each state of a watched source, on a real S3 server.

use std::time::Duration;

use k8s_openapi::api::core::v1::Secret;
use kube::{Api, api::PostParams};
use milvus_refresh_operator::api::ExternalCollectionRefresh;
use milvus_simulator::{CollectionSpec, Plan};
use serde_json::{Value, json};

use crate::{
    album::{Album, Picture},
    gateway::{Gateway, KEY, REGION, SECRET},
    harness::{World, condition},
};

/// The name of each refresh, its collection and its folder in the bucket; how long its source has to be quiet.
const WATCHED: [(&str, u32); 5] = [("fresh", 0), ("shrunk", 0), ("rewritten", 0), ("settling", 3600), ("shut", 0)];

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

pub async fn watched() -> Vec<Picture> {
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
    let sources = [source("s3://shop", "reader"), source("s3://shop/shut", "wrong")];
    let address = album.world.milvus.url();
    album.connection("default", json!({ "address": address, "allowedSources": ["*"], "sources": sources })).await;
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
    let table = json!({ "catalog": "lake", "table": "shop.products" });
    album.world.milvus.create_collection("table", Plan::hangs());
    album.refresh("table", "table", json!({ "watch": { "iceberg": table } })).await;

    let fresh = |object: &ExternalCollectionRefresh| {
        let done = condition(object, "Complete").is_some_and(|complete| complete.status == "True");
        done && is("UpToDate")(object)
    };
    for (name, _) in WATCHED.iter().filter(|(name, _)| *name != "shut") {
        album.world.until(name, "fresh", fresh).await;
    }
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
    ] {
        album.world.until(name, reason, is(reason)).await;
        album.world.until_ended(name).await;
        album.picture(state, name).await;
    }
    album.picture_of("its catalog does not say what to read", "table", "SourceNotResolved").await;
    album.assert_no_drift();
    album.pictures
}
