//! Checks of an object that rests: each as often as it asks for, and none in passing.

use std::time::Duration;

use serde_json::{Value, json};

use super::{
    NEW, SECOND, Scene, checked, completed, condition, failed, found, not_loaded, not_served, run, says, served,
    verdict,
};
use crate::{
    api::{COMPLETE, FAILED, READY, STALLED, VERIFIED},
    milvus::ErrorKind,
    refresh::{Desired, Effect, Fact, Outcome, VerifyReason, Wake, alarm, rests, tests::scene::down},
};

fn rechecked(policy: &str) -> Value {
    json!({ "policy": policy, "recheckIntervalSeconds": 600 })
}

/// At rest and verified.
fn verified(policy: &str) -> Scene {
    let mut scene = completed(&rechecked(policy));
    scene.play(found(served()));
    assert!(rests(&scene.want, &scene.record(), scene.now));
    scene
}

/// Up to when it is to be checked again.
fn until_due(scene: &mut Scene) {
    let due = alarm(&scene.want, &scene.record(), scene.now).unwrap();
    let left = Duration::try_from(due.duration_since(scene.now)).unwrap();
    scene.pass(left);
    scene.examined = scene.examined.map(|ago| ago + left);
}

/// A look whose evidence is taken now.
fn look(scene: &mut Scene, fact: Fact) -> crate::refresh::Decision {
    assert_eq!(scene.see(Fact::Nothing).effect, Effect::Examine, "a look is due");
    scene.examined = Some(Duration::ZERO);
    scene.play(fact)
}

#[test]
fn it_is_checked_once_an_interval_and_what_has_not_changed_is_not_written() {
    let mut scene = verified("Require");
    let before = scene.status.clone();
    for _ in 0..5 {
        let began = scene.now;
        until_due(&mut scene);
        assert!(Duration::try_from(scene.now.duration_since(began)).unwrap() <= SECOND * 600);
        let checked = look(&mut scene, found(served()));
        assert_eq!(checked.wake, Wake::OnChange);
        assert_eq!(scene.see(Fact::Nothing).effect, Effect::None, "not twice");
        assert_eq!(scene.status, before);
    }
}

#[test]
fn the_objects_of_a_server_are_checked_at_different_times_and_each_at_the_same_after_a_restart() {
    let due = |uid: &str| {
        let scene = verified("Report");
        let mut object = crate::refresh::tests::scene::object(json!({ "verify": rechecked("Report") }));
        object.metadata.uid = Some(uid.into());
        alarm(&Desired::of(&object), &scene.record(), scene.now).unwrap()
    };
    let times: std::collections::BTreeSet<_> = (0..200).map(|uid| due(&uid.to_string())).collect();
    assert!(times.len() > 120, "{} times", times.len());
    assert_eq!(due("7"), due("7"));
}

#[test]
fn what_is_no_longer_served_makes_the_object_not_ready_once_it_is_confirmed_and_heals_by_itself() {
    let mut scene = verified("Require");
    until_due(&mut scene);
    let doubted = look(&mut scene, found(not_served()));
    assert_eq!(says(&scene, READY), "True RefreshCompleted", "never in passing");
    assert_eq!(doubted.wake, Wake::After(SECOND * 30));
    assert!(!rests(&scene.want, &scene.record(), scene.now), "a process that takes over confirms it");

    scene.pass(SECOND * 30);
    scene.examined = Some(SECOND * 30);
    let confirmed = look(&mut scene, found(not_served()));
    assert_eq!(confirmed.events(), ["NotServed"]);
    assert_eq!((says(&scene, READY), says(&scene, STALLED)), ("False NotServed".into(), "True NotServed".into()));
    assert_eq!(
        (says(&scene, COMPLETE), says(&scene, FAILED)),
        ("True RefreshCompleted".into(), "False RefreshCompleted".into())
    );
    assert_eq!(says(&scene, VERIFIED), "False NotServed");
    assert_eq!(scene.status.state.as_deref(), Some("RefreshCompleted"));
    assert!(rests(&scene.want, &scene.record(), scene.now));

    until_due(&mut scene);
    let healed = look(&mut scene, found(served()));
    assert_eq!(healed.events(), ["Verified"]);
    assert_eq!(
        (says(&scene, READY), says(&scene, STALLED)),
        ("True RefreshCompleted".into(), "False RefreshCompleted".into())
    );
    assert_eq!(condition(&scene, READY).2, condition(&scene, COMPLETE).2, "what the run came to is told as before");
}

#[test]
fn a_dip_between_two_good_looks_is_nobodys_business() {
    let mut scene = verified("Require");
    let before = scene.status.clone();
    until_due(&mut scene);
    look(&mut scene, found(not_served()));
    scene.pass(SECOND * 30);
    look(&mut scene, found(served()));
    assert_eq!(scene.status, before);
}

#[test]
fn with_report_a_failure_at_rest_is_told_by_its_condition_alone() {
    let mut scene = verified("Report");
    until_due(&mut scene);
    look(&mut scene, found(not_served()));
    scene.pass(SECOND * 30);
    look(&mut scene, found(not_served()));
    assert_eq!(
        (says(&scene, READY), says(&scene, VERIFIED)),
        ("True RefreshCompleted".into(), "False NotServed".into())
    );
}

#[test]
fn a_check_that_cannot_be_made_neither_fails_an_object_nor_lifts_what_was_found() {
    let mut scene = verified("Require");
    until_due(&mut scene);
    look(&mut scene, failed(ErrorKind::Unreachable));
    scene.pass(SECOND * 30);
    look(&mut scene, failed(ErrorKind::Unreachable));
    assert_eq!(
        (says(&scene, READY), says(&scene, VERIFIED)),
        ("True RefreshCompleted".into(), "Unknown CheckFailed".into())
    );

    until_due(&mut scene);
    look(&mut scene, found(not_served()));
    scene.pass(SECOND * 30);
    look(&mut scene, found(not_served()));
    until_due(&mut scene);
    look(&mut scene, failed(ErrorKind::Unreachable));
    assert_eq!((says(&scene, READY), says(&scene, VERIFIED)), ("False NotServed".into(), "False NotServed".into()));
}

#[test]
fn a_connection_that_is_lost_is_found_out_by_the_checks() {
    let mut scene = verified("Require");
    scene.connection = down();
    until_due(&mut scene);
    scene.play(Fact::Nothing);
    assert_eq!(verdict(&scene).0, Some(Outcome::Passed));
    scene.pass(SECOND * 30);
    scene.play(Fact::Nothing);
    assert_eq!(verdict(&scene), (Some(Outcome::Error), VerifyReason::CheckFailed));
    assert!(checked(&scene).message.contains("Unreachable"), "{}", checked(&scene).message);
    let before = scene.status.clone();
    scene.pass(SECOND);
    scene.play(Fact::Nothing);
    assert_eq!(scene.status, before, "and that is that until the next time");
}

#[test]
fn a_collection_that_is_released_or_dropped_is_no_longer_verified() {
    let mut scene = verified("Require");
    until_due(&mut scene);
    look(&mut scene, found(not_loaded()));
    scene.pass(SECOND * 30);
    look(&mut scene, found(not_loaded()));
    assert_eq!(
        (says(&scene, READY), says(&scene, VERIFIED)),
        ("True RefreshCompleted".into(), "Unknown NotLoaded".into())
    );

    let mut scene = verified("Require");
    until_due(&mut scene);
    look(&mut scene, failed(ErrorKind::CollectionNotFound));
    scene.pass(SECOND * 30);
    look(&mut scene, failed(ErrorKind::CollectionNotFound));
    assert_eq!(says(&scene, READY), "False NotServed");
}

#[test]
fn an_edit_has_it_checked_once_more() {
    let mut scene = verified("Report");
    scene.examined = Some(SECOND);
    scene.want = Desired { generation: 2, ..scene.want };
    assert!(!rests(&scene.want, &scene.record(), scene.now));
    look(&mut scene, found(served()));
    assert!(rests(&scene.want, &scene.record(), scene.now));
    assert_eq!(scene.see(Fact::Nothing).effect, Effect::None);
}

#[test]
fn a_suspended_object_is_checked_and_one_that_is_being_deleted_is_not() {
    let mut scene = verified("Report");
    scene.want = Desired { generation: 2, suspend: true, ..scene.want };
    look(&mut scene, found(served()));
    until_due(&mut scene);
    look(&mut scene, found(served()));
    scene.want = Desired { terminating: true, ..scene.want };
    assert_eq!(alarm(&scene.want, &scene.record(), scene.now), None);
    scene.pass(SECOND * 600);
    assert_eq!(scene.see(Fact::Nothing).effect, Effect::None);
}

#[test]
fn while_a_run_is_under_way_nothing_is_checked() {
    let mut scene = verified("Require");
    scene.want = Desired { generation: 2, trigger: Some("two".into()), ..scene.want };
    scene.pass(SECOND * 3600);
    assert_eq!(scene.see(Fact::Nothing).effect, Effect::Find);
    run(&mut scene, NEW + 1);
    assert_eq!(alarm(&scene.want, &scene.record(), scene.now), None);
}

#[test]
fn counts_that_fall_and_rise_are_shown_as_they_are() {
    let mut scene = verified("Report");
    until_due(&mut scene);
    let mut more = served();
    more.mapped = Ok(crate::milvus::examiner::Mapped { segments: 2, rows: 12 });
    more.served = Some(Ok(crate::milvus::examiner::Served { segments: 2, rows: 12 }));
    more.count = Some(Ok(12));
    look(&mut scene, found(more));
    assert_eq!((checked(&scene).mapped, checked(&scene).served), (Some(12), Some(12)));
}

#[test]
fn a_status_that_was_edited_by_hand_is_checked_again() {
    for edit in [
        json!({ "outcome": "Perfect", "run": 1, "startTime": "2026-09-21T14:13:20Z" }),
        json!({ "run": 1, "observedGeneration": 1, "startTime": "2999-01-01T00:00:00Z" }),
        json!({ "outcome": "Passed", "run": 1 }),
    ] {
        let mut scene = verified("Require");
        scene.status.verification = Some(serde_json::from_value(edit.clone()).unwrap());
        assert!(!rests(&scene.want, &scene.record(), scene.now), "{edit}");
        scene.play(found(served()));
        assert_eq!(verdict(&scene), (Some(Outcome::Passed), VerifyReason::Passed), "{edit}");
    }
}
