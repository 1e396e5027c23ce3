//! One run at a time per collection.

use std::time::Duration;

use futures::{StreamExt, stream};
use kube::api::{ListParams, PostParams};
use milvus_refresh_operator::api::ExternalCollectionRefresh;
use milvus_simulator::{CollectionSpec, JobId, Method, Outcome, Plan, Simulator, Verdict};
use serde_json::json;

use crate::harness::{World, ready, refresh, status};

#[tokio::test(flavor = "multi_thread")]
async fn two_objects_of_one_collection_run_one_after_the_other_also_by_an_alias() {
    let world = World::new().await;
    let plan = Plan::completes_in(Duration::from_secs(2));
    world
        .milvus
        .create(CollectionSpec { aliases: vec!["goods".to_owned()], ..CollectionSpec::external("products", plan) });
    world.create("first", "products").await;
    world.until("first", "started", |object| status(object).job_id.is_some()).await;
    world.create("second", "goods").await;
    let queued = world.until_reason("second", "Queued").await;
    assert_eq!(status(&queued).queue_position, Some(1));
    assert_eq!(ready(&queued).unwrap().status, "Unknown");
    let first = world.until_ended("first").await;
    let second = world.until_ended("second").await;
    assert_ne!(status(&first).job_id, status(&second).job_id);
    assert_eq!(status(&second).queue_position, None);
    assert_eq!(world.starts("products"), 2);
    let refused = world.milvus.journal().into_iter().filter(|call| call.method == Method::Refresh);
    assert!(refused.into_iter().all(|call| matches!(call.verdict, Verdict::Accepted(_))), "no start met another");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_queue_of_a_thousand_on_one_collection_costs_three_position_writes_a_run() {
    const OBJECTS: usize = 1000;
    const RUNS: usize = 20;
    let world = World::new().await;
    world.milvus.create_collection("products", Plan::hangs());
    let names: Vec<String> = (0..OBJECTS).map(|number| format!("r{number:04}")).collect();
    world.create(&names[0], "products").await;
    world.until(&names[0], "started", |object| status(object).job_id.is_some()).await;
    stream::iter(&names[1..])
        .for_each_concurrent(16, |name| async { drop(world.create(name, "products").await) })
        .await;
    for name in &names[1..] {
        world.until_reason(name, "Queued").await;
    }
    let writes = || {
        let lines = world.cluster.control_plane.audit().unwrap();
        let ours = |namespace: &str| namespace == world.namespace;
        lines.iter().filter(|line| ours(&line.namespace) && line.subresource == "status" && line.code == 200).count()
    };
    let before = world.settled(writes).await;
    let mut runs: Vec<ExternalCollectionRefresh> = Vec::new();
    while runs.len() < RUNS {
        let started = world.milvus.accepted_starts("default", "products");
        world.milvus.finish_job(*started.last().unwrap(), Outcome::Complete);
        let next = |milvus: &Simulator| milvus.accepted_starts("default", "products").len() > started.len();
        world.milvus.wait_until(next).await;
        runs.push(owner(&world, started[runs.len()]).await);
    }
    // A claim, the job, its being seen and its end, and at most three places told for each run that ended.
    let most = (4 + 3) * RUNS;
    let cost = writes() - before;
    assert!(cost <= most, "{cost} writes, at most {most}");
    let order =
        |object: &ExternalCollectionRefresh| status(object).run.as_ref().unwrap().queued_time.clone().unwrap().0;
    let due: Vec<_> = runs.iter().map(order).collect();
    assert!(due.is_sorted(), "the runs had their turns in the order in which they became due");
}

/// The object whose job this is.
async fn owner(world: &World<'_>, job: JobId) -> ExternalCollectionRefresh {
    let objects = world.refreshes().list(&ListParams::default()).await.unwrap().items;
    let is_owner = |object: &ExternalCollectionRefresh| status(object).job_id == Some(job.to_string());
    objects.into_iter().find(is_owner).unwrap_or_else(|| panic!("job {job} is nobody's"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_object_frees_its_collection() {
    let world = World::new().await;
    world.milvus.create_collection("products", Plan::hangs());
    world.create("first", "products").await;
    world.until("first", "started", |object| status(object).job_id.is_some()).await;
    world.create("second", "products").await;
    world.until_reason("second", "Queued").await;
    world.refreshes().delete("first", &kube::api::DeleteParams::default()).await.unwrap();
    // Milvus has no cancel: the job of the deleted object is now somebody else's.
    world.until_reason("second", "WaitingForActiveJob").await;
    world.milvus.set_plan("default", "products", Plan::completes_in(Duration::ZERO));
    let job = world.milvus.accepted_starts("default", "products")[0];
    world.milvus.finish_job(job, Outcome::Complete);
    world.until_ended("second").await;
    assert_eq!(world.starts("products"), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_foreign_job_of_the_same_source_is_adopted_where_the_spec_says_so() {
    let world = World::new().await;
    world.milvus.create_collection("products", Plan::hangs());
    let foreign = world.milvus.start_foreign_job("default", "products").unwrap();
    let object = refresh("products", json!({ "collectionName": "products", "activeJobPolicy": "Adopt" }));
    world.refreshes().create(&PostParams::default(), &serde_json::from_value(object).unwrap()).await.unwrap();
    let adopted = world.until("products", "following a job", |object| status(object).job_id.is_some()).await;
    assert_eq!(status(&adopted).job_id, Some(foreign.to_string()));
    assert!(status(&adopted).run.as_ref().unwrap().adopted);
    world.milvus.finish_job(foreign, Outcome::Complete);
    world.until_ended("products").await;
    assert_eq!(world.milvus.calls(Method::Refresh), 0);
}
