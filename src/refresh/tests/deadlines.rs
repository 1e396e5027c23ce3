//! `startingDeadlineSeconds` and `activeDeadlineSeconds`.

use std::time::Duration;

use super::scene::{NEW, Scene, down, job, look_failed, looked, old, sighted};
use crate::{
    milvus::{ErrorKind, Job, JobId, JobState},
    refresh::{
        Connection, Effect, Fact, FailureClass, Reason, Wake,
        limits::{FIRST_RETRY, FIRST_WORD, GRACE},
    },
};

const MISSED: Reason = Reason::Failed(FailureClass::StartingDeadlineExceeded);
const TOO_LONG: Reason = Reason::Failed(FailureClass::DeadlineExceeded);

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// A first run that has a minute to start and whose connection is down.
fn waiting() -> Scene {
    let mut scene = Scene { connection: down(), ..Scene::new() };
    scene.want.starting_deadline = Some(seconds(60));
    scene.want.trigger = Some("a".into());
    scene.play(Fact::Nothing);
    scene
}

fn suspend(scene: &mut Scene, suspend: bool) {
    scene.want.suspend = suspend;
    scene.play(Fact::Nothing);
}

#[test]
fn a_run_that_is_not_started_in_time_fails_and_says_what_it_waited_for() {
    let mut scene = waiting();
    scene.pass(seconds(59));
    let decision = scene.play(Fact::Nothing);
    assert_eq!((decision.reason(), decision.wake), (Reason::ConnectionNotReady, Wake::After(seconds(1))));
    scene.pass(seconds(1));
    let decision = scene.play(Fact::Nothing);
    assert_eq!(decision.reason(), MISSED);
    for words in ["60 s", "spec.startingDeadlineSeconds", "Unreachable: nothing answers"] {
        assert!(decision.message().contains(words), "{}", decision.message());
    }
    assert_eq!(decision.next.handled.last_trigger.as_deref(), Some("a"), "its token is answered");
    assert_eq!(decision.next.job.completion_time, decision.next.history[0].completion_time);
    assert!(decision.next.job.completion_time.is_some());
    assert_eq!(scene.play(Fact::Nothing).effect, Effect::None, "it is not started any more");
}

#[test]
fn the_look_that_a_start_needs_may_come_too_late() {
    let mut scene = waiting();
    scene.connection = Scene::new().connection;
    scene.pass(seconds(60));
    assert_eq!(scene.play(looked(vec![old()])).reason(), MISSED);
}

#[test]
fn suspended_time_does_not_count() {
    let mut scene = waiting();
    for _ in 0..2 {
        scene.pass(seconds(20));
        suspend(&mut scene, true);
        scene.pass(seconds(10_000));
        assert_eq!(scene.play(Fact::Nothing).reason(), Reason::Suspended);
        suspend(&mut scene, false);
    }
    scene.pass(seconds(19));
    assert_eq!(scene.play(Fact::Nothing).reason(), Reason::ConnectionNotReady);
    scene.pass(seconds(1));
    assert_eq!(scene.play(Fact::Nothing).reason(), MISSED);
}

#[test]
fn a_run_that_was_opened_by_a_suspended_object_has_all_its_time() {
    let mut scene = Scene { connection: down(), ..Scene::new() };
    scene.want.starting_deadline = Some(seconds(60));
    suspend(&mut scene, true);
    scene.pass(seconds(10_000));
    suspend(&mut scene, false);
    scene.pass(seconds(59));
    assert_eq!(scene.play(Fact::Nothing).reason(), Reason::ConnectionNotReady);
    scene.pass(seconds(1));
    assert_eq!(scene.play(Fact::Nothing).reason(), MISSED);
}

#[test]
fn no_starting_deadline_is_judged_while_an_outcome_is_unknown() {
    let mut scene = Scene::unknown();
    scene.want.starting_deadline = Some(seconds(10));
    scene.pass(GRACE - seconds(1));
    assert_eq!(scene.play(looked(vec![old()])).reason(), Reason::OutcomeUnknown);
    scene.pass(seconds(1));
    let mut accepted = scene.clone();
    let decision = accepted.play(looked(vec![job(NEW, JobState::InProgress), old()]));
    assert_eq!(decision.next.job.id, Some(JobId(NEW)), "it was started in time");
    assert_eq!(scene.play(looked(vec![old()])).reason(), Reason::Submitting, "it was not");
    assert_eq!(scene.play(Fact::Nothing).reason(), MISSED);
}

#[test]
fn an_accepted_start_has_met_the_deadline_for_all_attempts() {
    let mut scene = Scene::retrying(3);
    scene.want.starting_deadline = Some(seconds(5));
    scene.pass(seconds(6));
    assert_eq!(scene.play(Fact::Nothing).reason(), Reason::Retrying(FailureClass::ServerInternal));
    scene.pass(FIRST_RETRY);
    assert_eq!(scene.play(looked(vec![job(NEW, JobState::Failed), old()])).effect, Effect::Submit);

    let mut running = Scene::running(40);
    running.want.starting_deadline = Some(seconds(5));
    running.pass(seconds(60));
    assert_eq!(running.play(sighted(job(NEW, JobState::InProgress))).reason(), Reason::RefreshInProgress);
}

#[test]
fn a_retry_before_any_accepted_start_does_not_outwait_the_deadline() {
    let mut scene = Scene::new();
    scene.want.backoff_limit = 3;
    scene.want.starting_deadline = Some(seconds(25));
    scene.play(look_failed(ErrorKind::CollectionNotFound));
    scene.pass(FIRST_RETRY);
    scene.play(look_failed(ErrorKind::CollectionNotFound));
    let decision = scene.play(Fact::Nothing);
    assert_eq!(decision.wake, Wake::After(seconds(15)), "the next attempt would be 5 s later");
    scene.pass(seconds(15));
    assert_eq!(scene.play(Fact::Nothing).reason(), MISSED);
}

/// A job that has run for `passed` seconds of the 100 that it may take.
fn running_for(passed: u64) -> Scene {
    let mut scene = Scene::running(40);
    scene.want.active_deadline = seconds(100);
    scene.pass(seconds(passed));
    scene
}

fn going_on() -> Fact {
    sighted(Job { progress: 70, ..job(NEW, JobState::InProgress) })
}

#[test]
fn a_job_that_takes_too_long_is_named_and_no_longer_tracked() {
    let mut scene = running_for(99);
    let decision = scene.play(going_on());
    assert_eq!((decision.reason(), decision.wake), (Reason::RefreshInProgress, Wake::After(seconds(1))));
    scene.pass(seconds(1));
    let decision = scene.play(going_on());
    assert_eq!(decision.reason(), TOO_LONG);
    for words in [NEW.to_string().as_str(), "100 s", "spec.activeDeadlineSeconds", "70%", "may still finish"] {
        assert!(decision.message().contains(words), "{}", decision.message());
    }
    assert_eq!((decision.next.job.id, decision.next.failure), (Some(JobId(NEW)), Some(FailureClass::DeadlineExceeded)));
    assert_eq!(decision.next.job.completion_time, Some(super::scene::at(10_000 + 99_750)), "now, in whole seconds");
    assert_eq!(scene.play(Fact::Nothing).effect, Effect::None);
}

#[test]
fn an_end_that_is_seen_late_is_still_the_end() {
    assert_eq!(running_for(1000).play(sighted(job(NEW, JobState::Completed))).reason(), Reason::RefreshCompleted);
    let failed = Job { reason: "timeout".into(), ..job(NEW, JobState::Failed) };
    assert_eq!(running_for(1000).play(sighted(failed)).reason(), Reason::Failed(FailureClass::JobTimeout));
}

#[test]
fn after_a_restart_the_first_word_of_the_job_comes_before_the_judgement() {
    let mut scene = running_for(1000);
    scene.restart();
    assert_eq!(scene.play(Fact::Sighted(None)).reason(), Reason::RefreshInProgress);
    let mut heard = scene.clone();
    assert_eq!(heard.play(sighted(job(NEW, JobState::Completed))).reason(), Reason::RefreshCompleted);
    let mut runs_on = scene.clone();
    assert_eq!(runs_on.play(going_on()).reason(), TOO_LONG);
    scene.pass(FIRST_WORD);
    assert_eq!(scene.play(Fact::Sighted(None)).reason(), TOO_LONG, "a silent Milvus puts it off no further");
}

#[test]
fn before_the_connection_was_looked_at_nothing_is_judged() {
    let mut scene = running_for(1000);
    scene.connection = Connection::Unknown;
    assert_eq!(scene.see(Fact::Nothing).next, scene.record());
}

#[test]
fn it_is_judged_while_the_connection_is_down() {
    let mut scene = running_for(99);
    scene.connection = down();
    let decision = scene.play(Fact::Nothing);
    assert_eq!((decision.reason(), decision.wake), (Reason::ConnectionNotReady, Wake::After(seconds(1))));
    scene.pass(seconds(1));
    let decision = scene.play(Fact::Nothing);
    assert_eq!(decision.reason(), TOO_LONG);
    assert!(decision.message().contains("40%"), "{}", decision.message());
}

#[test]
fn what_the_spec_says_now_counts() {
    let mut scene = running_for(100);
    scene.want.active_deadline = seconds(101);
    assert_eq!(scene.play(going_on()).reason(), Reason::RefreshInProgress);
    scene.want.active_deadline = seconds(50);
    assert_eq!(scene.play(going_on()).reason(), TOO_LONG);
}

#[test]
fn each_attempt_has_its_own_time() {
    let mut scene = Scene::retrying(3);
    scene.want.active_deadline = seconds(100);
    scene.pass(seconds(1000));
    scene.play(looked(vec![job(NEW, JobState::Failed), old()]));
    scene.play(super::scene::accepted(NEW + 1));
    let second = || sighted(job(NEW + 1, JobState::InProgress));
    scene.pass(seconds(99));
    assert_eq!(scene.play(second()).reason(), Reason::RefreshInProgress);
    scene.pass(seconds(1));
    assert_eq!(scene.play(second()).reason(), TOO_LONG);
}
