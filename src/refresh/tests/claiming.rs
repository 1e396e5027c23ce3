//! From due to a written claim.

use super::scene::{
    COLLECTION, ENDPOINT, NEW, OLD, SOURCE, Scene, accepted, at, collection, job, listed, look_failed, looked, old,
    other_want, sighted, submit_failed,
};
use crate::{
    milvus::{Collection, ErrorKind, Job, JobId, JobState},
    refresh::{
        Effect, Fact, FailureClass, Look, OwnSourceCheck, Reason, Submission, Turn, Wake,
        limits::{LOOK_AGAIN, LOOK_FOR_SECRET},
    },
};

#[test]
fn an_object_that_never_ran_looks_before_it_claims() {
    let decision = Scene::new().see(Fact::Nothing);
    assert_eq!(decision.effect, Effect::Find);
    assert!(!decision.effect.must_be_recorded_first());
    assert_eq!(decision.next.claim(), None);
    assert_eq!(decision.next.observed_generation, Some(1));
}

#[test]
fn a_fresh_look_makes_a_claim_that_holds_all_that_the_run_needs() {
    let mut scene = Scene::new();
    let queued = Some(at(9_750));
    let decision = scene.play(looked(vec![old(), job(OLD - 5, JobState::Failed)]));
    assert_eq!(decision.effect, Effect::Submit);
    assert!(decision.effect.must_be_recorded_first());
    assert!(decision.at_once());
    assert_eq!(decision.reason(), Reason::Submitting);
    let run = decision.run();
    assert_eq!(decision.next.claimed(), Some((1, 1)));
    assert_eq!((run.generation, run.fingerprint.as_str()), (1, scene.want.fingerprint.as_str()));
    assert_eq!((run.queued_time, run.submit_time), (queued, queued));
    assert_eq!(run.collection_id, Some(COLLECTION));
    assert_eq!(run.endpoint.as_deref(), Some(ENDPOINT));
    assert_eq!(run.source, SOURCE);
    assert_eq!(run.job_id_watermark, Some(JobId(OLD)));
    assert_eq!(run.start_time_watermark, Some(at(0)));
    assert!(!run.job_seen && !run.adopted && run.unproven_submits == 0);
    assert_eq!(decision.next.job.id, None);
    assert_eq!(decision.next.job.source, SOURCE);
    assert_eq!(decision.next.job.collection, "products");
}

#[test]
fn a_collection_without_jobs_gives_the_watermark_zero() {
    let run = Scene::new().play(looked(vec![])).run().clone();
    assert_eq!((run.job_id_watermark, run.start_time_watermark), (Some(JobId(0)), None));
}

#[test]
fn the_watermarks_are_the_highest_of_each_even_when_different_jobs_hold_them() {
    let restored = Job { start_time: Some(at(5_000)), ..job(OLD - 9, JobState::Completed) };
    let run = Scene::new().play(looked(vec![restored, old()])).run().clone();
    assert_eq!((run.job_id_watermark, run.start_time_watermark), (Some(JobId(OLD)), Some(at(5_000))));
}

#[test]
fn later_claims_keep_the_watermarks_of_the_first_while_it_is_open() {
    let mut scene = Scene::given_up();
    let stranger = Job { source: "s3://bucket/other/".into(), ..job(NEW, JobState::Completed) };
    let decision = scene.play(looked(vec![stranger, old()]));
    assert_eq!(decision.effect, Effect::Submit);
    assert_eq!(decision.run().attempt, 2);
    assert_eq!(decision.run().job_id_watermark, Some(JobId(OLD)));
    assert_eq!(decision.run().start_time_watermark, Some(at(0)));
}

#[test]
fn the_attempt_grows_with_every_claim_withheld_and_refused_ones_too() {
    let mut scene = Scene::claimed();
    for attempt in 2..6 {
        let released =
            if attempt % 2 == 0 { Fact::Submitted(Submission::Withheld) } else { submit_failed(ErrorKind::NotSent) };
        scene.play(released);
        assert_eq!(scene.record().claim(), None);
        assert_eq!(scene.play(looked(vec![old()])).next.claimed(), Some((1, attempt)));
    }
}

#[test]
fn an_active_job_of_somebody_else_means_no_claim() {
    for state in [JobState::Pending, JobState::InProgress, JobState::Unknown(9)] {
        let mut scene = Scene::new();
        let decision = scene.play(looked(vec![job(NEW, state), old()]));
        assert_eq!(decision.effect, Effect::None, "{state:?}");
        assert_eq!(decision.reason(), Reason::WaitingForActiveJob, "{state:?}");
        assert_eq!(decision.wake, Wake::After(LOOK_AGAIN), "{state:?}");
        assert_eq!((decision.run().attempt, decision.next.claim()), (0, None), "{state:?}");
        assert_eq!(decision.run().job_id_watermark, None, "{state:?}: the watermarks belong to the first claim");
        assert_eq!(decision.events(), ["WaitingForActiveJob"]);
        assert!(scene.play(looked(vec![job(NEW, state), old()])).notices.is_empty(), "announced once");

        let decision = scene.play(looked(vec![job(NEW, JobState::Completed), old()]));
        assert_eq!(decision.effect, Effect::Submit, "its end lets ours start");
        assert_eq!(decision.run().job_id_watermark, Some(JobId(NEW)));
    }
}

#[test]
fn a_job_with_which_an_earlier_claim_came_through_is_adopted_instead_of_a_later_claim() {
    for state in [JobState::Pending, JobState::InProgress, JobState::Completed, JobState::Failed] {
        let mut scene = Scene::given_up();
        let decision = scene.play(looked(vec![job(NEW, state), old()]));
        assert_eq!(decision.effect, Effect::None, "{state:?}");
        assert_eq!(decision.next.job.id, Some(JobId(NEW)), "{state:?}");
        assert!(decision.run().adopted && decision.next.claim().is_some(), "{state:?}");
        assert_eq!(decision.run().attempt, 1, "{state:?}");
        assert_eq!(decision.events(), ["RefreshAdopted"]);
    }
}

#[test]
fn a_later_claim_never_goes_to_another_incarnation_of_the_collection_while_one_is_open() {
    let mut scene = Scene::given_up();
    let look = Look { collection: Some(Collection { id: 7, ..collection() }), ..listed(vec![]) };
    let decision = scene.play(Fact::Looked(Ok(look)));
    assert_eq!(decision.reason(), Reason::Failed(FailureClass::JobLost));
    assert_eq!(decision.effect, Effect::None);
}

#[test]
fn a_collection_that_is_not_external_is_never_claimed() {
    let look = Look { collection: Some(Collection { external: false, ..collection() }), ..listed(vec![]) };
    let decision = Scene::new().play(Fact::Looked(Ok(look)));
    assert_eq!(decision.reason(), Reason::Failed(FailureClass::NotExternalCollection));
    assert_eq!((decision.effect, decision.wake), (Effect::None, Wake::OnChange));
    assert_eq!(decision.run().attempt, 0);
}

#[test]
fn what_the_look_proves_wrong_fails_the_run_before_any_claim() {
    let table = [
        (ErrorKind::CollectionNotFound, FailureClass::CollectionNotFound),
        (ErrorKind::DatabaseNotFound, FailureClass::DatabaseNotFound),
        (ErrorKind::NotExternal, FailureClass::NotExternalCollection),
        (ErrorKind::InvalidRequest, FailureClass::InvalidSpec),
        (ErrorKind::PermissionDenied, FailureClass::PermissionDenied),
    ];
    for (kind, class) in table {
        let decision = Scene::new().play(look_failed(kind));
        assert_eq!(decision.reason(), Reason::Failed(class));
        assert_eq!(decision.message(), format!("Milvus said so. {}", class.remedy()));
        assert_eq!(decision.next.job.state, Some(JobState::Failed));
        assert_eq!(decision.run().attempt, 0);
        assert_eq!(decision.events(), [class.as_str()]);
    }
}

#[test]
fn a_run_that_becomes_due_again_starts_from_a_clean_record() {
    let mut scene = Scene::failed("no files found in external source");
    scene.want = other_want();
    scene.pass(LOOK_AGAIN);
    let found = scene.see(Fact::Nothing);
    assert_eq!(found.effect, Effect::Find);
    let decision = scene.play(looked(vec![job(NEW, JobState::Failed), old()]));
    assert_eq!(decision.effect, Effect::Submit);
    assert_eq!(decision.next.claimed(), Some((2, 1)));
    assert_eq!(decision.run().job_id_watermark, Some(JobId(NEW)));
    assert_eq!(decision.run().generation, 2);
    assert_eq!(decision.run().ended_job_ids, []);
    assert_eq!(decision.next.observed_generation, Some(2));
    assert_eq!(decision.next.failure, None);
    assert_eq!((decision.next.job.id, decision.next.job.completion_time), (None, None));
    assert_eq!((decision.next.job.progress, decision.next.job.reason.as_str()), (0, ""));
}

#[test]
fn a_follow_up_run_never_shows_the_result_of_the_last_one() {
    let mut scene = Scene::completed();
    scene.want = other_want();
    scene.play(looked(vec![job(NEW, JobState::InProgress)]));
    let ready = scene.status.conditions.iter().find(|condition| condition.type_ == "Ready").unwrap();
    assert_eq!(ready.status, "Unknown");
    assert_eq!(ready.observed_generation, Some(2));
}

/// Completed for the token `one` and the request `morning`; asked again with `two` and `noon`, and in line.
fn asked_again() -> Scene {
    let mut scene = Scene::new();
    scene.want.trigger = Some("one".into());
    scene.want.requested_at = Some("morning".into());
    scene.play(looked(vec![old()]));
    scene.play(accepted(NEW));
    scene.play(sighted(job(NEW, JobState::Completed)));
    scene.want.trigger = Some("two".into());
    scene.want.requested_at = Some("noon".into());
    scene.turn = Turn::Behind { position: None };
    scene.play(Fact::Nothing);
    scene
}

/// The run, and what it was asked for as far as it says so.
fn answers(scene: &Scene) -> (i64, Option<String>, Option<String>) {
    let run = scene.run();
    (run.number, run.trigger, run.requested_at)
}

#[test]
fn a_run_shows_what_the_last_one_was_asked_for_until_it_is_claimed() {
    let asked = |number, trigger: &str, request: &str| (number, Some(trigger.to_owned()), Some(request.to_owned()));
    let mut claimed = asked_again();
    assert_eq!(answers(&claimed), asked(2, "one", "morning"));
    claimed.turn = Turn::Mine;
    claimed.play(looked(vec![job(NEW, JobState::Completed)]));
    assert_eq!(answers(&claimed), asked(2, "two", "noon"));

    let mut taken_back = asked_again();
    taken_back.want.trigger = Some("one".into());
    taken_back.want.requested_at = Some("morning".into());
    assert_eq!(taken_back.see(Fact::Nothing).reason(), Reason::Queued, "a request that was seen is answered");
    taken_back.status.pending_request = None;
    assert_eq!(taken_back.play(Fact::Nothing).reason(), Reason::RefreshCompleted);
    assert_eq!(answers(&taken_back), asked(1, "one", "morning"));
}

#[test]
fn a_run_that_was_tried_is_not_taken_back_when_what_asked_for_it_is() {
    let mut claimed = asked_again();
    claimed.turn = Turn::Mine;
    claimed.play(looked(vec![job(NEW, JobState::Completed)]));
    claimed.play(Fact::Submitted(Submission::Withheld));
    let mut refused = asked_again();
    refused.turn = Turn::Mine;
    refused.want.backoff_limit = 3;
    refused.play(look_failed(ErrorKind::CollectionNotFound));
    for (mut scene, reason) in
        [(claimed, Reason::Submitting), (refused, Reason::Retrying(FailureClass::CollectionNotFound))]
    {
        scene.want.trigger = Some("one".into());
        let decision = scene.see(Fact::Nothing);
        assert_eq!((decision.reason(), decision.run().number), (reason, 2));
    }
}

#[test]
fn a_failure_stands_again_when_the_run_after_it_is_taken_back() {
    let mut scene = Scene::failed("timeout");
    let failed = scene.record();
    let (want, turn) = (scene.want.clone(), scene.turn);
    scene.want = other_want();
    scene.turn = Turn::Behind { position: None };
    assert_eq!(scene.play(Fact::Nothing).run().number, 2);
    (scene.want, scene.turn) = (want, turn);
    let decision = scene.play(Fact::Nothing);
    assert_eq!((decision.reason(), decision.next.failure), (Reason::Failed(FailureClass::JobTimeout), failed.failure));
    assert_eq!((decision.next.job.id, decision.next.job.progress), (failed.job.id, 0), "it did not get to its end");
    assert!(decision.next.job.reason.starts_with("timeout"), "{}", decision.next.job.reason);
}

#[test]
fn a_secret_that_is_not_there_is_waited_for_and_said_once() {
    let problem = "Secret spec does not exist.";
    let look = Look { own_source: OwnSourceCheck::Missing(problem.into()), ..listed(vec![old()]) };
    let mut scene = Scene::new();
    let decision = scene.play(Fact::Looked(Ok(look.clone())));
    assert_eq!((decision.effect, decision.wake), (Effect::None, Wake::After(LOOK_FOR_SECRET)));
    assert_eq!((decision.reason(), decision.message()), (Reason::SecretNotFound, problem));
    assert_eq!((decision.events(), decision.next.claim()), (vec!["SecretNotFound"], None));
    let before = scene.record();
    let again = scene.play(Fact::Looked(Ok(look)));
    assert_eq!((again.events(), again.next), (vec![], before));
    assert_eq!(scene.play(looked(vec![old()])).effect, Effect::Submit, "and starts once it is there");
}

#[test]
fn the_last_success_outlives_a_later_failure() {
    let mut scene = Scene::completed();
    let success = scene.record().last_success;
    assert_eq!(success.as_ref().map(|success| success.job), Some(JobId(NEW)));
    scene.want = other_want();
    scene.play(looked(vec![job(NEW, JobState::Completed)]));
    scene.play(accepted(NEW + 1));
    scene.play(sighted(job(NEW + 1, JobState::Failed)));
    assert_eq!(scene.record().job.state, Some(JobState::Failed));
    assert_eq!(scene.record().last_success, success);
}

#[test]
fn a_change_that_asks_for_nothing_else_only_raises_the_observed_generation() {
    let mut scene = Scene::completed();
    let before = scene.record();
    scene.want.generation = 5;
    let decision = scene.play(Fact::Nothing);
    assert_eq!((decision.effect, decision.wake), (Effect::None, Wake::OnChange));
    assert_eq!(decision.next.observed_generation, Some(5));
    assert_eq!((decision.next.run, decision.next.job), (before.run, before.job));
}

#[test]
fn a_fingerprint_of_another_recipe_starts_nothing() {
    for fingerprint in ["v2:abc", "v0:abc", "", "garbage"] {
        let mut scene = Scene::completed();
        scene.status.run.as_mut().unwrap().fingerprint = fingerprint.into();
        assert_eq!(scene.see(Fact::Nothing).effect, Effect::None, "{fingerprint:?}");
    }
}

#[test]
fn the_job_that_the_watermark_was_taken_from_is_never_taken_for_ours() {
    // Its start lies within the watermark's second; only the whole time tells them apart.
    let mut scene = Scene::given_up();
    assert_eq!(scene.play(looked(vec![old()])).effect, Effect::Submit);
}
