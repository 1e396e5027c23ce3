//! What an edit of the schedule does, a suspension, and a schedule without sense.

use serde_json::json;

use super::{HOUR, MINUTE, at, completed, desired, end, kept, next, nightly, number, start, time};
use crate::{
    api::STALLED,
    refresh::tests::scene::{NEW, Scene, written},
    refresh::{Cause, Desired, Fact, Reason, rests},
};

#[test]
fn creating_editing_and_resuming_start_nothing() {
    let mut scene = completed(nightly());
    // An hour that has passed today.
    scene.want = Desired { generation: 2, ..desired(json!({ "schedule": { "cron": "15 9 * * *" } })) };
    let edited = at(&mut scene, "2026-11-26T12:30:00Z");
    assert_eq!((edited.run().number, edited.next.observed_generation), (1, Some(2)));
    assert_eq!(kept(&scene), (Some(scene.now), None, Some(time("2026-11-27T09:15:00Z"))));
    scene.want.schedule.as_mut().unwrap().time_zone = "Asia/Tokyo".into();
    scene.want.generation = 3;
    at(&mut scene, "2026-11-26T13:00:00Z");
    assert_eq!(kept(&scene), (Some(scene.now), None, Some(time("2026-11-27T00:15:00Z"))));

    scene.want.suspend = true;
    scene.want.generation = 4;
    at(&mut scene, "2026-11-26T23:00:00Z");
    assert_eq!(kept(&scene), (None, None, None));
    assert!(rests(&scene.want, &scene.record(), scene.now + 48 * HOUR), "ticks while suspended are skipped");
    at(&mut scene, "2026-11-28T12:00:00Z");
    scene.want.suspend = false;
    scene.want.generation = 5;
    let resumed = at(&mut scene, "2026-11-28T13:00:00Z");
    assert_eq!(resumed.run().number, 1);
    assert_eq!(next(&scene), time("2026-11-29T00:15:00Z"));
    assert_eq!(at(&mut scene, "2026-11-29T00:15:00Z").run().cause, Some(Cause::Schedule));
}

#[test]
fn an_edit_of_anything_else_loses_no_tick() {
    let mut scene = completed(nightly());
    scene.want.generation = 2;
    scene.want.backoff_limit = 5;
    scene.want.schedule.as_mut().unwrap().delay = MINUTE;
    let opened = at(&mut scene, "2026-11-27T02:16:00Z");
    assert_eq!(opened.run().queued_time, Some(time("2026-11-27T02:16:00Z")));
    assert_eq!(kept(&scene).2, Some(time("2026-11-28T02:16:00Z")), "the next run with the new delay");
}

#[test]
fn a_removed_schedule_leaves_nothing_behind() {
    let mut scene = completed(nightly());
    scene.want = Desired { generation: 2, schedule: None, ..scene.want };
    at(&mut scene, "2026-11-27T12:00:00Z");
    assert_eq!((scene.record().schedule, number(&scene)), (None, 1));
    assert!(rests(&scene.want, &scene.record(), scene.now));
}

#[test]
fn a_run_that_the_clock_has_opened_is_taken_back_with_its_schedule_or_by_a_suspension() {
    let reverts: [fn(&mut Desired); 4] = [
        |want| want.schedule = None,
        |want| want.schedule.as_mut().unwrap().cron = "15 3 * * *".into(),
        |want| want.suspend = true,
        |want| want.terminating = true,
    ];
    for (case, revert) in reverts.into_iter().enumerate() {
        let mut scene = completed(nightly());
        at(&mut scene, "2026-11-27T02:15:00Z");
        assert_eq!(number(&scene), 2);
        revert(&mut scene.want);
        scene.want.generation = 2;
        let decision = at(&mut scene, "2026-11-27T02:15:01Z");
        assert_eq!((decision.reason(), decision.run().number), (Reason::RefreshCompleted, 1), "case {case}");
        assert_eq!(decision.run().cause, Some(Cause::Creation), "case {case}");
        assert!(rests(&scene.want, &scene.record(), scene.now), "case {case}");
    }
}

fn stalled(scene: &Scene) -> (String, String, String) {
    let stalled = scene.status.conditions.iter().find(|condition| condition.type_ == STALLED).unwrap();
    (stalled.status.clone(), stalled.reason.clone(), stalled.message.clone())
}

#[test]
fn a_schedule_without_sense_stalls_the_object_that_rests_and_nothing_else() {
    for (cron, zone, says) in [
        ("0 0 30 2 *", "Etc/UTC", "never occurs"),
        ("15 2 * * *", "Europe/Atlantis", "\"Europe/Atlantis\""),
        ("0 0 2 * * *", "Etc/UTC", "write five fields"),
    ] {
        let mut scene = completed(desired(json!({ "schedule": { "cron": cron, "timeZone": zone } })));
        let (status, reason, message) = stalled(&scene);
        assert_eq!((&*status, &*reason), ("True", "InvalidSchedule"), "{cron}");
        assert!(message.contains(says), "{message}");
        assert_eq!(scene.record().summary.unwrap().reason, Reason::RefreshCompleted, "the last verdict stands");
        assert_eq!(kept(&scene), (None, None, None));
        // What somebody asks for runs, and while it does nothing is stalled.
        scene.want.trigger = Some("now".into());
        scene.want.generation = 2;
        start(&mut scene, NEW + 1);
        assert_eq!(stalled(&scene).0, "False");
        end(&mut scene, NEW + 1);
        assert_eq!(stalled(&scene).0, "True");
        // Corrected.
        scene.want = Desired { generation: 3, trigger: scene.want.trigger.clone(), ..nightly() };
        scene.pass(MINUTE);
        scene.play(Fact::Nothing);
        assert_eq!((stalled(&scene).0, next(&scene)), ("False".into(), time("2026-11-27T02:15:00Z")));
    }
}

#[test]
fn a_zone_that_a_later_version_does_not_have_any_more_stalls_at_the_next_tick() {
    let mut scene = completed(nightly());
    let mut kept = scene.record().schedule.unwrap();
    kept.time_zone = "Europe/Atlantis".into();
    scene.want.schedule.as_mut().unwrap().time_zone = "Europe/Atlantis".into();
    let mut record = scene.record();
    record.schedule = Some(kept);
    scene.status = written(&record, &scene.status.conditions, scene.now);
    let decision = at(&mut scene, "2026-11-27T02:15:00Z");
    assert_eq!((decision.run().number, stalled(&scene).1.as_str()), (1, "InvalidSchedule"));
}
