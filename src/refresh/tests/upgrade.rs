//! The statuses that the last release has written, in `tests/released/statuses`: an upgrade reads them whole and starts
//! nothing a second time.

use std::time::Duration;

use jiff::SignedDuration;
use serde_json::Value;

use super::scene::{NEW, Scene, job, looked, old, sighted};
use crate::{
    milvus::{JobId, JobState},
    refresh::{Effect, Fact, Reason, Recorded, Wake, limits::GRACE, project},
};

/// What was going on when the last release wrote its statuses.
const WAITING: [&str; 3] = ["connection-not-ready", "queued", "waiting-for-active-job"];
const CLAIMED: [&str; 3] = ["due-again", "outcome-unknown", "submitting"];
const RUNNING: [&str; 2] = ["connection-not-ready-while-running", "running"];
const ENDED: [&str; 2] = ["completed", "failed"];

fn folder() -> String {
    format!("{}/tests/released/statuses", env!("CARGO_MANIFEST_DIR"))
}

fn released(name: &str) -> Value {
    serde_json::from_str(&std::fs::read_to_string(format!("{}/{name}.json", folder())).unwrap()).unwrap()
}

/// The object as this release finds it when it takes over from the last one.
fn upgraded(name: &str) -> Scene {
    let (mut scene, status) = (Scene::new(), released(name));
    if let Some(fingerprint) = status["run"]["fingerprint"].as_str() {
        scene.want.fingerprint = fingerprint.to_owned();
    }
    scene.status = serde_json::from_value(status).unwrap();
    scene.want.generation = scene.status.observed_generation.unwrap();
    scene.set_clock(SignedDuration::from_secs(60));
    scene.restart();
    scene
}

/// The fields of `before` that `after` does not have or has otherwise.
fn lost(before: &Value, after: &Value, path: &str, lost_fields: &mut Vec<String>) {
    match (before, after) {
        (Value::Object(fields), Value::Object(_)) => {
            for (name, field) in fields {
                lost(field, &after[name.as_str()], &format!("{path}.{name}"), lost_fields);
            }
        }
        (Value::Array(items), Value::Array(others)) if items.len() == others.len() => {
            for (item, other) in items.iter().zip(others) {
                lost(item, other, path, lost_fields);
            }
        }
        _ if before == after => {}
        _ => lost_fields.push(path.to_owned()),
    }
}

#[test]
fn every_status_of_the_last_release_is_in_one_of_the_tables() {
    let mut tables = [&WAITING[..], &CLAIMED, &RUNNING, &ENDED].concat();
    let files = std::fs::read_dir(folder()).unwrap().map(|file| file.unwrap().file_name().into_string().unwrap());
    let mut files: Vec<_> = files.map(|file| file.replace(".json", "")).collect();
    tables.sort_unstable();
    files.sort();
    assert_eq!(tables, files);
}

#[test]
fn a_status_of_the_last_release_is_read_and_written_back_without_a_loss() {
    for name in [&WAITING[..], &CLAIMED, &RUNNING, &ENDED].concat() {
        let (before, scene) = (released(name), upgraded(name));
        let after = project(&Recorded::of(Some(&scene.status)), &scene.status.conditions, scene.now);
        let mut lost_fields = Vec::new();
        lost(&before, &serde_json::to_value(after).unwrap(), "status", &mut lost_fields);
        // What to do about a failure is said in the words of the release that runs.
        lost_fields.retain(|path| path != "status.failure.remedy");
        assert!(lost_fields.is_empty(), "{name}: {lost_fields:?}");
    }
}

#[test]
fn a_job_that_the_last_release_has_started_is_followed_to_its_end() {
    for name in RUNNING {
        let mut scene = upgraded(name);
        assert_eq!(scene.see(Fact::Nothing).effect, Effect::Poll(JobId(NEW)), "{name}");
        let decision = scene.play(sighted(job(NEW, JobState::Completed)));
        assert_eq!((decision.reason(), decision.effect), (Reason::RefreshCompleted, Effect::None), "{name}");
        assert_eq!((decision.run().number, decision.run().attempt), (1, 1), "{name}");
    }
}

#[test]
fn a_start_that_the_last_release_has_claimed_is_looked_for_and_not_sent_again() {
    for name in CLAIMED {
        let mut scene = upgraded(name);
        let watermark = scene.run().job_id_watermark.unwrap();
        assert_eq!(scene.see(Fact::Nothing).effect, Effect::Find, "{name}");
        let before = vec![job(watermark.0, JobState::Completed)];
        assert_ne!(scene.see(looked(before.clone())).effect, Effect::Submit, "{name}: it may still arrive");
        let started = job(watermark.0 + 1, JobState::InProgress);
        scene.pass(GRACE);
        let decision = scene.play(looked([vec![started.clone()], before].concat()));
        assert_eq!(decision.next.job.id, Some(started.id), "{name}");
        assert_ne!(decision.effect, Effect::Submit, "{name}");
        assert!(decision.run().adopted, "{name}");
        assert_eq!(decision.run().attempt, 1, "{name}");
    }
}

#[test]
fn a_run_that_has_ended_under_the_last_release_stays_as_it_is() {
    for name in ENDED {
        let mut scene = upgraded(name);
        for _ in 0..3 {
            let decision = scene.play(Fact::Nothing);
            assert_eq!((decision.effect, decision.wake), (Effect::None, Wake::OnChange), "{name}");
            assert_eq!(decision.run().number, 1, "{name}");
            scene.pass(Duration::from_secs(24 * 3600));
        }
    }
}

#[test]
fn a_run_that_waited_under_the_last_release_starts_once() {
    for name in WAITING {
        let mut scene = upgraded(name);
        assert_eq!(scene.see(Fact::Nothing).effect, Effect::Find, "{name}");
        let queued = scene.run().queued_time;
        let decision = scene.play(looked(vec![old()]));
        assert_eq!(decision.effect, Effect::Submit, "{name}");
        assert_eq!(decision.next.claimed(), Some((1, 1)), "{name}");
        assert_eq!(decision.run().queued_time, queued, "{name}: it keeps its place");
    }
}
