//! kill -9, and an orderly end.

use std::time::Duration;

use milvus_refresh_operator::simulator::{Fault, Method, Plan};

use crate::harness::{World, status};

#[tokio::test(flavor = "multi_thread")]
async fn killed_while_a_job_runs_the_operator_carries_on_from_the_status() {
    let world = World::new().await;
    world.milvus.create_collection("products", Plan::completes_in(Duration::from_secs(5)));
    world.create("products", "products").await;
    let before = world.until("products", "started", |object| status(object).job_id.is_some()).await;
    world.kill_operator();
    world.start_operator();
    let done = world.until_ended("products").await;
    assert_eq!(status(&done).job_id, status(&before).job_id);
    assert_eq!(world.starts("products"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_between_the_start_and_its_record_the_operator_finds_the_job() {
    let world = World::new().await;
    world.milvus.create_collection("products", Plan::completes_in(Duration::from_secs(3)));
    world.milvus.fault(Method::Refresh, Fault::HangAfterEffect);
    world.create("products", "products").await;
    world.milvus.wait_until(|milvus| !milvus.accepted_starts("default", "products").is_empty()).await;
    world.kill_operator();
    world.start_operator();
    let done = world.until_ended("products").await;
    assert_eq!(status(&done).state.as_deref(), Some("RefreshCompleted"));
    assert!(status(&done).run.as_ref().unwrap().adopted);
    assert_eq!(world.starts("products"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_while_a_start_is_on_its_way_the_late_start_is_found() {
    let world = World::new().await;
    world.milvus.create_collection("products", Plan::completes_in(Duration::from_secs(3)));
    world.milvus.fault(Method::Refresh, Fault::HangBeforeEffect);
    world.create("products", "products").await;
    world.milvus.wait_until(|milvus| milvus.calls(Method::Refresh) > 0).await;
    world.kill_operator();
    world.start_operator();
    world.until_reason("products", "OutcomeUnknown").await;
    world.milvus.release();
    let done = world.until_ended("products").await;
    assert_eq!(status(&done).state.as_deref(), Some("RefreshCompleted"));
    assert_eq!(world.starts("products"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn asked_to_stop_the_operator_ends_in_order() {
    let world = World::new().await;
    world.milvus.create_collection("products", Plan::hangs());
    world.create("products", "products").await;
    world.until("products", "started", |object| status(object).job_id.is_some()).await;
    assert_eq!(world.end_operator(), Some(0));
}
