use serde_json::json;

use super::*;
use crate::refresh::Cause;

fn watching_at_once(more: serde_json::Value) -> Desired {
    let mut watch = json!({ "objects": {}, "quietSeconds": 0 });
    watch.as_object_mut().unwrap().append(&mut more.as_object().unwrap().clone());
    desired(json!({ "watch": watch, "schedule": { "cron": "0 13 * * *" }, "backoffLimit": 0 }))
}

#[test]
fn a_source_that_shrinks_too_much_is_held_and_a_person_releases_it() {
    let mut scene = fresh(watching_at_once(json!({})));
    let seen = scene.see_later(5 * MINUTE, files(4, 1));
    assert_eq!((scene.fresh(), scene.number()), (FreshReason::Held, 1));
    assert_eq!(seen.events(), ["SourceHeld"]);
    for _ in 0..8 {
        scene.see_later(5 * MINUTE, files(4, 1));
    }
    assert_eq!(scene.number(), 1);
    scene.want.trigger = Some("that is right".into());
    scene.want.generation += 1;
    scene.look(saw(files(4, 1)));
    scene.start(NEW + 1);
    assert_eq!(scene.run().cause, Some(Cause::Trigger));
    scene.end(NEW + 1);
    assert_eq!((scene.fresh(), scene.number()), (FreshReason::UpToDate, 2));
}

#[test]
fn half_of_the_files_may_go_and_no_more() {
    for (left, number, reason) in
        [(5, 2, FreshReason::ChangePending), (4, 1, FreshReason::Held), (0, 1, FreshReason::Held)]
    {
        let mut scene = fresh(watching_at_once(json!({})));
        scene.see_later(5 * MINUTE, files(left, 1));
        assert_eq!((scene.number(), scene.fresh()), (number, reason), "{left} of 10");
    }
    let mut scene = fresh(watching_at_once(json!({ "maxShrinkPercent": 100 })));
    scene.see_later(5 * MINUTE, files(0, 1));
    assert_eq!(scene.number(), 2, "never held");
}

#[test]
fn fewer_bytes_count_like_fewer_files() {
    let mut scene = fresh(watching_at_once(json!({})));
    scene.see_later(5 * MINUTE, Snapshot { bytes: 4000, ..files(11, 1) });
    assert_eq!(scene.fresh(), FreshReason::Held);
}

#[test]
fn ten_steps_of_a_tenth_are_seen_when_no_run_comes_between() {
    let mut scene =
        fresh(desired(json!({ "watch": { "objects": {}, "quietSeconds": 86_400, "maxDelaySeconds": 86_400 } })));
    for left in (4..10).rev() {
        scene.see_later(5 * MINUTE, files(left, 1));
    }
    assert_eq!(scene.fresh(), FreshReason::Held);
}

#[test]
fn while_a_change_is_held_the_schedule_starts_nothing_and_goes_on_after_it() {
    let mut scene = fresh(watching_at_once(json!({})));
    scene.see_later(50 * MINUTE, files(4, 1));
    scene.see_later(15 * MINUTE, files(4, 1));
    assert_eq!((scene.number(), scene.fresh()), (1, FreshReason::Held));
    assert!(scene.record().schedule.unwrap().next.unwrap() > scene.now, "and wakes nobody all the time");
    scene.see_later(5 * MINUTE, files(10, 1));
    assert_eq!((scene.number(), scene.fresh()), (1, FreshReason::UpToDate), "the files are back");
    scene.later(24 * 60 * MINUTE);
    scene.look(saw(files(10, 1)));
    scene.play(Fact::Nothing);
    assert_eq!((scene.number(), scene.run().cause), (2, Some(Cause::Schedule)));
}
