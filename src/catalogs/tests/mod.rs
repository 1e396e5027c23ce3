//! What a catalog can say and do to a look.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use std::time::Duration;

use serde_json::{Value, json};

use super::*;
use crate::web::liar::{Answer, Asked, Liar};

mod login;
mod refusals;

const CONFIG: &str =
    r#"{"defaults":{},"overrides":{"namespace-separator":"%2E","uri":"http://evil.example","token":"hunter9"}}"#;

/// Beyond what a float can tell from its neighbours.
const SNAPSHOT: i64 = 5_008_994_183_780_158_225;

fn access(uri: String) -> Access {
    Access { uri, warehouse: None, login: Login::None, ca: None }
}

fn rest(liar: &Liar) -> Rest {
    rest_as(liar, Login::None)
}

fn rest_as(liar: &Liar, login: Login) -> Rest {
    Rest::new(Access { login, ..access(format!("http://{}/api", liar.address)) }, Limits::default()).unwrap()
}

fn ask() -> Ask {
    Ask { table: "shop.eu.products".to_owned(), reference: "main".to_owned(), pinned: None }
}

fn pinned(snapshot: i64) -> Ask {
    Ask { pinned: Some(snapshot), ..ask() }
}

fn says(status: u16, body: impl ToString) -> Answer {
    Answer::Says(status, "content-type: application/json\r\n", body.to_string())
}

/// A table with one branch, of these snapshots. The last is the current one.
fn table(snapshots: &[i64]) -> Value {
    let all: Vec<Value> =
        snapshots.iter().map(|id| json!({"snapshot-id": id, "summary": {"operation": "append"}})).collect();
    let refs = snapshots.last().map(|id| ("main".to_owned(), json!({"snapshot-id": id, "type": "branch"})));
    json!({
        "metadata-location": "s3://lake/products/m.json",
        "metadata": {
            "format-version": 2,
            "current-snapshot-id": snapshots.last(),
            "refs": Value::Object(refs.into_iter().collect()),
            "snapshots": all,
            "schemas": [{"fields": [{"id": 1, "type": {"type": "list"}}]}],
        },
        "config": {"s3.secret-access-key": "hunter8"},
    })
}

fn stands(snapshot: i64) -> Table {
    Table { metadata_location: "s3://lake/products/m.json".to_owned(), snapshot, pinned_is_gone: false }
}

/// A catalog that answers so to whatever is no question for its configuration.
async fn catalog(answer: impl Fn(&Asked) -> Answer + Send + Sync + 'static) -> Liar {
    Liar::start(move |asked, _| if asked.target.contains("/config") { says(200, CONFIG) } else { answer(asked) }).await
}

/// The requests for tables.
fn loads(liar: &Liar) -> Vec<Asked> {
    liar.asked().into_iter().filter(|asked| asked.target.contains("/tables/")).collect()
}

#[tokio::test]
async fn a_table_stands_where_its_branch_or_tag_is() {
    let mut body = table(&[SNAPSHOT - 1, SNAPSHOT]);
    body["metadata"]["refs"]["v1"] = json!({"snapshot-id": SNAPSHOT - 1, "type": "tag"});
    let liar = catalog(move |_| says(200, &body)).await;
    let rest = rest(&liar);
    assert_eq!(rest.table(&ask()).await, Ok(stands(SNAPSHOT)));
    let tag = Ask { reference: "v1".to_owned(), ..ask() };
    assert_eq!(rest.table(&tag).await, Ok(stands(SNAPSHOT - 1)));
    let gone = Ask { reference: "audit".to_owned(), ..ask() };
    let error = rest.table(&gone).await.unwrap_err();
    assert_eq!(error.kind, CatalogErrorKind::NoReference);
    assert!(error.message.contains("shop.eu.products") && error.message.contains("audit"), "{error}");
    let targets: Vec<String> = liar.asked().into_iter().map(|asked| asked.target).collect();
    assert_eq!(targets[0], "/api/v1/config");
    assert_eq!(targets[1], "/api/v1/namespaces/shop%2Eeu/tables/products?snapshots=refs");
    assert_eq!(targets.len(), 4, "the configuration is asked once: {targets:?}");
}

#[tokio::test]
async fn a_table_without_snapshots_is_empty_and_one_of_the_first_format_has_no_references() {
    for (metadata, expected) in [
        (json!({}), Err(CatalogErrorKind::Empty)),
        (json!({"current-snapshot-id": null, "refs": null, "snapshots": null}), Err(CatalogErrorKind::Empty)),
        (json!({"current-snapshot-id": -1, "refs": {}}), Err(CatalogErrorKind::Empty)),
        (json!({"current-snapshot-id": SNAPSHOT}), Ok(SNAPSHOT)),
    ] {
        let body = json!({"metadata-location": "s3://lake/products/m.json", "metadata": metadata});
        let found = rest(&catalog(move |_| says(200, &body)).await).table(&ask()).await;
        assert_eq!(found.map(|table| table.snapshot).map_err(|error| error.kind), expected, "{metadata}");
    }
}

#[tokio::test]
async fn the_configuration_names_prefix_and_warehouse_and_is_asked_again_after_a_while() {
    let liar = Liar::start(|asked, _| match asked.parameter("warehouse") {
        Some("shop%20eu") => says(200, r#"{"defaults":{"prefix":"no"},"overrides":{"prefix":"catalogs/shop"}}"#),
        _ => says(200, table(&[SNAPSHOT])),
    });
    let liar = liar.await;
    let access = Access { warehouse: Some("shop eu".to_owned()), ..access(format!("http://{}/", liar.address)) };
    let rest = Rest::new(access, Limits::default()).unwrap();
    let ask = Ask { table: "shop.products".to_owned(), ..ask() };
    rest.table(&ask).await.unwrap();
    assert_eq!(loads(&liar)[0].target, "/v1/catalogs/shop/namespaces/shop/tables/products?snapshots=refs");
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(601)).await;
    tokio::time::resume();
    rest.table(&ask).await.unwrap();
    let configs = liar.asked().iter().filter(|asked| asked.target.contains("config")).count();
    assert_eq!(configs, 2);
}

#[tokio::test]
async fn an_unchanged_table_is_told_by_its_tag_alone() {
    let liar = catalog(|asked| match asked.header("if-none-match") {
        Some("abc-unquoted") => Answer::Says(304, "", String::new()),
        _ => Answer::Says(200, "etag: abc-unquoted\r\n", table(&[1, SNAPSHOT]).to_string()),
    });
    let liar = liar.await;
    let rest = rest(&liar);
    for _ in 0..3 {
        assert_eq!(rest.table(&pinned(1)).await, Ok(stands(SNAPSHOT)));
    }
    let tags: Vec<Option<String>> =
        loads(&liar).iter().map(|asked| asked.header("if-none-match").map(str::to_owned)).collect();
    let verbatim = Some("abc-unquoted".to_owned());
    assert_eq!(tags, [None, verbatim.clone(), verbatim]);
    assert_eq!(rest.table(&pinned(2)).await.map(|table| table.pinned_is_gone), Ok(true), "another question");
}

#[tokio::test]
async fn an_unchanged_table_that_nobody_asked_for_is_no_answer() {
    let error = rest(&catalog(|_| Answer::Says(304, "", String::new())).await).table(&ask()).await.unwrap_err();
    assert_eq!(error.kind, CatalogErrorKind::Malformed, "{error}");
}

#[tokio::test]
async fn a_pinned_snapshot_is_looked_for_among_all_only_where_the_answer_does_not_have_it() {
    let history: [i64; 3] = [SNAPSHOT - 2, SNAPSHOT - 1, SNAPSHOT];
    let liar = catalog(move |asked| match asked.parameter("snapshots") {
        Some("all") => says(200, table(&history)),
        _ => says(200, table(&history[1..])),
    });
    let liar = liar.await;
    for (pin, gone, gets) in
        [(SNAPSHOT, false, 1), (SNAPSHOT - 1, false, 1), (SNAPSHOT - 2, false, 2), (SNAPSHOT - 3, true, 2)]
    {
        let before = loads(&liar).len();
        let found = rest(&liar).table(&pinned(pin)).await.unwrap();
        assert_eq!(found, Table { pinned_is_gone: gone, ..stands(SNAPSHOT) }, "{pin}");
        assert_eq!(loads(&liar).len() - before, gets, "{pin}");
    }
}

#[tokio::test]
async fn a_history_that_is_too_long_to_be_read_proves_nothing() {
    let liar = catalog(|asked| match asked.parameter("snapshots") {
        Some("all") => says(200, table(&(0..100_000).collect::<Vec<_>>())),
        _ => says(200, table(&[SNAPSHOT])),
    });
    let liar = liar.await;
    let limits = Limits { answer: 1 << 20, ..Limits::default() };
    let rest = Rest::new(access(format!("http://{}/api", liar.address)), limits).unwrap();
    assert_eq!(rest.table(&pinned(-1)).await, Ok(stands(SNAPSHOT)));
    assert_eq!(loads(&liar).len(), 2);
}

#[tokio::test]
async fn what_a_table_hides_is_not_shown() {
    let liar = catalog(|_| says(200, table(&[SNAPSHOT]))).await;
    let rest = rest_as(&liar, Login::Token("hunter2".into()));
    let found = rest.table(&ask()).await.unwrap();
    assert!(!format!("{rest:?} {found:?}").contains("hunter"), "{rest:?}");
}

#[test]
fn an_access_that_cannot_be_used_is_refused_and_not_repeated() {
    let client = |id: &str, secret: &str, token_uri: &str| Login::Client {
        id: id.into(),
        secret: secret.into(),
        token_uri: token_uri.to_owned(),
        scope: None,
    };
    let lake = || access("http://lake".to_owned());
    let with = |login| Access { login, ..lake() };
    assert!(Rest::new(with(client("id", "secret", "https://login/token")), Limits::default()).is_ok());
    for access in [
        access("lake".to_owned()),
        access("s3://lake".to_owned()),
        access("https://me:hunter2@lake".to_owned()),
        access("https://lake/a?b=hunter2".to_owned()),
        Access { ca: Some("hunter2".to_owned()), ..lake() },
        Access { warehouse: Some("hunter2".repeat(1000)), ..lake() },
        with(Login::Token("".into())),
        with(Login::Token("hunter2\n".into())),
        with(client("", "hunter2", "https://login/token")),
        with(client("id", "hunter2\n", "https://login/token")),
        with(client("id", "secret", "https://me:hunter2@login/token")),
    ] {
        let error = Rest::new(access, Limits::default()).unwrap_err();
        assert_eq!(error.kind, CatalogErrorKind::Invalid, "{error}");
        assert!(!error.message.contains("hunter2"), "{error}");
    }
}
