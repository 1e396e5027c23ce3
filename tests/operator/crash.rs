//! kill -9, and an orderly end.

use std::time::{Duration, Instant};

use milvus_simulator::{Fault, Method, Plan};

use crate::harness::{LONG, World, status};

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
async fn asked_to_stop_while_the_api_server_cannot_be_reached_the_operator_ends() {
    let world = World::without_operator().await;
    let kubeconfig = std::fs::read_to_string(&world.cluster.operator_kubeconfig).unwrap();
    let nowhere = world.cluster.control_plane.folder().join("nowhere.kubeconfig");
    std::fs::write(&nowhere, kubeconfig.replace(world.cluster.control_plane.url(), "https://127.0.0.1:1")).unwrap();
    let mut operator = world.spawn_operator("nowhere", &nowhere, &["--leader-elect=false"]);
    let deadline = Instant::now() + LONG;
    while !operator.log_tail().contains("the watch failed") {
        assert!(Instant::now() < deadline, "no watch was tried: {}", operator.log_tail());
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(operator.terminate(LONG).unwrap().code(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn asked_to_stop_the_operator_ends_in_order() {
    let world = World::new().await;
    world.milvus.create_collection("products", Plan::hangs());
    world.create("products", "products").await;
    world.until("products", "started", |object| status(object).job_id.is_some()).await;
    assert_eq!(world.end_operator(), Some(0));
}
