//! The connection is not known, not ready, or missing.

use std::time::Duration;

use super::scene::{NEW, Scene, accepted, down, job, looked, other_want, sighted};
use crate::{
    milvus::{ErrorKind, JobId, JobState},
    refresh::{Connection, Effect, Fact, Reason, Wake, limits::LONGEST_SLEEP},
};

fn without(mut scene: Scene, connection: Connection) -> Scene {
    scene.connection = connection;
    scene
}

#[test]
fn nothing_is_written_before_the_connection_is_known() {
    for scene in [Scene::new(), Scene::claimed(), Scene::unknown(), Scene::tracked(), Scene::running(40)] {
        let mut scene = without(scene, Connection::Unknown);
        for generation in 1..=2 {
            scene.want.generation = generation;
            let decision = scene.see(Fact::Nothing);
            assert_eq!(decision.next, scene.record());
            assert_eq!((decision.effect, decision.wake), (Effect::None, Wake::After(LONGEST_SLEEP)));
            assert!(decision.notices.is_empty());
        }
    }
}

#[test]
fn a_due_second_run_waits_unopened_until_the_connection_is_known() {
    let mut scene = without(Scene::completed(), Connection::Unknown);
    scene.want = other_want();
    let decision = scene.see(Fact::Nothing);
    assert_eq!(decision.next, scene.record());
    assert_eq!((decision.effect, decision.wake), (Effect::None, Wake::After(LONGEST_SLEEP)));
}

#[test]
fn an_ended_run_needs_no_connection() {
    for connection in [Connection::Unknown, down()] {
        let scene = without(Scene::completed(), connection);
        let decision = scene.see(Fact::Nothing);
        assert_eq!(decision.next, scene.record());
        assert_eq!((decision.effect, decision.wake), (Effect::None, Wake::OnChange));
    }
}

#[test]
fn before_a_run_a_missing_connection_is_waited_for_without_a_claim() {
    let mut scene = without(Scene::new(), down());
    let decision = scene.play(Fact::Nothing);
    assert_eq!(decision.effect, Effect::None);
    assert_eq!(decision.wake, Wake::After(LONGEST_SLEEP));
    assert_eq!(decision.reason(), Reason::ConnectionNotReady);
    assert_eq!(decision.message(), "Unreachable: nothing answers at milvus:19530.");
    assert_eq!(decision.events(), ["ConnectionNotReady"]);
    assert_eq!(decision.run().number, 1);
    assert_eq!(decision.next.claim(), None);
    assert_eq!(decision.next.job.state, Some(JobState::Pending));
}

#[test]
fn waiting_for_a_connection_is_announced_once() {
    let mut scene = without(Scene::new(), down());
    scene.play(Fact::Nothing);
    scene.pass(LONGEST_SLEEP);
    let before = scene.record();
    let decision = scene.play(Fact::Nothing);
    assert!(decision.notices.is_empty());
    assert_eq!(decision.next, before, "a wait costs one write");
}

#[test]
fn the_run_keeps_its_place_while_it_waits_for_a_connection() {
    let mut scene = without(Scene::new(), down());
    scene.play(Fact::Nothing);
    let queued = scene.run().queued_time;
    scene.pass(Duration::from_secs(3600));
    scene.connection = Scene::new().connection;
    assert_eq!(scene.see(Fact::Nothing).effect, Effect::Find);
    let decision = scene.play(looked(vec![]));
    assert_eq!(decision.effect, Effect::Submit);
    assert_eq!(decision.run().queued_time, queued);
    assert_eq!(decision.run().number, 1);
}

#[test]
fn a_claim_whose_outcome_is_unknown_outlives_the_loss_of_the_connection() {
    let mut scene = without(Scene::claimed(), down());
    let claim = scene.record().claim();
    let decision = scene.play(Fact::Nothing);
    assert_eq!(decision.effect, Effect::None);
    assert_eq!(decision.reason(), Reason::OutcomeUnknown);
    assert_eq!(decision.next.claim(), claim);
    assert!(claim.is_some());
    assert_eq!(decision.wake, Wake::After(LONGEST_SLEEP));
}

#[test]
fn an_answer_to_the_start_counts_whatever_is_known_of_the_connection() {
    for connection in [down(), Connection::Unknown] {
        let mut scene = without(Scene::claimed(), connection);
        assert_eq!(scene.play(accepted(NEW)).next.job.id, Some(JobId(NEW)));
    }
}

#[test]
fn while_a_job_runs_a_lost_connection_leaves_the_job_fields_as_they_are() {
    let mut scene = without(Scene::running(40), down());
    let before = scene.record();
    let decision = scene.play(sighted(job(NEW, JobState::InProgress)));
    assert_eq!(decision.next.job, before.job);
    assert_eq!(decision.next.run, before.run);
    assert_eq!(decision.reason(), Reason::ConnectionNotReady);
    assert_eq!(decision.effect, Effect::None);

    scene.connection = Scene::new().connection;
    assert_eq!(scene.see(Fact::Nothing).effect, Effect::Poll(JobId(NEW)));
    assert_eq!(scene.see(sighted(job(NEW, JobState::Completed))).reason(), Reason::RefreshCompleted);
}

#[test]
fn trouble_of_the_connection_while_looking_is_waited_out() {
    let table = [
        (ErrorKind::NotSent, "Unreachable: Milvus said so"),
        (ErrorKind::Unreachable, "Unreachable: Milvus said so"),
        (ErrorKind::Timeout, "Unreachable: Milvus said so"),
        (ErrorKind::Busy, "Unreachable: Milvus said so"),
        (ErrorKind::Starting, "Unreachable: Milvus said so"),
        (ErrorKind::Unauthenticated, "Unauthenticated: Milvus said so"),
        (ErrorKind::Unsupported, "UnsupportedServer: Milvus said so"),
        (ErrorKind::Malformed, "ServerError: Milvus said so"),
        (ErrorKind::Internal, "ServerError: Milvus said so"),
    ];
    for (kind, message) in table {
        let mut scene = Scene::new();
        let decision = scene.play(super::scene::look_failed(kind));
        assert_eq!(decision.reason(), Reason::ConnectionNotReady, "{kind:?}");
        assert_eq!(decision.message(), message, "{kind:?}");
        assert!(!decision.next.ended(), "{kind:?}");
        assert!(matches!(decision.wake, Wake::After(pause) if !pause.is_zero()), "{kind:?} must not spin");
        assert_eq!(scene.see(Fact::Nothing).effect, Effect::Find, "{kind:?} is tried again");
    }
}
