//! From an accepted start to the end of its job.

use super::scene::{NEW, Scene, at, job, not_found, sighted};
use crate::{
    milvus::{Job, JobId, JobState},
    refresh::{
        Effect, Fact, FailureClass, Reason, Wake,
        limits::{LONGEST_SLEEP, MESSAGE_BYTES},
    },
};

fn at_progress(progress: u8) -> Fact {
    sighted(Job { progress, ..job(NEW, JobState::InProgress) })
}

#[test]
fn the_first_sighting_is_recorded() {
    let mut scene = Scene::tracked();
    let seen = Job { collection: "the_alias".into(), source: "s3://moved/".into(), ..job(NEW, JobState::InProgress) };
    let decision = scene.play(sighted(seen.clone()));
    assert!(decision.run().job_seen);
    assert_eq!(decision.next.job.state, Some(JobState::InProgress));
    assert_eq!((&*decision.next.job.collection, &*decision.next.job.source), ("the_alias", "s3://moved/"));
    assert_eq!(decision.next.job.start_time, Some(at(750)), "whole seconds, as they are written");
    assert_eq!(decision.reason(), Reason::RefreshInProgress);
    assert_eq!((decision.effect, decision.wake), (Effect::None, Wake::After(LONGEST_SLEEP)));
    assert!(decision.notices.is_empty());
    let nameless = scene.play(sighted(Job { source: String::new(), ..seen }));
    assert_eq!(nameless.next.job.source, "s3://moved/", "what is known of it stays");
}

#[test]
fn an_unchanged_sighting_changes_nothing() {
    let scene = Scene::running(40);
    assert_eq!(scene.see(at_progress(40)).next, scene.record());
    assert_eq!(scene.see(Fact::Sighted(None)).next, scene.record());
}

#[test]
fn progress_never_falls() {
    let mut scene = Scene::running(40);
    assert_eq!(scene.play(at_progress(10)).next.job.progress, 40);
    assert_eq!(scene.play(at_progress(41)).next.job.progress, 41);
    assert_eq!(scene.play(sighted(job(NEW, JobState::Pending))).next.job.progress, 41);
    let failed = Job { progress: 3, reason: "timeout".into(), ..job(NEW, JobState::Failed) };
    assert_eq!(scene.play(sighted(failed)).next.job.progress, 41);
}

#[test]
fn progress_beyond_a_hundred_is_a_hundred() {
    assert_eq!(Scene::tracked().play(at_progress(255)).next.job.progress, 100);
}

#[test]
fn a_job_in_progress_is_not_shown_going_back_to_pending() {
    let mut scene = Scene::running(40);
    let decision = scene.play(sighted(job(NEW, JobState::Pending)));
    assert_eq!(decision.next.job.state, Some(JobState::InProgress));
    assert!(!decision.next.ended());
}

#[test]
fn an_unknown_state_is_never_an_end() {
    for number in [-1, 4, 9, i32::MAX] {
        for mut scene in [Scene::tracked(), Scene::running(40)] {
            let state = scene.record().job.state;
            let done = Job { progress: 100, end_time: Some(at(9_000)), ..job(NEW, JobState::Unknown(number)) };
            let decision = scene.play(sighted(done));
            assert_eq!(decision.next.job.state, state, "{number}");
            assert!(!decision.next.ended(), "{number}");
            assert_eq!(scene.see(Fact::Nothing).effect, Effect::Poll(JobId(NEW)), "{number}");
        }
    }
}

#[test]
fn the_answer_about_another_job_is_ignored() {
    let mut scene = Scene::running(40);
    let before = scene.record();
    for state in [JobState::Completed, JobState::Failed, JobState::InProgress] {
        assert_eq!(scene.play(sighted(Job { progress: 90, ..job(NEW + 1, state) })).next, before, "{state:?}");
    }
}

#[test]
fn a_completed_job_completes_the_run() {
    let mut scene = Scene::running(40);
    let decision = scene.play(sighted(Job { progress: 99, ..job(NEW, JobState::Completed) }));
    assert_eq!(decision.reason(), Reason::RefreshCompleted);
    assert_eq!(decision.message(), format!("Job {NEW} refreshed collection products."));
    assert_eq!((decision.next.job.state, decision.next.job.progress), (Some(JobState::Completed), 100));
    let end = Some(at(750));
    assert_eq!(decision.next.job.completion_time, end, "the end that Milvus reports, in whole seconds");
    let success = decision.next.last_success.as_ref().unwrap();
    assert_eq!((success.job, Some(success.time)), (JobId(NEW), end));
    assert_eq!(decision.run().ended_job_ids, [JobId(NEW)]);
    assert_eq!(decision.next.claim(), None, "a run that is over holds no claim");
    assert_eq!(decision.events(), ["RefreshCompleted"]);
    assert_eq!((decision.effect, decision.wake), (Effect::None, Wake::OnChange));
}

#[test]
fn a_completed_job_without_an_end_time_ends_now() {
    let mut scene = Scene::running(40);
    let decision = scene.play(sighted(Job { end_time: None, ..job(NEW, JobState::Completed) }));
    assert_eq!(decision.next.job.completion_time, Some(at(9_750)));
}

#[test]
fn a_failed_job_fails_the_run_in_the_class_of_its_reason() {
    let mut scene = Scene::running(40);
    let reason = "no files found in external source";
    let decision = scene.play(sighted(Job { reason: reason.into(), ..job(NEW, JobState::Failed) }));
    assert_eq!(decision.reason(), Reason::Failed(FailureClass::SourceEmpty));
    assert_eq!(decision.next.failure, Some(FailureClass::SourceEmpty));
    assert_eq!(decision.next.job.reason, reason);
    assert_eq!(decision.message(), format!("{reason}. {}", FailureClass::SourceEmpty.remedy()));
    assert_eq!(decision.next.job.completion_time, Some(at(750)));
    assert_eq!(decision.next.last_success, None);
    assert_eq!(decision.run().ended_job_ids, [JobId(NEW)]);
    assert_eq!(decision.events(), ["SourceEmpty"]);
    assert_eq!((decision.effect, decision.wake), (Effect::None, Wake::OnChange));
}

#[test]
fn a_failure_without_a_reason_or_an_end_is_told_as_such() {
    // Milvus shows a failure a moment before it has recorded its reason; the poller has asked again by now.
    let mut scene = Scene::running(40);
    let decision = scene.play(sighted(Job { end_time: None, ..job(NEW, JobState::Failed) }));
    assert_eq!(decision.reason(), Reason::Failed(FailureClass::Unknown));
    assert!(decision.message().starts_with("Milvus gave no reason. "));
    assert_eq!(decision.next.job.completion_time, Some(at(9_750)));
}

#[test]
fn the_reason_of_a_transient_failure_goes_when_it_is_over() {
    let mut scene = Scene::tracked();
    let trouble = Job { reason: "query task failed".into(), ..job(NEW, JobState::InProgress) };
    assert_eq!(scene.play(sighted(trouble)).next.job.reason, "query task failed");
    assert_eq!(scene.play(sighted(job(NEW, JobState::Completed))).next.job.reason, "");
}

#[test]
fn a_long_reason_is_cut_at_a_character_and_leaves_room_for_the_remedy() {
    let mut scene = Scene::running(40);
    let reason = "ü".repeat(4 * MESSAGE_BYTES);
    let decision = scene.play(sighted(Job { reason, ..job(NEW, JobState::Failed) }));
    assert_eq!(decision.next.job.reason.len(), MESSAGE_BYTES);
    assert!(decision.message().len() <= MESSAGE_BYTES);
    assert!(decision.message().ends_with(FailureClass::Unknown.remedy()), "{}", decision.message());
    let reason = "u".repeat(4 * MESSAGE_BYTES);
    let decision = Scene::running(40).play(sighted(Job { reason, ..job(NEW, JobState::Failed) }));
    assert_eq!(decision.message().len(), MESSAGE_BYTES, "no room is wasted");
}

#[test]
fn a_job_that_vanishes_after_it_was_seen_is_lost() {
    let mut scene = Scene::running(40);
    let decision = scene.play(not_found());
    assert_eq!(decision.reason(), Reason::Failed(FailureClass::JobLost));
    assert!(decision.message().contains(&NEW.to_string()));
    assert_eq!(decision.next.job.id, Some(JobId(NEW)), "the id stays for those who look into it");
    assert_eq!(decision.next.job.state, Some(JobState::Failed));
    assert_eq!((decision.effect, decision.wake), (Effect::None, Wake::OnChange));
}

#[test]
fn nothing_that_is_seen_later_changes_an_ended_run() {
    for scene in [Scene::completed(), Scene::failed("timeout")] {
        for fact in [
            Fact::Nothing,
            not_found(),
            sighted(job(NEW, JobState::InProgress)),
            super::scene::accepted(NEW + 1),
            super::scene::looked(vec![job(NEW + 1, JobState::InProgress)]),
        ] {
            let decision = scene.see(fact);
            assert_eq!(decision.next, scene.record());
            assert_eq!((decision.effect, decision.wake), (Effect::None, Wake::OnChange));
            assert!(decision.notices.is_empty());
        }
    }
}
