//! When a failed run is tried again, and with what in mind.

use std::time::Duration;

use super::scene::{NEW, Scene, accepted, collection, job, listed, look_failed, looked, old, other_want, sighted};
use crate::{
    milvus::{Collection, ErrorKind, Job, JobId, JobState},
    refresh::{Effect, Fact, FailureClass, Look, Permission, Reason, Wake},
};

/// Fails the attempt that runs and gives the pause before the next one.
fn fail(scene: &mut Scene, attempt: i64) -> Duration {
    let failed = Job { reason: "task not found".into(), ..job(NEW + attempt, JobState::Failed) };
    let decision = scene.play(sighted(failed.clone()));
    let Wake::After(pause) = decision.wake else { panic!("no retry waits after {attempt}") };
    assert_eq!(
        decision.run().next_attempt_time,
        scene.status.run.as_ref().unwrap().next_attempt_time.as_ref().map(|time| time.0)
    );
    assert!(
        decision.message().contains(&format!(" Retry {} of 20 starts automatically at 20", attempt + 1)),
        "{}",
        decision.message()
    );

    scene.pass(pause - Duration::from_secs(1));
    assert_eq!(scene.play(Fact::Nothing).wake, Wake::After(Duration::from_secs(1)), "it is not early");
    scene.pass(Duration::from_secs(1));
    assert_eq!(scene.see(Fact::Nothing).effect, Effect::Find);
    assert_eq!(scene.play(looked(vec![failed, old()])).effect, Effect::Submit);
    assert_eq!((scene.run().attempt, scene.run().failures), (attempt + 2, attempt + 1));
    scene.play(accepted(NEW + attempt + 1));
    pause
}

#[test]
fn the_pause_doubles_from_ten_seconds_to_six_minutes() {
    let doubled = [10, 20, 40, 80, 160, 320];
    let pauses = doubled.into_iter().chain(std::iter::repeat(360)).take(20);
    for luck in [0.0, 0.5, 1.0, 7.0, -1.0] {
        let mut scene = Scene { luck, ..Scene::running(40) };
        scene.want.backoff_limit = 20;
        for (attempt, pause) in (0..).zip(pauses.clone()) {
            let paused = fail(&mut scene, attempt).as_secs();
            assert!((pause..=pause + pause / 10).contains(&paused), "{paused} s after {attempt} with luck {luck}");
        }
        let last = Job { reason: "task not found".into(), ..job(NEW + 20, JobState::Failed) };
        assert_eq!(scene.play(sighted(last)).reason(), Reason::Failed(FailureClass::ServerInternal));
    }
}

#[test]
fn luck_spreads_what_failed_together() {
    let pause = |luck| {
        let mut scene = Scene { luck, ..Scene::running(40) };
        scene.want.backoff_limit = 20;
        fail(&mut scene, 0)
    };
    assert_ne!(pause(0.0), pause(1.0));
}

#[test]
fn a_failure_before_a_start_does_not_keep_the_words_of_the_attempt_before() {
    let mut scene = Scene::retrying(3);
    assert_eq!(scene.status.reason.as_deref(), Some("task not found"));
    scene.pass(Duration::from_secs(11));
    scene.play(look_failed(ErrorKind::DatabaseNotFound));
    assert_eq!(scene.status.failure.as_ref().unwrap().class, "DatabaseNotFound");
    assert_eq!(scene.status.reason.as_deref(), Some("Milvus said so"));
}

#[test]
fn the_job_of_a_failed_attempt_is_told_in_the_history_when_no_other_came() {
    let mut scene = Scene::retrying(1);
    scene.pass(Duration::from_secs(11));
    scene.play(look_failed(ErrorKind::CollectionNotFound));
    let record = scene.record();
    assert_eq!(record.failure, Some(FailureClass::CollectionNotFound));
    assert_eq!(record.history[0].job, Some(JobId(NEW)));
}

#[test]
fn a_collection_that_was_re_created_during_a_retry_is_refreshed_also_for_something_new() {
    let anew = Look { collection: Some(Collection { id: 7, ..collection() }), ..listed(vec![]) };
    for want in [None, Some(other_want())] {
        let mut scene = Scene::retrying(3);
        scene.pass(Duration::from_secs(11));
        if let Some(other) = want {
            scene.want = other;
        }
        // It waits for a while, as behind another run, so that what is kept for it is written meanwhile.
        scene.turn = crate::refresh::Turn::Behind { position: None };
        scene.play(Fact::Nothing);
        scene.turn = crate::refresh::Turn::Mine;
        let decision = scene.play(Fact::Looked(Ok(anew.clone())));
        assert_eq!(decision.effect, Effect::Submit, "{:?}", decision.reason());
        assert_eq!((decision.run().collection_id, decision.run().job_id_watermark), (Some(7), Some(JobId(0))));
    }
}

#[test]
fn what_is_asked_for_during_a_retry_changes_nothing_from_pass_to_pass_while_it_waits() {
    let mut scene = Scene::retrying(3);
    scene.want = other_want();
    scene.turn = crate::refresh::Turn::Behind { position: None };
    scene.play(Fact::Nothing);
    let waits = scene.record();
    scene.pass(Duration::from_secs(60));
    assert_eq!(scene.play(Fact::Nothing).next, waits);
}

#[test]
fn a_failure_of_what_was_asked_before_is_not_the_reason_of_what_is_asked_now() {
    let mut scene = Scene::retrying(3);
    scene.want = other_want();
    scene.permission = Permission::Withheld;
    let decision = scene.play(looked(vec![old()]));
    assert_eq!((decision.reason(), scene.record().failure), (Reason::Queued, None));
}
