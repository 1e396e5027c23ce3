//! Whether what was refreshed is served: by the real operator, against a Milvus that maps at once and serves later or never.

use std::time::Duration;

use milvus_refresh_operator::api::{ExternalCollectionRefresh, VerificationStatus};
use milvus_simulator::{Fault, Index, Load, Method, Plan, Serving, When};
use serde_json::{Value, json};

use crate::{
    admission::dry_run,
    harness::{World, condition, ready, refresh, status},
};

/// Status and reason of a condition.
fn says(object: &ExternalCollectionRefresh, type_: &str) -> String {
    condition(object, type_).map(|c| format!("{} {}", c.status, c.reason)).unwrap_or_default()
}

fn verification(object: &ExternalCollectionRefresh) -> VerificationStatus {
    status(object).verification.clone().unwrap_or_default()
}

async fn until_verified(world: &World<'_>, name: &str, verified: &str) -> ExternalCollectionRefresh {
    world.until(name, verified, |object| says(object, "Verified") == verified).await
}

/// A collection whose next job completes at once.
fn collection(world: &World<'_>, name: &str) {
    world.milvus.create_collection(name, Plan::completes_in(Duration::ZERO));
}

fn denied() -> Fault {
    let text = "PrivilegeGetPersistentSegmentInfo: permission deny to refresher in the `default` database".into();
    Fault::Status { code: 7, text, when: When::Before }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_is_over_only_when_its_rows_are_served_and_the_table_shows_them() {
    let world = World::new().await;
    collection(&world, "products");
    world.milvus.serving("default", "products", |serving| {
        serving.find(&[("2026-11-25", 700), ("2026-11-26", 300)]);
        serving.target_delay = Duration::from_secs(3600);
        serving.replicas = 2;
    });
    let verify = json!({ "policy": "Require", "index": "Require", "rows": { "min": 1000 } });
    world.create_with("products", "products", json!({ "verify": verify })).await;
    let waits = world.until_reason("products", "Verifying").await;
    assert_eq!((status(&waits).state.as_deref(), status(&waits).progress), (Some("RefreshInProgress"), Some(100)));
    assert!(status(&waits).run.as_ref().unwrap().job_completion_time.is_some());
    let polls = world.milvus.calls(Method::Progress);
    let named =
        |object: &ExternalCollectionRefresh| ready(object).unwrap().message.contains("served, count (NotServed)");
    world.until("products", "found wanting", named).await;
    world.milvus.advance(Duration::from_secs(3600));
    let ended = world.until_ended("products").await;
    assert_eq!(
        (says(&ended, "Ready"), says(&ended, "Verified")),
        ("True RefreshCompleted".into(), "True Passed".into())
    );
    let found = verification(&ended);
    assert_eq!(
        (found.mapped_rows, found.served_rows, found.outcome.as_deref()),
        (Some(1000), Some(1000), Some("Passed"))
    );
    assert_eq!(world.milvus.calls(Method::Progress), polls, "a job that has completed is not asked for again");
    assert_eq!(world.starts("products"), 1);
    let table = world.kubectl(&["get", "ecrefresh", "products", "-o", "wide"]);
    for word in ["ROWS", "1000", "VERIFIED", "True"] {
        assert!(table.contains(word), "{word} is not in\n{table}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_of_the_coordinator_is_noticed_by_the_next_check_and_heals_by_itself() {
    let world = World::new().await;
    collection(&world, "products");
    let verify = json!({ "policy": "Require", "recheckIntervalSeconds": 60 });
    world.create_with("products", "products", json!({ "verify": verify })).await;
    until_verified(&world, "products", "True Passed").await;
    let writes = world.settled(|| world.status_writes("products")).await;
    world.milvus.restart_coordinator();
    let lost = world.until_reason("products", "NotServed").await;
    assert_eq!(says(&lost, "Stalled"), "True NotServed");
    assert_eq!(
        (says(&lost, "Complete"), says(&lost, "Failed")),
        ("True RefreshCompleted".into(), "False RefreshCompleted".into())
    );
    assert_eq!(says(&lost, "Verified"), "False NotServed");
    assert_eq!(verification(&lost).served_rows, Some(0));
    // A release and a load make Milvus look at what it has mapped.
    world.milvus.serving("default", "products", |serving| serving.load = Load::Released);
    world.milvus.serving("default", "products", |serving| serving.load = Load::Loaded);
    let healed = until_verified(&world, "products", "True Passed").await;
    assert_eq!(
        (says(&healed, "Ready"), says(&healed, "Stalled")),
        ("True RefreshCompleted".into(), "False RefreshCompleted".into())
    );
    assert_eq!(world.until_status_writes("products", writes + 3).await, writes + 3, "doubted, confirmed, healed");
    assert_eq!(world.starts("products"), 1, "nothing is started to mend it");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_that_is_killed_while_it_checks_goes_on_after_it() {
    let world = World::new().await;
    for (name, policy) in [("required", "Require"), ("reported", "Report")] {
        collection(&world, name);
        world.milvus.serving("default", name, |serving| serving.target_delay = Duration::from_secs(3600));
        world.create_with(name, name, json!({ "verify": { "policy": policy } })).await;
    }
    world.until_reason("required", "Verifying").await;
    world.until_ended("reported").await;
    world.kill_operator();
    let before = verification(&world.refreshes().get("required").await.unwrap());
    world.start_operator();
    world.milvus.advance(Duration::from_secs(3600));
    for name in ["required", "reported"] {
        let ended = until_verified(&world, name, "True Passed").await;
        assert_eq!((says(&ended, "Ready"), world.starts(name)), ("True RefreshCompleted".into(), 1));
    }
    let after = verification(&world.refreshes().get("required").await.unwrap());
    assert_eq!(after.start_time, before.start_time, "its deadline is that of the first process");
}

/// How a refresh is to end: what it asks for, what is wrong, `Ready` and `Verified`.
type Ending = (&'static str, Value, fn(&mut Serving), &'static str, &'static str);

#[tokio::test(flavor = "multi_thread")]
async fn whatever_is_wrong_with_a_collection_has_an_outcome_of_its_own() {
    let world = World::new().await;
    let released: fn(&mut Serving) = |serving| serving.load = Load::Released;
    let many_segments: fn(&mut Serving) = |serving| {
        serving.segment_rows = 1;
        serving.find(&[("1", 100_000)]);
    };
    let (completed, failed) = ("True RefreshCompleted", "False VerificationFailed");
    let indexed = || json!({ "index": "Require" });
    let query = json!({ "queries": [{ "name": "new", "filter": "batch == \"1\"" }] });
    let endings: Vec<Ending> = vec![
        ("released", json!({}), released, completed, "Unknown NotLoaded"),
        ("released_required", json!({ "load": "Required" }), released, failed, "False NotLoaded"),
        ("loading", json!({}), |serving| serving.load = Load::Loading, completed, "Unknown NotLoaded"),
        ("unserved", json!({}), |serving| serving.unserved = usize::MAX, failed, "False NotServed"),
        ("one_is_missing", json!({}), |serving| serving.unserved = 1, failed, "False NotServed"),
        ("few_rows", json!({ "rows": { "min": 1001 } }), |_| {}, failed, "False TooFewRows"),
        ("lagging", indexed(), |serving| serving.index = Index::Lagging(7), failed, "False IndexPending"),
        ("broken", indexed(), |serving| serving.index = Index::Failed("gone".into()), failed, "False IndexFailed"),
        ("many_segments", json!({}), many_segments, completed, "True Passed"),
        ("not_allowed", query, |_| {}, failed, "Unknown NotAllowed"),
    ];
    for (name, more, wrong, ..) in &endings {
        collection(&world, name);
        assert!(world.milvus.serving("default", name, wrong));
        let mut verify = json!({ "policy": "Require", "timeoutSeconds": 10 });
        verify.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let object = name.replace('_', "-");
        world.create_with(&object, name, json!({ "verify": verify })).await;
    }
    for (name, _, _, ready, verified) in &endings {
        let ended = world.until_ended(&name.replace('_', "-")).await;
        assert_eq!((says(&ended, "Ready"), says(&ended, "Verified")), ((*ready).into(), (*verified).into()), "{name}");
        assert_eq!(world.starts(name), 1, "{name}: a failed check starts nothing");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_without_the_calls_is_judged_by_its_count_and_one_that_denies_them_cannot_be_checked() {
    let world = World::new().await;
    let unknown =
        |method: &str| Fault::Status { code: 12, text: format!("unknown method {method}"), when: When::Before };
    for (method, name) in
        [(Method::MappedSegments, "GetPersistentSegmentInfo"), (Method::ServedSegments, "GetQuerySegmentInfo")]
    {
        world.milvus.fault(method, unknown(name).forever());
    }
    collection(&world, "older");
    world.create_with("older", "older", json!({ "verify": { "policy": "Require" } })).await;
    let ended = world.until_ended("older").await;
    assert_eq!(
        (says(&ended, "Ready"), says(&ended, "Verified")),
        ("True RefreshCompleted".into(), "Unknown Unsupported".into())
    );
    assert_eq!((verification(&ended).mapped_rows, verification(&ended).served_rows), (None, Some(1000)));

    world.milvus.clear_faults();
    world.milvus.fault(Method::MappedSegments, denied().forever());
    collection(&world, "denied");
    world.create_with("denied", "denied", json!({ "verify": { "policy": "Require", "timeoutSeconds": 10 } })).await;
    let ended = world.until_ended("denied").await;
    assert_eq!(
        (says(&ended, "Ready"), says(&ended, "Verified")),
        ("False VerificationFailed".into(), "Unknown CheckFailed".into())
    );
    let message = &ready(&ended).unwrap().message;
    assert!(message.contains("PrivilegeGetPersistentSegmentInfo"), "{message}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_becomes_of_a_collection_between_two_checks_is_found() {
    let world = World::new().await;
    let verify = json!({ "policy": "Require", "recheckIntervalSeconds": 60 });
    for name in ["dropped", "recreated"] {
        collection(&world, name);
        world.create_with(name, name, json!({ "verify": verify })).await;
        until_verified(&world, name, "True Passed").await;
    }
    world.milvus.drop_collection("default", "dropped");
    world.milvus.drop_collection("default", "recreated");
    collection(&world, "recreated");
    for (name, says) in [("dropped", "does not exist"), ("recreated", "dropped and created again")] {
        let lost = world.until_reason(name, "NotServed").await;
        let message = &condition(&lost, "Verified").unwrap().message;
        assert!(message.contains(says), "{name}: {message}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_decides_whether_its_refreshes_may_count_by_filters() {
    let world = World::new().await;
    let allow = json!({ "spec": { "allowVerifyQueries": true } });
    world.kubectl(&["patch", "milvusconn", "default", "--type=merge", "-p", &allow.to_string()]);
    collection(&world, "products");
    world.milvus.serving("default", "products", |serving| serving.find(&[("new", 7)]));
    let verify = |filter: &str, rows: i64| {
        json!({ "verify": { "policy": "Report", "timeoutSeconds": 10,
                            "queries": [{ "name": "fresh", "filter": filter, "minRows": rows }] } })
    };
    world.create_with("finds", "products", verify("batch == \"new\"", 7)).await;
    let found = until_verified(&world, "finds", "True Passed").await;
    let check = verification(&found).checks.into_iter().find(|check| check.name == "query/fresh").unwrap();
    assert_eq!((check.observed, check.expected), (Some(7), Some(7)));
    world.create_with("misses", "products", verify("batch == \"old\"", 1)).await;
    until_verified(&world, "misses", "False QueryFailed").await;
    world.create_with("nonsense", "products", verify("batch ===", 1)).await;
    let wrong = until_verified(&world, "nonsense", "Unknown CheckFailed").await;
    let message = &condition(&wrong, "Verified").unwrap().message;
    assert!(message.contains("cannot use the filter of query fresh"), "{message}");
    assert_eq!(says(&wrong, "Ready"), "True RefreshCompleted");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_to_be_checked_has_its_limits() {
    let world = World::without_operator().await;
    let of = |verify: Value| refresh("x", json!({ "collectionName": "p", "verify": verify }));
    let query =
        |name: &str, filter: String| json!({ "policy": "Report", "queries": [{ "name": name, "filter": filter }] });
    for good in [
        json!({ "policy": "Report" }),
        json!({ "policy": "Require", "rows": { "min": 0, "maxDropPercent": 100 }, "recheckIntervalSeconds": 60 }),
        query("q", "f".repeat(1024)),
    ] {
        dry_run(&world, of(good.clone())).await.unwrap_or_else(|error| panic!("{good}: {error}"));
    }
    for (bad, says) in [
        (json!({}), "policy"),
        (json!({ "policy": "Demand" }), "Unsupported value"),
        (json!({ "policy": "Report", "rows": {} }), "set min, maxDropPercent or both"),
        (json!({ "policy": "Report", "timeoutSeconds": 9 }), "timeoutSeconds"),
        (json!({ "policy": "Report", "recheckIntervalSeconds": 59 }), "recheckIntervalSeconds"),
        (query("q", "f".repeat(1025)), "may not be more than 1024"),
        (query("q", String::new()), "filter"),
        (query("Q", "f".to_owned()), "lower-case letters"),
        (
            json!({ "policy": "Report", "queries": [{ "name": "q", "filter": "a" }, { "name": "q", "filter": "b" }] }),
            "Duplicate",
        ),
        (
            json!({ "policy": "Report", "queries": (0..6).map(|n| json!({ "name": format!("q{n}"), "filter": "a" })).collect::<Vec<_>>() }),
            "5 items",
        ),
    ] {
        let refused = dry_run(&world, of(bad.clone())).await.expect_err("it is refused");
        assert!(refused.contains(says), "{bad}: {refused}");
    }
    let both = json!({ "collectionName": "p", "ttlSecondsAfterFinished": 60,
                       "verify": { "policy": "Report", "recheckIntervalSeconds": 60 } });
    let refused = dry_run(&world, refresh("x", both)).await.expect_err("it is refused");
    assert!(refused.contains("verify.recheckIntervalSeconds or ttlSecondsAfterFinished"), "{refused}");
}
