//! One answer for all who want to know the same.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::{
    super::What,
    fake::{Fake, Says, World, key, lake, plan, refresh, settle, sources},
};

#[tokio::test(start_paused = true)]
async fn ten_refreshes_of_one_source_cost_one_listing() {
    let store = Fake::held();
    let world = World::with(&store);
    for number in 0..10 {
        world.look(&lake(), number, &plan("s3://lake/a"));
    }
    settle().await;
    store.release(1);
    settle().await;
    assert_eq!((store.asked(), world.woken().len(), world.checked().len()), (1, 10, 1));
    let began: Vec<Instant> =
        (0..10).map(|number| world.sighting(&lake(), number, &plan("s3://lake/a")).unwrap().began).collect();
    assert!(began.iter().all(|each| *each == began[0]));
    world.look(&lake(), 0, &plan("s3://lake/a"));
    settle().await;
    assert_eq!(store.asked(), 2, "what is over is no answer to a later question");
    assert_eq!(world.scout.shared.flights.len(), 1);
    world.scout.forget(&refresh(&lake(), 0));
    settle().await;
    assert_eq!(world.scout.shared.flights.len(), 0, "nothing is kept of what is over or given up");
}

#[tokio::test(start_paused = true)]
async fn another_question_another_connection_and_other_credentials_share_nothing() {
    let (store, rotated) = (Fake::held(), Fake::held());
    let world = World::with(&store);
    let neighbour = key("shop", "neighbour");
    world.scout.allow(&neighbour, sources("s3://lake", &store));
    let mut marked = plan("s3://lake/a");
    if let What::Objects { marker, .. } = &mut marked.what {
        *marker = Some("_SUCCESS".to_owned());
    }
    world.look(&lake(), 0, &plan("s3://lake/a"));
    world.look(&lake(), 1, &plan("s3://lake/b"));
    world.look(&lake(), 2, &marked);
    world.look(&neighbour, 0, &plan("s3://lake/a"));
    settle().await;
    assert_eq!(store.open(), 4);
    world.scout.allow(&lake(), sources("s3://lake", &rotated));
    world.look(&lake(), 3, &plan("s3://lake/a"));
    settle().await;
    assert_eq!((store.open(), rotated.open()), (4, 1));
}

#[tokio::test(start_paused = true)]
async fn a_listing_that_began_too_early_is_waited_for_and_not_shared() {
    let store = Fake::held();
    let world = World::with(&store);
    world.look(&lake(), 0, &plan("s3://lake/a"));
    sleep(Duration::from_secs(10)).await;
    let not_before = Instant::now();
    for number in 1..5 {
        world.look(&lake(), number, &plan("s3://lake/a"));
    }
    settle().await;
    assert_eq!((store.asked(), store.most()), (1, 1), "one listing of a source at a time");
    store.says(Says::Objects(2));
    store.release(1);
    settle().await;
    assert_eq!(world.woken(), ["lake-0"]);
    assert_eq!(store.asked(), 2);
    store.release(1);
    settle().await;
    assert_eq!((store.asked(), world.woken().len()), (2, 4));
    for number in 1..5 {
        assert!(world.sighting(&lake(), number, &plan("s3://lake/a")).unwrap().began >= not_before);
    }
}

#[tokio::test(start_paused = true)]
async fn a_listing_that_began_in_time_is_shared_late() {
    let store = Fake::held();
    let world = World::with(&store);
    let not_before = Instant::now();
    world.look(&lake(), 0, &plan("s3://lake/a"));
    sleep(Duration::from_secs(10)).await;
    world.scout.look(&refresh(&lake(), 1), &lake(), plan("s3://lake/a"), not_before);
    settle().await;
    store.release(1);
    settle().await;
    assert_eq!((store.asked(), world.woken().len()), (1, 2));
}

#[tokio::test(start_paused = true)]
async fn a_question_goes_on_while_one_of_its_askers_is_left() {
    let store = Fake::held();
    let world = World::with(&store);
    for number in 0..3 {
        world.look(&lake(), number, &plan("s3://lake/a"));
    }
    settle().await;
    world.scout.forget(&refresh(&lake(), 0));
    world.scout.forget(&refresh(&lake(), 1));
    settle().await;
    assert_eq!(store.open(), 1);
    store.release(1);
    settle().await;
    assert_eq!((store.asked(), world.woken()), (1, vec!["lake-2".to_owned()]));
    assert!(world.sighting(&lake(), 2, &plan("s3://lake/a")).is_some());
}
