//! Objects that are in the way of others: their statuses cannot be written, or somebody deletes them and a finalizer keeps
//! them.

use std::time::Duration;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::world::{World, claimed};
use crate::refresh::limits::LATE_CLAIM;

/// `Ready`'s reason and message.
fn says(world: &World, name: &str) -> (String, String) {
    let status = world.api.object(name).unwrap().status.unwrap_or_default();
    let ready = status.conditions.into_iter().find(|condition| condition.type_ == "Ready");
    ready.map(|ready| (ready.reason, ready.message)).unwrap_or_default()
}

/// Passes over all objects every two seconds until so much time has passed since `since`.
async fn pass_until(world: &World, since: Instant, time: Duration) {
    while since.elapsed() < time {
        for object in world.api.objects() {
            world.pass(&object.metadata.name.unwrap()).await;
        }
        tokio::time::sleep(Duration::from_secs(2)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn one_that_cannot_be_written_holds_others_no_longer_than_a_late_claim_of_it_can_land_and_asks_milvus_nothing() {
    let world = World::with(&["a", "b"]).await;
    let began = Instant::now();
    world.api.refuse("a", true);
    pass_until(&world, began, LATE_CLAIM - Duration::from_secs(5)).await;
    assert_eq!((world.milvus.looks(), world.milvus.starts()), (0, 0));
    let (reason, message) = says(&world, "b");
    assert_eq!(reason, "Queued");
    assert!(message.contains("default/a"), "{message}");
    world.until_ended("b").await;
    let looks = world.milvus.looks();
    pass_until(&world, began, LATE_CLAIM * 3).await;
    assert_eq!((world.milvus.looks(), world.milvus.starts()), (looks, 1), "it still asks nothing");
    world.api.refuse("a", false);
    world.until_ended("a").await;
    assert_eq!(world.milvus.starts(), 2);
}

#[tokio::test(start_paused = true)]
async fn one_that_can_neither_be_written_nor_read_keeps_what_a_late_claim_of_it_may_hold() {
    let world = World::with(&["a", "b"]).await;
    let began = Instant::now();
    world.api.refuse("a", true);
    world.api.hide("a", true);
    pass_until(&world, began, LATE_CLAIM * 3).await;
    assert_eq!(world.milvus.starts(), 0);
    world.api.hide("a", false);
    world.until_ended("b").await;
}

#[tokio::test(start_paused = true)]
async fn a_late_claim_on_one_that_cannot_be_written_is_met_by_the_read() {
    let world = World::with(&["a", "b"]).await;
    let began = Instant::now();
    world.api.refuse("a", true);
    pass_until(&world, began, LATE_CLAIM - Duration::from_secs(20)).await;
    let claim = json!({
        "state": "RefreshPending",
        "run": { "number": 1, "attempt": 1, "submitTime": "2026-11-23T00:00:00Z", "collectionID": "7" },
    });
    world.api.put_status("a", &claim);
    while began.elapsed() < LATE_CLAIM * 2 {
        // The watch is behind all the time.
        world.pass_behind("b").await;
        tokio::time::sleep(Duration::from_secs(2)).await;
    }
    assert!(!claimed(&world.api.object("b").unwrap()), "two runs of one collection");
    let (_, message) = says(&world, "b");
    assert!(message.contains("default/a of collection"), "{message}");
}

#[tokio::test(start_paused = true)]
async fn an_edit_of_one_whose_status_cannot_be_written_ends_what_it_withholds() {
    let world = World::with(&["a", "b"]).await;
    let began = Instant::now();
    world.api.refuse("a", true);
    pass_until(&world, began, Duration::from_secs(10)).await;
    assert_eq!(world.milvus.starts(), 0);
    world.api.edit("a", |object| object.spec.suspend = true);
    world.until_ended("b").await;
    assert!(began.elapsed() < LATE_CLAIM);
}

#[tokio::test(start_paused = true)]
async fn one_whose_status_is_refused_later_on_holds_nobody_and_asks_milvus_nothing_until_it_is_written() {
    let world = World::with(&[]).await;
    world.api.create("a");
    world.api.create("b");
    world.api.refuse("a", true);
    let began = Instant::now();
    world.pass("a").await;
    let looks = world.milvus.looks();
    world.until_ended("b").await;
    let others = world.milvus.looks();
    pass_until(&world, began, Duration::from_secs(300)).await;
    assert_eq!(world.milvus.looks(), others, "it had looked {looks} times before its first write");
    world.api.refuse("a", false);
    world.until_ended("a").await;
}

#[tokio::test(start_paused = true)]
async fn one_that_is_being_deleted_is_passed_over_and_says_so() {
    let world = World::with(&["a", "b"]).await;
    world.api.edit("a", |object| {
        object.metadata.finalizers = Some(vec!["example.com/keep".to_owned()]);
        object.metadata.deletion_timestamp = Some(Time("2026-11-23T00:00:00Z".parse().unwrap()));
    });
    world.until_ended("b").await;
    world.pass("a").await;
    assert_eq!(world.milvus.starts(), 1);
    assert_eq!(says(&world, "a").0, "Terminating");
    let status: Value = serde_json::to_value(world.api.object("a").unwrap().status).unwrap();
    assert!(status["queuePosition"].is_null() && status["run"]["submitTime"].is_null(), "{status}");
}
