//! What a tick does, late ones and those that fall into a run among them.

use std::time::Duration;

use serde_json::json;

use super::{MINUTE, at, completed, desired, end, kept, next, nightly, run, start, time};
use crate::{
    milvus::{Job, JobState},
    refresh::tests::scene::{NEW, Scene, accepted, down, job, looked, object, old, sighted},
    refresh::{Cause, Desired, Effect, Fact, FailureClass, Reason, Turn, Wake, is_due, rests},
};

#[test]
fn a_tick_opens_a_run_that_is_written_before_it_is_claimed() {
    let mut scene = completed(nightly());
    assert_eq!(next(&scene), time("2026-11-27T02:15:00Z"));
    assert!(rests(&scene.want, &scene.record(), scene.now));
    let before = at(&mut scene, "2026-11-27T02:14:59Z");
    assert_eq!((before.run().number, before.wake), (1, Wake::OnChange));
    scene.now = time("2026-11-27T02:15:00Z");
    assert!(!rests(&scene.want, &scene.record(), scene.now));
    assert!(!is_due(&scene.want, &scene.record()), "no successor would announce it yet");
    let opened = scene.play(looked(vec![old()]));
    assert_eq!((opened.effect, opened.at_once(), opened.reason()), (Effect::None, true, Reason::Queued));
    assert_eq!((opened.run().number, opened.run().cause), (2, Some(Cause::Schedule)));
    assert_eq!(opened.run().queued_time, Some(time("2026-11-27T02:15:00Z")));
    assert_eq!(kept(&scene).1, Some(time("2026-11-27T02:15:00Z")));
    assert_eq!(next(&scene), time("2026-11-28T02:15:00Z"));
    assert!(is_due(&scene.want, &scene.record()));
    start(&mut scene, NEW + 1);
    assert_eq!(end(&mut scene, NEW + 1).next.history[0].cause, Some(Cause::Schedule));
    assert!(rests(&scene.want, &scene.record(), scene.now));
}

#[test]
fn downtime_gives_one_run_for_the_latest_tick_and_late_ones_count_from_it() {
    for (back, due) in [
        ("2026-11-27T02:25:00Z", "2026-11-27T02:15:00Z"),
        ("2026-11-27T09:00:00Z", "2026-11-27T02:15:00Z"),
        ("2026-11-29T11:00:00Z", "2026-11-29T02:15:00Z"),
        ("2027-11-29T02:14:59Z", "2027-11-28T02:15:00Z"),
    ] {
        let mut scene = completed(nightly());
        let opened = at(&mut scene, back);
        assert_eq!(opened.run().queued_time, Some(time(due)), "{back}");
        assert_eq!(kept(&scene).1, Some(time(due)), "{back}");
        let ended = run(&mut scene, NEW + 1);
        assert_eq!((ended.reason(), ended.run().number), (Reason::RefreshCompleted, 2), "{back}: one run");
        assert!(next(&scene) > scene.now, "{back}");
    }
}

#[test]
fn a_tick_that_is_noticed_after_the_deadline_is_skipped_and_fails_nothing() {
    let want = Desired { starting_deadline: Some(10 * MINUTE), ..nightly() };
    let mut scene = completed(want.clone());
    let in_time = at(&mut scene, "2026-11-27T02:25:00Z");
    assert_eq!(in_time.run().cause, Some(Cause::Schedule));
    let mut scene = completed(want);
    let missed = at(&mut scene, "2026-11-27T02:25:01Z");
    assert_eq!((missed.reason(), missed.run().number, missed.wake), (Reason::RefreshCompleted, 1, Wake::OnChange));
    assert_eq!(missed.events(), ["ScheduleMissed"]);
    let message = &missed.notices[0].message;
    assert!(
        message.contains("due at 2026-11-27T02:15:00Z") && message.contains("next one is due at 2026-11-28T02:15:00Z")
    );
    assert_eq!(at(&mut scene, "2026-11-27T02:26:00Z").notices, [], "it is told once");
    assert!(rests(&scene.want, &scene.record(), scene.now));
    assert_eq!(at(&mut scene, "2026-11-28T02:15:03Z").run().number, 2, "the next one is in time");
}

#[test]
fn a_run_that_was_opened_in_time_and_does_not_start_fails_as_usual() {
    let mut scene = completed(Desired { starting_deadline: Some(10 * MINUTE), ..nightly() });
    at(&mut scene, "2026-11-27T02:20:00Z");
    scene.connection = down();
    at(&mut scene, "2026-11-27T02:24:59Z");
    let failed = at(&mut scene, "2026-11-27T02:25:00Z");
    assert_eq!(failed.reason(), Reason::Failed(FailureClass::StartingDeadlineExceeded));
    assert_eq!(failed.next.history[0].cause, Some(Cause::Schedule));
}

#[test]
fn ticks_that_fall_into_a_run_ask_for_one_more() {
    let want = desired(json!({ "schedule": { "cron": "* * * * *" }, "startingDeadlineSeconds": 60 }));
    let mut scene = completed(want);
    for id in NEW + 1..NEW + 6 {
        scene.pass(MINUTE);
        let opened = scene.play(Fact::Nothing).run().number;
        start(&mut scene, id);
        scene.pass(10 * MINUTE);
        let next = end(&mut scene, id);
        assert_eq!((next.reason(), next.at_once()), (Reason::Queued, true), "back to back");
        assert_eq!((next.run().number, next.run().cause), (opened + 1, Some(Cause::Schedule)));
        assert_eq!(next.run().queued_time, Some(scene.now), "due since the run before has ended");
        assert_eq!(next.events(), ["RefreshCompleted"], "no tick was missed");
        // The ticks that came while it waited are its own.
        scene.pass(3 * MINUTE);
        assert_eq!(scene.play(Fact::Nothing).effect, Effect::None);
        scene.turn = Turn::Mine;
    }
}

#[test]
fn a_tick_that_comes_while_its_run_waits_is_captured_with_the_claim() {
    let mut scene = completed(nightly());
    at(&mut scene, "2026-11-27T02:15:00Z");
    scene.turn = Turn::Behind { position: Some(1) };
    at(&mut scene, "2026-11-29T09:00:00Z");
    assert_eq!(kept(&scene).1, Some(time("2026-11-27T02:15:00Z")), "waiting answers nothing");
    scene.turn = Turn::Mine;
    let ended = run(&mut scene, NEW + 1);
    assert_eq!(kept(&scene).1, Some(time("2026-11-29T02:15:00Z")));
    assert_eq!((ended.reason(), ended.run().number), (Reason::RefreshCompleted, 2), "and no further run");
}

#[test]
fn a_tick_neither_hurries_a_retry_nor_forgives_its_failures() {
    let want = desired(json!({ "schedule": { "cron": "* * * * *" }, "backoffLimit": 2 }));
    let mut scene = completed(want);
    scene.pass(MINUTE);
    scene.play(Fact::Nothing);
    let fails = |scene: &mut Scene, id| {
        let jobs = vec![job(id - 1, JobState::Completed)];
        assert_eq!(scene.play(looked(jobs)).effect, Effect::Submit);
        scene.play(accepted(id));
        let failed = Job { reason: "task not found".into(), end_time: Some(scene.now), ..job(id, JobState::Failed) };
        scene.play(sighted(failed))
    };
    for failures in 1..=2 {
        let waits = fails(&mut scene, NEW + failures);
        assert_eq!((waits.reason(), waits.run().failures), (Reason::Retrying(FailureClass::ServerInternal), failures));
        assert_ne!(waits.wake, Wake::After(Duration::ZERO));
        scene.pass(10 * MINUTE);
    }
    let over = fails(&mut scene, NEW + 3);
    assert_eq!(
        (over.run().number, over.next.history[0].failure),
        (2, Some(FailureClass::ServerInternal)),
        "it has failed"
    );
    scene.pass(MINUTE);
    assert_eq!(scene.play(Fact::Nothing).run().number, 3, "the next tick is another run");
}

#[test]
fn objects_with_one_schedule_are_spread_by_their_jitter() {
    let mut minutes = [0; 10];
    for number in 0..1000 {
        let mut object = object(json!({ "schedule": { "cron": "0 * * * *", "jitterSeconds": 599 } }));
        object.metadata.uid = Some(format!("uid-{number}"));
        let delay = Desired::of(&object).schedule.unwrap().delay.as_secs();
        minutes[usize::try_from(delay / 60).unwrap()] += 1;
    }
    assert!(minutes.iter().all(|objects| (60..150).contains(objects)), "{minutes:?}");
}

#[test]
fn the_delay_is_the_objects_own_and_below_the_jitter() {
    let jittered = json!({ "schedule": { "cron": "15 2 * * *", "jitterSeconds": 600 } });
    let delays: Vec<Duration> = ["a", "b", "c", "d"]
        .map(|uid| {
            let mut object = object(jittered.clone());
            object.metadata.uid = Some(uid.into());
            Desired::of(&object).schedule.unwrap().delay
        })
        .into();
    assert!(delays.iter().all(|delay| *delay <= 10 * MINUTE) && delays.windows(2).any(|pair| pair[0] != pair[1]));
    let want = desired(jittered);
    let delay = want.schedule.as_ref().unwrap().delay;
    assert_eq!(delay, Duration::from_secs(563), "the same on every replica and in every release");
    let mut scene = completed(want);
    let due = time("2026-11-27T02:15:00Z") + delay;
    assert_eq!(next(&scene), due);
    scene.now = due - Duration::from_secs(1);
    assert_eq!(scene.play(Fact::Nothing).run().number, 1);
    scene.now = due;
    assert_eq!(scene.play(Fact::Nothing).run().queued_time, Some(due));
    assert_eq!(kept(&scene).1, Some(time("2026-11-27T02:15:00Z")), "what was answered is the tick");
}
