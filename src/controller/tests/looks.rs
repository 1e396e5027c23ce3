//! Looks that fail while the connection's own probe is well.

use std::{collections::BTreeMap, time::Duration};

use super::world::World;
use crate::{
    api::ExternalCollectionRefresh,
    milvus::{ErrorKind, MilvusError},
    refresh::Recorded,
};

const MINUTE: Duration = Duration::from_secs(60);

fn failed(kind: ErrorKind) -> MilvusError {
    MilvusError::new(kind, "collection service is away")
}

fn reason(object: &ExternalCollectionRefresh) -> &'static str {
    Recorded::of(object.status.as_ref()).summary.map_or("", |summary| summary.reason.as_str())
}

fn ended(world: &World) -> usize {
    world.api.objects().iter().filter(|object| Recorded::of(object.status.as_ref()).ended()).count()
}

#[tokio::test(start_paused = true)]
async fn a_server_whose_looks_fail_is_asked_seldom_and_each_run_tells_it_once() {
    let world = World::of(400, 1);
    world.milvus.on_look(|_| Err(failed(ErrorKind::Internal)));
    world.play(2 * MINUTE).await;
    // One announcement, one ConcurrencyLimit and one ConnectionNotReady each.
    let (writes, mut events) = world.api.written();
    assert!(writes.len() <= 3 * 400, "{} status writes", writes.len());
    assert!(world.api.objects().iter().all(|object| reason(object) == "ConnectionNotReady"));
    let per_reason = events.len();
    events.sort();
    events.dedup();
    assert!(per_reason <= 2 * 400, "{per_reason} Events of {events:?}");
    world.milvus.looked();
    world.play(10 * MINUTE).await;
    let looks = world.milvus.looked().len();
    assert!((20..=60).contains(&looks), "{looks} looks in ten minutes");
    assert_eq!(world.api.written(), (Vec::new(), Vec::new()), "nothing new is told");

    world.milvus.on_look(|_| Ok(()));
    world.play(MINUTE).await;
    assert!(world.milvus.starts() > 0, "a trial has opened the gate and woken the others");
    world.allow(400);
    world.play(10 * MINUTE).await;
    assert_eq!(ended(&world), 400);
}

#[tokio::test(start_paused = true)]
async fn the_trouble_of_one_object_holds_nobody_else() {
    let world = World::of(5, 1);
    world.milvus.on_look(|name| if name == "r0" { Err(failed(ErrorKind::Internal)) } else { Ok(()) });
    world.play(MINUTE).await;
    assert_eq!(ended(&world), 4);
    world.milvus.looked();
    world.play(10 * MINUTE).await;
    let looks = world.milvus.looked().len();
    assert!((5..=20).contains(&looks), "{looks} looks in ten minutes");
}

#[tokio::test(start_paused = true)]
async fn a_run_whose_own_look_has_failed_keeps_saying_so_while_it_waits_for_a_slot() {
    let world = World::of(2, 1);
    world.milvus.on_look(|name| if name == "r0" { Err(failed(ErrorKind::Internal)) } else { Ok(()) });
    world.milvus.let_jobs_run_on();
    world.play(2 * MINUTE).await;
    assert_eq!(reason(&world.api.object("r1").unwrap()), "RefreshInProgress", "it has the only slot");
    assert_eq!(reason(&world.api.object("r0").unwrap()), "ConnectionNotReady");
    world.api.written();
    world.play(10 * MINUTE).await;
    assert_eq!(world.api.written().0, Vec::<String>::new());
    world.milvus.on_look(|_| Ok(()));
    world.milvus.end_all();
    world.play(2 * MINUTE).await;
    assert_eq!(ended(&world), 2);
}

#[tokio::test(start_paused = true)]
async fn a_look_for_a_lost_start_rests_after_failures_and_waits_for_no_gate() {
    let world = World::of(1, 16);
    world.milvus.land_after(Duration::from_secs(1));
    world.play(Duration::from_secs(1)).await;
    assert_eq!(world.milvus.starts(), 1);
    world.milvus.on_look(|_| Err(failed(ErrorKind::Internal)));
    world.milvus.looked();
    world.play(10 * MINUTE).await;
    let looks = world.milvus.looked().len();
    assert!((8..=20).contains(&looks), "{looks} looks in ten minutes");
    assert_eq!(reason(&world.api.object("r0").unwrap()), "OutcomeUnknown");

    // Others close the gate for those that are due; this one looks on, finds its job, and so opens it.
    for number in 1..=4 {
        world.api.create_for(&format!("r{number}"), &format!("r{number}"));
    }
    world.play(MINUTE).await;
    world.milvus.on_look(|name| if name == "r0" { Ok(()) } else { Err(failed(ErrorKind::Internal)) });
    world.play(2 * MINUTE).await;
    assert_eq!(ended(&world), 1);
    assert_eq!(world.milvus.starts(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_call_that_fails_as_behind_a_broken_gateway_has_the_connection_looked_at() {
    let table = [
        (ErrorKind::Malformed, true),
        (ErrorKind::Busy, true),
        (ErrorKind::Internal, true),
        (ErrorKind::Unreachable, true),
        (ErrorKind::CollectionNotFound, false),
        (ErrorKind::PermissionDenied, false),
    ];
    for (kind, expected) in table {
        let world = World::of(1, 16);
        world.milvus.on_look(move |_| Err(failed(kind)));
        world.play(Duration::from_secs(1)).await;
        assert_eq!(world.suspects(), expected, "{kind:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_poll_that_fails_as_behind_a_broken_gateway_has_the_connection_looked_at() {
    let world = World::of(1, 16);
    world.milvus.let_jobs_run_on();
    world.play(Duration::from_secs(2)).await;
    assert_eq!(reason(&world.api.object("r0").unwrap()), "RefreshInProgress");
    assert!(!world.suspects());
    world.milvus.on_poll(|| Err(failed(ErrorKind::Malformed)));
    world.play(Duration::from_secs(20)).await;
    assert!(world.suspects());
}

#[tokio::test(start_paused = true)]
async fn what_a_run_waits_for_is_an_event_once_a_run() {
    let world = World::of(1, 16);
    let mut looks = 0;
    // Somebody else's job, and looks that fail now and then.
    world.milvus.run_elsewhere("r0");
    world.milvus.on_look(move |_| {
        looks += 1;
        if looks % 6 < 3 { Ok(()) } else { Err(failed(ErrorKind::Internal)) }
    });
    world.play(20 * MINUTE).await;
    let mut counts = BTreeMap::new();
    for reason in world.api.written().1 {
        *counts.entry(reason).or_insert(0) += 1;
    }
    let expected = BTreeMap::from([("ConnectionNotReady".to_owned(), 1), ("WaitingForActiveJob".to_owned(), 1)]);
    assert_eq!(counts, expected);
}
