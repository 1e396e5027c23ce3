//! Which claims are proven over, and what follows from that for the next one (rule 3 of the start protocol).

use std::time::Duration;

use super::scene::{
    COLLECTION, ENDPOINT, NEW, OLD, Scene, accepted, collection, job, listed, looked, old, sighted, submit_failed,
};
use crate::{
    api::ActiveJobPolicy,
    milvus::{Collection, ErrorKind, Job, JobId, JobState},
    refresh::{
        ClaimKey, Connection, Decision, Effect, Fact, FailureClass, Look, Reason, Submission,
        limits::{GRACE, LOOK_AGAIN},
    },
};

const PAUSE: Duration = Duration::from_secs(11);
/// The job of somebody else that runs while no claim of ours stands.
const FOREIGN: i64 = NEW + 1;

/// The job that Milvus named in its reply to our start has failed, and the pause before the retry is over.
fn failed_and_due() -> Scene {
    let mut scene = Scene::retrying(3);
    scene.pass(PAUSE);
    scene.restart();
    scene
}

/// Our start was never sent, or refused: the run is due again.
fn never_started() -> [Scene; 2] {
    [Fact::Submitted(Submission::Withheld), submit_failed(ErrorKind::NotSent)].map(|fact| {
        let mut scene = Scene::claimed();
        scene.play(fact);
        scene.pass(LOOK_AGAIN);
        scene.restart();
        scene
    })
}

/// Every way in which all claims so far are proven over.
fn proven() -> Vec<Scene> {
    never_started().into_iter().chain([failed_and_due()]).collect()
}

fn found_elsewhere() -> Fact {
    Fact::Looked(Ok(Look { collection: Some(Collection { id: 7, ..collection() }), ..listed(vec![]) }))
}

fn ours_failed() -> Job {
    job(NEW, JobState::Failed)
}

/// A start whose reply was lost; a job that matches was found, taken and seen to fail, and the retry is due.
fn a_found_job_failed() -> Scene {
    let mut scene = Scene::unknown_after_the_grace();
    scene.want.backoff_limit = 3;
    scene.play(looked(vec![ours_failed(), old()]));
    assert!(scene.run().adopted);
    scene.play(sighted(Job { reason: "task not found".into(), ..ours_failed() }));
    scene.pass(PAUSE);
    scene.restart();
    scene
}

fn starts_again(decision: &Decision) -> bool {
    decision.effect == Effect::Submit
}

#[test]
fn a_job_of_somebody_else_that_ran_and_ended_between_two_attempts_is_not_taken_for_the_retry() {
    for policy in [ActiveJobPolicy::Wait, ActiveJobPolicy::Adopt] {
        for state in [JobState::Completed, JobState::Failed] {
            for mut scene in proven() {
                scene.want.active_job_policy = policy;
                let decision = scene.play(looked(vec![job(FOREIGN, state), ours_failed(), old()]));
                assert!(starts_again(&decision), "{policy:?}, {state:?}: {:?}", decision.reason());
                let run = decision.run();
                assert_eq!(run.job_id_watermark, Some(JobId(FOREIGN)), "the watermarks are taken anew");
                assert_eq!((run.attempt, decision.next.job.id), (2, None));
            }
        }
    }
}

#[test]
fn an_active_job_is_somebody_elses_once_every_claim_is_proven_over() {
    let active = looked(vec![job(FOREIGN, JobState::InProgress), ours_failed(), old()]);
    for mut scene in proven() {
        let waits = scene.play(active.clone());
        assert_eq!((waits.reason(), waits.next.claim()), (Reason::WaitingForActiveJob, None));
        let ended = scene.play(looked(vec![job(FOREIGN, JobState::Completed), ours_failed(), old()]));
        assert!(starts_again(&ended), "its end lets ours start");
    }
    for mut scene in proven() {
        scene.want.active_job_policy = ActiveJobPolicy::Adopt;
        let taken = scene.play(active.clone());
        assert_eq!(taken.next.job.id, Some(JobId(FOREIGN)), "the spec says so");
    }
}

#[test]
fn a_collection_that_is_re_created_after_every_claim_is_proven_over_is_claimed_anew() {
    for mut scene in proven() {
        let decision = scene.play(found_elsewhere());
        assert!(starts_again(&decision), "{:?}", decision.reason());
        let run = decision.run();
        assert_eq!((run.collection_id, run.job_id_watermark), (Some(7), Some(JobId(0))));
    }
}

#[test]
fn an_address_that_changes_after_every_claim_is_proven_over_is_claimed_anew() {
    for mut scene in proven() {
        scene.connection = Connection::Ready { endpoint: "http://another:19530".into() };
        let denied = Look { collection: None, ..listed(vec![]) };
        let decision = scene.play(Fact::Looked(Ok(denied)));
        assert!(starts_again(&decision), "{:?}", decision.reason());
        assert_eq!(decision.run().endpoint.as_deref(), Some("http://another:19530"));
    }
}

#[test]
fn a_duplicate_answer_is_no_proof_whatever_followed() {
    let mut scene = Scene::claimed();
    scene.play(submit_failed(ErrorKind::DuplicateJob));
    scene.pass(GRACE);
    let foreign = Job { source: "s3://else/".into(), ..job(NEW, JobState::InProgress) };
    assert_eq!(scene.play(looked(vec![foreign.clone(), old()])).reason(), Reason::WaitingForActiveJob);
    assert_eq!(scene.run().proven_claims, 0);
    let re_created = scene.see(found_elsewhere());
    assert_eq!(re_created.reason(), Reason::Failed(FailureClass::JobLost));
    let landed = scene.see(looked(vec![job(FOREIGN, JobState::Completed), old()]));
    assert_eq!(landed.next.job.id, Some(JobId(FOREIGN)), "it is looked for before a later claim");
    let again = scene.play(looked(vec![old()]));
    assert!(starts_again(&again));
    assert_eq!(again.run().job_id_watermark, Some(JobId(OLD)), "the watermarks stay");
}

#[test]
fn the_end_of_a_job_that_was_found_is_no_proof() {
    let mut scene = a_found_job_failed();
    assert_eq!(scene.run().proven_claims, 0);
    assert_eq!(scene.see(found_elsewhere()).reason(), Reason::Failed(FailureClass::JobLost));
    // The one that was found was somebody else's, and this is ours.
    let decision = scene.play(looked(vec![job(FOREIGN, JobState::InProgress), ours_failed(), old()]));
    assert_eq!(decision.next.job.id, Some(JobId(FOREIGN)));
    assert!(decision.run().adopted);
}

#[test]
fn absence_is_no_proof() {
    let mut scene = Scene::unknown_after_the_grace();
    scene.play(looked(vec![old()]));
    assert_eq!((scene.run().unproven_submits, scene.run().proven_claims), (1, 0));
    assert_eq!(scene.play(looked(vec![job(NEW, JobState::Completed), old()])).next.job.id, Some(JobId(NEW)));
}

#[test]
fn a_job_that_was_named_and_never_listed_is_no_proof() {
    let mut scene = Scene::tracked();
    scene.play(super::scene::not_found());
    scene.pass(GRACE);
    scene.play(looked(vec![old()]));
    assert_eq!((scene.record().claim(), scene.run().proven_claims), (None, 0));
}

#[test]
fn one_claim_that_is_not_proven_over_keeps_the_run_looking_to_its_end() {
    let mut scene = Scene::unknown_after_the_grace();
    scene.want.backoff_limit = 3;
    scene.play(looked(vec![old()]));
    scene.restart();
    assert!(starts_again(&scene.play(looked(vec![old()]))));
    scene.play(accepted(NEW));
    scene.play(sighted(Job { reason: "task not found".into(), ..ours_failed() }));
    assert_eq!((scene.run().attempt, scene.run().proven_claims), (2, 1));
    scene.pass(PAUSE);
    let decision = scene.play(looked(vec![job(FOREIGN, JobState::Completed), ours_failed(), old()]));
    assert_eq!(decision.next.job.id, Some(JobId(FOREIGN)), "it can be the first claim's");
    assert_eq!(decision.run().job_id_watermark, Some(JobId(OLD)));
}

#[test]
fn each_proof_is_counted_in_the_write_that_clears_the_claim_or_ends_its_job() {
    for fact in [Fact::Submitted(Submission::Withheld), submit_failed(ErrorKind::NotSent)] {
        let mut scene = Scene::claimed();
        scene.play(fact);
        assert_eq!((scene.record().claim(), scene.run().proven_claims), (None, 1));
    }
    let mut scene = Scene::running(40);
    assert_eq!(scene.run().proven_claims, 0);
    scene.want.backoff_limit = 3;
    scene.play(sighted(Job { reason: "task not found".into(), ..ours_failed() }));
    assert_eq!((scene.record().claim(), scene.run().proven_claims), (None, 1));
    assert_eq!(Scene::completed().run().proven_claims, 1);
}

#[test]
fn a_claim_is_named_by_its_number_its_attempt_and_something_random() {
    let mut scene = Scene::claimed();
    let first = scene.status.run.as_ref().unwrap().claim_id.clone().unwrap();
    assert!(first.starts_with("1-1-"), "{first}");
    let claim = scene.record().claim().unwrap();
    assert_eq!(claim.to_string(), first, "the log names it as the status does");
    assert_eq!(ClaimKey { nonce: None, ..claim }.to_string(), "1-1");
    let other = Scene { nonce: scene.nonce + 1, ..Scene::new() }.play(looked(vec![old()])).next.claim();
    assert_ne!(scene.record().claim(), other, "another process' claim of the same attempt");
    scene.play(Fact::Submitted(Submission::Withheld));
    assert_eq!(scene.status.run.as_ref().unwrap().claim_id, Some(first), "it vouches for the count of what is proven");
    scene.play(looked(vec![old()]));
    assert!(scene.status.run.unwrap().claim_id.unwrap().starts_with("1-2-"));
}

#[test]
fn what_another_version_left_standing_proves_nothing() {
    let claim = |id: Option<&str>, attempt: i64, proven: i64| {
        let mut scene = failed_and_due();
        let run = scene.status.run.as_mut().unwrap();
        run.claim_id = id.map(str::to_owned);
        run.attempt = attempt;
        run.proven_claims = proven;
        scene.run().has_open_claims()
    };
    assert!(!claim(Some("1-1-00000000000000ff"), 1, 1));
    assert!(claim(None, 1, 1), "an older version claimed and counted nothing");
    assert!(claim(Some("1-1-00000000000000ff"), 2, 1), "an older version claimed after this one");
    assert!(claim(Some("1-1-00000000000000ff"), 2, 2));
    assert!(claim(Some("2-1-00000000000000ff"), 1, 1));
    assert!(claim(Some("1-1-ff"), 1, 1));
    assert!(claim(Some("1-1-"), 1, 1));
    assert!(claim(Some("1-1-00000000000000ff"), 1, 2), "more than there were");
    assert!(claim(Some("1-1-00000000000000ff"), 1, -1));
}

#[test]
fn a_run_that_an_older_version_has_claimed_is_looked_for_to_its_end() {
    let mut scene = failed_and_due();
    scene.status.run.as_mut().unwrap().claim_id = None;
    let foreign = job(FOREIGN, JobState::Completed);
    let found = scene.see(looked(vec![foreign.clone(), ours_failed(), old()]));
    assert_eq!(found.next.job.id, foreign.id.into());
    assert!(starts_again(&scene.play(looked(vec![ours_failed(), old()]))));
    scene.play(Fact::Submitted(Submission::Withheld));
    assert_eq!((scene.run().attempt, scene.run().proven_claims), (2, 1));
    assert_eq!(scene.run().job_id_watermark, Some(JobId(OLD)));
    assert_eq!(scene.see(looked(vec![foreign.clone(), old()])).next.job.id, Some(foreign.id));
}

#[test]
fn a_run_whose_claims_are_open_and_that_lost_its_watermark_starts_nothing() {
    let mut scene = a_found_job_failed();
    scene.status.run.as_mut().unwrap().job_id_watermark = None;
    let decision = scene.play(looked(vec![old()]));
    assert_eq!((decision.effect, decision.reason()), (Effect::None, Reason::Failed(FailureClass::OutcomeUnknown)));
}

#[test]
fn the_claim_after_proven_ones_says_where_it_was_made() {
    let mut scene = failed_and_due();
    let run = scene.play(looked(vec![ours_failed(), old()])).run().clone();
    assert_eq!((run.collection_id, run.endpoint.as_deref()), (Some(COLLECTION), Some(ENDPOINT)));
    assert_eq!(run.ended_job_ids, [JobId(NEW)]);
}
