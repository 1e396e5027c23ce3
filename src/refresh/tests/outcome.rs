//! What can come of a start.

use std::time::Duration;

use super::scene::{NEW, Scene, accepted, job, looked, old, other_want, sighted, submit_failed};
use crate::{
    milvus::{ErrorKind, JobId, JobState},
    refresh::{Effect, Fact, FailureClass, Reason, Submission, Wake, limits::LOOK_AGAIN},
};

/// Every kind of error after a submit: how a run that waits says so, or how it ends; `None` where the outcome is unknown.
const OUTCOMES: [(ErrorKind, Option<Reason>); 17] = [
    (ErrorKind::NotSent, Some(Reason::ConnectionNotReady)),
    (ErrorKind::Starting, Some(Reason::ConnectionNotReady)),
    (ErrorKind::Unauthenticated, Some(Reason::ConnectionNotReady)),
    (ErrorKind::Unsupported, Some(Reason::ConnectionNotReady)),
    (ErrorKind::PermissionDenied, Some(Reason::Failed(FailureClass::PermissionDenied))),
    (ErrorKind::CollectionNotFound, Some(Reason::Failed(FailureClass::CollectionNotFound))),
    (ErrorKind::DatabaseNotFound, Some(Reason::Failed(FailureClass::DatabaseNotFound))),
    (ErrorKind::NotExternal, Some(Reason::Failed(FailureClass::NotExternalCollection))),
    (ErrorKind::InvalidRequest, Some(Reason::Failed(FailureClass::InvalidSpec))),
    (ErrorKind::Unreachable, None),
    (ErrorKind::Timeout, None),
    (ErrorKind::Busy, None),
    (ErrorKind::NotLoaded, None),
    (ErrorKind::DuplicateJob, None),
    (ErrorKind::JobNotFound, None),
    (ErrorKind::Malformed, None),
    (ErrorKind::Internal, None),
];

#[test]
fn a_proven_refusal_releases_the_claim() {
    for (kind, reason) in OUTCOMES.into_iter().filter_map(|(kind, reason)| reason.map(|reason| (kind, reason))) {
        let mut scene = Scene::claimed();
        let decision = scene.play(submit_failed(kind));
        assert_eq!(decision.reason(), reason, "{kind:?}");
        assert_eq!(decision.run().submit_time, None, "{kind:?}");
        assert_eq!(decision.run().attempt, 1, "{kind:?}");
        assert_eq!(decision.effect, Effect::None, "{kind:?}");
        assert!(!decision.at_once(), "{kind:?} must not spin");
        assert!(decision.message().contains("Milvus said so"), "{kind:?}: the reason is kept");
    }
}

#[test]
fn every_other_answer_leaves_the_claim_standing_and_looks_for_the_job() {
    for (kind, _) in OUTCOMES.into_iter().filter(|(_, reason)| reason.is_none()) {
        let mut scene = Scene::claimed();
        let decision = scene.play(submit_failed(kind));
        assert_eq!(decision.reason(), Reason::OutcomeUnknown, "{kind:?}");
        assert_eq!(decision.next.claimed(), Some((1, 1)), "{kind:?}");
        assert_eq!(decision.events(), ["OutcomeUnknown"], "{kind:?}");
        assert_eq!((decision.effect, decision.wake), (Effect::None, Wake::After(LOOK_AGAIN)), "{kind:?}");
        assert_eq!(scene.see(Fact::Nothing).effect, Effect::Find, "{kind:?}");
    }
}

#[test]
fn the_table_above_agrees_with_the_port_on_what_a_refusal_is() {
    for (kind, reason) in OUTCOMES {
        assert_eq!(kind.is_refusal(), reason.is_some(), "{kind:?}");
    }
}

#[test]
fn a_withheld_start_releases_the_claim_and_is_due_again_at_once() {
    let mut scene = Scene::claimed();
    let decision = scene.play(Fact::Submitted(Submission::Withheld));
    assert_eq!(decision.next.claim(), None);
    assert_eq!(decision.reason(), Reason::Submitting);
    assert!(decision.at_once());
    assert_eq!(decision.run().unproven_submits, 0, "nothing was sent, so nothing is unproven");
    assert_eq!(scene.see(Fact::Nothing).effect, Effect::Find);
}

#[test]
fn an_accepted_start_is_recorded_at_once_and_then_polled() {
    let mut scene = Scene::claimed();
    let decision = scene.play(accepted(NEW));
    assert_eq!(decision.next.job.id, Some(JobId(NEW)));
    assert_eq!(decision.next.job.state, Some(JobState::Pending));
    assert_eq!(decision.reason(), Reason::RefreshInProgress);
    assert_eq!(decision.events(), ["RefreshStarted"]);
    assert_eq!(decision.effect, Effect::None, "the id is written before anything else happens");
    assert!(decision.at_once());
    assert!(!decision.run().job_seen && !decision.run().adopted);
    assert_eq!(scene.see(Fact::Nothing).effect, Effect::Poll(JobId(NEW)));
}

#[test]
fn a_start_accepted_without_a_usable_id_has_an_unknown_outcome() {
    for id in [0, -1, i64::MIN] {
        let mut scene = Scene::claimed();
        let decision = scene.play(accepted(id));
        assert_eq!(decision.reason(), Reason::OutcomeUnknown, "{id}");
        assert_eq!(decision.next.job.id, None, "{id}");
        assert!(decision.next.claim().is_some(), "{id}");
    }
}

#[test]
fn a_crash_between_claim_and_answer_leads_to_a_find_and_not_to_a_start() {
    let mut scene = Scene::claimed();
    scene.restart();
    scene.pass(Duration::from_secs(1));
    let decision = scene.see(Fact::Nothing);
    assert_eq!(decision.effect, Effect::Find);
    assert_eq!(decision.next, scene.record());
    let decision = scene.play(looked(vec![old()]));
    assert_eq!((decision.effect, decision.reason()), (Effect::None, Reason::OutcomeUnknown));
}

#[test]
fn a_spec_that_was_edited_in_mid_run_opens_the_next_run_in_the_write_that_ends_this_one() {
    let mut scene = Scene::running(40);
    scene.want = other_want();
    let decision = scene.play(sighted(job(NEW, JobState::Completed)));
    assert_eq!((decision.run().number, decision.reason()), (2, Reason::Queued));
    assert!(decision.at_once());
    assert_eq!(decision.events(), ["RefreshCompleted"]);
    let past = scene.record().history;
    assert_eq!((past[0].number, past[0].failure), (1, None));
}
