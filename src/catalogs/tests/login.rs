//! As whom a catalog is asked.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use super::*;

const TOKENS: &str = "/tokens";

fn client(liar: &Liar) -> Login {
    Login::Client {
        id: "reader".into(),
        secret: "hunter2/+".into(),
        token_uri: format!("http://{}{TOKENS}", liar.address),
        scope: Some("PRINCIPAL_ROLE:ALL".to_owned()),
    }
}

/// A catalog with a token server, which gives out `token-1`, `token-2` and so on. Which of them is taken is `valid`.
async fn guarded(valid: Arc<AtomicUsize>, expires_in: u64) -> Liar {
    guarded_by(401, valid, expires_in).await
}

/// The same, where this status says that a token is not taken.
async fn guarded_by(status: u16, valid: Arc<AtomicUsize>, expires_in: u64) -> Liar {
    let given = AtomicUsize::new(0);
    Liar::start(move |asked, _| {
        if asked.target == TOKENS {
            let number = given.fetch_add(1, Ordering::SeqCst) + 1;
            return says(
                200,
                json!({"access_token": format!("token-{number}"), "token_type": "bearer", "expires_in": expires_in}),
            );
        }
        let wanted = format!("Bearer token-{}", valid.load(Ordering::SeqCst));
        if asked.header("authorization") != Some(&wanted) {
            return says(status, json!({"error": {"message": "who are you", "code": status}}));
        }
        if asked.target.contains("/config") { says(200, CONFIG) } else { says(200, table(&[SNAPSHOT])) }
    })
    .await
}

fn fetched(liar: &Liar) -> Vec<Asked> {
    liar.asked().into_iter().filter(|asked| asked.target == TOKENS).collect()
}

#[tokio::test]
async fn nobody_sends_no_token_and_a_token_goes_with_every_request() {
    for (login, expected) in [(Login::None, None), (Login::Token("t0ken".into()), Some("Bearer t0ken"))] {
        let liar = catalog(|_| says(200, table(&[SNAPSHOT]))).await;
        rest_as(&liar, login).table(&ask()).await.unwrap();
        let asked = liar.asked();
        assert!(asked.len() == 2 && asked.iter().all(|asked| asked.header("authorization") == expected), "{asked:?}");
    }
}

#[tokio::test]
async fn a_token_is_fetched_once_and_again_before_its_end() {
    let valid = Arc::new(AtomicUsize::new(1));
    let liar = guarded(valid.clone(), 300).await;
    let rest = rest_as(&liar, client(&liar));
    rest.table(&ask()).await.unwrap();
    rest.table(&ask()).await.unwrap();
    let [first] = fetched(&liar).try_into().unwrap();
    assert_eq!(
        first.body,
        "grant_type=client_credentials&client_id=reader&client_secret=hunter2%2F%2B&scope=PRINCIPAL_ROLE%3AALL"
    );
    assert_eq!(first.header("content-type"), Some("application/x-www-form-urlencoded"));
    assert_eq!(first.header("authorization"), None);
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(271)).await;
    tokio::time::resume();
    valid.store(2, Ordering::SeqCst);
    rest.table(&ask()).await.unwrap();
    assert_eq!(fetched(&liar).len(), 2);
    assert_eq!(loads(&liar).pop().unwrap().header("authorization"), Some("Bearer token-2"));
}

#[tokio::test]
async fn a_token_that_is_not_taken_any_more_is_fetched_anew_once() {
    let valid = Arc::new(AtomicUsize::new(1));
    let liar = guarded(valid.clone(), 3600).await;
    let rest = rest_as(&liar, client(&liar));
    rest.table(&ask()).await.unwrap();
    valid.store(2, Ordering::SeqCst);
    rest.table(&ask()).await.unwrap();
    assert_eq!(fetched(&liar).len(), 2);

    valid.store(99, Ordering::SeqCst);
    let error = rest.table(&ask()).await.unwrap_err();
    assert_eq!(error.kind, CatalogErrorKind::Denied, "{error}");
    assert_eq!(fetched(&liar).len(), 3, "once a look");
    // A fixed token cannot be had anew.
    let before = liar.asked().len();
    let error = rest_as(&liar, Login::Token("old".into())).table(&ask()).await.unwrap_err();
    assert_eq!(error.kind, CatalogErrorKind::Denied, "{error}");
    assert_eq!(liar.asked().len(), before + 1);
}

#[tokio::test]
async fn a_token_that_the_catalog_calls_expired_is_fetched_anew() {
    let valid = Arc::new(AtomicUsize::new(1));
    let liar = guarded_by(419, valid.clone(), 3600).await;
    let rest = rest_as(&liar, client(&liar));
    rest.table(&ask()).await.unwrap();
    valid.store(2, Ordering::SeqCst);
    rest.table(&ask()).await.unwrap();
    assert_eq!(fetched(&liar).len(), 2);
}

#[tokio::test]
async fn a_token_server_that_gives_no_token_is_told() {
    let long = json!({"access_token": "a b"}).to_string();
    for (status, body, kind, part) in [
        (
            401,
            r#"{"error":"invalid_client","error_description":"hunter9"}"#,
            CatalogErrorKind::Denied,
            "It says: invalid_client",
        ),
        (400, r#"{"error":"invalid_scope"}"#, CatalogErrorKind::Denied, "clientID and clientSecret"),
        (400, "<html>", CatalogErrorKind::Invalid, "400"),
        (404, "", CatalogErrorKind::Invalid, "Check tokenURI"),
        (302, "", CatalogErrorKind::Redirected, "not followed"),
        (503, "", CatalogErrorKind::Busy, "503"),
        (200, "<html>login</html>", CatalogErrorKind::Malformed, "no JSON"),
        (200, r#"{"access_token":""}"#, CatalogErrorKind::Malformed, "no request can hold"),
        (200, long.as_str(), CatalogErrorKind::Malformed, "no request can hold"),
    ] {
        let body = body.to_owned();
        let liar = Liar::start(move |_, _| says(status, &body)).await;
        let error = rest_as(&liar, client(&liar)).table(&ask()).await.unwrap_err();
        assert_eq!(error.kind, kind, "{error}");
        assert!(error.message.contains("The token server") && error.message.contains(part), "{error}");
        assert!(!error.message.contains("hunter"), "{error}");
        assert_eq!(liar.asked().len(), 1);
    }
}

#[tokio::test]
async fn what_was_sent_is_never_repeated() {
    let echo = |asked: &Asked| {
        let sent = format!("{} {} {}", asked.body, asked.headers.replace('\n', " "), asked.target);
        says(403, json!({"error": {"message": sent, "stack": ["hunter9"]}}))
    };
    let fixed = Liar::start(move |asked, _| echo(asked)).await;
    let error = rest_as(&fixed, Login::Token("hunter2".into())).table(&ask()).await.unwrap_err();
    assert!(error.message.contains("Bearer ***") || error.message.contains("bearer ***"), "{error}");
    assert!(!error.message.contains("hunter"), "{error}");

    let error = rest_as(&fixed, client(&fixed)).table(&ask()).await.unwrap_err();
    assert!(error.message.contains("client_secret=***") && !error.message.contains("hunter"), "{error}");

    let token = Liar::start(move |asked, _| match asked.target.as_str() {
        TOKENS => says(200, json!({"access_token": "hunter3"})),
        _ => echo(asked),
    });
    let token = token.await;
    let error = rest_as(&token, client(&token)).table(&ask()).await.unwrap_err();
    assert!(error.message.contains("***") && !error.message.contains("hunter"), "{error}");
}
