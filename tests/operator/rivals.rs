//! Others who write the same objects: a second operator, a newer one, an administrator.

use std::time::Duration;

use kube::{
    ResourceExt,
    api::{DeleteParams, Patch, PatchParams},
};
use milvus_refresh_operator::api::RefreshStatus;
use milvus_simulator::{Fault, Method, Outcome, Plan};
use serde_json::json;

use crate::harness::{World, refresh, status};

#[tokio::test(flavor = "multi_thread")]
async fn two_operators_that_decide_on_one_run_at_once_start_it_once() {
    let world = World::without_operator().await;
    world.milvus.create_collection("products", Plan::completes_in(Duration::ZERO));
    world.connect(None).await;
    let kubeconfig = &world.cluster.operator_kubeconfig;
    let _rivals = ["first", "second"].map(|name| world.spawn_operator(name, kubeconfig, &["--leader-elect=false"]));
    world.until_connected().await;
    world.milvus.fault(Method::Describe, Fault::HangBeforeEffect.times(2));
    world.create("products", "products").await;
    // Both have decided to look, on the same version of the object.
    world.milvus.wait_until(|milvus| milvus.calls(Method::Describe) == 2).await;
    world.milvus.release();
    let done = world.until_ended("products").await;
    assert_eq!(status(&done).state.as_deref(), Some("RefreshCompleted"));
    assert_eq!(world.starts("products"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_status_in_the_words_of_a_newer_operator_is_carried_on_and_nothing_is_started_again() {
    let world = World::new().await;
    world.milvus.create_collection("products", Plan::hangs());
    world.create("products", "products").await;
    let before = world.until("products", "started", |object| status(object).job_id.is_some()).await;
    world.kill_operator();
    let words = json!({ "status": {
        "state": "RefreshVerifying",
        "run": { "operator": "a newer one", "verifiedSegments": 7 },
        "conditions": [{
            "type": "Verified", "status": "Unknown", "reason": "Verifying", "message": "Counting rows.",
            "lastTransitionTime": "2026-11-23T00:00:00Z",
        }],
    } });
    world.refreshes().patch_status("products", &PatchParams::default(), &Patch::Merge(&words)).await.unwrap();
    world.start_operator();
    world.milvus.finish_job(world.milvus.accepted_starts("default", "products")[0], Outcome::Complete);
    let done = world.until_ended("products").await;
    assert_eq!(status(&done).state.as_deref(), Some("RefreshCompleted"));
    assert_eq!(status(&done).job_id, status(&before).job_id);
    assert_eq!(world.starts("products"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_that_is_re_created_while_its_start_is_under_way_has_a_run_of_its_own() {
    let world = World::new().await;
    world.milvus.create_collection("products", Plan::hangs());
    world.milvus.fault(Method::Refresh, Fault::HangBeforeEffect);
    let old = world.create("products", "products").await;
    world.milvus.wait_until(|milvus| milvus.calls(Method::Refresh) == 1).await;
    world.refreshes().delete("products", &DeleteParams::default()).await.unwrap();
    let new = world.create("products", "products").await;
    assert_ne!(old.uid(), new.uid());
    world.milvus.release();
    world.milvus.wait_until(|milvus| !milvus.accepted_starts("default", "products").is_empty()).await;
    // The late job is nobody's now.
    let waits = world.until_reason("products", "WaitingForActiveJob").await;
    assert_eq!(status(&waits).job_id, None);
    world.milvus.finish_job(world.milvus.accepted_starts("default", "products")[0], Outcome::Complete);
    let started = world.until("products", "started", |object| status(object).job_id.is_some()).await;
    let jobs = world.milvus.accepted_starts("default", "products");
    assert_eq!(jobs.len(), 2, "one for each of the objects");
    assert_eq!(status(&started).job_id, Some(jobs[1].to_string()));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_backup_tool_owns_of_a_status_does_not_survive_into_the_next_run() {
    let world = World::new().await;
    world.milvus.create_collection("products", Plan::completes_in(Duration::ZERO));
    world.create("products", "products").await;
    let done = world.until_ended("products").await;
    // From its restore on, all fields of the status belong to the tool as well.
    let mut restored = refresh("products", json!({ "collectionName": "products" }));
    restored.as_object_mut().unwrap().remove("spec");
    restored["status"] = json!(status(&done));
    let tool = PatchParams::apply("backup-tool").force();
    world.refreshes().patch_status("products", &tool, &Patch::Apply(&restored)).await.unwrap();
    world.milvus.fault(Method::Refresh, Fault::HangBeforeEffect);
    let again = Patch::Merge(json!({ "spec": { "trigger": "again" } }));
    world.refreshes().patch("products", &PatchParams::default(), &again).await.unwrap();
    world.milvus.wait_until(|milvus| milvus.calls(Method::Refresh) == 2).await;
    let claimed = world.refreshes().get("products").await.unwrap();
    let RefreshStatus { job_id, progress, start_time, completion_time, run, .. } = status(&claimed).clone();
    assert_eq!(run.unwrap().number, 2);
    assert_eq!((job_id, progress, start_time, completion_time), (None, None, None, None), "they are of the last run");
    world.milvus.release();
    let again = world.until("products", "over again", |object| status(object).history.len() == 2).await;
    assert_eq!(world.starts("products"), 2);
    assert_ne!(status(&again).job_id, status(&done).job_id);
    assert_eq!(status(&again).last_handled_trigger.as_deref(), Some("again"));
}
