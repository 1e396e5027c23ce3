//! A status that was edited by hand or written by another version.

use std::time::Duration;

use serde_json::{Value, json};

use super::scene::{NEW, OLD, Scene, accepted, job, looked, old};
use crate::{
    api::{ExternalCollectionRefresh, RefreshStatus},
    milvus::JobState,
    refresh::{
        Effect, Fact, FailureClass, Permission, Reason, Recorded, Submission,
        limits::{GRACE, MAX_UNPROVEN_SUBMITS},
    },
};

/// `scene` with some fields of its status replaced; `null` removes one.
fn edited(mut scene: Scene, path: &str, value: Value) -> Scene {
    let mut status = serde_json::to_value(&scene.status).unwrap();
    let (parent, field) = path.rsplit_once('/').unwrap();
    status.pointer_mut(parent).unwrap().as_object_mut().unwrap().insert(field.into(), value);
    scene.status = serde_json::from_value(status).unwrap();
    scene
}

#[test]
fn strange_text_in_a_status_decodes() {
    let object = json!({
        "apiVersion": "milvus-refresh.dev/v1alpha1", "kind": "ExternalCollectionRefresh",
        "metadata": { "name": "odd" }, "spec": { "collectionName": "products" },
        "status": {
            "observedGeneration": -7, "state": "RefreshExploded", "progress": -3, "jobID": "seven",
            "run": { "attempt": -4, "claimID": "one", "provenClaims": 9, "refusal": {}, "collectionID": "", "jobIDWatermark": "9e99", "endedJobIDs": ["", "12", "x"],
                     "unprovenSubmits": -9, "fieldOfALaterVersion": true },
            "failure": { "class": "MoonPhase" }, "lastSuccessfulJobID": "none", "later": {},
            "conditions": [{ "type": "Ready", "status": "Perhaps", "reason": "BecauseOfThat", "message": "",
                             "lastTransitionTime": "2026-01-01T00:00:00Z" }]
        }
    });
    let object: ExternalCollectionRefresh = serde_json::from_value(object).unwrap();
    let record = Recorded::of(object.status.as_ref());
    assert_eq!((record.observed_generation, record.job.state, record.job.id), (None, None, None));
    assert_eq!((record.job.progress, record.last_success.clone()), (0, None));
    assert_eq!(record.failure, None, "a run that has not failed has no failure");
    let run = record.run.as_ref().unwrap();
    assert_eq!((run.attempt, run.unproven_submits, run.ended_job_ids.len()), (0, 0, 1));
    assert_eq!((run.collection_id, run.job_id_watermark), (None, None));
    assert_eq!((run.claim_nonce, run.proven_claims), (None, 0));
    assert!(!record.ended() && record.claim().is_none());
}

#[test]
fn a_failure_class_of_a_later_version_counts_as_unknown() {
    let scene = edited(Scene::failed("timeout"), "/failure/class", json!("MoonPhase"));
    assert_eq!(scene.record().failure, Some(FailureClass::Unknown));
}

#[test]
fn a_status_that_calls_itself_suspended_and_is_not_says_nothing() {
    let mut scene = Scene::new().suspended();
    scene.play(Fact::Nothing);
    assert_eq!(scene.record().summary.map(|summary| summary.reason), Some(Reason::Suspended));
    let conditions = json!([{ "type": "Suspended", "status": "False", "reason": "Suspended", "message": "",
                              "lastTransitionTime": "2026-01-01T00:00:00Z" }]);
    assert_eq!(edited(scene, "/conditions", conditions).record().summary, None);

    let conditions = json!([{ "type": "Suspended", "status": "True", "reason": "Suspended", "message": "Edited.",
                              "lastTransitionTime": "2026-01-01T00:00:00Z" }]);
    let mut claimed = edited(Scene::claimed(), "/conditions", conditions);
    assert_eq!(claimed.record().summary, None, "its start may have been sent");
    claimed.permission = Permission::Withheld;
    claimed.pass(GRACE);
    claimed.play(Fact::Nothing);
}

#[test]
fn an_empty_status_is_that_of_an_object_that_never_ran() {
    assert_eq!(Recorded::of(None), Recorded::default());
    assert_eq!(Recorded::of(Some(&RefreshStatus::default())), Recorded::default());
}

#[test]
fn no_single_edit_makes_a_second_start_while_a_claim_may_be_live() {
    let edits = [
        ("/state", json!("RefreshExploded")),
        ("/state", json!(null)),
        ("/jobID", json!("seven")),
        ("/progress", json!(4000)),
        ("/conditions", json!([])),
        ("/observedGeneration", json!(-1)),
        ("/observedGeneration", json!(99)),
        ("/run/number", json!(-1)),
        ("/run/generation", json!(99)),
        ("/run/fingerprint", json!("")),
        ("/run/fingerprint", json!("v1:another")),
        ("/run/claimID", json!(null)),
        ("/run/claimID", json!("1-1-0000000000000001")),
        ("/run/claimID", json!("7-7-by hand")),
        ("/run/provenClaims", json!(1)),
        ("/run/provenClaims", json!(-1)),
        ("/run/provenClaims", json!(i64::MAX)),
        ("/run/refusal", json!({ "reason": "InvalidSpec", "message": "by hand" })),
        ("/run/attempt", json!(-1)),
        ("/run/attempt", json!(0)),
        ("/run/submitTime", json!("1999-01-01T00:00:00Z")),
        ("/run/submitTime", json!("2099-01-01T00:00:00Z")),
        ("/run/collectionID", json!("x")),
        ("/run/collectionID", json!("1")),
        ("/run/endpoint", json!(null)),
        ("/run/externalSource", json!(null)),
        ("/run/externalSource", json!("s3://else/")),
        ("/run/jobIDWatermark", json!("x")),
        ("/run/jobIDWatermark", json!(null)),
        ("/run/startTimeWatermark", json!(null)),
        ("/run/jobSeen", json!(true)),
        ("/run/endedJobIDs", json!(["x", NEW.to_string()])),
        ("/run/unprovenSubmits", json!(i64::MIN)),
        ("/run/adopted", json!(true)),
    ];
    for (path, value) in edits {
        for live in [Scene::claimed(), Scene::unknown()] {
            let mut scene = edited(live, path, value.clone());
            for _ in 0..20 {
                // Our start may be on its way, or have landed already; either way none of these is a second one.
                for fact in [Fact::Nothing, looked(vec![old()]), looked(vec![job(NEW, JobState::InProgress), old()])] {
                    assert_ne!(scene.see(fact).effect, Effect::Submit, "{path} = {value}");
                }
                scene.play(looked(vec![old()]));
                scene.pass(Duration::from_secs(2));
            }
            assert!(scene.claim_known < GRACE);
        }
    }
}

#[test]
fn a_claim_that_lost_what_its_job_is_known_by_ends_unknown_and_is_not_repeated() {
    let mut scene = edited(Scene::unknown_after_the_grace(), "/run/jobIDWatermark", json!("x"));
    let decision = scene.play(looked(vec![old()]));
    assert_eq!(decision.reason(), Reason::Failed(FailureClass::OutcomeUnknown));
    assert_eq!(decision.next.job.id, None, "an old job is not taken for ours");
}

#[test]
fn a_negative_count_of_given_up_claims_does_not_unbound_them() {
    let mut scene = edited(Scene::unknown_after_the_grace(), "/run/unprovenSubmits", json!(i64::MIN));
    let mut starts = 0;
    while !scene.record().ended() {
        scene.play(looked(vec![old()]));
        if scene.record().claim().is_none() && !scene.record().ended() {
            scene.restart();
            assert_eq!(scene.play(looked(vec![old()])).effect, Effect::Submit);
            starts += 1;
        }
        scene.pass(GRACE);
        assert!(starts <= MAX_UNPROVEN_SUBMITS);
    }
    assert_eq!(starts, MAX_UNPROVEN_SUBMITS);
}

#[test]
fn a_job_id_that_was_lost_is_found_again() {
    let mut scene = edited(Scene::running(40), "/jobID", json!("seven"));
    assert_eq!(scene.see(Fact::Nothing).effect, Effect::Find);
    scene.pass(GRACE);
    let decision = scene.play(looked(vec![job(NEW, JobState::InProgress), old()]));
    assert_eq!(decision.next.job.id.map(|id| id.0), Some(NEW));
}

#[test]
fn many_jobs_that_never_came_into_being_do_not_outgrow_the_schema() {
    let ids: Vec<String> = (1..=32).map(|id: i64| (OLD - id).to_string()).collect();
    let mut scene = edited(Scene::tracked(), "/run/endedJobIDs", json!(ids));
    let decision = scene.play(super::scene::not_found());
    assert_eq!(decision.run().ended_job_ids.len(), 32);
    assert_eq!(decision.run().ended_job_ids.last().map(|id| id.0), Some(NEW));
}

#[test]
fn an_answer_for_a_claim_that_is_gone_starts_nothing() {
    let mut scene = Scene::claimed();
    scene.play(Fact::Submitted(Submission::Withheld));
    let decision = scene.see(accepted(NEW));
    assert_eq!((decision.effect, decision.next.job.id), (Effect::Find, None));
}
