//! A claim of this process that comes to light although its write seemed to fail (rule 3 of the start protocol).

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use tokio::time::Instant;

use super::{
    api::Fate,
    world::{World, claimed},
};
use crate::{api::RunStatus, refresh::limits::GRACE};

/// Every `Ready` reason and every claim that is written from now on.
fn watch_writes(world: &World, fates: impl IntoIterator<Item = Fate>) -> Arc<Mutex<Vec<String>>> {
    let reasons = Arc::new(Mutex::new(Vec::new()));
    let written = reasons.clone();
    let mut fates = fates.into_iter().collect::<Vec<_>>().into_iter();
    world.api.on_write(move |status| {
        written.lock().unwrap().push(status["conditions"][0]["reason"].as_str().unwrap_or_default().to_owned());
        let is_claim = status["run"]["submitTime"].is_string() && status["jobID"].is_null();
        if is_claim { fates.next().unwrap_or(Fate::Taken) } else { Fate::Taken }
    });
    reasons
}

async fn ended(world: &World) -> RunStatus {
    world.until_ended("a").await.status.unwrap().run.unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_claim_that_was_taken_and_answered_with_a_failure_three_times_is_released_as_not_sent() {
    for silent in [false, true] {
        let world = World::with(&["a"]).await;
        let taken = if silent { Fate::TakenSilently } else { Fate::TakenAndFailed };
        let reasons = watch_writes(&world, [taken, Fate::Failed, Fate::Failed]);
        let began = Instant::now();
        let run = ended(&world).await;
        assert_eq!(world.milvus.starts(), 1);
        assert_eq!((run.attempt, run.proven_claims, run.unproven_submits), (2, 2, 0), "silent: {silent}");
        assert!(!run.adopted);
        assert!(!reasons.lock().unwrap().iter().any(|reason| reason == "OutcomeUnknown"), "silent: {silent}");
        assert!(began.elapsed() < GRACE, "it is not graced (silent: {silent})");
    }
}

#[tokio::test(start_paused = true)]
async fn a_brown_out_that_answers_three_claims_so_fails_no_run() {
    let world = World::with(&["a"]).await;
    let mut tries = BTreeMap::new();
    world.api.on_claim(move |status| {
        let claims = tries.len();
        let tries = tries.entry(status["run"]["claimID"].to_string()).or_insert(0);
        *tries += 1;
        match (claims, *tries) {
            (0..3, 1) => Fate::TakenAndFailed,
            (_, 2 | 3) => Fate::Failed,
            _ => Fate::Taken,
        }
    });
    let run = ended(&world).await;
    assert_eq!(world.milvus.starts(), 1);
    assert_eq!((run.attempt, run.proven_claims, run.unproven_submits), (4, 4, 0));
    assert!(!run.adopted);
}

#[tokio::test(start_paused = true)]
async fn a_claim_of_another_process_under_the_same_number_and_attempt_is_not_released_as_not_sent() {
    let world = World::with(&["a"]).await;
    let (api, milvus) = (world.api.clone(), world.milvus.clone());
    let mut first = true;
    world.api.on_claim(move |claim| {
        // Ours is lost on the way, and the successor's, which was sent, has its place.
        if std::mem::take(&mut first) {
            let mut other = claim.clone();
            other["run"]["claimID"] = "1-1-00000000000000ff".into();
            api.put_status("a", &other);
            milvus.start_by_another();
        }
        Fate::Failed
    });
    world.until_claimed("a").await;
    for _ in 0..10 {
        world.pass("a").await;
        assert!(claimed(&world.api.object("a").unwrap()), "it may be running");
        tokio::time::sleep(Duration::from_secs(2)).await;
    }
    world.api.on_write(|_| Fate::Taken);
    let run = ended(&world).await;
    assert_eq!(world.milvus.starts(), 0);
    assert!(run.adopted);
}

#[tokio::test(start_paused = true)]
async fn what_came_of_a_start_is_not_written_over_a_claim_that_another_process_made_meanwhile() {
    let world = World::with(&["a"]).await;
    let api = world.api.clone();
    world.milvus.on_submit(move || {
        let mut other = serde_json::to_value(api.object("a").unwrap().status).unwrap();
        other["run"]["claimID"] = "1-1-00000000000000ff".into();
        api.put_status("a", &other);
    });
    world.until("a", |_| world.milvus.starts() == 1).await;
    for _ in 0..3 {
        world.pass("a").await;
        let status = world.api.object("a").unwrap().status.unwrap();
        assert_eq!(status.job_id, None, "the other claim's start made another job, or none");
    }
    assert!(ended(&world).await.adopted);
}
