//! What is said in every state that the operator writes, and in those that it has not written yet.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::{fs, path::Path};

use jiff::Timestamp;
use milvus_refresh_operator::{
    api::{ExternalCollectionRefresh, MilvusConnection},
    refresh::Desired,
};
use serde_json::{Value, json};

use super::{Known, Verdict, why};
use crate::cluster::Operator;

/// A little later than the statuses were written.
const NOW: &str = "2026-09-21T14:13:35Z";

/// A status as the operator writes it, by the name of its golden file.
fn status(name: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../src/refresh/tests/golden").join(format!("{name}.json"));
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

fn refresh(name: &str, spec: Value, status: Value) -> ExternalCollectionRefresh {
    let mut all = json!({ "collectionName": "products" });
    all.as_object_mut().unwrap().extend(spec.as_object().unwrap().clone());
    serde_json::from_value(json!({
        "apiVersion": "milvus-refresh.dev/v1alpha1", "kind": "ExternalCollectionRefresh",
        "metadata": { "name": name, "namespace": "shop", "uid": name, "generation": 1 }, "spec": all, "status": status,
    }))
    .unwrap()
}

fn connection(ready: &str, reason: &str, message: &str) -> MilvusConnection {
    serde_json::from_value(json!({
        "apiVersion": "milvus-refresh.dev/v1alpha1", "kind": "MilvusConnection",
        "metadata": { "name": "default", "namespace": "shop" },
        "spec": { "address": "http://milvus:19530", "maxConcurrentRefreshes": 1 },
        "status": { "endpoint": "http://milvus:19530", "conditions": [{ "type": "Ready", "status": ready, "reason": reason,
            "message": message, "lastTransitionTime": "2026-09-21T14:00:00Z" }] },
    }))
    .unwrap()
}

fn connected() -> MilvusConnection {
    connection("True", "Connected", "")
}

struct Scene {
    object: ExternalCollectionRefresh,
    connection: Option<MilvusConnection>,
    others: Vec<ExternalCollectionRefresh>,
    operator: Operator,
}

impl Scene {
    fn of(object: ExternalCollectionRefresh) -> Self {
        Self {
            object,
            connection: Some(connected()),
            others: Vec::new(),
            operator: Operator::Works("pod-1".to_owned()),
        }
    }

    fn verdict(&self) -> Verdict {
        why(&Known {
            object: &self.object,
            connection: Ok(self.connection.as_ref()),
            others: &self.others,
            operator: &self.operator,
            now: NOW.parse::<Timestamp>().unwrap(),
        })
    }

    /// One sentence a line, with the class whose page follows.
    fn said(&self) -> String {
        let Verdict { why, then, failure } = self.verdict();
        let page = failure.map(|class| format!("(page of {})", class.as_str()));
        let lines: Vec<String> =
            [why].into_iter().chain(then).chain(page).map(|line| format!("    {line}\n")).collect();
        lines.concat()
    }
}

/// Every status that the operator writes, with what else the spec then says.
fn written() -> Vec<(&'static str, Value)> {
    let (plain, suspended) = (json!({}), json!({ "suspend": true }));
    let triggered = json!({ "suspend": true, "trigger": "v2" });
    let idle = |cron: &str, suspend: bool| json!({ "runOnCreation": false, "schedule": { "cron": cron, "timeZone": "Europe/Berlin" }, "suspend": suspend });
    vec![
        ("completed", plain.clone()),
        ("concurrency-limit", plain.clone()),
        ("connection-not-ready", plain.clone()),
        ("connection-not-ready-while-running", plain.clone()),
        ("due-again", plain.clone()),
        ("failed", plain.clone()),
        ("idle", idle("15 2 * * *", false)),
        ("invalid-schedule", idle("0 0 30 2 *", false)),
        ("outcome-unknown", plain.clone()),
        ("queued", plain.clone()),
        ("retrying", plain.clone()),
        ("running", plain.clone()),
        ("submitting", plain.clone()),
        ("suspended-failed-one-due", triggered.clone()),
        ("suspended-idle", idle("15 2 * * *", true)),
        ("suspended-later-retrying", suspended.clone()),
        ("suspended-never-ran", suspended.clone()),
        ("suspended-none-due", suspended.clone()),
        ("suspended-one-due", triggered),
        ("suspended-outcome-unknown", suspended.clone()),
        ("suspended-queued", suspended.clone()),
        ("suspended-retrying", suspended.clone()),
        ("suspended-running", suspended.clone()),
        ("suspended-withdrawn", suspended),
        ("waiting-for-active-job", plain),
    ]
}

#[test]
fn no_state_that_the_operator_writes_is_left_out() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../src/refresh/tests/golden");
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<_> = files.map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned()).collect();
    files.sort();
    assert_eq!(files, written().iter().map(|(name, _)| *name).collect::<Vec<_>>());
}

#[test]
fn every_state_is_explained() {
    let mut said = String::new();
    for (name, spec) in written() {
        said += &format!("{name}\n{}", Scene::of(refresh("products", spec, status(name))).said());
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/words/why/golden.txt");
    if std::env::var_os("WRITE_GOLDEN").is_some() {
        fs::write(&path, &said).unwrap();
    }
    assert!(fs::read_to_string(&path).unwrap() == said, "{} differs from what is said:\n{said}", path.display());
}

#[test]
fn what_the_operator_has_not_written_yet_is_decided_by_its_core() {
    let new = || Scene::of(refresh("products", json!({}), Value::Null));
    assert_eq!(
        new().said(),
        "    products starts now: a run is due for the new object, and nothing known keeps it from starting.\n"
    );
    let triggered = Scene::of(refresh("products", json!({ "trigger": "v2" }), status("completed")));
    assert!(
        triggered.said().contains("products starts now: a run is due for the new spec.trigger"),
        "{}",
        triggered.said()
    );
    let suspended = Scene::of(refresh("products", json!({ "suspend": true }), Value::Null));
    assert!(suspended.said().contains("products does not run: spec.suspend holds all starts"), "{}", suspended.said());
}

#[test]
fn the_connection_is_looked_at_as_it_is_now() {
    let missing = Scene { connection: None, ..Scene::of(refresh("products", json!({}), Value::Null)) };
    assert!(
        missing.said().contains("MilvusConnection default does not exist in this namespace."),
        "{}",
        missing.said()
    );
    assert!(!missing.said().contains("kubectl describe"), "nothing is there to describe: {}", missing.said());
    let down = Some(connection("False", "Unauthenticated", "Milvus refuses the login."));
    let down = Scene { connection: down, ..Scene::of(refresh("products", json!({}), Value::Null)) };
    assert!(
        down.said().contains("products waits (ConnectionNotReady): Unauthenticated: Milvus refuses the login."),
        "{}",
        down.said()
    );
    assert!(down.said().contains("kubectl describe milvusconn default -n shop\n"), "{}", down.said());
}

#[test]
fn who_goes_first_is_told_by_name() {
    let holder = || refresh("nightly", json!({}), status("running"));
    let behind = Scene { others: vec![holder()], ..Scene::of(refresh("products", json!({}), Value::Null)) };
    assert!(
        behind.said().contains("products waits (Queued): Refresh shop/nightly of collection products runs first;"),
        "{}",
        behind.said()
    );
    // Another collection, but the connection allows one at a time.
    let other = refresh("orders", json!({ "collectionName": "orders" }), Value::Null);
    let full = Scene { others: vec![holder()], ..Scene::of(other) };
    assert!(full.said().contains("orders waits (ConcurrencyLimit):"), "{}", full.said());
    let over = refresh("nightly", json!({}), status("completed"));
    let free = Scene { others: vec![over], ..Scene::of(refresh("products", json!({}), Value::Null)) };
    assert!(free.said().contains("products starts now"), "{}", free.said());
}

#[test]
fn without_an_operator_at_work_that_is_why() {
    let silent = || Operator::Silent("No operator is at work.".to_owned());
    let scene = Scene { operator: silent(), ..Scene::of(refresh("products", json!({}), Value::Null)) };
    assert_eq!(
        scene.said(),
        "    products waits (Queued): The refresh of collection products is due.\n    No operator is at work.\n"
    );
    let unknown = || Operator::Unknown("You may not read the lease.".to_owned());
    let new = Scene { operator: unknown(), ..Scene::of(refresh("products", json!({}), Value::Null)) };
    assert!(new.said().ends_with("    You may not read the lease.\n"), "{}", new.said());
    let done = Scene { operator: unknown(), ..Scene::of(refresh("products", json!({}), status("completed"))) };
    assert!(!done.said().contains("lease"), "it has done its work: {}", done.said());
}

/// A refresh that completed, whose source had ten files then and has so many now.
fn watched(files: i64) -> Scene {
    let spec = json!({ "watch": { "objects": {}, "intervalSeconds": 120 } });
    let mut completed = status("completed");
    let fingerprint = Desired::of(&refresh("products", spec.clone(), Value::Null)).watch.unwrap().fingerprint;
    let version = |files: i64| format!("version{files}");
    completed["watch"] = json!({
        "fingerprint": fingerprint, "since": "2026-09-21T14:00:00Z", "observedVersion": version(files), "contentVersion": version(files),
        "objects": files, "bytes": 10, "changedTime": "2026-09-21T14:13:25Z", "refreshedVersion": version(10),
        "refreshed": { "time": "2026-09-21T14:00:00Z", "contentVersion": version(10), "objects": 10, "bytes": 10 },
    });
    Scene::of(refresh("products", spec, completed))
}

#[test]
fn a_source_that_cannot_be_looked_at_is_not_told_to_start_anything() {
    let mut blind = watched(10);
    let status = blind.object.status.as_mut().unwrap();
    status.conditions.push(
        serde_json::from_value(json!({ "type": "SourceFresh", "status": "Unknown", "reason": "CheckFailed",
            "message": "The source cannot be listed.", "lastTransitionTime": "2026-09-21T14:00:00Z" }))
        .unwrap(),
    );
    let blind = blind.said();
    assert!(blind.contains("The source cannot be listed."), "{blind}");
    assert!(blind.contains("    It runs when you ask for it"), "{blind}");
    assert!(!blind.contains("the operator looks every"), "{blind}");
}

#[test]
fn a_watched_source_is_told_with_what_keeps_it_from_running() {
    let same = watched(10).said();
    assert!(same.contains("completed 14s ago, and nothing asks for another."), "{same}");
    assert!(
        same.contains("It runs when its source has changed (the operator looks every 120 s), or when you ask"),
        "{same}"
    );
    let more = watched(12).said();
    assert!(
        more.contains("products does not run: The source has changed: 12 files, 10 bytes, before 10 files"),
        "{more}"
    );
    assert!(more.contains("A run starts once it has not changed for 60 s"), "{more}");
    assert!(more.contains("    Run 1 (Creation) completed 14s ago.\n"), "{more}");
    let gone = watched(1).said();
    assert!(gone.contains("products does not run: More than 50 % of the source is gone"), "{gone}");
    assert!(gone.contains("    It runs when you ask for it: kubectl ecrefresh run products -n shop\n"), "{gone}");
}
