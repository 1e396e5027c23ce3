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

pub async fn dry_run(world: &World<'_>, object: Value) -> Result<DynamicObject, String> {
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
        json!({ "milvusRef": { "name": "a".repeat(56) } }),
        json!({ "address": null, "milvusRef": { "name": "main-1" } }),
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
        (json!({ "collectionName": "p", "connectionRef": { "name": "A" } }), "must be a valid MilvusConnection name"),
        (json!({ "collectionName": "p", "connectionRef": { "name": "a".repeat(254) } }), "253"),
        (json!({ "collectionName": "p", "connectionRef": { "name": "" } }), "should be at least 1 chars long"),
    ] {
        let refused = dry_run(&world, refresh("x", spec.clone())).await.expect_err(&spec.to_string());
        assert!(refused.contains(says), "{spec}: {refused}");
    }
    for (spec, says) in [
        (json!({}), "set either address or milvusRef"),
        (json!({ "address": null }), "set either address or milvusRef"),
        (json!({ "address": "http://m:1", "milvusRef": { "name": "main" } }), "set either address or milvusRef"),
        (json!({ "milvusRef": {} }), "name: Required value"),
        (json!({ "milvusRef": { "name": "a.b" } }), "must be the name of a Milvus"),
        (json!({ "milvusRef": { "name": "1a" } }), "must be the name of a Milvus"),
        (json!({ "milvusRef": { "name": "a-" } }), "must be the name of a Milvus"),
        (json!({ "milvusRef": { "name": "a".repeat(57) } }), "56"),
        (json!({ "address": "milvus:19530" }), "must be http://host:port"),
        (json!({ "address": "http://milvus" }), "must be http://host:port"),
        (json!({ "address": "http://milvus:19530/" }), "must be http://host:port"),
        (json!({ "address": "http://u:p@milvus:19530" }), "must be http://host:port"),
        (json!({ "address": "ftp://milvus:19530" }), "must be http://host:port"),
        (json!({ "address": "http://mil vus:19530" }), "must be http://host:port"),
        (json!({ "address": format!("http://{}:1", "m".repeat(600)) }), "512"),
        (json!({ "address": "http://m:1", "auth": {} }), "secretRef: Required value"),
        (json!({ "address": "http://m:1", "auth": { "secretRef": { "name": "A_B" } } }), "must be a valid Secret name"),
        (json!({ "address": "http://m:1", "tls": {} }), "tls is for an address that begins with https://"),
        (json!({ "address": "https://m:1", "tls": { "serverName": "m:1" } }), "must be a DNS name"),
        (json!({ "address": "https://m:1", "tls": { "caRef": { "name": "ca" } } }), "kind: Required value"),
        (
            json!({ "address": "https://m:1", "tls": { "caRef": { "kind": "Pod", "name": "ca" } } }),
            "supported values: \"Secret\", \"ConfigMap\"",
        ),
        (
            json!({ "address": "https://m:1", "tls": { "caRef": { "kind": "Secret", "name": "ca", "key": "a/b" } } }),
            "must be a valid key of a Secret",
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

#[tokio::test(flavor = "multi_thread")]
async fn a_source_comes_with_one_spec_or_not_at_all() {
    let world = World::without_operator().await;
    let from = json!({ "secretKeyRef": { "name": "lake", "key": "spec.json" } });
    let source = "s3://lake/products";
    for overrides in [
        json!({}),
        json!({ "externalSource": source, "externalSpec": "{}" }),
        json!({ "externalSource": source, "externalSpecFrom": from }),
        json!({ "externalSource": null, "externalSpec": null, "externalSpecFrom": null }),
        json!({ "externalSource": source, "externalSpec": "{}", "externalSpecFrom": null }),
        json!({ "externalSource": format!("s3://{}", "a".repeat(2043)), "externalSpec": "x".repeat(65_536) }),
        json!({ "externalSource": "minio://store.data.svc:9000/lake/größe/a%20b", "externalSpec": "{}" }),
        json!({ "externalSource": source, "externalSpec": r#"{"columns":["access_key_id"],"extfs":{"use_iam":"true"}}"# }),
        json!({ "externalSource": source, "externalSpecFrom": { "secretKeyRef": { "name": "a.b-1", "key": "A_b-.c" } } }),
    ] {
        let accepted = dry_run(&world, with_source(&overrides)).await;
        accepted.unwrap_or_else(|error| panic!("{overrides}: {error}"));
    }
    let together = "set externalSource together with either externalSpec or externalSpecFrom";
    let (uri, login, name) =
        ("must be a URI with a host or bucket", "must not contain credentials", "must be a valid Secret name");
    let secret = |name: &str, key: &str| json!({ "secretKeyRef": { "name": name, "key": key } });
    for (overrides, says) in [
        (json!({ "externalSource": source }), together),
        (json!({ "externalSpec": "{}" }), together),
        (json!({ "externalSpecFrom": from }), together),
        (json!({ "externalSpec": "{}", "externalSpecFrom": from }), together),
        (json!({ "externalSource": source, "externalSpec": "{}", "externalSpecFrom": from }), together),
        (json!({ "externalSource": source, "externalSpec": null }), together),
        (json!({ "externalSource": "", "externalSpec": "{}" }), "should be at least 1 chars long"),
        (json!({ "externalSource": source, "externalSpec": "" }), "should be at least 1 chars long"),
        (json!({ "externalSource": format!("s3://{}", "a".repeat(2044)), "externalSpec": "{}" }), "2048"),
        (json!({ "externalSource": source, "externalSpec": "x".repeat(65_537) }), "65536"),
        (json!({ "externalSource": "lake/products", "externalSpec": "{}" }), uri),
        (json!({ "externalSource": "file:///etc", "externalSpec": "{}" }), uri),
        (json!({ "externalSource": "https://lake/x", "externalSpec": "{}" }), uri),
        (json!({ "externalSource": "S3://lake/x", "externalSpec": "{}" }), uri),
        (json!({ "externalSource": "s3:///x", "externalSpec": "{}" }), uri),
        (json!({ "externalSource": "s3://user:pass@lake/x", "externalSpec": "{}" }), uri),
        (json!({ "externalSource": "s3://lake\\@evil/x", "externalSpec": "{}" }), uri),
        (json!({ "externalSource": "s3://lake/x?X-Amz-Signature=1", "externalSpec": "{}" }), uri),
        (json!({ "externalSource": "s3://lake/a b", "externalSpec": "{}" }), uri),
        (json!({ "externalSource": "s3://lake/a\n", "externalSpec": "{}" }), uri),
        (json!({ "externalSource": source, "externalSpec": r#"{"extfs":{"access_key_id":"x"}}"# }), login),
        (json!({ "externalSource": source, "externalSpec": r#"{"extfs":{"access_key_value" : "x"}}"# }), login),
        (json!({ "externalSource": source, "externalSpec": r#"{"extfs":{"EXTERNAL_ID":"x"}}"# }), login),
        (json!({ "externalSource": source, "externalSpec": "{\"ssl_ca_cert\"\n:\"x\"}" }), login),
        (json!({ "externalSource": source, "externalSpec": {} }), "must be of type string"),
        (json!({ "externalSource": source, "externalSpecFrom": {} }), "secretKeyRef: Required value"),
        (
            json!({ "externalSource": source, "externalSpecFrom": { "secretKeyRef": { "name": "x" } } }),
            "key: Required value",
        ),
        (json!({ "externalSource": source, "externalSpecFrom": secret("A", "k") }), name),
        (json!({ "externalSource": source, "externalSpecFrom": secret(&"a".repeat(254), "k") }), "253"),
        (json!({ "externalSource": source, "externalSpecFrom": secret("a", "") }), "should be at least 1 chars long"),
        (
            json!({ "externalSource": source, "externalSpecFrom": secret("a", "k/l") }),
            "must be a valid key of a Secret",
        ),
        (json!({ "externalSource": source, "externalSpecFrom": secret("a", "..") }), "must be a valid key of a Secret"),
        (json!({ "externalSource": source, "externalSpecFrom": secret("a", ".") }), "must be a valid key of a Secret"),
    ] {
        let refused = dry_run(&world, with_source(&overrides)).await.expect_err(&overrides.to_string());
        assert!(refused.contains(says), "{overrides}: {refused}");
    }
}

fn with_source(overrides: &Value) -> Value {
    let mut spec = json!({ "collectionName": "products" });
    spec.as_object_mut().unwrap().extend(overrides.as_object().unwrap().clone());
    refresh("x", spec)
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_and_limits_are_bounded() {
    const MOST: i64 = 2_147_483_647;
    let world = World::without_operator().await;
    for spec in [
        json!({ "trigger": "x".repeat(128) }),
        json!({ "trigger": "\u{1F980}".repeat(128) }),
        json!({ "trigger": "été \u{0}\u{7f}\u{202e} \n\t\"'\\ \u{fffd}" }),
        json!({ "trigger": " " }),
        json!({ "trigger": null, "ttlSecondsAfterFinished": null, "startingDeadlineSeconds": null }),
        json!({ "startingDeadlineSeconds": 1, "activeDeadlineSeconds": 1, "backoffLimit": 0 }),
        json!({ "startingDeadlineSeconds": MOST, "activeDeadlineSeconds": MOST, "backoffLimit": 20 }),
        json!({ "ttlSecondsAfterFinished": 60 }),
        json!({ "ttlSecondsAfterFinished": MOST }),
        json!({ "suspend": true, "activeJobPolicy": "Adopt" }),
    ] {
        let created = dry_run(&world, with_source(&spec)).await.unwrap_or_else(|error| panic!("{spec}: {error}"));
        if let Some(token) = spec["trigger"].as_str() {
            assert_eq!(created.data["spec"]["trigger"], token);
        }
    }
    let (least, most) = ("greater than or equal to", "less than or equal to 2147483647");
    for (spec, says) in [
        (json!({ "trigger": "" }), "should be at least 1 chars long"),
        (json!({ "trigger": "x".repeat(129) }), "128"),
        (json!({ "trigger": "\u{1F980}".repeat(129) }), "128"),
        (json!({ "trigger": 7 }), "must be of type string"),
        (json!({ "trigger": ["a"] }), "must be of type string"),
        (json!({ "startingDeadlineSeconds": 0 }), least),
        (json!({ "startingDeadlineSeconds": -1 }), least),
        (json!({ "startingDeadlineSeconds": MOST + 1 }), most),
        (json!({ "startingDeadlineSeconds": "60" }), "must be of type integer"),
        (json!({ "activeDeadlineSeconds": 0 }), least),
        (json!({ "activeDeadlineSeconds": MOST + 1 }), most),
        (json!({ "activeDeadlineSeconds": 1.5 }), "must be of type integer"),
        (json!({ "backoffLimit": -1 }), "greater than or equal to 0"),
        (json!({ "backoffLimit": 21 }), "less than or equal to 20"),
        (json!({ "ttlSecondsAfterFinished": 59 }), "greater than or equal to 60"),
        (json!({ "ttlSecondsAfterFinished": 0 }), "greater than or equal to 60"),
        (json!({ "ttlSecondsAfterFinished": MOST + 1 }), most),
        (json!({ "suspend": "true" }), "must be of type boolean"),
        (json!({ "activeJobPolicy": "Replace" }), "supported values: \"Wait\", \"Adopt\""),
    ] {
        let refused = dry_run(&world, with_source(&spec)).await.expect_err(&spec.to_string());
        assert!(refused.contains(says), "{spec}: {refused}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_lists_sources_in_their_plainest_form() {
    let world = World::without_operator().await;
    let object = |list: Value| connection(json!({ "address": "http://m:1", "allowedSources": list }));
    let long = format!("s3://bucket/{}", "a".repeat(500));
    for list in [
        json!([]),
        json!(["*"]),
        json!([
            "s3://bucket",
            "minio://store.data.svc:9000/lake/a_b/",
            "gs://b_1/..a/a../...",
            "azure://x/~!$&()*+,;=:@-"
        ]),
        json!(vec![long; 64]),
    ] {
        dry_run(&world, object(list.clone())).await.unwrap_or_else(|error| panic!("{list}: {error}"));
    }
    let (alone, plain) = ("must be either * alone or prefixes only", "each prefix must look like s3://bucket/path");
    for (list, says) in [
        (json!(["*", "s3://bucket"]), alone),
        (json!(["*", "*"]), alone),
        (json!([""]), "should be at least 1 chars long"),
        (json!([format!("s3://{}", "a".repeat(508))]), "512"),
        (json!(vec!["s3://bucket"; 65]), "64"),
        (json!(["s3://bucket", "**"]), plain),
        (json!(["s3://"]), plain),
        (json!(["bucket/a"]), plain),
        (json!(["file:///etc"]), plain),
        (json!(["S3://bucket"]), plain),
        (json!(["s3://Bucket"]), plain),
        (json!(["s3://bucket."]), plain),
        (json!(["s3://.."]), plain),
        (json!(["s3://u:p@bucket"]), plain),
        (json!(["s3://bucket:0/a"]), plain),
        (json!(["s3://bucket:123456"]), plain),
        (json!(["s3://bucket/%61"]), plain),
        (json!(["s3://bucket/a?b"]), plain),
        (json!(["s3://bucket/a#b"]), plain),
        (json!(["s3://bucket//a"]), plain),
        (json!(["s3://bucket/a//"]), plain),
        (json!(["s3://bucket/."]), plain),
        (json!(["s3://bucket/a/../b"]), plain),
        (json!(["s3://bucket/a b"]), plain),
        (json!(["s3://bucket/a\n"]), plain),
        (json!(["s3://bucket/é"]), plain),
    ] {
        let refused = dry_run(&world, object(list.clone())).await.expect_err(&list.to_string());
        assert!(refused.contains(says), "{list}: {refused}");
    }
}
