//! How the real operator is brought into each state of an object.

use std::time::Duration;

use kube::api::{DeleteParams, Patch, PatchParams};
use milvus_refresh_operator::api::ExternalCollectionRefresh;
use milvus_simulator::{Fault, Load, Login, Method, Plan, Settings, Simulator};
use serde_json::{Value, json};

use crate::{
    album::{Album, Picture},
    harness::{World, condition},
    sources,
};

/// Every state, in the order of the table.
pub async fn all() -> Vec<Picture> {
    let scenes = tokio::join!(
        tokio::spawn(waiting()),
        tokio::spawn(starting()),
        tokio::spawn(over()),
        tokio::spawn(asked()),
        tokio::spawn(suspended()),
        tokio::spawn(verified()),
        tokio::spawn(scheduled()),
        tokio::spawn(sources::watched()),
        tokio::spawn(connections()),
    );
    let (a, b, c, d, e, f, g, h, i) = scenes;
    [a, b, c, d, e, f, g, h, i].into_iter().flat_map(Result::unwrap).collect()
}

fn stalled(reason: &str) -> impl Fn(&ExternalCollectionRefresh) -> bool {
    move |object| condition(object, "Stalled").is_some_and(|c| c.status == "True" && c.reason == reason)
}

async fn waiting() -> Vec<Picture> {
    let mut unseen = Album::of(World::without_operator().await);
    unseen.refresh("unseen", "products", json!({})).await;
    unseen.picture("no operator has seen it yet", "unseen").await;

    let mut album = Album::new().await;
    let milvus = album.world.milvus.clone();
    album.running("busy").await;
    album.refresh("queued", "busy", json!({})).await;
    album.picture_of("another refresh of the collection runs first", "queued", "Queued").await;
    milvus.create_collection("foreign", Plan::hangs());
    milvus.start_foreign_job("default", "foreign").unwrap();
    album.refresh("foreign", "foreign", json!({})).await;
    album.picture_of("a job of somebody else is active", "foreign", "WaitingForActiveJob").await;
    album.connection("narrow", json!({ "address": milvus.url(), "maxConcurrentRefreshes": 1 })).await;
    milvus.create_collection("first", Plan::hangs());
    milvus.create_collection("second", Plan::hangs());
    album.refresh("first", "first", json!({ "connectionRef": { "name": "narrow" } })).await;
    album.world.until_reason("first", "RefreshInProgress").await;
    album.refresh("second", "second", json!({ "connectionRef": { "name": "narrow" } })).await;
    album.picture_of("the connection's limit is reached", "second", "ConcurrencyLimit").await;
    album.refresh("unconnected", "products", json!({ "connectionRef": { "name": "nowhere" } })).await;
    album.picture_of("its connection is missing", "unconnected", "ConnectionNotReady").await;
    let address = milvus.url();
    album.connection("open", json!({ "address": address, "allowedSources": ["*"] })).await;
    album.world.until_connection("open", "Connected", |_| true).await;
    let secret = json!({ "secretKeyRef": { "name": "gone", "key": "spec.json" } });
    let own = json!({ "connectionRef": { "name": "open" }, "externalSource": "s3://b/p/", "externalSpecFrom": secret });
    milvus.create_collection("secretive", Plan::hangs());
    album.refresh("secretive", "secretive", own).await;
    album.picture_of("the Secret of its source is missing", "secretive", "SecretNotFound").await;

    album.refresh("kept", "busy", json!({})).await;
    let keep = Patch::Merge(json!({ "metadata": { "finalizers": ["example.com/keep"] } }));
    album.world.refreshes().patch("kept", &PatchParams::default(), &keep).await.unwrap();
    album.world.until_reason("kept", "Queued").await;
    album.world.refreshes().delete("kept", &DeleteParams::default()).await.unwrap();
    album.picture_of("it is being deleted and a finalizer keeps it", "kept", "Terminating").await;
    album.assert_no_drift();
    unseen.pictures.into_iter().chain(album.pictures).collect()
}

async fn starting() -> Vec<Picture> {
    let mut album = Album::new().await;
    let milvus = album.world.milvus.clone();
    milvus.create_collection("products", Plan::hangs());
    milvus.fault(Method::Refresh, Fault::HangBeforeEffect);
    album.refresh("products", "products", json!({})).await;
    milvus.wait_until(|milvus| milvus.calls(Method::Refresh) == 1).await;
    album.picture_of("a start is being sent", "products", "Submitting").await;
    album.world.kill_operator();
    album.world.start_operator();
    album.picture_of("a start was sent, and what came of it is unknown", "products", "OutcomeUnknown").await;
    album.suspend("products").await;
    album.picture("the same, suspended", "products").await;

    album.running("running").await;
    album.picture("a job runs", "running").await;
    album.commit("running", json!({ "trigger": "next" })).await;
    album.picture("a job runs, and a new trigger was committed", "running").await;
    album.commit("running", json!({ "trigger": null })).await;
    album.suspend("running").await;
    album.picture("a job runs, suspended", "running").await;
    album.running("asked").await;
    album.request_and_forget("asked").await;
    album.picture("a job runs, and a run was requested whose annotation is gone", "asked").await;
    album.running("cut-off").await;
    milvus.pause().await;
    album.picture_of("a job runs, and Milvus cannot be reached", "cut-off", "ConnectionNotReady").await;
    album.assert_no_drift();
    album.pictures
}

async fn over() -> Vec<Picture> {
    let mut album = Album::new().await;
    let milvus = album.world.milvus.clone();
    album.completed("completed").await;
    album.picture("completed", "completed").await;
    album.refresh("missing", "missing", json!({})).await;
    let retries = |object: &ExternalCollectionRefresh| {
        condition(object, "Reconciling").is_some_and(|c| c.status == "True" && c.reason == "ProgressingWithRetry")
    };
    album.world.until("missing", "waiting to retry", retries).await;
    album.picture("an attempt has failed, a retry is pending", "missing").await;
    album.failed("failed").await;
    album.picture("failed for good", "failed").await;
    milvus.set_plan("default", "failed", Plan::hangs());
    milvus.start_foreign_job("default", "failed").unwrap();
    album.commit("failed", json!({ "trigger": "again" })).await;
    album.picture_of("failed before, and a new run waits", "failed", "WaitingForActiveJob").await;
    album.assert_no_drift();
    album.pictures
}

/// Requests by annotation: most that no operator has seen, for which it is killed.
async fn asked() -> Vec<Picture> {
    let mut album = Album::new().await;
    album.completed("completed").await;
    album.failed("failed").await;
    album.completed("suspended").await;
    album.suspend("suspended").await;
    album.refresh("idle", "idle", json!({ "runOnCreation": false })).await;
    album.world.until_reason("idle", "Idle").await;
    album.completed("kept").await;
    album.suspend("kept").await;
    album.request_and_forget("kept").await;
    album.picture("suspended, and a run was requested whose annotation is gone", "kept").await;
    album.world.kill_operator();
    album.commit("kept", json!({ "suspend": null })).await;
    album.picture("the same, resumed, and no operator has seen that yet", "kept").await;
    for (state, name) in [
        ("completed, and a run was requested by annotation", "completed"),
        ("failed, and a run was requested by annotation", "failed"),
        ("idle, and a run was requested by annotation", "idle"),
        ("suspended, and a run was requested by annotation", "suspended"),
    ] {
        let object = format!("ecrefresh/{name}");
        album.world.kubectl(&["annotate", &object, "milvus-refresh.dev/requestedAt=2026-11-26T02:00:00Z"]);
        album.picture(state, name).await;
    }
    album.assert_no_drift();
    album.pictures
}

async fn suspended() -> Vec<Picture> {
    let mut album = Album::new().await;
    let milvus = album.world.milvus.clone();
    milvus.create_collection("never", Plan::hangs());
    album.refresh("never", "never", json!({ "suspend": true })).await;
    let held = |object: &ExternalCollectionRefresh| condition(object, "Suspended").is_some_and(|c| c.status == "True");
    album.world.until("never", "suspended", held).await;
    album.picture("suspended before its first run", "never").await;
    album.running("busy").await;
    album.refresh("queued", "busy", json!({})).await;
    album.world.until_reason("queued", "Queued").await;
    album.suspend("queued").await;
    album.picture("suspended while its first run was queued", "queued").await;
    album.refresh("missing", "missing", json!({})).await;
    album.world.until_reason("missing", "CollectionNotFound").await;
    album.suspend("missing").await;
    album.picture("suspended while a retry is pending", "missing").await;
    album.completed("rests").await;
    album.suspend("rests").await;
    album.picture("suspended after a completed run", "rests").await;
    album.commit("rests", json!({ "trigger": "next" })).await;
    let due = |object: &ExternalCollectionRefresh| {
        condition(object, "Suspended").is_some_and(|c| c.message.contains("A run is due"))
    };
    album.world.until("rests", "due", due).await;
    album.picture("suspended after a completed run, and a new trigger was committed", "rests").await;
    album.failed("failed").await;
    album.suspend("failed").await;
    album.picture("suspended after a failed run", "failed").await;
    album.completed("withdrawn").await;
    milvus.set_plan("default", "withdrawn", Plan::hangs());
    milvus.start_foreign_job("default", "withdrawn").unwrap();
    album.commit("withdrawn", json!({ "trigger": "next" })).await;
    album.world.until_reason("withdrawn", "WaitingForActiveJob").await;
    album.suspend("withdrawn").await;
    album.picture("suspended while a later run was waiting", "withdrawn").await;
    album.assert_no_drift();
    album.pictures
}

async fn verified() -> Vec<Picture> {
    let mut album = Album::new().await;
    let milvus = album.world.milvus.clone();
    let verify = |policy: &str| json!({ "verify": { "policy": policy, "timeoutSeconds": 10 } });
    let collection = |name: &str| milvus.create_collection(name, Plan::completes_in(Duration::ZERO));
    let lags = |name: &str| milvus.serving("default", name, |serving| serving.target_delay = Duration::from_secs(3600));
    for name in ["awaited", "unserved", "reported", "lost", "released"] {
        collection(name);
    }
    let recheck = json!({ "verify": { "policy": "Require", "recheckIntervalSeconds": 60 } });
    album.refresh("lost", "lost", recheck).await;
    let passed = |object: &ExternalCollectionRefresh| condition(object, "Verified").is_some_and(|c| c.status == "True");
    album.world.until("lost", "verified", passed).await;
    album.picture("completed and verified", "lost").await;
    milvus.restart_coordinator();

    assert!(lags("awaited"));
    album.refresh("awaited", "awaited", json!({ "verify": { "policy": "Require" } })).await;
    album.picture_of("Milvus has completed, the checks have not passed yet", "awaited", "Verifying").await;
    assert!(lags("unserved"));
    album.refresh("unserved", "unserved", verify("Require")).await;
    album.picture_of("the checks have failed (`Require`)", "unserved", "VerificationFailed").await;
    assert!(lags("reported"));
    album.refresh("reported", "reported", verify("Report")).await;
    let reported =
        |object: &ExternalCollectionRefresh| condition(object, "Verified").is_some_and(|c| c.status == "False");
    album.world.until("reported", "reported", reported).await;
    album.picture("the checks have failed (`Report`)", "reported").await;
    milvus.serving("default", "released", |serving| serving.load = Load::Released);
    album.refresh("released", "released", verify("Require")).await;
    album.world.until_ended("released").await;
    album.picture("completed, and the collection is not loaded", "released").await;
    album.world.until("lost", "not served", stalled("NotServed")).await;
    album.picture("a later check has failed (`Require`)", "lost").await;
    album.assert_no_drift();
    album.pictures
}

async fn scheduled() -> Vec<Picture> {
    let mut album = Album::new().await;
    let by = |cron: &str| json!({ "runOnCreation": false, "schedule": { "cron": cron } });
    album.refresh("idle", "idle", by("15 2 * * *")).await;
    album.picture_of("idle until its schedule or somebody asks", "idle", "Idle").await;
    album.suspend("idle").await;
    album.picture("idle, suspended", "idle").await;
    album.refresh("never", "never", by("0 0 30 2 *")).await;
    album.world.until("never", "stalled", stalled("InvalidSchedule")).await;
    album.picture("idle, and its schedule is invalid", "never").await;
    album.completed("completed").await;
    album.commit("completed", json!({ "schedule": { "cron": "0 0 30 2 *" } })).await;
    album.world.until("completed", "stalled", stalled("InvalidSchedule")).await;
    album.picture("completed, and its schedule is invalid", "completed").await;
    album.assert_no_drift();
    album.pictures
}

async fn connections() -> Vec<Picture> {
    let mut unseen = Album::of(World::without_operator().await);
    unseen.connection("unseen", json!({ "address": "http://127.0.0.1:1" })).await;
    unseen.picture_of_connection("no operator has seen it yet", "unseen").await;

    let mut album = Album::new().await;
    let serving = |settings: Settings| Simulator::start("127.0.0.1:0".parse().unwrap(), settings);
    let login = Login::Password { user: "root".to_owned(), password: "right".to_owned() };
    let locked = serving(Settings { login: Some(login), ..Settings::default() }).await.unwrap();
    let old = serving(Settings { too_old: true, ..Settings::default() }).await.unwrap();
    album.world.put_login("wrong", "root", "wrong").await;
    album.world.put_login("odd", "root", "right").await;
    let with =
        |address: String, secret: &str| json!({ "address": address, "auth": { "secretRef": { "name": secret } } });
    let pem = json!({ "kind": "Secret", "name": "odd", "key": "password" });
    let states: [(&str, &str, Value, &str); 6] = [
        ("connected", "connected", json!({ "address": album.world.milvus.url() }), "Connected"),
        ("Milvus cannot be reached", "unreachable", json!({ "address": "http://127.0.0.1:1" }), "Unreachable"),
        ("the Secret of its login is missing", "no-secret", with(locked.url(), "gone"), "SecretNotFound"),
        ("Milvus refuses the login", "refused", with(locked.url(), "wrong"), "Unauthenticated"),
        ("Milvus has no refresh API", "too-old", json!({ "address": old.url() }), "UnsupportedServer"),
        (
            "a Secret has no certificate in it",
            "no-ca",
            json!({ "address": "https://127.0.0.1:1", "tls": { "caRef": pem } }),
            "InvalidSpec",
        ),
    ];
    for (state, name, spec, reason) in states {
        album.connection(name, spec).await;
        album.world.until_connection(name, reason, |_| true).await;
        album.picture_of_connection(state, name).await;
    }
    let login = json!({ "secretRef": { "name": "gone" } });
    let catalog = json!({ "name": "lake", "uri": "http://127.0.0.1:1", "auth": login });
    let address = album.world.milvus.url();
    album.connection("no-catalog", json!({ "address": address, "catalogs": [catalog] })).await;
    album.world.until_connection("no-catalog", "Connected", |_| true).await;
    album.world.kubectl(&["wait", "--for=condition=SourcesReady=False", "--timeout=120s", "milvusconn/no-catalog"]);
    album.picture_of_connection("connected, and a catalog of it cannot be used", "no-catalog").await;
    album.assert_no_drift();
    unseen.pictures.into_iter().chain(album.pictures).collect()
}
