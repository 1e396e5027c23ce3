//! All jobs of the cluster, found by id, by collection and by when something comes of them: a call costs as much with ten
//! thousand of them as with one.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use super::{job::Job, plan::Outcome};
use crate::JobId;

/// Milvus forgets a job a day after its end.
const RETENTION: Duration = Duration::from_secs(24 * 3600);

/// The jobs that Milvus knows.
#[derive(Default)]
pub(super) struct Jobs {
    by_id: BTreeMap<i64, Job>,
    /// Those of each collection, in the order of their starts.
    of: BTreeMap<i64, Vec<i64>>,
    /// When each ends by its plan, or is forgotten. What is over by then is passed over.
    due: BTreeSet<(Duration, i64)>,
    /// Every job that there ever was, in the order of their starts.
    started: Vec<JobId>,
}

impl Jobs {
    pub(super) fn start(&mut self, job: Job) {
        let id = job.id;
        self.due.extend(job.planned_end().map(|end| (end.at, id)));
        self.of.entry(job.collection_id).or_default().push(id);
        self.started.push(JobId(id));
        self.by_id.insert(id, job);
    }

    /// Every job that there ever was, in the order of their starts.
    pub(super) fn started(&self) -> &[JobId] {
        &self.started
    }

    pub(super) fn get(&self, id: i64) -> Option<&Job> {
        self.by_id.get(&id)
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &Job> {
        self.by_id.values()
    }

    pub(super) fn of(&self, collection: i64) -> impl Iterator<Item = &Job> {
        self.of.get(&collection).into_iter().flatten().filter_map(|id| self.by_id.get(id))
    }

    /// The job of a collection that has no end on record.
    pub(super) fn active(&self, collection: i64) -> Option<&Job> {
        self.of(collection).find(|job| job.ended.is_none())
    }

    fn open(&mut self, id: i64) -> Option<&mut Job> {
        self.by_id.get_mut(&id).filter(|job| job.ended.is_none())
    }

    /// Ends an active job. Whether there was one.
    pub(super) fn end(&mut self, id: i64, at: Duration, failure: Option<String>) -> bool {
        let Some(job) = self.open(id) else { return false };
        job.end(at, failure);
        self.due.insert((at.saturating_add(RETENTION), id));
        true
    }

    /// Keeps an active job from ending. Whether there was one.
    pub(super) fn hang(&mut self, id: i64) -> bool {
        let Some(job) = self.open(id) else { return false };
        job.plan.outcome = Outcome::Hang;
        true
    }

    /// Takes a job back as if it had never been.
    pub(super) fn lose(&mut self, id: i64) {
        let Some(job) = self.by_id.remove(&id) else { return };
        if let Some(of) = self.of.get_mut(&job.collection_id) {
            of.retain(|known| *known != id);
        }
    }

    /// The first job whose end its plan has brought by `now`, which it has then on record; those whose time is over are
    /// forgotten.
    pub(super) fn next_ended(&mut self, now: Duration) -> Option<i64> {
        while self.due.first().is_some_and(|(at, _)| *at <= now) {
            let (_, id) = self.due.pop_first()?;
            let Some(job) = self.by_id.get(&id) else { continue };
            match &job.ended {
                Some(end) if now >= end.at.saturating_add(RETENTION) => self.lose(id),
                Some(_) => {}
                None => {
                    if let Some(end) = job.planned_end() {
                        self.end(id, end.at, end.failure);
                        return Some(id);
                    }
                }
            }
        }
        None
    }
}
