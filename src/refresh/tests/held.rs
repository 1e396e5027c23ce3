//! A suspension after a run: what is due is not opened, and the last verdict stands.

use std::time::Duration;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use serde_json::json;

use super::scene::{NEW, Scene, job, looked, old, other_want, sighted};
use crate::{
    milvus::JobState,
    refresh::{Effect, Fact, Reason, Wake, is_due, rests},
};

const HELD: &str = "spec.suspend holds all starts; set it to false to continue.";

fn condition<'a>(scene: &'a Scene, type_: &str) -> &'a Condition {
    scene.status.conditions.iter().find(|condition| condition.type_ == type_).unwrap()
}

/// What `Suspended` says.
fn says(scene: &Scene) -> &str {
    let suspended = condition(scene, "Suspended");
    assert_eq!((suspended.status.as_str(), suspended.reason.as_str()), ("True", "Suspended"));
    &suspended.message
}

/// Completed and then suspended.
fn suspended() -> Scene {
    let mut scene = Scene::completed().suspended();
    scene.play(Fact::Nothing);
    scene
}

#[test]
fn the_suspended_condition_says_what_is_due() {
    let mut scene = suspended();
    assert_eq!(says(&scene), HELD);
    scene.want.trigger = Some("two".to_owned());
    assert_eq!(scene.play(Fact::Nothing).events(), ["Suspended"]);
    assert_eq!(says(&scene), format!("{HELD} A run is due for the new spec.trigger."));
    scene.want.requested_at = Some("now".to_owned());
    scene.want.fingerprint = "v1:another".into();
    scene.play(Fact::Nothing);
    let all = "the new spec.trigger and the new annotation milvus-refresh.dev/requestedAt and the edited source";
    assert_eq!(says(&scene), format!("{HELD} A run is due for {all}."));
    assert_eq!(scene.play(Fact::Nothing).events(), [""; 0]);
    scene.want = crate::refresh::Desired { suspend: true, ..super::scene::want() };
    scene.play(Fact::Nothing);
    let request = "the new annotation milvus-refresh.dev/requestedAt";
    assert_eq!(says(&scene), format!("{HELD} A run is due for {request}."), "a request that was seen stays");
    scene.status.pending_request = None;
    scene.play(Fact::Nothing);
    assert_eq!(says(&scene), HELD, "what was asked for was taken back");
}

#[test]
fn a_suspended_object_for_which_a_run_is_due_rests_and_has_nothing_to_announce() {
    let mut scene = suspended();
    scene.want.fingerprint = "v1:another".into();
    assert!(!rests(&scene.want, &scene.record(), scene.now), "it does not say yet what is due");
    let decision = scene.play(Fact::Nothing);
    assert_eq!((decision.effect, decision.wake), (Effect::None, Wake::OnChange));
    assert_eq!((decision.reason(), decision.run().number), (Reason::RefreshCompleted, 1));
    assert!(rests(&scene.want, &scene.record(), scene.now));
    assert!(!is_due(&scene.want, &scene.record()));
    for waits in [Scene::new(), Scene::retrying(3)] {
        assert!(is_due(&waits.want, &waits.record()));
        let held = waits.suspended();
        assert!(!is_due(&held.want, &held.record()));
    }
}

#[test]
fn a_run_that_waits_says_once_that_it_is_held() {
    for scene in [Scene::new(), Scene::retrying(3)] {
        let mut scene = scene.suspended();
        let decision = scene.play(Fact::Nothing);
        assert_eq!((decision.reason(), decision.events()), (Reason::Suspended, vec!["Suspended"]));
        let before = scene.record();
        let again = scene.play(Fact::Nothing);
        assert_eq!((again.events(), again.next), (vec![], before));
    }
}

#[test]
fn what_is_due_becomes_due_when_the_suspension_ends() {
    let mut scene = suspended();
    scene.want.trigger = Some("two".to_owned());
    scene.want.starting_deadline = Some(Duration::from_secs(60));
    scene.play(Fact::Nothing);
    scene.pass(Duration::from_secs(10_000));
    scene.want.suspend = false;
    assert!(is_due(&scene.want, &scene.record()));
    let decision = scene.play(looked(vec![job(NEW, JobState::Completed), old()]));
    assert_eq!((decision.effect, decision.run().number), (Effect::Submit, 2));
    assert_eq!(decision.run().queued_time, decision.run().submit_time);
    assert_eq!(decision.events()[0], "Resumed");
}

#[test]
fn a_follow_up_of_a_job_that_ends_while_suspended_is_not_opened() {
    let mut scene = Scene::running(40).suspended();
    scene.want.trigger = Some("two".to_owned());
    let decision = scene.play(sighted(job(NEW, JobState::Completed)));
    assert_eq!((decision.reason(), decision.run().number), (Reason::RefreshCompleted, 1));
    assert_eq!(decision.next.observed_generation, Some(scene.want.generation));
    assert!(says(&scene).ends_with("the new spec.trigger."));
}

#[test]
fn a_run_that_the_release_before_opened_while_suspended_is_withdrawn() {
    let mut scene = Scene::completed();
    scene.want = crate::refresh::Desired { suspend: true, ..other_want() };
    let mut left = serde_json::to_value(&scene.status).unwrap();
    let run = json!({
        "number": 2, "generation": 2, "fingerprint": left["run"]["fingerprint"], "queuedTime": "2026-09-21T14:13:25Z",
        "suspendedTime": "2026-09-21T14:13:25Z", "attempt": 0,
    });
    let condition = |(type_, status): (&str, &str)| {
        let message = if status == "False" { "" } else { HELD };
        json!({
            "type": type_, "status": status, "reason": "Suspended", "message": message, "observedGeneration": 2,
            "lastTransitionTime": "2026-09-21T14:13:25Z",
        })
    };
    let row = [("Ready", "Unknown"), ("Complete", "False"), ("Failed", "False"), ("Reconciling", "False")];
    let row = row.into_iter().chain([("Stalled", "False"), ("Suspended", "True")]);
    left["conditions"] = row.map(condition).collect();
    left["run"] = run;
    left["state"] = json!("RefreshPending");
    left["observedGeneration"] = json!(2);
    for field in ["jobID", "progress", "startTime", "completionTime", "collectionName", "externalSource"] {
        left.as_object_mut().unwrap().remove(field);
    }
    scene.status = serde_json::from_value(left).unwrap();
    assert!(!rests(&scene.want, &scene.record(), scene.now));
    let decision = scene.play(Fact::Nothing);
    assert_eq!((decision.reason(), decision.run().number), (Reason::RefreshCompleted, 1));
    assert_eq!(scene.status.job_id, Some(NEW.to_string()));
    assert_eq!(condition_of(&scene), ("True", "True"));
    assert!(says(&scene).ends_with("A run is due for the edited source."));
    assert!(rests(&scene.want, &scene.record(), scene.now));
    scene.want.suspend = false;
    let decision = scene.play(looked(vec![job(NEW, JobState::Completed), old()]));
    assert_eq!((decision.effect, decision.run().number), (Effect::Submit, 2));
}

/// What Ready and Complete are.
fn condition_of(scene: &Scene) -> (&str, &str) {
    (&condition(scene, "Ready").status, &condition(scene, "Complete").status)
}
