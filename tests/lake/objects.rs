//! The adapter of object stores on an S3 server, and on fakes of Google and Azure by others.

use jiff::Timestamp;
use milvus_refresh_operator::stores::{
    Access, Ask, AzureLogin, Credentials, Limits, Lister, Newer, Place, Snapshot, Store, StoreError, StoreErrorKind,
};

use crate::{
    azure::{ACCOUNT, ACCOUNT_KEY, Azure},
    certificates::Ca,
    gateway::{Gateway, KEY, REGION, SECRET},
    google::Google,
};

fn keys(id: &str, secret: &str) -> Credentials {
    Credentials::Keys { id: id.into(), secret: secret.into(), session_token: None }
}

fn access(gateway: &Gateway) -> Access {
    Access {
        endpoint: Some(gateway.url.clone()),
        region: Some(REGION.to_owned()),
        credentials: keys(KEY, SECRET),
        ca: None,
    }
}

fn ask(access: &Access, uri: &str) -> Ask {
    let place = Place::parse(uri, access.endpoint.as_deref(), access.region.as_deref()).unwrap();
    Ask { place, include: vec![], marker: None, lance: false, newer_than: None, among: vec![] }
}

async fn list_as(access: Access, uri: &str) -> Result<Snapshot, StoreError> {
    let ask = ask(&access, uri);
    Lister::new(access, ask.place.clone(), Limits::default())?.list(&ask).await
}

async fn list(gateway: &Gateway, uri: &str) -> Snapshot {
    list_as(access(gateway), uri).await.unwrap()
}

#[tokio::test]
async fn no_object_one_and_many_are_listed() {
    let gateway = Gateway::start(None);
    gateway.bucket("shop").await;
    assert_eq!(list(&gateway, "s3://shop/products").await.objects, 0);
    assert_eq!(list(&gateway, "s3://shop").await.objects, 0);
    gateway.put("shop/products/one", "12345").await;
    let one = list(&gateway, "s3://shop/products").await;
    assert_eq!((one.objects, one.bytes), (1, 5));
    assert_eq!(list(&gateway, "s3://shop/products/one").await, one, "the object itself is a place");
    gateway.put_all((0..2_500).map(|at| format!("shop/many/{}/{at:06}.parquet", at % 7))).await;
    let many = list(&gateway, "s3://shop/many").await;
    assert_eq!((many.objects, many.bytes), (2_500, 2_500));
    assert_eq!(list(&gateway, "s3://shop").await.objects, 2_501);
}

#[tokio::test]
async fn what_comes_and_goes_changes_the_paths_and_a_rewrite_the_contents_alone() {
    let gateway = Gateway::start(None);
    gateway.bucket("shop").await;
    gateway.put("shop/p/a-b", "1").await;
    gateway.put("shop/p/a/b", "1").await;
    gateway.put("shop/p/a0", "1").await;
    gateway.put("shop/p-old/a", "1").await;
    let first = list(&gateway, "s3://shop/p").await;
    assert_eq!(first.objects, 3, "no siblings, whatever the order of -, / and 0");
    assert_eq!(list(&gateway, "s3://shop/p").await, first);

    gateway.put("shop/p/a0", "2").await;
    let rewritten = list(&gateway, "s3://shop/p").await;
    assert_eq!(rewritten.paths, first.paths);
    assert_ne!(rewritten.contents, first.contents);
    gateway.put("shop/p/a0", "1").await;
    assert_eq!(list(&gateway, "s3://shop/p").await.contents, first.contents, "as it was");

    gateway.remove("shop/p/a0").await;
    let fewer = list(&gateway, "s3://shop/p").await;
    assert_ne!(fewer.paths, first.paths);
    gateway.put("shop/p/a0", "1").await;
    assert_eq!(list(&gateway, "s3://shop/p").await, first);
}

#[tokio::test]
async fn hidden_names_and_others_than_wanted_do_not_count_and_the_marker_tells_its_time() {
    let gateway = Gateway::start(None);
    gateway.bucket("shop").await;
    for path in
        ["a.parquet", "_temporary/0/b.parquet", ".c.parquet", "readme.md", "_versions/1.manifest", "eu/d.parquet"]
    {
        gateway.put(&format!("shop/p/{path}"), "1").await;
    }
    let access = access(&gateway);
    let plain = ask(&access, "s3://shop/p");
    let lister = Lister::new(access, plain.place.clone(), Limits::default()).unwrap();
    let objects = async |ask: &Ask| lister.list(ask).await.unwrap().objects;
    assert_eq!(objects(&plain).await, 3);
    assert_eq!(objects(&Ask { include: vec!["*.parquet".to_owned()], ..plain.clone() }).await, 2);
    assert_eq!(objects(&Ask { lance: true, ..plain.clone() }).await, 4);

    let long_ago = Timestamp::UNIX_EPOCH;
    let wanted = Ask { marker: Some("_SUCCESS".to_owned()), newer_than: Some(long_ago), ..plain.clone() };
    let before = lister.list(&wanted).await.unwrap();
    assert_eq!(before.marker, None);
    let names = ["a.parquet", "eu/d.parquet", "readme.md"].map(str::to_owned).to_vec();
    assert_eq!(before.newer, Newer { count: 3, names });
    gateway.put("shop/p/_SUCCESS", "").await;
    let after = lister.list(&wanted).await.unwrap();
    assert!(after.marker.as_ref().is_some_and(|marker| marker.modified > long_ago), "{after:?}");
    assert_eq!(Snapshot { marker: None, ..after }, before);
}

#[tokio::test]
async fn wrong_keys_regions_and_buckets_are_told_apart() {
    let gateway = Gateway::start(None);
    gateway.bucket("shop").await;
    let ours = access(&gateway);
    let region = Access { region: Some("us-west-2".to_owned()), ..ours.clone() };
    for (access, uri, kind, part) in [
        (
            Access { credentials: keys("nobody", SECRET), ..ours.clone() },
            "s3://shop/p",
            StoreErrorKind::Denied,
            "unknown or wrong",
        ),
        (
            Access { credentials: keys(KEY, "hunter2"), ..ours.clone() },
            "s3://shop/p",
            StoreErrorKind::Denied,
            "secret key",
        ),
        (
            Access { credentials: Credentials::Anonymous, ..ours.clone() },
            "s3://shop/p",
            StoreErrorKind::Denied,
            "may not list",
        ),
        (region, "s3://shop/p", StoreErrorKind::Redirected, "region"),
        (ours, "s3://nowhere/p", StoreErrorKind::NotFound, "no such bucket"),
    ] {
        let error = list_as(access, uri).await.unwrap_err();
        assert_eq!(error.kind, kind, "{error}");
        assert!(error.message.contains(part) && !error.message.contains("hunter2"), "{error}");
        assert!(!error.message.contains("AWS4"), "{error}");
    }
}

#[tokio::test]
async fn a_store_with_a_private_ca_is_trusted_by_that_ca_alone() {
    let ca = Ca::new();
    let gateway = Gateway::start(Some(&ca.server("127.0.0.1")));
    let ours = access(&gateway);
    let trusting = |ca: &Ca| Access { ca: Some(ca.pem.clone()), ..ours.clone() };
    let reached = list_as(trusting(&ca), "s3://nowhere/p").await.unwrap_err();
    assert_eq!(reached.kind, StoreErrorKind::NotFound, "{reached}");
    for access in [ours.clone(), trusting(&Ca::new())] {
        let error = list_as(access, "s3://nowhere/p").await.unwrap_err();
        assert!(error.kind == StoreErrorKind::Certificate && error.message.contains("caRef"), "{error}");
    }
    let elsewhere = Gateway::start(Some(&ca.server("store.example")));
    let error = list_as(Access { ca: Some(ca.pem.clone()), ..access(&elsewhere) }, "s3://nowhere/p").await.unwrap_err();
    assert!(error.kind == StoreErrorKind::Certificate && error.message.contains("another name"), "{error}");
    let plain = Access { endpoint: Some(ours.endpoint.clone().unwrap().replace("https", "http")), ..ours };
    let error = list_as(plain, "s3://nowhere/p").await.unwrap_err();
    assert!(error.kind == StoreErrorKind::Unreachable && error.message.contains("use https://"), "{error}");
}

#[tokio::test]
async fn a_bucket_of_google_is_listed_by_its_own_api() {
    let google = Google::start();
    google.bucket("shop").await;
    for name in ["p/a", "p/b", "p/_c", "q/d"] {
        google.put("shop", name, "12345").await;
    }
    let access =
        Access { endpoint: Some(google.url.clone()), region: None, credentials: Credentials::Anonymous, ca: None };
    let before = list_as(access.clone(), "gs://shop/p").await.unwrap();
    assert_eq!((before.objects, before.bytes), (2, 10));
    google.put("shop", "p/b", "54321").await;
    let after = list_as(access.clone(), "gs://shop/p").await.unwrap();
    assert_eq!(after.paths, before.paths);
    assert_ne!(after.contents, before.contents);
    assert_eq!(list_as(access, "gs://shop/nothing").await.unwrap().objects, 0);
}

#[tokio::test]
async fn a_container_of_azurite_is_listed_page_by_page() {
    let azure = Azure::start();
    azure.container("shop").await;
    for at in 0..1_001 {
        azure.put(&format!("shop/p/{at:04}"), "x").await;
    }
    azure.put("shop/p/_hidden", "x").await;
    azure.put("shop/q/other", "x").await;
    let login = |key: &str| Credentials::Azure { account: ACCOUNT.to_owned(), login: AzureLogin::Key(key.into()) };
    let access = |credentials| Access { endpoint: Some(azure.url.clone()), region: None, credentials, ca: None };
    let ours = || access(login(ACCOUNT_KEY));
    let before = list_as(ours(), "azure://shop/p").await.unwrap();
    assert_eq!((before.objects, before.bytes), (1_001, 1_001));
    azure.put("shop/p/0500", "y").await;
    let after = list_as(ours(), "azure://shop/p").await.unwrap();
    assert_eq!(after.paths, before.paths);
    assert_ne!(after.contents, before.contents);

    for (credentials, uri, kind) in [
        (login("aHVudGVyMg=="), "azure://shop/p", StoreErrorKind::Denied),
        (login(ACCOUNT_KEY), "azure://nowhere/p", StoreErrorKind::NotFound),
    ] {
        let error = list_as(access(credentials), uri).await.unwrap_err();
        assert_eq!(error.kind, kind, "{error}");
    }
}
