//! The passes themselves, against an API server and a Milvus in memory that go wrong at a chosen moment. The model plays
//! them at random; here each line of theirs that keeps a start from being made twice is held by a history of its own.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod api;
mod claims;
mod cluster;
mod connection;
mod fence;
mod health;
mod looks;
mod milvus;
mod relist;
mod schedule;
mod spec;
mod world;

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use tokio_util::sync::CancellationToken;

use crate::{
    api::{ExternalCollectionRefresh, RunStatus},
    cluster::watch::Asks,
};
use {
    api::Fate,
    world::{World, claimed},
};

#[tokio::test(start_paused = true)]
async fn a_start_goes_out_only_once_its_claim_is_durable() {
    let world = World::with(&["a"]).await;
    let at_api = world.api.clone();
    world.milvus.on_submit(move || assert!(claimed(&at_api.object("a").unwrap()), "started without a claim"));
    world.until_ended("a").await;
    assert_eq!(world.milvus.starts(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_process_that_loses_the_lease_while_its_claim_is_written_sends_nothing() {
    let world = World::with(&["a"]).await;
    let lease = world.lease.clone();
    world.api.on_claim(move |_| {
        lease.send_replace(None);
        Fate::Taken
    });
    world.until_claimed("a").await;
    world.pass("a").await;
    assert_eq!(world.milvus.starts(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_claim_without_an_answer_is_not_written_again_once_the_lease_is_lost() {
    let world = World::with(&["a"]).await;
    let (lease, writes) = (world.lease.clone(), Arc::new(AtomicUsize::new(0)));
    let counted = writes.clone();
    world.api.on_claim(move |_| {
        counted.fetch_add(1, Ordering::Relaxed);
        lease.send_replace(None);
        Fate::Lost
    });
    for _ in 0..3 {
        world.pass("a").await;
    }
    assert_eq!(writes.load(Ordering::Relaxed), 1);
    assert_eq!(world.milvus.starts(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_claim_that_took_as_long_to_write_as_a_start_may_take_sends_nothing() {
    let world = World::with(&["a"]).await;
    let mut fates = [Fate::Lost, Fate::Lost, Fate::TakenAfter(Duration::from_millis(9_500))].into_iter();
    world.api.on_claim(move |_| fates.next().unwrap_or(Fate::Taken));
    world.until_claimed("a").await;
    assert_eq!(world.milvus.starts(), 0);
    world.until_ended("a").await;
    assert_eq!(world.milvus.starts(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_claim_that_somebody_else_made_meanwhile_is_met_and_not_overwritten() {
    let world = World::with(&["a"]).await;
    let (api, milvus) = (world.api.clone(), world.milvus.clone());
    let mut faster = Some("another");
    world.api.on_claim(move |claim| {
        // The other process made the same claim, and its start has ended already.
        if let Some(operator) = faster.take() {
            let mut other = claim.clone();
            other["run"]["operator"] = operator.into();
            other["run"]["claimID"] = "1-1-00000000000000ff".into();
            api.put_status("a", &other);
            milvus.start_by_another();
        }
        Fate::Taken
    });
    let ended = world.until_ended("a").await;
    assert_eq!(world.milvus.starts(), 0, "the other process' start is found and not repeated");
    assert!(ended.status.unwrap().run.unwrap().adopted);
}

#[tokio::test(start_paused = true)]
async fn a_status_that_somebody_else_writes_asks_for_a_pass_and_what_this_process_wrote_does_not() {
    let world = World::with(&["a"]).await;
    world.until_ended("a").await;
    assert_eq!(world.watch.show(&world.api), [Asks::IfChanged], "its own last write");
    world.api.put_status("a", &serde_json::Value::Null);
    assert_eq!(world.watch.show(&world.api), [Asks::Always], "it rests no more, and nobody else would wake it");
}

#[tokio::test(start_paused = true)]
async fn a_claim_that_somebody_removes_while_its_start_may_land_is_not_made_again_before() {
    for ended in [false, true] {
        let world = World::with(&["a"]).await;
        world.milvus.land_after(Duration::from_secs(20));
        world.until("a", |_| world.milvus.starts() == 1).await;
        let mut status = serde_json::to_value(world.api.object("a").unwrap().status).unwrap();
        status["run"].as_object_mut().unwrap().remove("submitTime").unwrap();
        if ended {
            status["state"] = "RefreshFailed".into();
            world.api.put_status("a", &status);
            world.pass("a").await;
            status["state"] = "RefreshPending".into();
        }
        world.api.put_status("a", &status);
        let ended = world.until_ended("a").await;
        assert_eq!(world.milvus.starts(), 1);
        assert!(ended.status.unwrap().run.unwrap().adopted, "the start that landed late was found");
    }
}

#[tokio::test(start_paused = true)]
async fn what_came_of_a_start_is_not_told_of_an_object_that_was_re_created_meanwhile() {
    let world = World::with(&["a"]).await;
    let api = world.api.clone();
    world.milvus.on_submit(move || api.recreate("a"));
    world.until("a", |_| world.milvus.starts() == 1).await;
    assert_eq!(world.api.object("a").unwrap().status, None);
    let ended = world.until_ended("a").await;
    assert_eq!(world.milvus.starts(), 2, "one for each of the objects");
    assert_eq!(ended.status.unwrap().job_id.unwrap(), world.milvus.last_job().to_string());
}

#[tokio::test(start_paused = true)]
async fn a_run_whose_announcement_was_taken_without_a_reply_goes_on() {
    let world = World::with(&["a", "b"]).await;
    let mut fates = [Fate::TakenSilently].into_iter();
    world.api.on_write(move |_| fates.next().unwrap_or(Fate::Taken));
    world.until_ended("a").await;
    world.until_ended("b").await;
    assert_eq!(world.milvus.starts(), 2);
}

#[tokio::test(start_paused = true)]
async fn an_object_that_is_deleted_while_its_start_is_sent_holds_its_collection_no_longer_than_its_pass() {
    let world = World::with(&["a", "b"]).await;
    let (api, watch) = (world.api.clone(), world.watch.clone());
    world.milvus.on_submit(move || {
        api.delete("a");
        watch.show(&api);
    });
    world.until("a", |object| object.is_none()).await;
    world.until_ended("b").await;
    assert_eq!(world.milvus.starts(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_claim_whose_write_was_taken_without_a_reply_is_not_sent_and_its_collection_stays_taken() {
    let world = World::with(&["a", "b"]).await;
    let mut fates = [Fate::TakenSilently, Fate::Lost, Fate::Lost].into_iter();
    world.api.on_claim(move |_| fates.next().unwrap_or(Fate::Taken));
    world.until_claimed("a").await;
    world.pass("b").await;
    assert_eq!(world.milvus.starts(), 0);
    assert!(!claimed(&world.api.object("b").unwrap()));
    world.until_ended("a").await;
    world.until_ended("b").await;
    assert_eq!(world.milvus.starts(), 2);
}

/// A world whose object `a` has a first run or, as `again` says, a second one to come.
async fn due(again: bool) -> World {
    let world = World::with(&["a"]).await;
    if again {
        world.until_ended("a").await;
        world.api.edit("a", |object| object.spec.trigger = Some("again".to_owned()));
    }
    world
}

#[tokio::test(start_paused = true)]
async fn a_claim_whose_write_was_not_answered_is_written_before_anything_else_is_decided() {
    for again in [false, true] {
        let world = due(again).await;
        let before = world.milvus.starts();
        let mut fates = [Fate::Lost; 3].into_iter();
        world.api.on_claim(move |_| fates.next().unwrap_or(Fate::Taken));
        let number = i64::from(again) + 1;
        let run = |object: &ExternalCollectionRefresh| object.status.clone()?.run;
        let claimed = |run: RunStatus| run.number == number && run.attempt > 0;
        world.until("a", |object| object.and_then(run).is_some_and(claimed)).await;
        assert_eq!(world.milvus.starts(), before, "a claim that was taken so late is given up (again: {again})");
        world.until("a", |_| world.milvus.starts() > before).await;
        assert_eq!(world.milvus.starts(), before + 1);
    }
}

#[tokio::test(start_paused = true)]
async fn the_pause_before_a_status_is_offered_again_grows_to_a_limit_and_is_short_again_after_a_success() {
    for again in [false, true] {
        let world = due(again).await;
        for _ in 0..2 {
            world.api.on_write(|_| Fate::Failed);
            for millis in [875, 1750, 3500, 7000, 7000] {
                let pause = Duration::from_millis(millis);
                assert_eq!(world.failing_pass("a").await, pause, "again: {again}");
            }
            world.api.on_write(|_| Fate::Taken);
            world.pass("a").await;
        }
        world.until_ended("a").await;
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_is_claimed_before_each_run_that_was_due_is_written_once_so_that_a_late_claim_meets_a_conflict() {
    let world = World::with(&["a", "b"]).await;
    let (api, first) = (world.api.clone(), ["a", "b"].map(|name| world.api.version(name)));
    world.api.on_claim(move |_| {
        assert!(["a", "b"].iter().zip(&first).all(|(name, first)| api.version(name) != *first));
        Fate::Taken
    });
    world.until_ended("a").await;
    world.until_ended("b").await;
    assert_eq!(world.milvus.starts(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_leader_that_was_succeeded_and_lives_on_claims_nothing_beside_its_successor() {
    let old = World::with(&["a", "b"]).await;
    old.pass("a").await;
    old.pass("b").await;
    old.lease.send_replace(None);
    let new = old.beside("successor");
    new.pass("a").await;
    new.pass("b").await;
    // The successor's claim is durable, and what it starts is not to be seen in Milvus yet.
    new.api.on_claim(|_| Fate::TakenSilently);
    assert!(tokio::time::timeout(Duration::from_secs(5), new.pass("a")).await.is_err());
    assert!(claimed(&new.api.object("a").unwrap()));
    new.api.on_write(|_| Fate::Taken);
    for _ in 0..5 {
        old.pass_behind("b").await;
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    assert_eq!(old.milvus.starts(), 0, "a run of a collection that another one has was started");
}

#[tokio::test(start_paused = true)]
async fn a_claim_that_comes_to_light_during_a_pass_that_fails_keeps_its_collection() {
    let old = World::with(&["a", "b"]).await;
    old.pass("a").await;
    old.pass("b").await;
    let (api, late) = (old.api.clone(), old.beside("successor"));
    let watch = late.watch.clone();
    // The predecessor's claim of `a` lands while the successor announces `a` and gets no answer.
    let mut fates = [Fate::Lost; 3].into_iter();
    late.pass("b").await;
    old.api.on_write(move |_| fates.next().unwrap_or(Fate::Taken));
    let announcing = late.pass_behind("a");
    let landing = async {
        tokio::time::sleep(Duration::from_secs(15)).await;
        let mut claim = serde_json::to_value(api.object("a").unwrap().status).unwrap();
        claim["run"]["submitTime"] = "2026-11-23T00:00:00Z".into();
        claim["run"]["collectionID"] = "7".into();
        claim["run"]["attempt"] = 1.into();
        api.put_status("a", &claim);
        watch.show(&api);
    };
    tokio::join!(announcing, landing);
    for _ in 0..3 {
        tokio::join!(late.pass_behind("a"), late.pass_behind("b"));
    }
    assert!(claimed(&api.object("a").unwrap()));
    assert_eq!(old.milvus.starts(), 0, "a run of a collection that another one has was started");
}

#[tokio::test(start_paused = true)]
async fn a_refresh_that_is_suspended_before_its_claim_is_not_started_though_the_watch_lags() {
    let world = World::with(&["a"]).await;
    world.api.edit("a", |object| {
        object.spec.suspend = true;
        object.metadata.generation = Some(2);
    });
    for _ in 0..5 {
        world.pass_behind("a").await;
    }
    assert_eq!(world.milvus.starts(), 0);
    let status = world.api.object("a").unwrap().status.unwrap();
    assert_eq!(status.observed_generation, Some(2), "it has been read");
}

#[tokio::test(start_paused = true)]
async fn a_finished_object_is_deleted_only_as_it_was_seen() {
    let finished_long_ago = async || {
        let world = World::with(&["a"]).await;
        world.until_ended("a").await;
        world.api.edit("a", |object| {
            object.spec.ttl_seconds_after_finished = Some(60);
            object.status.as_mut().unwrap().completion_time = Some(Time("2026-01-01T00:00:00Z".parse().unwrap()));
        });
        world.watch.show(&world.api);
        world
    };
    let edited = finished_long_ago().await;
    edited.api.edit("a", |object| object.spec.trigger = Some("again".to_owned()));
    edited.pass_behind("a").await;
    assert!(edited.api.object("a").is_some(), "what asks for a run is not seen yet");
    edited.until("a", |_| edited.milvus.starts() == 2).await;

    let recreated = finished_long_ago().await;
    recreated.api.recreate("a");
    recreated.pass_behind("a").await;
    assert!(recreated.api.object("a").is_some(), "it is another object");

    let untouched = finished_long_ago().await;
    untouched.pass_behind("a").await;
    assert_eq!(untouched.api.object("a"), None);
}

#[tokio::test(start_paused = true)]
async fn all_that_wait_are_started_before_the_first_start_is_recorded() {
    let world = World::of(5, 5);
    let (milvus, stop) = (world.milvus.clone(), CancellationToken::new());
    milvus.let_jobs_run_on();
    let ends = stop.clone();
    world.api.on_write(move |status| {
        if status["jobID"].is_string() {
            assert_eq!(milvus.starts(), 5, "a start was recorded while others waited for theirs");
            ends.cancel();
        }
        Fate::Taken
    });
    world.drive(1, stop).await;
    assert_eq!(world.milvus.starts(), 5);
}

#[tokio::test(start_paused = true)]
async fn what_was_started_is_recorded_before_a_process_that_is_asked_to_stop_has_stopped() {
    let world = World::of(5, 5);
    let (milvus, stop) = (world.milvus.clone(), CancellationToken::new());
    milvus.let_jobs_run_on();
    let ends = stop.clone();
    world.api.on_claim(move |_| {
        if milvus.starts() == 3 {
            ends.cancel();
        }
        Fate::Taken
    });
    world.drive(1, stop).await;
    assert_eq!(world.milvus.starts(), 4, "the one that was under way is the last");
    let recorded = world
        .api
        .objects()
        .into_iter()
        .filter(|object| object.status.as_ref().is_some_and(|status| status.job_id.is_some()));
    assert_eq!(recorded.count(), 4);
}

#[test]
fn a_namespace_that_is_named_twice_is_watched_once_and_none_are_all() {
    let scopes = |names: &[&str]| super::scopes(&names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>());
    assert_eq!(scopes(&["shop", "search", "shop"]), [Some("search".to_owned()), Some("shop".to_owned())]);
    assert_eq!(scopes(&[]), [None]);
}
