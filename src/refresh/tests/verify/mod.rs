//! Whether what a run refreshed is served: what one look says, and what becomes of the run and of the object at rest.

mod at_rest;
mod looks;
mod report;
mod require;

use std::time::Duration;

use serde_json::{Value, json};

use super::scene::{COLLECTION, NEW, Scene, accepted, job, looked, object, old, sighted};
use crate::{
    milvus::{
        ErrorKind, JobState, LoadState, MilvusError,
        examiner::{Evidence, Mapped, Served},
    },
    refresh::{Decision, Desired, Effect, Fact, Outcome, Verification, VerifyReason},
};

pub const SECOND: Duration = Duration::from_secs(1);

/// What asks for these checks.
pub fn desired(verify: &Value) -> Desired {
    let mut object = object(json!({ "backoffLimit": 0, "verify": verify }));
    object.metadata.uid = Some("5c1f".into());
    Desired::of(&object)
}

/// All ten rows of both segments are found.
pub fn served() -> Evidence {
    Evidence {
        collection: Some(COLLECTION),
        load: Ok(LoadState::Loaded),
        mapped: Ok(Mapped { segments: 2, rows: 10 }),
        served: Some(Ok(Served { segments: 2, rows: 10 })),
        count: Some(Ok(10)),
        indexes: None,
        queries: None,
    }
}

/// Loaded at 100 %, and nothing is served.
pub fn not_served() -> Evidence {
    Evidence { served: Some(Ok(Served { segments: 0, rows: 0 })), count: Some(Ok(0)), ..served() }
}

pub fn not_loaded() -> Evidence {
    Evidence { load: Ok(LoadState::NotLoaded), served: None, count: None, ..served() }
}

pub fn error(kind: ErrorKind) -> MilvusError {
    MilvusError::new(kind, "Milvus said so")
}

pub fn found(evidence: Evidence) -> Fact {
    Fact::Examined(Some(Ok(evidence)))
}

/// Nobody could look.
pub fn failed(kind: ErrorKind) -> Fact {
    Fact::Examined(Some(Err(error(kind))))
}

/// Claimed, started and completed by Milvus, with these checks.
pub fn completed(verify: &Value) -> Scene {
    let mut scene = Scene { want: desired(verify), ..Scene::new() };
    run(&mut scene, NEW);
    scene
}

/// One more run, up to what Milvus makes of it.
pub fn run(scene: &mut Scene, id: i64) -> Decision {
    let before = (NEW..id).map(|id| job(id, JobState::Completed)).chain([old()]).collect();
    assert_eq!(scene.play(looked(before)).effect, Effect::Submit);
    scene.play(accepted(id));
    scene.play(sighted(job(id, JobState::Completed)))
}

pub fn checked(scene: &Scene) -> Verification {
    scene.record().verification.unwrap()
}

pub fn verdict(scene: &Scene) -> (Option<Outcome>, VerifyReason) {
    let checked = checked(scene);
    (checked.outcome, checked.reason)
}

/// A condition's status, reason and message.
pub fn condition(scene: &Scene, type_: &str) -> (String, String, String) {
    let condition = scene.status.conditions.iter().find(|condition| condition.type_ == type_);
    condition.map(|c| (c.status.clone(), c.reason.clone(), c.message.clone())).unwrap_or_default()
}

/// Status and reason of these conditions.
pub fn says(scene: &Scene, type_: &str) -> String {
    let (status, reason, _) = condition(scene, type_);
    format!("{status} {reason}")
}
