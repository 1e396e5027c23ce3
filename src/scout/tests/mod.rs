#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod fake;
mod limits;
mod sharing;
mod whom;

use std::{sync::Arc, time::Duration};

use tokio::time::{Instant, sleep};

use super::{BlindReason, Sight};
use crate::stores::Snapshot;
use fake::{Fake, Says, World, lake, plan, refresh, settle, sources};

#[tokio::test(start_paused = true)]
async fn what_a_look_found_is_kept_for_its_plan_and_its_refresh_is_woken_once() {
    let store = Fake::held();
    let world = World::with(&store);
    let began = Instant::now();
    world.look(&lake(), 0, &plan("s3://lake/a"));
    sleep(Duration::from_secs(5)).await;
    world.look(&lake(), 0, &plan("s3://lake/a"));
    assert_eq!(world.scout.under_way(&refresh(&lake(), 0)), Some(Duration::from_secs(5)));
    assert!(world.sighting(&lake(), 0, &plan("s3://lake/a")).is_none());
    store.release(1);
    settle().await;
    let sighting = world.sighting(&lake(), 0, &plan("s3://lake/a")).unwrap();
    assert_eq!((sighting.found, sighting.failures), (Ok(Sight::Objects(Snapshot::of(1))), 0));
    assert_eq!(sighting.began, began);
    assert_eq!(world.woken(), ["lake-0"]);
    assert_eq!((store.asked(), world.scout.under_way(&refresh(&lake(), 0))), (1, None));
    assert!(world.sighting(&lake(), 0, &plan("s3://lake/b")).is_none(), "it was by another plan");
    world.look(&lake(), 0, &plan("s3://lake/a"));
    assert!(world.sighting(&lake(), 0, &plan("s3://lake/a")).is_some(), "the last one, until there is another");
}

#[tokio::test(start_paused = true)]
async fn failures_in_a_row_are_counted_whatever_the_plan_and_a_success_ends_them() {
    let store = Fake::saying(Says::Panics);
    let world = World::with(&store);
    for failures in 1..=3 {
        let plan = plan(&format!("s3://lake/{failures}"));
        world.look(&lake(), 0, &plan);
        settle().await;
        assert_eq!(world.sighting(&lake(), 0, &plan).unwrap().failures, failures);
    }
    store.says(Says::Objects(1));
    assert!(world.looked(&plan("s3://lake/a")).await.is_ok());
    store.says(Says::Panics);
    world.look(&lake(), 0, &plan("s3://lake/a"));
    settle().await;
    assert_eq!(world.sighting(&lake(), 0, &plan("s3://lake/a")).unwrap().failures, 1);
}

#[tokio::test(start_paused = true)]
async fn a_look_that_panics_has_failed_and_the_next_one_looks_again() {
    let store = Fake::saying(Says::Panics);
    let world = World::with(&store);
    let blind = world.looked(&plan("s3://lake/a")).await.unwrap_err();
    assert!(blind.reason == BlindReason::CheckFailed && blind.message.contains("report this bug"), "{blind:?}");
    store.says(Says::Objects(2));
    assert_eq!(world.looked(&plan("s3://lake/a")).await, Ok(Sight::Objects(Snapshot::of(2))));
    assert_eq!(world.checked(), [Err(BlindReason::CheckFailed), Ok(())]);
}

#[tokio::test(start_paused = true)]
async fn a_store_that_never_answers_ends_a_look_after_minutes() {
    let store = Fake::held();
    let world = World::with(&store);
    world.look(&lake(), 0, &plan("s3://lake/a"));
    sleep(Duration::from_secs(179)).await;
    assert!(world.scout.under_way(&refresh(&lake(), 0)).is_some());
    sleep(Duration::from_secs(2)).await;
    assert_eq!((world.woken(), store.open()), (vec!["lake-0".to_owned()], 0));
    let blind = world.sighting(&lake(), 0, &plan("s3://lake/a")).unwrap().found.unwrap_err();
    assert!(blind.reason == BlindReason::CheckFailed && blind.message.contains("within 180 s"), "{blind:?}");
}

#[tokio::test(start_paused = true)]
async fn a_look_waits_for_what_its_connection_allows_but_not_for_ever() {
    let world = World::new();
    world.look(&lake(), 0, &plan("s3://lake/a"));
    sleep(Duration::from_secs(20)).await;
    assert_eq!(world.woken(), [""; 0]);
    world.scout.allow(&lake(), sources("s3://lake", &Fake::saying(Says::Objects(1))));
    settle().await;
    assert!(world.sighting(&lake(), 0, &plan("s3://lake/a")).unwrap().found.is_ok());

    let nowhere = fake::key("shop", "nowhere");
    world.look(&nowhere, 0, &plan("s3://lake/a"));
    sleep(Duration::from_secs(31)).await;
    let blind = world.sighting(&nowhere, 0, &plan("s3://lake/a")).unwrap().found.unwrap_err();
    assert!(blind.message.contains("MilvusConnection nowhere does not exist"), "{blind:?}");
}

#[tokio::test(start_paused = true)]
async fn who_saw_nothing_looks_again_once_something_else_is_allowed() {
    let world = World::with(&Fake::saying(Says::Panics));
    let good = Fake::saying(Says::Objects(1));
    for number in 0..2 {
        world.look(&lake(), number, &plan("s3://lake/a"));
    }
    settle().await;
    world.woken();
    world.scout.allow(&lake(), sources("s3://lake", &good));
    let mut woken = world.woken();
    woken.sort();
    assert_eq!(woken, ["lake-0", "lake-1"]);
    assert!(world.sighting(&lake(), 0, &plan("s3://lake/a")).is_none());
    world.look(&lake(), 0, &plan("s3://lake/a"));
    settle().await;
    world.woken();
    world.scout.allow(&lake(), sources("s3://lake", &good));
    assert_eq!(world.woken(), [""; 0], "who saw something has nothing to repeat, and who was told is not told again");
}

#[tokio::test(start_paused = true)]
async fn what_fails_with_settings_of_before_says_nothing() {
    let old = Fake::held();
    let world = World::with(&old);
    old.says(Says::Panics);
    world.look(&lake(), 0, &plan("s3://lake/a"));
    settle().await;
    world.scout.allow(&lake(), sources("s3://lake", &Fake::saying(Says::Objects(1))));
    old.release(1);
    settle().await;
    assert!(world.sighting(&lake(), 0, &plan("s3://lake/a")).is_none());
    assert_eq!(world.woken(), ["lake-0"], "it asks again");
    assert!(world.looked(&plan("s3://lake/a")).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_goes_takes_its_looks_along_and_who_waited_is_told() {
    let (store, other) = (Fake::held(), Fake::held());
    let world = World::with(&store);
    let neighbour = fake::key("shop", "neighbour");
    world.scout.allow(&neighbour, sources("s3://lake", &other));
    world.look(&lake(), 0, &plan("s3://lake/a"));
    world.look(&neighbour, 0, &plan("s3://lake/a"));
    settle().await;
    world.scout.gone(&lake());
    settle().await;
    assert_eq!((store.open(), other.open()), (0, 1));
    assert_eq!(world.woken(), ["lake-0"]);
    assert_eq!(world.scout.under_way(&refresh(&lake(), 0)), None);
    other.release(1);
    settle().await;
    assert_eq!(world.woken(), ["neighbour-0"]);
    world.scout.allow(&lake(), sources("s3://lake", &Fake::saying(Says::Objects(1))));
    assert!(world.looked(&plan("s3://lake/a")).await.is_ok(), "it has come back");
}

#[tokio::test(start_paused = true)]
async fn what_nobody_waits_for_is_given_up() {
    let store = Fake::held();
    let world = World::with(&store);
    world.look(&lake(), 0, &plan("s3://lake/a"));
    settle().await;
    world.scout.forget(&refresh(&lake(), 0));
    settle().await;
    assert_eq!((store.open(), world.woken().len(), world.scout.under_way(&refresh(&lake(), 0))), (0, 0, None));

    world.look(&lake(), 0, &plan("s3://lake/a"));
    settle().await;
    world.look(&lake(), 0, &plan("s3://lake/b"));
    settle().await;
    assert_eq!((store.open(), store.last().place.key), (1, "b".to_owned()), "the plan has changed");

    drop(world);
    settle().await;
    assert_eq!((store.open(), Arc::strong_count(&store)), (0, 1), "no look outlives the scout");
}
