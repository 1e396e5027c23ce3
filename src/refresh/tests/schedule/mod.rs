//! A refresh by the clock, from its first sight of a schedule to whatever becomes of it.

mod clocks;
mod edits;
mod idle;
mod play;
mod ticks;

use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::scene::{NEW, Scene, accepted, job, looked, object, old, sighted};
use crate::{
    milvus::{Job, JobState},
    refresh::{Decision, Desired, Effect, Fact},
};

pub const MINUTE: Duration = Duration::from_secs(60);
pub const HOUR: Duration = Duration::from_secs(3600);

pub fn time(text: &str) -> Timestamp {
    text.parse().unwrap()
}

pub fn desired(spec: Value) -> Desired {
    let mut object = object(spec);
    object.metadata.uid = Some("5c1f".into());
    Desired::of(&object)
}

/// At 02:15 each day, UTC.
pub fn nightly() -> Desired {
    desired(json!({ "schedule": { "cron": "15 2 * * *" }, "backoffLimit": 0 }))
}

/// A completed run of an object with this schedule, at noon.
pub fn completed(want: Desired) -> Scene {
    let mut scene = Scene { now: time("2026-11-26T12:00:00Z"), want, ..Scene::new() };
    run(&mut scene, NEW);
    scene
}

/// The same before anything ever ran.
pub fn idle(want: Desired) -> Scene {
    let want = Desired { run_on_creation: false, ..want };
    let mut scene = Scene { now: time("2026-11-26T12:00:00Z"), want, ..Scene::new() };
    scene.play(Fact::Nothing);
    scene
}

/// Claims what is due and starts it as this job.
pub fn start(scene: &mut Scene, id: i64) {
    let before: Vec<Job> = (NEW..id).map(|id| job(id, JobState::Completed)).chain([old()]).collect();
    assert_eq!(scene.play(looked(before)).effect, Effect::Submit);
    scene.play(accepted(id));
}

/// The job ends now.
pub fn end(scene: &mut Scene, id: i64) -> Decision {
    scene.play(sighted(Job { end_time: Some(scene.now), ..job(id, JobState::Completed) }))
}

pub fn run(scene: &mut Scene, id: i64) -> Decision {
    start(scene, id);
    end(scene, id)
}

pub fn at(scene: &mut Scene, text: &str) -> Decision {
    scene.now = time(text);
    scene.play(Fact::Nothing)
}

pub fn kept(scene: &Scene) -> (Option<Timestamp>, Option<Timestamp>, Option<Timestamp>) {
    let kept = scene.record().schedule.unwrap();
    (kept.since, kept.last, kept.next)
}

pub fn next(scene: &Scene) -> Timestamp {
    kept(scene).2.unwrap()
}

pub fn number(scene: &Scene) -> i64 {
    scene.record().run.map_or(0, |run| run.number)
}
