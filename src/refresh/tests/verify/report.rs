//! Checks beside a run that is over.

use serde_json::json;

use super::{SECOND, checked, completed, condition, found, not_served, run, says, served, verdict};
use crate::{
    api::{READY, STALLED, VERIFIED},
    refresh::{Desired, Effect, Fact, Outcome, Permission, VerifyReason, Wake, rests},
};

#[test]
fn a_run_completes_before_its_checks_have_begun() {
    let mut scene = completed(&json!({ "policy": "Report" }));
    let mut before = super::Scene { want: scene.want.clone(), ..super::Scene::running(40) };
    let ended = before.play(super::sighted(super::job(super::NEW, crate::milvus::JobState::Completed)));
    assert!(ended.at_once(), "they begin once its end is written");
    scene.status = before.status;
    assert_eq!(
        (says(&scene, READY), says(&scene, VERIFIED)),
        ("True RefreshCompleted".into(), "Unknown Verifying".into())
    );
    assert_eq!(scene.see(Fact::Nothing).effect, Effect::Examine);
    assert!(!rests(&scene.want, &scene.record(), scene.now), "a process that takes over goes on with them");
}

#[test]
fn what_the_checks_come_to_is_in_their_condition_alone() {
    let mut scene = completed(&json!({ "policy": "Report", "timeoutSeconds": 60 }));
    let waits = scene.play(found(not_served()));
    assert_eq!(waits.wake, Wake::After(SECOND * 5));
    assert_eq!(
        condition(&scene, VERIFIED).2,
        "Not yet right: served, count (NotServed). More: status.verification.checks."
    );
    scene.pass(SECOND * 60);
    let ended = scene.play(found(not_served()));
    assert_eq!(
        (says(&scene, READY), says(&scene, STALLED)),
        ("True RefreshCompleted".into(), "False RefreshCompleted".into())
    );
    assert_eq!(says(&scene, VERIFIED), "False NotServed");
    assert_eq!(ended.events(), ["NotServed"]);
    assert!(rests(&scene.want, &scene.record(), scene.now));
}

#[test]
fn a_start_that_is_due_does_not_wait_for_them() {
    let mut scene = completed(&json!({ "policy": "Report" }));
    scene.play(found(not_served()));
    scene.want = Desired { generation: 2, trigger: Some("two".into()), ..scene.want };
    assert_eq!(scene.see(Fact::Nothing).effect, Effect::Find);
    assert_eq!(checked(&scene).run, 1);
    run(&mut scene, super::NEW + 1);
    assert_eq!((checked(&scene).run, checked(&scene).outcome), (2, None), "those of the new run begin");
}

#[test]
fn while_a_run_is_under_way_the_last_verdict_stands() {
    let mut scene = completed(&json!({ "policy": "Report" }));
    scene.play(found(served()));
    scene.want = Desired { generation: 2, trigger: Some("two".into()), ..scene.want };
    scene.play(super::looked(vec![super::job(super::NEW, crate::milvus::JobState::Completed), super::old()]));
    scene.play(super::accepted(super::NEW + 1));
    assert_eq!(says(&scene, VERIFIED), "True Passed");
    assert_eq!(checked(&scene).run, 1);
}

#[test]
fn checks_that_are_asked_for_later_are_made_of_a_run_that_has_completed() {
    let mut scene = completed(&json!(null));
    assert_eq!(scene.record().verification, None);
    scene.want = Desired { generation: 2, ..super::desired(&json!({ "policy": "Report" })) };
    assert!(!rests(&scene.want, &scene.record(), scene.now));
    scene.play(found(served()));
    assert_eq!(verdict(&scene), (Some(Outcome::Passed), VerifyReason::Passed));
}

#[test]
fn without_them_nothing_is_said_of_them() {
    let mut scene = completed(&json!({ "policy": "Report" }));
    scene.play(found(served()));
    scene.want = Desired { generation: 2, verify: None, ..scene.want };
    scene.play(Fact::Nothing);
    assert_eq!((scene.record().verification, says(&scene, VERIFIED)), (None, " ".into()));
    assert!(rests(&scene.want, &scene.record(), scene.now));
}

#[test]
fn only_the_leader_looks() {
    let mut scene = completed(&json!({ "policy": "Report" }));
    scene.permission = Permission::Withheld;
    assert_eq!(scene.see(Fact::Nothing).effect, Effect::None);
}
