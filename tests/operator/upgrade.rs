//! From the last release to this one: its CRDs, objects and statuses, kept in `tests/released`, on an API server of
//! their own.

use std::time::Duration;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, Time};
use kube::api::{Patch, PatchParams, PostParams};
use milvus_refresh_operator::{
    api::{ExternalCollectionRefresh, FIELD_MANAGER},
    milvus::{ConnectOptions, Job, JobId, Milvus as _, grpc::GrpcMilvus},
};
use milvus_simulator::{Method, Outcome, Plan};
use serde_json::{Value, json};

use crate::harness::{Cluster, World, refresh, status};

/// What the last release wrote in this situation.
fn released(name: &str) -> Value {
    let path = format!("{}/tests/released/statuses/{name}.json", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// Leaves an object of this name, for a collection of its own, as the last release did: with the status that it wrote then,
/// and two jobs of the collection, one before the claim and one of it, which is active. Gives the latter.
async fn left_behind(world: &World<'_>, name: &str) -> Job {
    let (milvus, collection) = (&world.milvus, name.replace('-', "_"));
    milvus.create_collection(&collection, Plan::hangs());
    let before = milvus.start_foreign_job("default", &collection).unwrap();
    assert!(milvus.finish_job(before, Outcome::Complete));
    let ours = milvus.start_foreign_job("default", &collection).unwrap();
    let (address, request_timeout) = (milvus.url(), Duration::from_secs(60));
    let client = GrpcMilvus::connect(ConnectOptions { address, tls: None, login: None, request_timeout }).unwrap();
    let described = client.describe("default", &collection).await.unwrap();
    let (before, ours) =
        (client.progress(JobId(before.0)).await.unwrap(), client.progress(JobId(ours.0)).await.unwrap());

    let mut left = released(name);
    let run = &mut left["run"];
    run["collectionID"] = json!(described.id.to_string());
    run["endpoint"] = json!(milvus.url());
    run["externalSource"] = json!(described.source);
    run["jobIDWatermark"] = json!(before.id.to_string());
    run["startTimeWatermark"] = json!(before.start_time.map(MicroTime));
    run["queuedTime"] = json!(before.start_time.map(Time));
    run["submitTime"] = json!(before.start_time.map(Time));
    if left.get("jobID").is_some() {
        left["jobID"] = json!(ours.id.to_string());
    }
    world.create(name, &collection).await;
    let patch = Patch::Merge(json!({ "status": left }));
    world.refreshes().patch_status(name, &PatchParams::default(), &patch).await.unwrap();
    ours
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upgrade_follows_the_jobs_in_flight_and_starts_nothing_a_second_time() {
    let cluster = tokio::task::spawn_blocking(|| Cluster::with_crds("tests/released/crds")).await.unwrap();
    let world = World::on(&cluster).await;
    world.connect(None).await;
    let ended = ["completed", "failed"];
    let in_flight = ["running", "connection-not-ready-while-running", "submitting", "outcome-unknown"];
    for name in ended {
        let job = left_behind(&world, name).await;
        world.milvus.finish_job(milvus_simulator::JobId(job.id.0), Outcome::Complete);
    }
    let mut jobs = Vec::new();
    for name in in_flight {
        jobs.push((name, left_behind(&world, name).await));
    }

    cluster.apply_crds("crds");
    world.start_operator();
    for (name, job) in jobs {
        let id = job.id.to_string();
        let found = world.until(name, "followed", |object| status(object).job_id.as_deref() == Some(&id)).await;
        assert!(status(&found).completion_time.is_none(), "{name}: its job is active");
        assert!(world.milvus.finish_job(milvus_simulator::JobId(job.id.0), Outcome::Complete));
        let done = world.until_ended(name).await;
        assert_eq!(status(&done).state.as_deref(), Some("RefreshCompleted"), "{name}");
        assert_eq!(status(&done).run.as_ref().unwrap().number, 1, "{name}");
    }

    world.milvus.create_collection("products", Plan::completes_in(Duration::ZERO));
    world.create("products", "products").await;
    world.until_ended("products").await;
    assert_eq!(world.milvus.calls(Method::Refresh), 1, "only of what was created after the upgrade");
    for name in ended {
        let now = world.refreshes().get(name).await.unwrap();
        let before = released(name);
        assert_eq!(json!(status(&now).state), before["state"], "{name}");
        assert_eq!(json!(status(&now).completion_time), before["completionTime"], "{name}");
        assert_eq!(status(&now).run.as_ref().unwrap().number, 1, "{name}");
    }
}

/// What `docs/upgrading.md` does before a step back: the fields that our PUTs wrote become those of our applies.
fn handed_over(mut object: ExternalCollectionRefresh) -> ExternalCollectionRefresh {
    let entries = object.metadata.managed_fields.get_or_insert_default();
    let is_ours = |manager: &Option<String>, subresource: &Option<String>| {
        manager.as_deref() == Some(FIELD_MANAGER) && subresource.as_deref() == Some("status")
    };
    entries
        .retain(|entry| !(is_ours(&entry.manager, &entry.subresource) && entry.operation.as_deref() == Some("Apply")));
    for entry in entries.iter_mut().filter(|entry| is_ours(&entry.manager, &entry.subresource)) {
        entry.operation = Some("Apply".to_owned());
    }
    object
}

#[tokio::test(flavor = "multi_thread")]
async fn a_step_back_needs_the_fields_of_a_status_handed_over_to_the_applies_of_the_release_before() {
    let world = World::new().await;
    for name in ["handed", "kept"] {
        world.milvus.create_collection(name, Plan::completes_in(Duration::ZERO));
        world.create(name, name).await;
        world.until_ended(name).await;
    }
    world.kill_operator();
    let refreshes = world.refreshes();
    let handed = handed_over(refreshes.get("handed").await.unwrap());
    refreshes.replace("handed", &PostParams::default(), &handed).await.unwrap();
    for (name, is_handed) in [("handed", true), ("kept", false)] {
        let mut opened = refresh(name, json!({}));
        opened.as_object_mut().unwrap().remove("spec");
        opened["status"] = json!({ "observedGeneration": 1, "state": "RefreshPending", "run": { "number": 2 } });
        let ours = PatchParams::apply(FIELD_MANAGER).force();
        let now = refreshes.patch_status(name, &ours, &Patch::Apply(&opened)).await.unwrap();
        let inherited = status(&now).job_id.is_some() || status(&now).run.as_ref().unwrap().submit_time.is_some();
        assert_eq!(inherited, !is_handed, "{name}");
    }
}
