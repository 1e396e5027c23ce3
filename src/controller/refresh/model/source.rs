//! The source that the model's refreshes watch: its versions, the looks of a process at it, and what must be true of both.

use std::{collections::HashMap, time::Duration};

use super::{breach::Breach, choices::Choices, milvus::Milvus};
use crate::{
    refresh::{Cause, LastLook, Recorded, Scouted},
    scout::{Blind, BlindReason, Plan, Sight},
    stores::{Digest, Newer, Snapshot},
};

/// After so long a look has ended, whatever comes of it.
const LONGEST: Duration = Duration::from_secs(40);

/// What a look finds at this version.
fn files(version: u8) -> Snapshot {
    let digest = Digest([version; 32]);
    let objects = 10 + u64::from(version);
    Snapshot { paths: digest, contents: digest, objects, bytes: objects, marker: None, newer: Newer::default() }
}

/// The name that the core gives to this version.
fn name(version: u8) -> String {
    format!("{version:02x}").repeat(16)
}

fn version(name: &str) -> Option<u8> {
    u8::from_str_radix(name.get(..2)?, 16).ok()
}

/// The looks of one process, by object.
#[derive(Default)]
pub struct Lookout(HashMap<usize, Looks>);

#[derive(Default)]
struct Looks {
    last: Option<(Plan, Duration, Result<Sight, Blind>)>,
    failures: u32,
    /// The plan, when it began, and the version at that time.
    under_way: Option<(Plan, Duration, u8)>,
}

impl Lookout {
    pub fn look(&mut self, object: usize, plan: Plan, now: Duration, version: u8) {
        let looks = self.0.entry(object).or_default();
        if looks.under_way.as_ref().is_none_or(|(known, ..)| *known != plan) {
            looks.under_way = Some((plan, now, version));
        }
    }

    pub fn scouted(&self, object: usize, plan: &Plan, now: Duration) -> Scouted {
        let Some(looks) = self.0.get(&object) else { return Scouted::default() };
        let last = looks.last.as_ref().filter(|(known, ..)| known == plan);
        let waits = looks.under_way.as_ref().filter(|(known, ..)| known == plan);
        Scouted {
            last: last.map(|(_, began, found)| LastLook {
                age: now.saturating_sub(*began),
                failures: looks.failures,
                found: found.clone(),
            }),
            waited: waits.map(|(_, began, _)| now.saturating_sub(*began)),
        }
    }

    /// Gives the objects whose looks end now.
    pub fn end(&mut self, now: Duration, version: u8, choices: &mut Choices) -> Vec<usize> {
        let mut objects: Vec<usize> = self.0.keys().copied().collect();
        objects.sort_unstable();
        objects.retain(|object| self.0.get_mut(object).is_some_and(|looks| looks.end(now, version, choices)));
        objects
    }
}

impl Looks {
    fn end(&mut self, now: Duration, version: u8, choices: &mut Choices) -> bool {
        let Some((_, began, before)) = &self.under_way else { return false };
        let late = now >= *began + LONGEST;
        let found = match choices.draw(&[60, 15, 15, 10]) {
            0 => Ok(Sight::Objects(files(version))),
            1 => Ok(Sight::Objects(files(*before))),
            3 if !late => return false,
            _ => {
                let message = "The store said no.".to_owned();
                Err(Blind { reason: BlindReason::CheckFailed, message, retry_after: None })
            }
        };
        self.failures = if found.is_err() { self.failures + 1 } else { 0 };
        self.last = self.under_way.take().map(|(plan, began, _)| (plan, began, found));
        true
    }
}

/// What is known of what was read.
#[derive(Default)]
pub struct Versions {
    /// What the last run that completed had captured, by uid.
    completed: HashMap<String, Option<String>>,
    /// Whether it cannot be told which of two looks was later: a wall clock was set, or two processes look at once.
    pub unordered: bool,
}

impl Versions {
    /// A status of the object `uid` took the place of another.
    pub fn written(&mut self, uid: &str, milvus: &Milvus, before: &Recorded, after: &Recorded) -> Result<(), Breach> {
        let refreshed = |record: &Recorded| record.watch.as_ref().and_then(|watch| watch.refreshed.clone());
        let now = refreshed(after);
        if let Some(seen) = now.clone().filter(|_| now != refreshed(before)) {
            let known = (!seen.version.name.is_empty()).then(|| seen.version.name.clone());
            // Without a job it is the baseline.
            if let (Some(job), Some(claimed)) = (before.job.id, known.as_deref().and_then(version))
                && let Some(entry) = milvus.journal.iter().find(|entry| entry.id == job)
                && entry.read < claimed
            {
                return Err(format!("{uid} counts version {claimed} as refreshed by {entry:?}, which had read less"));
            }
            self.completed.insert(uid.to_owned(), known);
        }
        let Some(run) = after.run.as_ref().filter(|run| run.cause == Some(Cause::SourceChanged)) else { return Ok(()) };
        if after.claim().is_none() || before.claim() == after.claim() {
            return Ok(());
        }
        if before.is_at_rest() {
            return Err(format!("run {} of {uid} was claimed with the write that has opened it", run.number));
        }
        let captured = run.seen.as_ref().map(|seen| seen.version.name.clone());
        if !self.unordered && captured.is_some() && self.completed.get(uid) == Some(&captured) {
            return Err(format!("run {} of {uid} is for a change that was refreshed before: {captured:?}", run.number));
        }
        Ok(())
    }
}

/// Whether nothing is left to do for a source that is at this version.
pub fn is_answered(record: &Recorded, version: u8) -> bool {
    let Some(watch) = &record.watch else { return false };
    let current = name(version);
    let refreshed = watch.refreshed.as_ref().is_some_and(|seen| seen.version.name == current);
    let run = record.run.as_ref().and_then(|run| run.seen.as_ref());
    refreshed || record.failure.is_some() && run.is_some_and(|seen| seen.version.name == current)
}
