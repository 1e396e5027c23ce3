//! A refresh that watches its source: what is seen there, and when that starts a run.

mod claims;
mod held;
mod looks;
mod rewritten;
mod starts;
mod tables;

use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::scene::{NEW, Scene, accepted, job, listed, object, old, sighted};
use crate::{
    milvus::{Job, JobState},
    refresh::{Decision, Desired, Effect, Fact, FreshReason, LastLook, Look, Scouted, WatchRecord},
    scout::{Blind, BlindReason, Sight},
    stores::{Digest, Newer, Snapshot},
};

pub const SECOND: Duration = Duration::from_secs(1);
pub const MINUTE: Duration = Duration::from_secs(60);

pub fn desired(spec: Value) -> Desired {
    let mut object = object(spec);
    object.metadata.uid = Some("5c1f".into());
    Desired::of(&object)
}

/// Looks every five minutes, and starts after a quiet minute.
pub fn watching() -> Desired {
    desired(json!({ "watch": { "objects": {} }, "backoffLimit": 0 }))
}

/// Files of these names, so to speak, with contents of this version.
pub fn files(names: u8, contents: u8) -> Snapshot {
    Snapshot {
        paths: Digest([names; 32]),
        contents: Digest([names.wrapping_mul(16).wrapping_add(contents); 32]),
        objects: u64::from(names),
        bytes: u64::from(names) * 1000,
        marker: None,
        newer: Newer::default(),
    }
}

pub fn saw(snapshot: Snapshot) -> Result<Sight, Blind> {
    Ok(Sight::Objects(snapshot))
}

pub fn blind(reason: BlindReason) -> Result<Sight, Blind> {
    Err(Blind { reason, message: "The store said no.".into(), retry_after: None })
}

impl Scene {
    /// A look that begins now finds this.
    pub fn look(&mut self, found: Result<Sight, Blind>) {
        let failures = self.scouted.last.as_ref().map_or(0, |last| last.failures);
        let failures = if found.is_err() { failures + 1 } else { 0 };
        self.scouted = Scouted { last: Some(LastLook { age: Duration::ZERO, failures, found }), waited: None };
    }

    /// Lets time pass, for what was seen as well.
    pub fn later(&mut self, time: Duration) {
        self.pass(time);
        if let Some(last) = &mut self.scouted.last {
            last.age += time;
        }
        self.scouted.waited = self.scouted.waited.map(|waited| waited + time);
    }

    /// A look finds this after that time.
    pub fn see_later(&mut self, time: Duration, snapshot: Snapshot) -> Decision {
        self.later(time);
        self.look(saw(snapshot));
        self.play(Fact::Nothing)
    }

    pub fn watch(&self) -> WatchRecord {
        self.record().watch.expect("a watch is recorded")
    }

    pub fn fresh(&self) -> FreshReason {
        self.watch().fresh.expect("something was seen").reason
    }

    /// What a claim is made of: the jobs before `id`, and the last look.
    fn listing(&self, id: i64) -> Look {
        let before = (NEW..id).map(|id| job(id, JobState::Completed)).chain([old()]).collect();
        Look { source: self.scouted.last.clone(), ..listed(before) }
    }

    /// Claims the run that is due and starts it as this job.
    pub fn start(&mut self, id: i64) {
        assert_eq!(self.see(Fact::Nothing).effect, Effect::Find);
        assert_eq!(self.play(Fact::Looked(Ok(self.listing(id)))).effect, Effect::Submit);
        self.play(accepted(id));
    }

    pub fn end(&mut self, id: i64) -> Decision {
        let start_time = self.run().submit_time;
        self.play(sighted(Job { start_time, end_time: Some(self.now), ..job(id, JobState::Completed) }))
    }

    pub fn fail(&mut self, id: i64) -> Decision {
        self.fail_for(id, "collection schema mismatch")
    }

    pub fn fail_for(&mut self, id: i64, reason: &str) -> Decision {
        let reason = reason.into();
        self.play(sighted(Job { end_time: Some(self.now), reason, ..job(id, JobState::Failed) }))
    }

    pub fn number(&self) -> i64 {
        self.record().run.map_or(0, |run| run.number)
    }
}

/// An object that has refreshed what it has seen, ten files.
pub fn fresh(want: Desired) -> Scene {
    let mut scene = Scene { now: time("2026-11-26T12:00:00Z"), want, ..Scene::new() };
    scene.look(saw(files(10, 1)));
    scene.start(NEW);
    scene.later(20 * SECOND);
    scene.end(NEW);
    assert_eq!(scene.fresh(), FreshReason::UpToDate);
    scene
}

pub fn time(text: &str) -> Timestamp {
    text.parse().unwrap()
}
