//! The first run, and why a run runs.

use super::{MINUTE, at, completed, end, idle, next, nightly, run, start, time};
use crate::{
    milvus::JobState,
    refresh::tests::scene::{NEW, Scene, accepted, job, looked, sighted},
    refresh::{Cause, Desired, Fact, Reason, Turn, is_due, rests},
};

type Edit = fn(&mut Desired);

#[test]
fn the_event_of_a_start_says_why_it_ran() {
    let mut scene = completed(nightly());
    at(&mut scene, "2026-11-27T02:15:00Z");
    scene.play(looked(vec![job(NEW, JobState::Completed)]));
    let started = scene.play(accepted(NEW + 1));
    let told = &started.notices[0];
    assert_eq!(told.reason, "RefreshStarted");
    assert!(told.message.ends_with("Cause: Schedule."), "{}", told.message);
}

#[test]
fn an_object_that_waits_for_its_first_run_is_ready_and_says_when_that_is() {
    let mut scene = idle(nightly());
    let record = scene.record();
    let summary = record.summary.clone().unwrap();
    assert_eq!((summary.reason, record.run.clone(), record.job.state), (Reason::Idle, None, None));
    assert!(summary.message.contains("2026-11-27T02:15:00Z"), "{}", summary.message);
    assert!(rests(&scene.want, &record, scene.now) && !is_due(&scene.want, &record));
    assert_eq!(at(&mut scene, "2026-11-27T02:15:00Z").run().cause, Some(Cause::Schedule));
    let ended = run(&mut scene, NEW);
    assert_eq!((ended.run().number, ended.next.baseline), (1, None));
}

#[test]
fn what_stands_when_an_object_is_first_seen_is_handled() {
    let mut scene = idle(Desired { trigger: Some("a".into()), requested_at: Some("r".into()), ..nightly() });
    let record = scene.record();
    assert_eq!((record.handled.last_trigger.as_deref(), record.handled.request.as_deref()), (Some("a"), Some("r")));
    assert_eq!(record.handled.completed_request.as_deref(), Some("r"));
    // The field is read once: an edit of it starts nothing.
    scene.want.run_on_creation = true;
    scene.want.generation = 2;
    scene.pass(MINUTE);
    assert_eq!(scene.play(Fact::Nothing).reason(), Reason::Idle);
    let asks: [(Edit, Cause); 3] = [
        (|want| want.trigger = Some("b".into()), Cause::Trigger),
        (|want| want.requested_at = Some("s".into()), Cause::Request),
        (|want| want.fingerprint = "v1:another".into(), Cause::SourceEdited),
    ];
    for (ask, cause) in asks {
        let mut scene = scene.clone();
        ask(&mut scene.want);
        scene.want.generation = 3;
        assert!(is_due(&scene.want, &scene.record()));
        start(&mut scene, NEW);
        assert_eq!(scene.run().cause, Some(cause));
        assert_eq!(end(&mut scene, NEW).run().number, 1);
    }
}

#[test]
fn a_first_run_that_is_taken_back_leaves_the_object_idle() {
    let mut scene = idle(nightly());
    scene.want.trigger = Some("b".into());
    scene.want.generation = 2;
    scene.turn = Turn::Behind { position: Some(1) };
    assert_eq!(scene.play(Fact::Nothing).reason(), Reason::Queued);
    scene.want.trigger = None;
    scene.want.generation = 3;
    assert_eq!(scene.play(Fact::Nothing).reason(), Reason::Idle);
    assert!(rests(&scene.want, &scene.record(), scene.now));
    // And one that the clock has opened, by a suspension.
    at(&mut scene, "2026-11-27T02:15:00Z");
    scene.want.suspend = true;
    scene.want.generation = 4;
    let held = scene.play(Fact::Nothing);
    assert_eq!((held.reason(), held.next.suspended.is_some()), (Reason::Idle, true));
    assert!(rests(&scene.want, &scene.record(), scene.now));
}

#[test]
fn an_object_that_is_to_run_at_once_runs_at_once_and_by_the_clock() {
    let mut scene = Scene { now: time("2026-11-26T12:00:00Z"), want: nightly(), ..Scene::new() };
    start(&mut scene, NEW);
    assert_eq!((scene.run().cause, next(&scene)), (Some(Cause::Creation), time("2026-11-27T02:15:00Z")));
    // What stands at creation is the first cause.
    let mut scene = Scene::new();
    scene.want.trigger = Some("a".into());
    scene.want.requested_at = Some("r".into());
    start(&mut scene, NEW);
    assert_eq!(scene.run().cause, Some(Cause::Trigger));
}

#[test]
fn of_several_causes_the_first_counts() {
    let mut scene = completed(nightly());
    at(&mut scene, "2026-11-27T02:15:00Z");
    assert_eq!(scene.run().cause, Some(Cause::Schedule));
    scene.want.requested_at = Some("r".into());
    let mut requested = scene.clone();
    start(&mut requested, NEW + 1);
    assert_eq!(requested.run().cause, Some(Cause::Request), "it was captured with the claim");
    scene.want.trigger = Some("b".into());
    start(&mut scene, NEW + 1);
    assert_eq!(scene.run().cause, Some(Cause::Trigger));
}

#[test]
fn a_run_of_the_last_release_has_no_cause_and_ends_without_one() {
    let mut scene = Scene::running(40);
    scene.status.run.as_mut().unwrap().cause = None;
    let ended = scene.play(sighted(job(NEW, JobState::Completed)));
    assert_eq!((ended.run().cause, ended.next.history[0].cause), (None, None));
    scene.status.history[0].cause = Some("ThatOfALaterVersion".into());
    assert_eq!(scene.record().history[0].cause, None);
}
