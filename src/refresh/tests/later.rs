//! A refusal that may be the word of Milvus' own second call (rule 6 of the start protocol).

use super::scene::{NEW, Scene, error, job, looked, old};
use crate::{
    milvus::{ErrorKind, JobId, JobState, MilvusError},
    refresh::{Effect, Fact, FailureClass, Reason, Submission, limits::GRACE},
};

/// How Milvus refuses from behind its proxy, and what becomes of the run once that is proven.
const REFUSALS: [(ErrorKind, Reason); 3] = [
    (ErrorKind::Unsupported, Reason::ConnectionNotReady),
    (ErrorKind::InvalidRequest, Reason::Failed(FailureClass::InvalidSpec)),
    (ErrorKind::PermissionDenied, Reason::Failed(FailureClass::PermissionDenied)),
];

fn refused(kind: ErrorKind) -> Scene {
    let mut scene = Scene::claimed();
    let refusal = MilvusError { from_behind: true, ..error(kind) };
    let decision = scene.play(Fact::Submitted(Submission::Failed(refusal)));
    assert_eq!((decision.reason(), decision.effect), (Reason::OutcomeUnknown, Effect::None), "{kind:?}");
    assert!(decision.next.claim().is_some(), "{kind:?}: the first call may still wait for the collection");
    scene
}

#[test]
fn it_is_believed_only_after_the_grace_and_a_look_without_a_job() {
    for (kind, reason) in REFUSALS {
        let mut scene = refused(kind);
        scene.restart();
        assert!(scene.play(looked(vec![old()])).next.claim().is_some(), "{kind:?}");
        scene.pass(GRACE);
        let decision = scene.play(looked(vec![old()]));
        assert_eq!(decision.reason(), reason, "{kind:?}");
        assert!(decision.message().contains("Milvus said so"), "{kind:?}: the reason is kept, over a restart too");
        assert_eq!(decision.next.claim(), None, "{kind:?}");
        assert_eq!((decision.run().proven_claims, decision.run().unproven_submits), (1, 0), "{kind:?}");
        assert_eq!(scene.status.run.unwrap().refusal, None, "{kind:?}");
    }
}

#[test]
fn the_job_of_the_first_call_is_found() {
    for (kind, _) in REFUSALS {
        let mut scene = refused(kind);
        scene.pass(GRACE);
        let decision = scene.play(looked(vec![job(NEW, JobState::InProgress), old()]));
        assert_eq!(decision.next.job.id, Some(JobId(NEW)), "{kind:?}");
        assert_eq!(decision.run().proven_claims, 0, "{kind:?}");
        assert_eq!(scene.status.run.unwrap().refusal, None, "{kind:?}");
    }
}
