//! Finding out what became of a start whose outcome is unknown.

use std::{collections::BTreeSet, time::Duration};

use super::scene::{
    COLLECTION, NEW, OLD, SOURCE, Scene, accepted, at, collection, job, listed, look_failed, looked, not_found, old,
    other_want, sighted, submit_failed,
};
use crate::{
    milvus::{Collection, ErrorKind, Job, JobId, JobState},
    refresh::{
        Effect, Fact, FailureClass, Look, Reason, Wake,
        limits::{ABSENCE_WINDOW, GRACE, LOOK_AGAIN, MAX_UNPROVEN_SUBMITS},
    },
};

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn a_candidate_is_not_taken_before_the_grace_has_passed() {
    let mut scene = Scene::unknown();
    scene.pass(GRACE - SECOND);
    let decision = scene.play(looked(vec![job(NEW, JobState::InProgress), old()]));
    assert_eq!(decision.reason(), Reason::OutcomeUnknown);
    assert_eq!(decision.next.job.id, None);
    assert!(decision.next.claim().is_some());
    assert_eq!(
        (decision.effect, decision.wake),
        (Effect::None, Wake::After(SECOND)),
        "it looks again when it may take it"
    );
    assert!(decision.message().contains(&NEW.to_string()));
}

#[test]
fn lost_start_reply_adopts_the_running_job() {
    let mut scene = Scene::unknown_after_the_grace();
    let decision = scene.play(looked(vec![job(NEW, JobState::InProgress), old()]));
    assert_eq!(decision.next.job.id, Some(JobId(NEW)));
    assert!(decision.run().adopted && decision.run().job_seen);
    assert_eq!(decision.reason(), Reason::RefreshInProgress);
    assert_eq!(decision.events(), ["RefreshAdopted"]);
    assert!(decision.at_once());
    assert_eq!(scene.see(Fact::Nothing).effect, Effect::Poll(JobId(NEW)));
}

#[test]
fn a_lost_start_whose_job_has_already_ended_is_adopted_too() {
    for state in [JobState::Completed, JobState::Failed, JobState::Unknown(9)] {
        let mut scene = Scene::unknown_after_the_grace();
        assert_eq!(scene.play(looked(vec![job(NEW, state)])).next.job.id, Some(JobId(NEW)), "{state:?}");
    }
}

#[test]
fn of_several_candidates_the_lowest_id_is_taken_and_said_so() {
    let mut scene = Scene::unknown_after_the_grace();
    let decision = scene.play(looked(vec![job(NEW + 2, JobState::Pending), job(NEW, JobState::Failed), old()]));
    assert_eq!(decision.next.job.id, Some(JobId(NEW)));
    assert_eq!(decision.events(), ["AmbiguousAdoption", "RefreshAdopted"]);
}

#[test]
fn jobs_that_cannot_be_ours_are_never_taken() {
    let ended_ours = Scene::unknown_after_the_grace();
    let not_ours = [
        ("it began before the claim", listed(vec![old(), job(OLD - 1, JobState::Completed)])),
        ("it reads another source", listed(vec![Job { source: "s3://else/".into(), ..job(NEW, JobState::Completed) }])),
        ("another object has had it for long", Look { taken: BTreeSet::from([JobId(OLD)]), ..listed(vec![old()]) }),
        ("nobody knows when it began", listed(vec![Job { start_time: None, ..job(OLD - 1, JobState::Completed) }])),
    ];
    for (why, look) in not_ours {
        let decision = ended_ours.see(Fact::Looked(Ok(look)));
        assert_eq!(decision.next.job.id, None, "{why}");
        assert_eq!(decision.next.claim(), None, "{why}: absence is proven");
        assert_eq!(decision.run().unproven_submits, 1, "{why}");
    }
}

#[test]
fn a_job_that_began_after_the_claim_and_that_another_object_has_makes_the_outcome_unknown_for_good() {
    for state in [JobState::Completed, JobState::Failed, JobState::InProgress] {
        let mut scene = Scene::unknown();
        let look = Look { taken: BTreeSet::from([JobId(NEW)]), ..listed(vec![job(NEW, state), old()]) };
        assert!(scene.play(Fact::Looked(Ok(look.clone()))).next.claim().is_some(), "{state:?}");
        scene.pass(GRACE);
        let decision = scene.play(Fact::Looked(Ok(look)));
        assert_eq!(decision.reason(), Reason::Failed(FailureClass::OutcomeUnknown), "{state:?}");
        assert!(decision.message().contains(&NEW.to_string()), "{state:?}");
    }
}

#[test]
fn a_lower_id_with_a_newer_start_is_a_candidate_as_after_a_restore_of_milvus() {
    let mut scene = Scene::unknown_after_the_grace();
    let restored = Job { start_time: Some(at(1)), ..job(OLD - 7, JobState::InProgress) };
    assert_eq!(scene.play(looked(vec![old(), restored])).next.job.id, Some(JobId(OLD - 7)));
}

#[test]
fn a_job_that_an_earlier_run_of_the_object_had_is_not_taken_and_hides_no_other() {
    let mut scene = Scene::completed();
    scene.want = other_want();
    // Milvus did not list the job of the first run when the second was claimed.
    assert_eq!(scene.play(looked(vec![old()])).effect, Effect::Submit);
    scene.play(submit_failed(ErrorKind::Timeout));
    scene.pass(GRACE);
    let theirs = job(NEW, JobState::Completed);
    assert_eq!(scene.see(looked(vec![theirs.clone(), old()])).next.job.id, None);
    let found = scene.see(looked(vec![job(NEW + 1, JobState::InProgress), theirs, old()]));
    assert_eq!((found.next.job.id, found.events()), (Some(JobId(NEW + 1)), vec!["RefreshAdopted"]));
}

#[test]
fn a_lower_id_is_no_candidate_where_nobody_knows_when_the_jobs_before_the_claim_began() {
    let timeless = Job { start_time: None, ..old() };
    let mut scene = Scene::new();
    scene.play(looked(vec![timeless.clone()]));
    scene.play(submit_failed(ErrorKind::Timeout));
    scene.pass(GRACE);
    let lower = Job { start_time: Some(at(1)), ..job(OLD - 7, JobState::Completed) };
    assert_eq!(scene.see(looked(vec![timeless, lower])).next.job.id, None);
}

#[test]
fn nothing_found_before_the_grace_proves_nothing() {
    let mut scene = Scene::unknown();
    for _ in 0..11 {
        let decision = scene.play(looked(vec![old()]));
        assert_eq!((decision.effect, decision.wake), (Effect::None, Wake::After(LOOK_AGAIN)));
        assert!(decision.next.claim().is_some());
        scene.pass(LOOK_AGAIN);
    }
    assert!(scene.claim_known < GRACE);
}

#[test]
fn nothing_found_after_the_grace_starts_again_under_a_new_claim() {
    let mut scene = Scene::unknown_after_the_grace();
    let released = scene.play(looked(vec![old()]));
    assert_eq!(released.effect, Effect::None, "the old claim is given up in a write of its own");
    assert_eq!((released.next.claim(), released.run().unproven_submits), (None, 1));
    assert!(released.at_once());
    scene.restart();
    assert_eq!(scene.see(Fact::Nothing).effect, Effect::Find, "a later claim is preceded by a find");
    let again = scene.play(looked(vec![old()]));
    assert_eq!((again.effect, again.run().attempt), (Effect::Submit, 2));
}

#[test]
fn the_grace_begins_anew_in_every_process() {
    let mut scene = Scene::unknown_after_the_grace();
    scene.restart();
    assert!(scene.see(looked(vec![])).next.claim().is_some());
}

#[test]
fn a_look_that_failed_proves_nothing_however_late() {
    for kind in [ErrorKind::Timeout, ErrorKind::Unreachable, ErrorKind::Internal, ErrorKind::PermissionDenied] {
        let mut scene = Scene::unknown();
        scene.pass(20 * GRACE);
        let decision = scene.play(look_failed(kind));
        assert_eq!(decision.reason(), Reason::OutcomeUnknown, "{kind:?}");
        assert!(decision.next.claim().is_some(), "{kind:?}");
        assert_eq!(decision.wake, Wake::After(LOOK_AGAIN), "{kind:?}");
    }
}

#[test]
fn absence_is_no_proof_for_a_claim_of_more_than_twelve_hours() {
    let mut scene = Scene::unknown();
    scene.pass(ABSENCE_WINDOW - SECOND);
    assert_eq!(scene.see(looked(vec![])).run().unproven_submits, 1);
    scene.pass(SECOND);
    let decision = scene.play(looked(vec![]));
    assert_eq!(decision.reason(), Reason::Failed(FailureClass::OutcomeUnknown));
    assert_eq!((decision.effect, decision.wake), (Effect::None, Wake::OnChange));
}

#[test]
fn a_job_that_is_still_listed_is_taken_after_twelve_hours_too() {
    let mut scene = Scene::unknown();
    scene.pass(ABSENCE_WINDOW + SECOND);
    assert_eq!(scene.play(looked(vec![job(NEW, JobState::Completed)])).next.job.id, Some(JobId(NEW)));
}

#[test]
fn a_found_job_that_fails_when_milvus_may_have_forgotten_ours_is_followed_by_no_start() {
    let failed = Job { reason: "task not found".into(), ..job(NEW, JobState::Failed) };
    let retries = Reason::Retrying(FailureClass::ServerInternal);
    let ends = Reason::Failed(FailureClass::OutcomeUnknown);
    let almost = ABSENCE_WINDOW - SECOND;
    for (by_its_own_clock, by_the_wall_clock, expected) in
        [(almost, almost, retries), (ABSENCE_WINDOW, almost, ends), (GRACE, ABSENCE_WINDOW, ends)]
    {
        let mut scene = Scene::unknown_after_the_grace();
        scene.want.backoff_limit = 3;
        assert!(scene.play(looked(vec![failed.clone()])).run().adopted);
        scene.claim_known = by_its_own_clock;
        scene.now = scene.run().submit_time.unwrap() + by_the_wall_clock;
        let decision = scene.play(sighted(failed.clone()));
        assert_eq!(decision.reason(), expected, "{by_its_own_clock:?}, {by_the_wall_clock:?}");
    }
}

#[test]
fn at_most_two_claims_are_given_up_for_want_of_a_job() {
    let mut scene = Scene::unknown_after_the_grace();
    for given_up in 1..=MAX_UNPROVEN_SUBMITS {
        assert_eq!(scene.play(looked(vec![old()])).run().unproven_submits, given_up);
        scene.restart();
        assert_eq!(scene.play(looked(vec![old()])).effect, Effect::Submit);
        scene.play(submit_failed(ErrorKind::Internal));
        scene.pass(GRACE);
    }
    let decision = scene.play(looked(vec![old()]));
    assert_eq!(decision.reason(), Reason::Failed(FailureClass::OutcomeUnknown));
    assert_eq!(decision.wake, Wake::OnChange);
    assert!(decision.message().starts_with("No job was found for 3 starts in a row."), "{}", decision.message());
}

#[test]
fn another_collection_id_ends_the_run_as_lost_and_names_both() {
    for known in [Duration::ZERO, GRACE] {
        let mut scene = Scene::unknown();
        scene.pass(known);
        let look = Look {
            collection: Some(Collection { id: 77, ..collection() }),
            ..listed(vec![job(NEW, JobState::InProgress)])
        };
        let decision = scene.play(Fact::Looked(Ok(look)));
        assert_eq!(decision.reason(), Reason::Failed(FailureClass::JobLost));
        assert!(decision.message().contains(&COLLECTION.to_string()) && decision.message().contains("77"));
        assert_eq!((decision.effect, decision.wake), (Effect::None, Wake::OnChange));
        assert_eq!(scene.see(Fact::Nothing).effect, Effect::None, "and nothing is started again");
    }
}

#[test]
fn a_collection_that_is_gone_for_good_ends_the_run_as_lost_after_the_grace() {
    for kind in [ErrorKind::CollectionNotFound, ErrorKind::DatabaseNotFound, ErrorKind::NotExternal] {
        let mut scene = Scene::unknown();
        scene.pass(GRACE - SECOND);
        assert_eq!(scene.play(look_failed(kind)).reason(), Reason::OutcomeUnknown, "{kind:?}");
        scene.pass(SECOND);
        assert_eq!(scene.play(look_failed(kind)).reason(), Reason::Failed(FailureClass::JobLost), "{kind:?}");
    }
}

#[test]
fn a_duplicate_answer_without_a_candidate_waits_for_the_other_job_only_after_the_grace() {
    let mut scene = Scene::claimed();
    scene.play(submit_failed(ErrorKind::DuplicateJob));
    let foreign = Job { source: "s3://else/".into(), ..job(NEW, JobState::InProgress) };
    let early = scene.play(looked(vec![foreign.clone()]));
    assert!(early.next.claim().is_some(), "the call that met the other job may have been only the second of ours");
    scene.pass(GRACE);
    let late = scene.play(looked(vec![foreign]));
    assert_eq!((late.reason(), late.next.claim()), (Reason::WaitingForActiveJob, None));
    assert_eq!(late.run().unproven_submits, 0);
}

#[test]
fn a_duplicate_answer_can_be_our_own_job() {
    let mut scene = Scene::claimed();
    scene.play(submit_failed(ErrorKind::DuplicateJob));
    scene.pass(GRACE);
    assert_eq!(scene.play(looked(vec![job(NEW, JobState::InProgress)])).next.job.id, Some(JobId(NEW)));
}

#[test]
fn an_accepted_job_that_never_came_into_being_is_looked_for_and_started_again() {
    let mut scene = Scene::tracked();
    let vanished = scene.play(not_found());
    assert_eq!(vanished.reason(), Reason::OutcomeUnknown);
    assert_eq!(vanished.next.job.id, None);
    assert_eq!((&*vanished.next.job.collection, &*vanished.next.job.source), ("products", SOURCE));
    assert_eq!(vanished.run().ended_job_ids, [JobId(NEW)]);
    assert!(vanished.next.claim().is_some() && vanished.at_once());
    assert_eq!(vanished.events(), ["OutcomeUnknown"]);
    assert_eq!(scene.see(Fact::Nothing).effect, Effect::Find);
    assert!(scene.play(looked(vec![old()])).next.claim().is_some(), "not before the grace has passed");
    scene.pass(GRACE);
    assert_eq!(scene.play(looked(vec![old()])).run().unproven_submits, 1);
    scene.restart();
    assert_eq!(scene.play(looked(vec![old()])).effect, Effect::Submit);
    assert_eq!(scene.play(accepted(NEW + 1)).next.job.id, Some(JobId(NEW + 1)));
}

#[test]
fn an_id_that_never_came_into_being_is_not_taken_again() {
    let mut scene = Scene::tracked();
    scene.play(not_found());
    scene.pass(GRACE);
    let decision = scene.play(looked(vec![job(NEW, JobState::Completed)]));
    assert_eq!((decision.next.job.id, decision.run().unproven_submits), (None, 1));
}

#[test]
fn an_accepted_job_that_nobody_saw_within_twelve_hours_is_lost() {
    let mut scene = Scene::tracked();
    scene.pass(ABSENCE_WINDOW);
    scene.play(not_found());
    assert_eq!(scene.play(looked(vec![old()])).reason(), Reason::Failed(FailureClass::JobLost));
}

#[test]
fn a_claim_of_a_collection_that_had_no_source_yet_finds_its_job_whatever_that_reads() {
    let mut scene = Scene::new();
    let unset = Look { collection: Some(Collection { source: String::new(), ..collection() }), ..listed(vec![]) };
    assert_eq!(scene.play(Fact::Looked(Ok(unset))).effect, Effect::Submit);
    scene.pass(GRACE);
    let landed = Job { source: SOURCE.into(), ..job(NEW, JobState::InProgress) };
    assert_eq!(scene.play(looked(vec![landed])).next.job.id, Some(JobId(NEW)));
}
