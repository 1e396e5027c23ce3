//! A wall clock that jumps only delays.

use std::time::Duration;

use jiff::SignedDuration;

use super::scene::{NEW, Scene, down, job, looked, old, sighted};
use crate::{
    milvus::{Job, JobState},
    refresh::{
        Effect, Fact, FailureClass, Reason, Wake,
        limits::{ABSENCE_WINDOW, CLOCK_SKEW, FIRST_RETRY, GRACE, LOOK_AGAIN},
    },
};

const HOUR: SignedDuration = SignedDuration::from_hours(1);

#[test]
fn a_clock_that_jumps_never_shortens_the_grace() {
    for jump in [HOUR, -HOUR, SignedDuration::from_hours(11)] {
        let mut scene = Scene::unknown();
        scene.set_clock(jump);
        for _ in 0..11 {
            let decision = scene.play(looked(vec![old()]));
            assert_eq!((decision.effect, decision.reason()), (Effect::None, Reason::OutcomeUnknown), "{jump}");
            assert!(decision.next.claim().is_some(), "{jump}");
            scene.pass(LOOK_AGAIN);
        }
    }
}

#[test]
fn a_clock_that_jumps_keeps_no_run_from_its_next_claim() {
    for jump in [HOUR, -HOUR] {
        let mut scene = Scene::unknown_after_the_grace();
        scene.set_clock(jump);
        scene.play(looked(vec![old()]));
        scene.restart();
        let decision = scene.play(looked(vec![old()]));
        assert_eq!((decision.effect, decision.run().attempt), (Effect::Submit, 2), "{jump}");
    }
}

#[test]
fn a_job_that_landed_is_found_whatever_the_clock_says() {
    for jump in [HOUR, -HOUR, SignedDuration::from_hours(48), SignedDuration::from_hours(-48)] {
        let mut scene = Scene::unknown();
        scene.set_clock(jump);
        scene.pass(GRACE);
        let decision = scene.play(looked(vec![job(NEW, JobState::InProgress), old()]));
        assert!(decision.next.job.id.is_some() && decision.effect == Effect::None, "{jump}");
    }
}

#[test]
fn a_clock_far_ahead_ends_an_unknown_outcome_rather_than_start_again() {
    let mut scene = Scene::unknown();
    scene.set_clock(SignedDuration::from_hours(48));
    scene.pass(GRACE);
    let decision = scene.play(looked(vec![old()]));
    assert!(decision.next.ended());
    assert_eq!(decision.effect, Effect::None);
}

#[test]
fn a_running_job_and_an_ended_run_do_not_care_about_the_clock() {
    for jump in [HOUR, -HOUR] {
        let mut running = Scene::running(40);
        running.set_clock(jump);
        running.pass(Duration::from_secs(1));
        assert_eq!(running.see(sighted(super::scene::old())).next, running.record(), "{jump}");
        let mut ended = Scene::completed();
        ended.set_clock(jump);
        let decision = ended.see(Fact::Nothing);
        assert_eq!((decision.next, decision.effect), (ended.record(), Effect::None), "{jump}");
    }
}

/// A clock that is a week ahead, until it is set right.
const WRONG: SignedDuration = SignedDuration::from_hours(7 * 24);

/// What `write` records with a clock that is a week ahead, seen by one that is right.
fn written_ahead(mut scene: Scene, write: impl FnOnce(&mut Scene)) -> Scene {
    scene.set_clock(WRONG);
    write(&mut scene);
    scene.set_clock(-WRONG);
    scene.restart();
    scene
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[test]
fn a_retry_that_a_clock_that_was_ahead_put_off_comes_after_its_longest_pause() {
    let mut scene = Scene::running(40);
    scene.want.backoff_limit = 3;
    let failed = Job { reason: "task not found".into(), ..job(NEW, JobState::Failed) };
    let mut scene = written_ahead(scene, |scene| drop(scene.play(sighted(failed.clone()))));
    let Wake::After(pause) = scene.play(Fact::Nothing).wake else { panic!("no retry waits") };
    assert!((FIRST_RETRY..=FIRST_RETRY + FIRST_RETRY / 10).contains(&pause), "{pause:?}");
    scene.pass(pause);
    assert_eq!(scene.play(looked(vec![failed, old()])).effect, Effect::Submit);
}

#[test]
fn a_retry_that_waits_by_a_right_clock_waits_as_long_as_it_was_told() {
    let mut scene = Scene { luck: 0.5, ..Scene::retrying(3) };
    let told = scene.run().next_attempt_time;
    scene.pass(seconds(3));
    scene.play(Fact::Nothing);
    assert_eq!(scene.run().next_attempt_time, told);
}

#[test]
fn a_run_that_was_queued_by_a_clock_that_was_ahead_meets_its_deadline() {
    let scene = Scene { connection: down(), ..Scene::new() };
    let mut scene = written_ahead(scene, |scene| drop(scene.play(Fact::Nothing)));
    scene.want.starting_deadline = Some(seconds(60));
    assert_eq!(scene.play(Fact::Nothing).wake, Wake::After(seconds(60)));
    scene.pass(seconds(60));
    let missed = Reason::Failed(FailureClass::StartingDeadlineExceeded);
    assert_eq!(scene.play(Fact::Nothing).reason(), missed);
}

#[test]
fn a_suspension_that_began_by_a_clock_that_was_ahead_does_not_count_as_waiting() {
    let mut scene = Scene { connection: down(), ..Scene::new() };
    scene.want.starting_deadline = Some(seconds(60));
    scene.play(Fact::Nothing);
    scene.want.suspend = true;
    let mut scene = written_ahead(scene, |scene| drop(scene.play(Fact::Nothing)));
    scene.play(Fact::Nothing);
    scene.pass(seconds(1000));
    scene.want.suspend = false;
    assert_eq!(scene.play(Fact::Nothing).reason(), Reason::ConnectionNotReady);
}

#[test]
fn an_attempt_that_was_claimed_by_a_clock_that_was_ahead_may_take_no_longer_than_others() {
    let mut scene = Scene::new();
    scene.want.active_deadline = seconds(100);
    let mut scene = written_ahead(scene, |scene| {
        scene.play(looked(vec![old()]));
        scene.play(super::scene::accepted(NEW));
    });
    let going_on = || sighted(Job { progress: 70, ..job(NEW, JobState::InProgress) });
    scene.pass(seconds(99));
    assert_eq!(scene.play(going_on()).wake, Wake::After(seconds(1)));
    scene.pass(seconds(1));
    assert_eq!(scene.play(going_on()).reason(), Reason::Failed(FailureClass::DeadlineExceeded));
}

#[test]
fn a_claim_by_a_clock_that_was_ahead_is_as_old_as_this_process_knows_it() {
    let scene = written_ahead(Scene::new(), |scene| drop(scene.play(looked(vec![old()]))));
    for (age, class) in [(GRACE, None), (ABSENCE_WINDOW, Some(FailureClass::OutcomeUnknown))] {
        let mut scene = scene.clone();
        scene.pass(age);
        scene.play(looked(vec![old()]));
        assert_eq!(scene.record().failure, class, "{age:?}");
    }
}

#[test]
fn an_end_that_lies_ahead_or_is_missing_keeps_no_object_longer_than_its_time() {
    let week_ahead = Scene::running(40).now + WRONG;
    let mut ahead = Scene::running(40);
    ahead.play(sighted(Job { end_time: Some(week_ahead), ..job(NEW, JobState::Completed) }));
    let mut missing = Scene::completed();
    missing.status.completion_time = None;
    for mut scene in [ahead, missing] {
        scene.want.ttl = Some(seconds(60));
        assert_eq!(scene.play(Fact::Nothing).wake, Wake::After(seconds(60)));
        scene.pass(seconds(60));
        assert_eq!(scene.see(Fact::Nothing).effect, Effect::Delete);
    }
}

#[test]
fn clocks_that_differ_a_little_change_no_record() {
    let by = SignedDuration::try_from(CLOCK_SKEW).unwrap();
    let mut queued = Scene { connection: down(), ..Scene::new() };
    queued.play(Fact::Nothing);
    let mut completed = Scene::completed();
    completed.want.ttl = Some(seconds(3600));
    for mut scene in [queued, completed] {
        let before = scene.record();
        scene.set_clock(-by);
        assert_eq!(scene.play(Fact::Nothing).next, before);
    }
}
