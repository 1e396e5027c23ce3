use serde_json::json;

use super::*;
use crate::refresh::alarm;

#[test]
fn looks_come_at_their_interval_and_write_nothing_when_nothing_has_changed() {
    let mut scene = fresh(watching());
    let mut looks = 0;
    let before = scene.see_later(5 * MINUTE, files(10, 1)).next;
    for _ in 0..12 {
        scene.now = alarm(&scene.want, &scene.record(), scene.now).unwrap();
        scene.scouted.last.as_mut().unwrap().age += 5 * MINUTE;
        looks += usize::from(scene.see(Fact::Nothing).look.is_some());
        scene.look(saw(files(10, 1)));
        let decision = scene.play(Fact::Nothing);
        assert_eq!((decision.next == before, decision.look), (true, None));
    }
    assert_eq!(looks, 12);
}

#[test]
fn a_look_that_is_under_way_is_not_asked_for_again() {
    let mut scene = fresh(watching());
    scene.later(10 * MINUTE);
    assert!(scene.see(Fact::Nothing).look.is_some());
    scene.scouted.waited = Some(SECOND);
    assert_eq!(scene.see(Fact::Nothing).look, None);
}

#[test]
fn refreshes_of_one_source_through_one_connection_look_at_the_same_times_and_others_at_others() {
    let next = |name: &str, source: &str, connection: &str| {
        let spec = json!({ "watch": { "objects": {} }, "connectionRef": { "name": connection },
            "externalSource": source, "externalSpec": "{}" });
        let mut object = object(spec);
        object.metadata.name = Some(name.to_owned());
        object.metadata.uid = Some(format!("uid-{name}"));
        let mut scene = Scene { now: time("2026-11-26T12:00:00Z"), want: Desired::of(&object), ..Scene::new() };
        scene.status = fresh(watching()).status;
        alarm(&scene.want, &scene.record(), scene.now).unwrap()
    };
    let one = next("a", "s3://b/p", "default");
    assert_eq!(one, next("b", "s3://b/p", "default"));
    let others = [next("a", "s3://b/q", "default"), next("a", "s3://b/p", "other")];
    assert!(others.iter().all(|other| *other != one));
}

#[test]
fn one_look_that_fails_is_no_news_and_the_second_one_is() {
    let mut scene = fresh(watching());
    scene.later(5 * MINUTE);
    scene.look(blind(BlindReason::CheckFailed));
    assert_eq!(scene.play(Fact::Nothing).events(), [""; 0]);
    assert_eq!(scene.fresh(), FreshReason::UpToDate);
    scene.later(10 * MINUTE);
    scene.look(blind(BlindReason::CheckFailed));
    assert_eq!(scene.play(Fact::Nothing).events(), ["CheckFailed"]);
    assert_eq!(scene.fresh(), FreshReason::CheckFailed);
    let message = scene.watch().fresh.unwrap().message;
    assert!(message.starts_with("The store said no.") && message.contains("had all of it"), "{message}");
    scene.see_later(20 * MINUTE, files(10, 1));
    assert_eq!(scene.fresh(), FreshReason::UpToDate);
}

#[test]
fn what_is_not_allowed_and_what_is_too_large_is_said_at_once() {
    for (reason, said) in [
        (BlindReason::NotAllowed, FreshReason::NotAllowed),
        (BlindReason::ListingTooLarge, FreshReason::ListingTooLarge),
    ] {
        let mut scene = fresh(watching());
        scene.later(5 * MINUTE);
        scene.look(blind(reason));
        scene.play(Fact::Nothing);
        assert_eq!(scene.fresh(), said);
    }
}

#[test]
fn looks_that_fail_come_less_and_less_often() {
    let mut scene = fresh(watching());
    let mut times = Vec::new();
    for minute in 0..240 {
        scene.later(MINUTE);
        if scene.see(Fact::Nothing).look.is_some() {
            times.push(minute);
            scene.look(blind(BlindReason::CheckFailed));
            scene.play(Fact::Nothing);
        }
    }
    let pauses: Vec<_> = times.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert_eq!(pauses, [5, 10, 20, 30, 30, 30, 30, 30, 30]);
}

#[test]
fn a_store_that_asks_for_a_pause_gets_it() {
    let mut scene = fresh(watching());
    scene.later(5 * MINUTE);
    let busy = Blind { retry_after: Some(40 * MINUTE), ..blind(BlindReason::CheckFailed).unwrap_err() };
    scene.look(Err(busy));
    scene.play(Fact::Nothing);
    scene.later(39 * MINUTE);
    assert_eq!(scene.see(Fact::Nothing).look, None);
    scene.later(MINUTE);
    assert!(scene.see(Fact::Nothing).look.is_some());
}

#[test]
fn after_a_restart_what_was_said_of_a_failing_look_stands() {
    let mut scene = fresh(watching());
    scene.later(5 * MINUTE);
    scene.look(blind(BlindReason::NotAllowed));
    scene.play(Fact::Nothing);
    scene.scouted = Scouted::default();
    scene.play(Fact::Nothing);
    assert_eq!(scene.fresh(), FreshReason::NotAllowed);
}

#[test]
fn an_object_that_is_being_deleted_is_not_looked_at() {
    let mut scene = fresh(watching());
    scene.want.terminating = true;
    scene.later(10 * MINUTE);
    assert_eq!(scene.see(Fact::Nothing).look, None);
    assert_eq!(alarm(&scene.want, &scene.record(), scene.now), None);
}

#[test]
fn without_a_watch_nothing_of_one_is_kept() {
    let mut scene = fresh(watching());
    scene.want = Desired { generation: 2, ..desired(json!({})) };
    scene.play(Fact::Nothing);
    assert_eq!(scene.record().watch, None);
    assert!(scene.status.conditions.iter().all(|condition| condition.type_ != "SourceFresh"));
}
