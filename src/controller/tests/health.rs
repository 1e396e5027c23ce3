//! What /livez takes for dead.

use std::convert::Infallible;

use axum::{
    body::{Body, Bytes},
    http::Response,
};
use futures::{StreamExt, future, stream as streams};
use jiff::Timestamp;
use kube::Client;

use super::super::{drive::guarded, *};
use crate::{
    api::ExternalCollectionRefresh,
    clock::Clock,
    cluster::{
        packed::{self, Packed},
        store::Store,
    },
    health::{LONGEST_PASS, LONGEST_SILENCE},
    leader::Leadership,
    object::Key,
    refresh::Wake,
};

/// What the API server does with watches; it answers nothing but a listing otherwise.
#[derive(Clone, Copy, PartialEq)]
enum Watches {
    /// It opens them and has nothing to tell.
    Quiet,
    /// It refuses them.
    Refused,
    /// It never answers.
    Hang,
}

const LISTING: &str = r#"{"apiVersion":"milvus-refresh.dev/v1alpha1","kind":"ExternalCollectionRefreshList","metadata":{"resourceVersion":"1"},"items":[]}"#;
const REFUSAL: &str =
    r#"{"kind":"Status","apiVersion":"v1","status":"Failure","message":"no","reason":"Forbidden","code":403}"#;

fn context(watches: Watches) -> Arc<Context> {
    let service = tower::service_fn(move |request: axum::http::Request<kube::client::Body>| async move {
        let is_watch = request.uri().query().is_some_and(|query| query.contains("watch=true"));
        let answer = match watches {
            _ if !is_watch => Response::new(Body::from(LISTING)),
            Watches::Quiet => Response::new(Body::from_stream(streams::pending::<Result<Bytes, Infallible>>())),
            Watches::Refused => Response::builder().status(403).body(Body::from(REFUSAL)).unwrap(),
            Watches::Hang => future::pending().await,
        };
        Ok::<_, Infallible>(answer)
    });
    let client = Client::new(service, "default");
    let clock = Clock { now: || Timestamp::UNIX_EPOCH, random: || 0.5, nonce: || 0 };
    let leadership = Leadership::without_election();
    let process = Process { clock, metrics: Arc::default(), health: Arc::default(), leadership };
    Arc::new(Context::new(client, process, "me".to_owned(), &[None], Rules::default()))
}

/// Watches refreshes for an hour.
async fn an_hour_of(watches: Watches) -> Result<(), String> {
    let context = context(watches);
    let lifecycle = refresh::Lifecycle::new(context.clone(), &None);
    let (_store, watch) =
        watch::objects::<ExternalCollectionRefresh>(&context.lists, watched(&context, &None), lifecycle);
    let _ = timeout(Duration::from_secs(3600), watch.for_each(|_| future::ready(()))).await;
    context.health.check()
}

#[tokio::test(start_paused = true)]
async fn a_watch_without_news_is_alive() {
    assert_eq!(an_hour_of(Watches::Quiet).await, Ok(()));
}

#[tokio::test(start_paused = true)]
async fn a_watch_that_is_refused_is_alive() {
    assert_eq!(an_hour_of(Watches::Refused).await, Ok(()));
}

#[tokio::test(start_paused = true)]
async fn a_watch_that_nobody_answers_is_dead() {
    let problem = an_hour_of(Watches::Hang).await.unwrap_err();
    assert!(problem.contains("externalcollectionrefreshes in all namespaces"), "{problem}");
}

#[tokio::test(start_paused = true)]
async fn a_watch_that_is_not_looked_at_any_more_is_dead() {
    let context = context(Watches::Quiet);
    let _watched: Api<ExternalCollectionRefresh> = watched(&context, &None);
    tokio::time::advance(LONGEST_SILENCE + Duration::from_secs(1)).await;
    assert!(context.health.check().is_err());
}

fn key(namespace: &str, name: &str) -> Key {
    Key { namespace: namespace.to_owned(), name: name.to_owned() }
}

fn object(name: &str) -> Packed<ExternalCollectionRefresh> {
    let object = serde_json::json!({
        "apiVersion": "milvus-refresh.dev/v1alpha1", "kind": "ExternalCollectionRefresh",
        "metadata": { "namespace": "shop", "name": name, "uid": name }, "spec": { "collectionName": "orders" },
    });
    serde_json::from_value::<packed::Shown<_>>(object).unwrap().into_packed()
}

async fn guarded_pass<F, Fut>(context: Arc<Context>, pass: F) -> Wake
where
    F: Fn(Arc<ExternalCollectionRefresh>, Arc<Context>) -> Fut,
    Fut: Future<Output = Result<Wake, drive::Error>>,
{
    guarded(REFRESH, key("shop", "orders"), Arc::new(object("orders")), context, pass).await
}

#[tokio::test(start_paused = true)]
async fn a_pass_that_does_not_end_is_told_by_its_object_and_a_panic_ends_one() {
    let context = context(Watches::Quiet);
    let hangs = guarded_pass(context.clone(), |_, _| future::pending());
    assert!(timeout(LONGEST_PASS, hangs).await.is_err());
    assert_eq!(context.health.check(), Ok(()), "the pass was given up");

    let hangs = tokio::spawn(guarded_pass(context.clone(), |_, _| future::pending()));
    tokio::time::sleep(LONGEST_PASS + Duration::from_secs(1)).await;
    let problem = context.health.check().unwrap_err();
    assert!(problem.contains("refresh shop/orders"), "{problem}");
    hangs.abort();
    let _ = hangs.await;

    let panics = guarded_pass(context.clone(), |_, _| async { panic!("on purpose") });
    assert!(matches!(panics.await, Wake::After(_)), "it is tried again");
    tokio::time::sleep(LONGEST_PASS + Duration::from_secs(1)).await;
    assert_eq!(context.health.check(), Ok(()));
    let page = context.metrics.page(Timestamp::UNIX_EPOCH, true).unwrap();
    for line in [
        r#"controller_runtime_reconcile_panics_total{controller="refresh"} 1"#,
        r#"controller_runtime_active_workers{controller="refresh"} 0"#,
        "leader_election_master_status{name=\"\"} 1",
    ] {
        assert!(page.lines().any(|found| found == line), "{line} is not in\n{page}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_object_that_is_gone_before_its_pass_waits_no_longer() {
    let context = context(Watches::Quiet);
    let store = Store::default();
    let keys = ["first", "second"].map(|name| key(name, name));
    for key in &keys {
        store.put(key, Arc::new(object(&key.name)));
    }
    let [_, second] = keys.clone();
    let wakes = streams::iter(keys).chain(streams::pending());
    let watched = Watched::new(&None, store.clone(), streams::pending(), wakes);
    let never = |object: Arc<ExternalCollectionRefresh>, _| async move {
        assert_eq!(object.metadata.name.as_deref(), Some("first"));
        future::pending().await
    };
    let stop = CancellationToken::new();
    let kind = Kind { name: REFRESH, workers: 1, lane: |_, refresh| refresh.connection(), due: Arc::default() };
    let driven = drive(kind, vec![watched], never, context.clone(), stop);
    let mut driven = std::pin::pin!(driven);
    let page = || context.metrics.page(Timestamp::UNIX_EPOCH, true).unwrap();
    let shows = |page: String, line: &str| assert!(page.lines().any(|found| found == line), "{line} is not in\n{page}");
    assert!(timeout(Duration::from_millis(500), driven.as_mut()).await.is_err(), "the controller ended");
    shows(page(), r#"workqueue_depth{name="refresh"} 1"#);
    store.remove(&second, "second");
    assert!(timeout(Duration::from_secs(60), driven).await.is_err(), "the controller ended");
    shows(page(), r#"workqueue_adds_total{name="refresh"} 2"#);
    shows(page(), r#"workqueue_depth{name="refresh"} 0"#);
    shows(page(), r#"controller_runtime_reconcile_panics_total{controller="refresh"} 0"#);
}
