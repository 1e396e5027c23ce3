//! What a store can say and do to a listing.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use std::time::Duration;

use tokio::{io::AsyncWriteExt, net::TcpListener};

use super::*;
use crate::web::liar::{Answer, Liar};

mod identity;

/// The body is a listing.
fn xml(body: String) -> Answer {
    Answer::Says(200, "content-type: application/xml\r\n", body)
}

fn anonymous(endpoint: String) -> Access {
    Access { endpoint: Some(endpoint), region: None, credentials: Credentials::Anonymous, ca: None }
}

fn keys() -> Credentials {
    Credentials::Keys { id: "AKIDEXAMPLE".into(), secret: "hunter2".into(), session_token: None }
}

fn ask(uri: &str, access: &Access) -> Ask {
    let place = Place::parse(uri, access.endpoint.as_deref(), None).unwrap();
    Ask { place, include: vec![], marker: None, lance: false, newer_than: None, among: vec![] }
}

async fn list_with(access: Access, uri: &str, limits: Limits) -> Result<Snapshot, StoreError> {
    let ask = ask(uri, &access);
    Lister::new(access, ask.place.clone(), limits)?.list(&ask).await
}

async fn list(liar: &Liar) -> Result<Snapshot, StoreError> {
    list_with(anonymous(format!("http://{}", liar.address)), "s3://shop/p", Limits::default()).await
}

/// A page of S3 with these keys, which goes on where there is a token.
fn page(keys: impl IntoIterator<Item = String>, token: Option<&str>) -> Answer {
    let object = |key| {
        format!(
            "<Contents><Key>{key}</Key><LastModified>2026-01-01T00:00:00Z</LastModified><ETag>&quot;e&quot;</ETag><Size>1</Size>\
             </Contents>"
        )
    };
    let objects: String = keys.into_iter().map(object).collect();
    let token_element = token.map(|token| format!("<NextContinuationToken>{token}</NextContinuationToken>"));
    xml(format!(
        "<?xml version=\"1.0\"?><ListBucketResult><IsTruncated>{}</IsTruncated>{}{objects}</ListBucketResult>",
        token.is_some(),
        token_element.unwrap_or_default()
    ))
}

fn page_of(keys: &[&str]) -> Answer {
    page(keys.iter().map(|&key| key.to_owned()), None)
}

/// What comes of a store that gives this answer to everything.
async fn told(answer: impl Fn() -> Answer + Send + Sync + 'static) -> StoreError {
    list(&Liar::start(move |_, _| answer()).await).await.unwrap_err()
}

#[tokio::test]
async fn a_listing_goes_on_page_by_page() {
    let liar = Liar::start(|asked, number| {
        let first = number * 1000;
        assert_eq!(
            asked.parameter("continuation-token").map(str::to_owned),
            (number > 0).then(|| format!("t%2B%2F%3D%20{first}"))
        );
        let next = format!("t+/= {}", first + 1000);
        page((first..first + 1000).map(|key| format!("p/{key:06}")), (number < 2).then_some(next.as_str()))
    })
    .await;
    let snapshot = list(&liar).await.unwrap();
    assert_eq!((snapshot.objects, snapshot.bytes), (3000, 3000));
    let targets: Vec<String> = liar.asked().into_iter().map(|asked| asked.target).collect();
    assert_eq!(targets[0], "/shop?list-type=2&max-keys=1000&prefix=p%2F");
    assert_eq!(targets.len(), 3);
}

/// A page as stores without `ListObjectsV2` cut it off: it names no token, and its next marker only where there is one.
fn old_page(keys: impl IntoIterator<Item = String>, marker: Option<&str>) -> Answer {
    let Answer::Says(status, headers, body) = page(keys, None) else { panic!() };
    let marker = marker.map(|marker| format!("<NextMarker>{marker}</NextMarker>")).unwrap_or_default();
    Answer::Says(status, headers, body.replace("<IsTruncated>false", &format!("{marker}<IsTruncated>true")))
}

#[tokio::test]
async fn a_store_that_knows_only_markers_is_listed_by_them() {
    for named in [None, Some("p/a+2")] {
        let liar = Liar::start(move |asked, _| match asked.parameter("marker") {
            None => old_page(["p/a+1".to_owned(), "p/a+2".to_owned()], named),
            Some("p%2Fa%2B2") => old_page(["p/b".to_owned()], None),
            Some("p%2Fb") => page_of(&["p/c"]),
            other => panic!("{other:?}"),
        });
        let liar = liar.await;
        assert_eq!(list(&liar).await.unwrap().objects, 4);
        let targets: Vec<String> = liar.asked().into_iter().map(|asked| asked.target).collect();
        assert_eq!(targets[1], "/shop?max-keys=1000&prefix=p%2F&marker=p%2Fa%2B2");
        assert_eq!(targets.len(), 3);
    }
}

#[tokio::test]
async fn a_store_that_ignores_the_marker_is_given_up() {
    let repeats = Liar::start(|_, _| old_page(["p/a".to_owned(), "p/b".to_owned()], None)).await;
    let nothing = Liar::start(|_, _| old_page([], Some("p/b"))).await;
    for liar in [repeats, nothing] {
        let error = list(&liar).await.unwrap_err();
        assert_eq!((error.kind, liar.asked().len()), (StoreErrorKind::Malformed, 2), "{error}");
    }
}

#[tokio::test]
async fn the_same_objects_on_other_pages_are_the_same_snapshot() {
    let one = Liar::start(|_, _| page_of(&["p/a", "p/b"])).await;
    let two = Liar::start(|_, number| match number {
        0 => page(["p/a".to_owned()], Some("x")),
        1 => page([], Some("y")),
        _ => page_of(&["p/b"]),
    });
    assert_eq!(list(&one).await, list(&two.await).await);
}

#[tokio::test]
async fn keys_of_every_kind_are_listed() {
    let liar = Liar::start(|_, _| page_of(&["p/", "p/a\nb", "p/a//b", "p/d/", "p/é &amp; 日"])).await;
    assert_eq!(list(&liar).await.unwrap().objects, 3);
}

#[tokio::test]
async fn a_place_can_be_a_single_object() {
    let liar = Liar::start(|asked, _| match asked.parameter("prefix") {
        Some("p") => page_of(&["p", "p-old/a"]),
        _ => page_of(&[]),
    });
    let liar = liar.await;
    assert_eq!(list(&liar).await.unwrap().objects, 1);
    let other =
        Liar::start(|asked, _| page_of(if asked.parameter("prefix") == Some("p") { &["p-old/a"] } else { &[] }));
    assert_eq!(list(&other.await).await.unwrap().objects, 0);
}

#[tokio::test]
async fn a_whole_bucket_is_listed_without_a_prefix() {
    let liar = Liar::start(|_, _| page_of(&[])).await;
    let access = anonymous(format!("http://{}", liar.address));
    assert_eq!(list_with(access, "s3://shop", Limits::default()).await.unwrap().objects, 0);
    assert_eq!(liar.asked().len(), 1);
    assert_eq!(liar.asked()[0].parameter("prefix"), Some(""));
}

#[tokio::test]
async fn an_answer_that_is_no_listing_is_never_an_empty_source() {
    let html = "<html>login please</html>";
    let empty = "<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>";
    let says = |headers: &'static str, body: &str| Answer::Says(200, headers, body.to_owned());
    for (headers, body) in [
        ("", "<?xml version=\"1.0\"?><Error><Code>InternalError</Code></Error>"),
        ("", html),
        ("content-type: text/html\r\n", html),
        ("content-type: text/html\r\n", empty),
        ("", ""),
        ("", "<ListBucketResult><IsTruncated>true</IsTruncated></ListBucketResult>"),
    ] {
        let error = told(move || says(headers, body)).await;
        assert_eq!(error.kind, StoreErrorKind::Malformed, "{headers}{body}: {error}");
    }
    assert!(list(&Liar::start(move |_, _| says("", empty)).await).await.is_ok());
    assert!(
        list(&Liar::start(move |_, _| says("content-type: text/xml; charset=utf-8\r\n", empty)).await).await.is_ok()
    );
    let error = told(move || Answer::Says(204, "", String::new())).await;
    assert_eq!(error.kind, StoreErrorKind::Invalid);
}

#[tokio::test]
async fn pages_that_do_not_go_on_or_do_not_end_are_given_up() {
    let same = Liar::start(|_, number| page([format!("p/{number:09}")], Some("same"))).await;
    let error = list(&same).await.unwrap_err();
    assert!(error.kind == StoreErrorKind::Malformed && error.message.contains("do not go on"), "{error}");
    assert_eq!(same.asked().len(), 2);

    let endless = Liar::start(|_, number| page([], Some(&format!("t{number}")))).await;
    let limits = Limits { pages: 5, ..Limits::default() };
    let error = list_with(anonymous(format!("http://{}", endless.address)), "s3://shop/p", limits).await.unwrap_err();
    assert!(error.kind == StoreErrorKind::Malformed && error.message.contains("do not end"), "{error}");
    assert_eq!(endless.asked().len(), 5);

    let large =
        Liar::start(|_, number| page((0..10).map(|key| format!("p/{number:06}{key}")), Some(&format!("t{number}"))));
    let large = large.await;
    let limits = Limits { objects: 25, ..Limits::default() };
    let error = list_with(anonymous(format!("http://{}", large.address)), "s3://shop/p", limits).await.unwrap_err();
    assert_eq!(error.kind, StoreErrorKind::TooLarge, "{error}");
    assert_eq!(large.asked().len(), 3);
}

#[tokio::test]
async fn objects_out_of_order_or_from_elsewhere_are_no_listing() {
    for keys in [["p/b", "p/a"], ["p/a", "p/a"], ["p/a", "q/b"]] {
        let error = told(move || page_of(&keys)).await;
        assert_eq!(error.kind, StoreErrorKind::Malformed, "{keys:?}: {error}");
    }
    let error =
        list(&Liar::start(|_, number| page(["p/a".to_owned()], Some(&format!("t{number}")))).await).await.unwrap_err();
    assert_eq!(error.kind, StoreErrorKind::Malformed, "{error}");
}

#[tokio::test]
async fn a_refusal_tells_its_class_its_code_and_the_pause_but_nothing_else() {
    let body = "<Error><Code>SlowDown</Code><Message>hunter3</Message></Error>";
    let liar = Liar::start(move |_, _| Answer::Says(503, "retry-after: 7\r\n", body.to_owned())).await;
    let error = list(&liar).await.unwrap_err();
    assert_eq!((error.kind, error.retry_after), (StoreErrorKind::Busy, Some(Duration::from_secs(7))));
    assert!(error.message.contains(&format!("{} with the bucket shop answers 503 SlowDown", liar.address)), "{error}");
    assert!(!error.message.contains("hunter3"), "{error}");
    assert_eq!(liar.asked().len(), 1, "who asks pauses and asks again");
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let target = Liar::start(|_, _| page_of(&[])).await;
    let location: &'static str = format!("location: http://{}/shop\r\n", target.address).leak();
    let error = told(move || Answer::Says(307, location, String::new())).await;
    assert_eq!(error.kind, StoreErrorKind::Redirected, "{error}");
    assert!(target.asked().is_empty());
    let error = told(|| Answer::Says(301, "x-amz-bucket-region: eu-west-1\r\n", String::new())).await;
    assert!(error.kind == StoreErrorKind::Redirected && error.message.contains("region"), "{error}");
}

#[tokio::test]
async fn one_deadline_holds_for_the_whole_listing() {
    let limits = Limits { deadline: Duration::from_millis(300), pages: u32::MAX, ..Limits::default() };
    let endless = Liar::start(|_, number| page([], Some(&format!("t{number}")))).await;
    let hangs = Liar::start(|_, _| Answer::Hangs).await;
    for liar in [endless, hangs] {
        let error = list_with(anonymous(format!("http://{}", liar.address)), "s3://shop/p", limits).await.unwrap_err();
        assert_eq!(error.kind, StoreErrorKind::Timeout, "{error}");
    }
}

#[tokio::test]
async fn a_store_that_is_not_there_or_breaks_off_is_unreachable() {
    let gone = Liar::start(|_, _| Answer::Hangs).await.address;
    let error = list_with(anonymous(format!("http://{gone}")), "s3://shop/p", Limits::default()).await.unwrap_err();
    assert_eq!(error.kind, StoreErrorKind::Unreachable, "{error}");
    for bytes in [&b""[..], b"HTTP/1.1 200 x\r\ncontent-length: 100\r\n\r\nhalf", b"nonsense\r\n\r\n"] {
        let error = told(|| Answer::Raw(bytes.to_vec())).await;
        assert_eq!(error.kind, StoreErrorKind::Unreachable, "{error}");
    }
}

#[tokio::test]
async fn an_answer_without_end_is_given_up() {
    let error = told(|| Answer::Says(200, "", " ".repeat(5 << 20))).await;
    assert!(error.kind == StoreErrorKind::Malformed && error.message.contains("4 MiB"), "{error}");
}

#[tokio::test]
async fn only_places_within_the_prefix_are_listed() {
    let liar = Liar::start(|_, _| page_of(&[])).await;
    let access = anonymous(format!("http://{}", liar.address));
    let prefix = ask("s3://shop/p", &access).place;
    let lister = Lister::new(access.clone(), prefix, Limits::default()).unwrap();
    assert!(lister.list(&ask("s3://shop/p/eu", &access)).await.is_ok());
    let before = liar.asked().len();
    for uri in ["s3://shop/p2", "s3://other/p", "s3://evil.example:9000/shop/p"] {
        assert_eq!(lister.list(&ask(uri, &access)).await.unwrap_err().kind, StoreErrorKind::Invalid, "{uri}");
    }
    assert_eq!(liar.asked().len(), before);
}

#[tokio::test]
async fn a_store_without_tls_is_told_from_one_that_is_away() {
    let plain = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = plain.local_addr().unwrap();
    let answering = tokio::spawn(async move {
        let (mut stream, _) = plain.accept().await.unwrap();
        stream.write_all(b"HTTP/1.1 400 x\r\n\r\n").await.unwrap();
        stream
    });
    let error = list_with(anonymous(format!("https://{address}")), "s3://shop/p", Limits::default()).await.unwrap_err();
    assert!(error.kind == StoreErrorKind::Certificate && error.message.contains("http://"), "{error}");
    drop(answering.await);
}
