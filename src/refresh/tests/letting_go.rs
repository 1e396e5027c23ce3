//! Objects that are being deleted, and starts of which nothing can be found out any more.

use std::time::Duration;

use jiff::SignedDuration;

use super::scene::{NEW, Scene, accepted, down, job, look_failed, looked, old, sighted};
use crate::{
    api::{ActiveJobPolicy, ConnectionReason},
    milvus::{ErrorKind, JobId, JobState},
    refresh::{
        Ahead, Connection, Desired, Effect, Fact, FailureClass, Permission, Reason, Turn, Wake, is_due,
        limits::{ABSENCE_WINDOW, GRACE, LONGEST_JOB, LONGEST_SLEEP},
        rests,
    },
};

const UNKNOWN: Reason = Reason::Failed(FailureClass::OutcomeUnknown);

/// Somebody deletes the object, and a finalizer keeps it.
fn deleted(mut scene: Scene) -> Scene {
    scene.want.terminating = true;
    scene.want.generation += 1;
    scene
}

fn gone() -> Connection {
    Connection::NotReady {
        reason: ConnectionReason::NotFound,
        message: "MilvusConnection default does not exist.".into(),
    }
}

#[test]
fn an_object_that_is_being_deleted_is_not_started_and_says_so_once() {
    let queued = {
        let mut scene = Scene { turn: Turn::Behind { position: Some(1) }, ..Scene::new() };
        scene.play(Fact::Nothing);
        scene.turn = Turn::Mine;
        scene
    };
    for (scene, generation) in [(Scene::new(), 2), (queued, 2), (Scene::retrying(3), 1)] {
        let mut scene = deleted(scene);
        scene.pass(Duration::from_secs(600));
        let decision = scene.play(looked(vec![old()]));
        assert_eq!((decision.effect, decision.wake), (Effect::None, Wake::OnChange));
        assert_eq!((decision.reason(), decision.next.claim()), (Reason::Terminating, None));
        assert_eq!(decision.events(), ["Terminating"]);
        assert!(decision.message().contains("metadata.finalizers"), "{}", decision.message());
        assert_eq!(decision.next.queue_position, None);
        assert_eq!(decision.run().generation, generation, "of a run that was claimed, that of its claim");
        assert_eq!(scene.record().observed_generation, Some(scene.want.generation));
        let before = scene.record();
        let again = scene.play(Fact::Nothing);
        assert_eq!((again.next, again.notices.len()), (before, 0), "it costs one write");
    }
}

#[test]
fn an_object_that_is_being_deleted_takes_no_job_of_somebody_else() {
    let mut scene = deleted(Scene::new());
    scene.want.active_job_policy = ActiveJobPolicy::Adopt;
    let decision = scene.play(looked(vec![job(NEW, JobState::InProgress), old()]));
    assert_eq!((decision.next.job.id, decision.reason()), (None, Reason::Terminating));
}

#[test]
fn a_finished_object_that_is_being_deleted_keeps_its_verdict_whatever_is_asked_for() {
    let mut scene = deleted(Scene::completed());
    scene.want = Desired { fingerprint: "v1:another".into(), ..scene.want };
    assert!(!is_due(&scene.want, &scene.record()), "a late claim was decided on before, and meets a conflict");
    let decision = scene.play(Fact::Nothing);
    assert_eq!((decision.reason(), decision.wake), (Reason::RefreshCompleted, Wake::OnChange));
    assert!(rests(&scene.want, &scene.record(), scene.now));
}

#[test]
fn the_job_of_an_object_that_is_being_deleted_is_tracked_to_its_end() {
    let mut scene = deleted(Scene::running(40));
    assert_eq!(scene.see(Fact::Nothing).effect, Effect::Poll(JobId(NEW)));
    assert_eq!(scene.play(sighted(job(NEW, JobState::Completed))).reason(), Reason::RefreshCompleted);

    let mut started = deleted(Scene::claimed());
    assert_eq!(started.play(accepted(NEW)).next.job.id, Some(JobId(NEW)), "its start was on its way");

    let mut failed = deleted(Scene::running(40));
    failed.want.backoff_limit = 3;
    let failure = crate::milvus::Job { reason: "task not found".into(), ..job(NEW, JobState::Failed) };
    failed.play(sighted(failure));
    failed.pass(Duration::from_secs(60));
    assert_eq!(failed.play(Fact::Nothing).reason(), Reason::Terminating, "it is not tried again");
}

#[test]
fn what_became_of_the_start_of_an_object_that_is_being_deleted_is_not_adopted() {
    let before = deleted(Scene::unknown());
    assert_eq!(before.see(looked(vec![old()])).reason(), Reason::OutcomeUnknown, "it may still land");
    let scene = deleted(Scene::unknown_after_the_grace());
    let decision = scene.see(looked(vec![job(NEW, JobState::InProgress), old()]));
    assert_eq!((decision.next.job.id, decision.reason()), (None, UNKNOWN));
    assert!(decision.message().contains(&NEW.to_string()), "{}", decision.message());
    let decision = scene.see(looked(vec![old()]));
    assert_eq!((decision.next.claim(), decision.reason()), (None, Reason::Terminating));
}

#[test]
fn a_finished_object_that_is_being_deleted_is_not_deleted_again() {
    let mut scene = deleted(Scene::completed());
    scene.want.ttl = Some(Duration::from_secs(60));
    scene.pass(Duration::from_secs(61));
    assert_eq!(scene.see(Fact::Nothing).effect, Effect::None);
}

#[test]
fn a_lost_start_whose_connection_is_deleted_ends_unknown_once_no_job_of_it_can_run() {
    let mut scene = Scene { connection: gone(), ..Scene::unknown() };
    scene.want.backoff_limit = 3;
    scene.pass(LONGEST_JOB - Duration::from_secs(1));
    let decision = scene.play(Fact::Nothing);
    assert_eq!((decision.reason(), decision.wake), (Reason::OutcomeUnknown, Wake::After(LONGEST_SLEEP)));
    scene.pass(Duration::from_secs(1));
    let decision = scene.play(Fact::Nothing);
    assert_eq!((decision.reason(), decision.next.claim()), (UNKNOWN, None));
    assert!(decision.message().contains("75 minutes"), "{}", decision.message());
    assert!(decision.message().contains("does not exist"), "{}", decision.message());
}

#[test]
fn neither_a_new_process_nor_a_clock_that_was_set_back_makes_it_wait_for_ever() {
    let mut restarted = Scene { connection: gone(), ..Scene::unknown() };
    restarted.pass(LONGEST_JOB);
    restarted.restart();
    assert_eq!(restarted.see(Fact::Nothing).reason(), Reason::OutcomeUnknown, "its own start may just have been sent");
    restarted.pass(GRACE);
    assert_eq!(restarted.see(Fact::Nothing).reason(), UNKNOWN);

    let mut set_back = Scene { connection: gone(), ..Scene::unknown() };
    set_back.pass(LONGEST_JOB);
    set_back.set_clock(SignedDuration::from_hours(-48));
    assert_eq!(set_back.see(Fact::Nothing).reason(), UNKNOWN);
}

#[test]
fn a_lost_start_at_a_milvus_out_of_reach_is_looked_for_as_long_as_milvus_remembers_it() {
    let because: [(&str, Connection, Fact); 3] = [
        ("the connection is down", down(), Fact::Nothing),
        ("its looks fail", Scene::new().connection, look_failed(ErrorKind::Internal)),
        ("the connections cannot be listed", Connection::Unknown, Fact::Nothing),
    ];
    for (why, connection, fact) in because {
        let mut scene = Scene { connection, ..Scene::unknown() };
        scene.pass(ABSENCE_WINDOW - Duration::from_secs(1));
        assert_eq!(scene.see(fact.clone()).reason(), Reason::OutcomeUnknown, "{why}");
        scene.pass(Duration::from_secs(1));
        assert_eq!(scene.see(fact).reason(), UNKNOWN, "{why}");
    }
}

#[test]
fn only_a_process_that_leads_gives_a_lost_start_up() {
    let mut scene = Scene { connection: gone(), permission: Permission::Withheld, ..Scene::unknown() };
    scene.pass(LONGEST_JOB);
    assert_eq!(scene.see(Fact::Nothing).reason(), Reason::OutcomeUnknown);
}

#[test]
fn a_run_that_passed_another_over_takes_none_of_several_jobs() {
    let mut scene = Scene { ahead: Some(Ahead::PassedOver("theirs/a".into())), ..Scene::new() };
    assert_eq!(scene.play(looked(vec![old()])).run().passed_over.as_deref(), Some("theirs/a"));
    scene.play(super::scene::submit_failed(ErrorKind::Timeout));
    scene.ahead = None;
    scene.pass(GRACE);
    let two = looked(vec![job(NEW + 2, JobState::InProgress), job(NEW, JobState::Completed), old()]);
    let decision = scene.see(two);
    assert_eq!((decision.next.job.id, decision.reason()), (None, UNKNOWN));
    assert!(decision.message().contains("theirs/a"), "{}", decision.message());
    let one = scene.see(looked(vec![job(NEW, JobState::Completed), old()]));
    assert_eq!(one.next.job.id, Some(JobId(NEW)), "one alone is its own");
}
