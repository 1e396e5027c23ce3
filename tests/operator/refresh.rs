//! The main job: from an object to an ended run.

use std::time::Duration;

use kube::Resource;
use milvus_simulator::{CollectionSpec, Method, Plan};

use crate::harness::{LONG, World, condition, ready, status};

#[tokio::test(flavor = "multi_thread")]
async fn a_refresh_completes_with_the_job_record_of_milvus_and_three_status_writes() {
    let world = World::new().await;
    world.milvus.create_collection("products", Plan::completes_in(Duration::ZERO));
    world.create("products", "products").await;
    let done = world.until_ended("products").await;
    let job = world.milvus.accepted_starts("default", "products");
    assert_eq!(job.len(), 1);
    let status = status(&done);
    assert_eq!(status.state.as_deref(), Some("RefreshCompleted"));
    assert_eq!(status.progress, Some(100));
    assert_eq!(status.job_id, Some(job[0].to_string()));
    assert_eq!(status.external_source.as_deref(), Some("s3://bucket/products/"));
    assert_eq!(status.collection_name.as_deref(), Some("products"));
    assert!(status.start_time.is_some() && status.completion_time.is_some());
    assert_eq!(status.observed_generation, done.meta().generation);
    assert_eq!(condition(&done, "Complete").unwrap().status, "True");
    assert_eq!(ready(&done).unwrap().reason, "RefreshCompleted");
    assert_eq!(world.until_status_writes("products", 3).await, 3, "claim, job id, result");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_job_says_why_in_the_words_of_milvus() {
    let world = World::new().await;
    world
        .milvus
        .create_collection("orders", Plan::fails_in(Duration::from_secs(1), "no files found in external source"));
    world.create("orders", "orders").await;
    let failed = world.until_ended("orders").await;
    assert_eq!(status(&failed).state.as_deref(), Some("RefreshFailed"));
    assert_eq!(status(&failed).reason.as_deref(), Some("no files found in external source"));
    assert_eq!(status(&failed).failure.as_ref().unwrap().class, "SourceEmpty");
    assert_eq!(condition(&failed, "Stalled").unwrap().status, "True");
    assert!(ready(&failed).unwrap().message.contains("no files found"));
    assert_eq!(world.starts("orders"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collection_that_does_not_exist_fails_and_nothing_is_started() {
    let world = World::new().await;
    world.create("missing", "missing").await;
    let failed = world.until_ended("missing").await;
    assert_eq!(ready(&failed).unwrap().reason, "CollectionNotFound");
    assert!(status(&failed).completion_time.is_some());
    assert_eq!(world.milvus.calls(Method::Refresh), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collection_with_its_own_data_is_not_refreshed() {
    let world = World::new().await;
    let plan = Plan::completes_in(Duration::ZERO);
    world.milvus.create(CollectionSpec { external: false, ..CollectionSpec::external("own", plan) });
    world.create("own", "own").await;
    let failed = world.until_ended("own").await;
    assert_eq!(ready(&failed).unwrap().reason, "NotExternalCollection");
    assert_eq!(world.milvus.calls(Method::Refresh), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_of_somebody_else_is_waited_for_and_then_ours_starts() {
    let world = World::new().await;
    world.milvus.create_collection("shared", Plan::hangs());
    let foreign = world.milvus.start_foreign_job("default", "shared").unwrap();
    world.create("shared", "shared").await;
    let waiting = world.until_reason("shared", "WaitingForActiveJob").await;
    assert!(ready(&waiting).unwrap().message.contains(&foreign.to_string()));
    assert_eq!(status(&waiting).job_id, None);
    world.milvus.set_plan("default", "shared", Plan::completes_in(Duration::ZERO));
    world.milvus.finish_job(foreign, milvus_simulator::Outcome::Complete);
    let done = world.until_ended("shared").await;
    assert_eq!(status(&done).state.as_deref(), Some("RefreshCompleted"));
    assert_ne!(status(&done).job_id, Some(foreign.to_string()));
}

#[tokio::test(flavor = "multi_thread")]
async fn progress_is_shown_while_a_long_job_runs_and_never_falls() {
    let world = World::new().await;
    world.milvus.create_collection("long", Plan::completes_in(Duration::from_secs(25)));
    world.create("long", "long").await;
    let running = world
        .until("long", "in progress", |object| {
            object.status.as_ref().is_some_and(|status| {
                status.state.as_deref() == Some("RefreshInProgress") && status.progress.is_some_and(|p| p > 0)
            })
        })
        .await;
    let before = status(&running).progress;
    let done = world.until("long", "further", |object| status(object).progress > before).await;
    assert!(status(&done).progress > before);
    world.until_ended("long").await;
    assert_eq!(world.starts("long"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_object_is_no_longer_followed() {
    let world = World::new().await;
    world.milvus.create_collection("gone", Plan::hangs());
    world.create("gone", "gone").await;
    world.until("gone", "started", |object| status(object).job_id.is_some()).await;
    let deleted = world.refreshes().delete("gone", &kube::api::DeleteParams::default()).await.unwrap();
    assert!(deleted.is_right(), "no finalizer holds the object back");
    // Polls go on until the operator hears of it. Then none comes: one that follows a job asks at least once in ten seconds.
    let forgotten = async {
        loop {
            let polls = world.milvus.calls(Method::Progress);
            let another = world.milvus.wait_until(|milvus| milvus.calls(Method::Progress) > polls);
            if tokio::time::timeout(Duration::from_secs(15), another).await.is_err() {
                return;
            }
        }
    };
    tokio::time::timeout(LONG, forgotten).await.expect("the job is still polled");
}
