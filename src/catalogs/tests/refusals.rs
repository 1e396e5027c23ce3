//! Answers that are none, and none at all.

use super::*;

/// What comes of a catalog whose table is this.
async fn told(answer: impl Fn() -> Answer + Send + Sync + 'static) -> CatalogError {
    rest(&catalog(move |_| answer()).await).table(&ask()).await.unwrap_err()
}

fn model(message: &str) -> Value {
    json!({"error": {"stack": ["at org.example.Secret(hunter9)"], "message": message, "type": "X", "code": 1}})
}

#[tokio::test]
async fn a_refusal_is_of_its_class_and_says_what_to_do() {
    use CatalogErrorKind::{Busy, Denied, Invalid, Malformed, NoTable, Redirected};
    for (status, kind, part) in [
        (400, Invalid, "Check uri, warehouse and auth"),
        (401, Denied, "Secret"),
        (403, Denied, "may not read the table shop.eu.products"),
        (404, NoTable, "no table shop.eu.products"),
        (419, Denied, "expired"),
        (429, Busy, "overloaded"),
        (500, Busy, "internal error"),
        (503, Busy, "overloaded"),
        (307, Redirected, "not followed"),
        (204, Malformed, "no answer of the protocol"),
    ] {
        let error = told(move || says(status, model("because of this"))).await;
        assert_eq!(error.kind, kind, "{status}: {error}");
        assert!(error.message.contains(&format!(" answers {status}: ")) && error.message.contains(part), "{error}");
        assert!(error.message.starts_with("The Iceberg catalog at 127.0.0.1:"), "{error}");
        assert!(error.message.ends_with("It says: because of this") || status == 204, "{error}");
        assert!(!error.message.contains("hunter"), "{error}");
    }
}

#[tokio::test]
async fn no_catalog_there_is_told_from_no_table() {
    let error = told(|| says(404, "<html>not found</html>")).await;
    assert!(error.kind == CatalogErrorKind::Invalid && error.message.contains("no Iceberg REST catalog"), "{error}");
    for (status, kind, part) in [
        (404, CatalogErrorKind::Invalid, "no such warehouse"),
        (403, CatalogErrorKind::Denied, "may not read the warehouse"),
        (401, CatalogErrorKind::Denied, "Secret"),
    ] {
        let nothing = Liar::start(move |_, _| says(status, model("warehouse shop"))).await;
        let error = rest(&nothing).table(&ask()).await.unwrap_err();
        assert!(error.kind == kind && error.message.contains(part), "{error}");
    }
}

#[tokio::test]
async fn a_pause_that_is_asked_for_is_told() {
    let error = told(|| Answer::Says(503, "retry-after: 7\r\n", String::new())).await;
    assert_eq!(error.retry_after, Some(Duration::from_secs(7)));
    assert_eq!(told(|| says(503, "")).await.retry_after, None);
}

#[tokio::test]
async fn the_message_of_a_catalog_is_short_and_on_one_line() {
    let error = told(|| says(403, model(&format!("a\u{1b}[31m\n\n{}", "é".repeat(10_000))))).await;
    assert!(error.message.len() < 600 && error.message.ends_with('…'), "{error}");
    assert!(!error.message.contains(char::is_control), "{error}");
    let error = told(|| says(403, json!({"error": {"message": null}}))).await;
    assert!(error.message.ends_with("Grant them to read it."), "{error}");
}

#[tokio::test]
async fn an_answer_that_is_none_of_the_protocol_is_no_table() {
    let float = table(&[SNAPSHOT]).to_string().replace(&SNAPSHOT.to_string(), "5.0e18");
    let large = table(&[SNAPSHOT]).to_string().replace(&SNAPSHOT.to_string(), "18446744073709551615");
    let cut = table(&[SNAPSHOT]).to_string();
    let cut = cut.get(..cut.len() - 10).unwrap().to_owned();
    for body in [
        "<html>login please</html>".to_owned(),
        String::new(),
        "{}".to_owned(),
        "[]".to_owned(),
        "null".to_owned(),
        CONFIG.to_owned(),
        model("with a 200").to_string(),
        json!({"metadata": {"current-snapshot-id": 1}}).to_string(),
        table(&[SNAPSHOT]).to_string().replace("s3://", &format!("s3://{}", "x".repeat(2048))),
        json!({"metadata-location": null, "metadata": {"current-snapshot-id": 1}}).to_string(),
        format!("{}x", table(&[SNAPSHOT])),
        float,
        large,
        cut,
    ] {
        let error = told({
            let body = body.clone();
            move || says(200, &body)
        });
        let error = error.await;
        assert_eq!(error.kind, CatalogErrorKind::Malformed, "{body}: {error}");
        assert!(!error.message.contains("please"), "{error}");
    }
    for config in ["<html>login please</html>", "{}", r#"{"overrides":{"prefix":".."}}"#] {
        let error = rest(&Liar::start(move |_, _| says(200, config)).await).table(&ask()).await.unwrap_err();
        assert_eq!(error.kind, CatalogErrorKind::Malformed, "{error}");
    }
}

#[tokio::test]
async fn an_answer_that_is_too_large_is_given_up() {
    let liar = catalog(|_| {
        let mut body = table(&[SNAPSHOT]);
        body["metadata"]["properties"] = json!((0..12).map(|_| "x".repeat(256 << 10)).collect::<Vec<_>>());
        says(200, body)
    });
    let liar = liar.await;
    let of = async |answer| {
        let limits = Limits { answer, ..Limits::default() };
        Rest::new(access(format!("http://{}", liar.address)), limits).unwrap().table(&ask()).await
    };
    let error = of(2 << 20).await.unwrap_err();
    assert!(error.kind == CatalogErrorKind::TooLarge && error.message.contains("2 MiB"), "{error}");
    assert_eq!(of(4 << 20).await, Ok(stands(SNAPSHOT)));
}

#[tokio::test]
async fn an_answer_with_a_text_or_a_nesting_that_would_take_memory_is_too_large() {
    let long = "x".repeat(600 << 10);
    let deep = format!("{}{}", "[".repeat(2000), "]".repeat(2000));
    for (body, part) in [
        (json!({"metadata-location": long}).to_string(), "512 KiB"),
        (json!({"metadata": {"refs": {"main": long}}}).to_string(), "512 KiB"),
        (json!({"metadata": {"snapshots": [long]}}).to_string(), "512 KiB"),
        (json!({(long.as_str()): 1}).to_string(), "512 KiB"),
        (format!(r#"{{"metadata":{{"refs":{{"{long}":1}}}}}}"#), "512 KiB"),
        (format!(r#"{{"metadata":{{"unknown":{deep}}}}}"#), "1000 levels"),
    ] {
        let error = told(move || says(200, &body)).await;
        assert!(error.kind == CatalogErrorKind::TooLarge && error.message.contains(part), "{error}");
    }
}

#[tokio::test]
async fn a_long_text_that_nobody_needs_does_no_harm() {
    let liar = catalog(|_| {
        let mut body = table(&[SNAPSHOT]);
        body["metadata"]["properties"] = json!({"schema": "\"".repeat(200 << 10)});
        says(200, body)
    });
    assert_eq!(rest(&liar.await).table(&ask()).await, Ok(stands(SNAPSHOT)));
}

#[tokio::test]
async fn only_a_table_may_be_told_at_length() {
    let filling = vec!["x".repeat(100 << 10); 11];
    let config = json!({"defaults": {}, "unknown": filling});
    let error = rest(&Liar::start(move |_, _| says(200, &config)).await).table(&ask()).await.unwrap_err();
    assert!(error.kind == CatalogErrorKind::TooLarge && error.message.contains("1 MiB"), "{error}");
    let error = told(|| says(403, json!({"error": {"message": "m", "stack": "x".repeat(65 << 10)}}))).await;
    assert!(error.kind == CatalogErrorKind::Denied && error.message.ends_with("Grant them to read it."), "{error}");
}

#[tokio::test]
async fn a_table_may_have_any_number_of_branches() {
    let mut refs: serde_json::Map<String, Value> =
        (0..100_001).map(|at| (at.to_string(), json!({"snapshot-id": at}))).collect();
    refs.insert("main".to_owned(), json!({"snapshot-id": SNAPSHOT}));
    let liar = catalog(move |_| {
        let mut body = table(&[SNAPSHOT]);
        body["metadata"]["refs"] = Value::Object(refs.clone());
        says(200, body)
    });
    assert_eq!(rest(&liar.await).table(&ask()).await, Ok(stands(SNAPSHOT)));
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let target = catalog(|_| says(200, table(&[SNAPSHOT]))).await;
    let location: &'static str = format!("location: http://{}/\r\n", target.address).leak();
    let error = told(move || Answer::Says(302, location, String::new())).await;
    assert_eq!(error.kind, CatalogErrorKind::Redirected, "{error}");
    assert!(target.asked().is_empty());
}

#[tokio::test]
async fn one_deadline_holds_for_the_whole_look() {
    let config = Liar::start(|_, _| Answer::Hangs).await;
    let table = catalog(|_| Answer::Hangs).await;
    let tokens = Liar::start(|_, _| Answer::Hangs).await;
    let limits = Limits { deadline: Duration::from_millis(300), ..Limits::default() };
    let client = Login::Client {
        id: "id".into(),
        secret: "secret".into(),
        token_uri: format!("http://{}/tokens", tokens.address),
        scope: None,
    };
    for (liar, login) in [(&config, Login::None), (&table, Login::None), (&table, client)] {
        let access = Access { login, ..access(format!("http://{}", liar.address)) };
        let error = Rest::new(access, limits).unwrap().table(&ask()).await.unwrap_err();
        assert_eq!(error.kind, CatalogErrorKind::Timeout, "{error}");
    }
}

#[tokio::test]
async fn an_answer_that_stops_in_its_middle_does_not_outlast_the_deadline() {
    // As long as the client waits, and never to the end.
    let liar = catalog(|_| Answer::Stalls(b"HTTP/1.1 200 x\r\ncontent-length: 100\r\n\r\n{\"metadata".to_vec())).await;
    let limits = Limits { deadline: Duration::from_millis(300), ..Limits::default() };
    let rest = Rest::new(access(format!("http://{}", liar.address)), limits).unwrap();
    assert_eq!(rest.table(&ask()).await.unwrap_err().kind, CatalogErrorKind::Timeout);
}

#[tokio::test]
async fn a_catalog_that_is_not_there_or_breaks_off_is_unreachable() {
    let gone = Liar::start(|_, _| Answer::Hangs).await.address;
    let rest = Rest::new(access(format!("http://{gone}")), Limits::default()).unwrap();
    let error = rest.table(&ask()).await.unwrap_err();
    assert_eq!(error.kind, CatalogErrorKind::Unreachable, "{error}");
    for bytes in [&b""[..], b"HTTP/1.1 200 x\r\ncontent-length: 100\r\n\r\nhalf", b"nonsense\r\n\r\n"] {
        let error = told(|| Answer::Raw(bytes.to_vec())).await;
        assert_eq!(error.kind, CatalogErrorKind::Unreachable, "{error}");
    }
}

#[tokio::test]
async fn neither_a_catalog_nor_a_token_server_is_at_the_metadata_address_of_a_cloud() {
    let liar = catalog(|_| says(200, table(&[SNAPSHOT]))).await;
    let metadata = "http://169.254.169.254/latest".to_owned();
    let client = Login::Client { id: "id".into(), secret: "secret".into(), token_uri: metadata.clone(), scope: None };
    for access in [access(metadata), Access { login: client, ..access(format!("http://{}", liar.address)) }] {
        let error = Rest::new(access, Limits::default()).unwrap().table(&ask()).await.unwrap_err();
        assert!(error.kind == CatalogErrorKind::Invalid && error.message.contains("link-local"), "{error}");
    }
    assert!(liar.asked().is_empty());
}
