//! What to ask Milvus next, and what an answer changes. Knows the time only as an argument and makes no calls.

use std::{
    collections::{HashMap, HashSet},
    hash::Hash,
    time::Duration,
};

use tokio::time::Instant;

use super::{
    Sighting,
    schedule::{COALESCE_DOWN_TO, COALESCE_FROM, LIST_RETRY, SPACING, backoff, list_interval, list_rest},
    tracked::Tracked,
};
use crate::{
    backoff::lengthened,
    milvus::{ErrorKind, Job, JobId, MilvusError, Result},
};

/// Single polls that may be under way at a time.
const MAX_ASKING: usize = 16;

/// The next step.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step<K> {
    /// Ask for every job.
    List,
    /// Ask for this job of this key.
    Ask(K, JobId),
    /// Nothing to do before this time, or before something changes.
    Wait(Option<Instant>),
}

/// Failures in a row, and the pause that they have earned.
#[derive(Debug)]
struct Pause {
    failures: u32,
    until: Instant,
}

impl Pause {
    fn none(now: Instant) -> Self {
        Self { failures: 0, until: now }
    }

    /// Polls that fail together are one failure.
    fn failed(&mut self, now: Instant, random: f64) {
        if now >= self.until {
            self.failures = self.failures.saturating_add(1);
            self.until = now + lengthened(backoff(self.failures), random);
        }
    }
}

/// All tracked jobs of one server.
#[derive(Debug)]
pub(super) struct Plan<K> {
    jobs: HashMap<K, Tracked>,
    /// Everything rests while the server as such does not answer.
    server: Pause,
    /// Single polls under way, those whose job was forgotten meanwhile among them.
    asking: usize,
    next_single: Instant,
    /// Whether a List a tick stands for single polls.
    coalesces: bool,
    listing: bool,
    /// When the last List began.
    last_list: Option<Instant>,
    /// No List before this time.
    next_list: Instant,
    list_random: f64,
    /// While it fails, jobs are asked for one by one.
    list_failures: u32,
}

impl<K: Eq + Hash + Clone> Plan<K> {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            jobs: HashMap::new(),
            server: Pause::none(now),
            asking: 0,
            next_single: now,
            coalesces: false,
            listing: false,
            last_list: None,
            next_list: now,
            list_random: 0.0,
            list_failures: 0,
        }
    }

    /// The newest sighting, and whether the job is new to the plan.
    pub(super) fn track(&mut self, key: K, job: JobId, age: Duration, now: Instant) -> (Sighting, bool) {
        match self.jobs.get(&key) {
            Some(known) if known.job == job => (known.sighting(), false),
            _ => {
                self.jobs.insert(key, Tracked::new(job, age, now));
                (Sighting::default(), true)
            }
        }
    }

    pub(super) fn hush(&mut self, key: &K, until: Instant) {
        if let Some(tracked) = self.jobs.get_mut(key) {
            tracked.hushed = until;
        }
    }

    pub(super) fn forget(&mut self, key: &K) {
        self.jobs.remove(key);
    }

    pub(super) fn active(&self) -> usize {
        self.jobs.values().filter(|job| job.is_active()).count()
    }

    /// The jobs that a List is to show.
    pub(super) fn wanted(&self) -> HashSet<JobId> {
        self.jobs.values().filter(|tracked| tracked.is_active()).map(|tracked| tracked.job).collect()
    }

    /// What to do at `now`. A step that is not to wait counts as taken.
    pub(super) fn next(&mut self, now: Instant) -> Step<K> {
        let active = self.active();
        if active == 0 {
            return Step::Wait(None);
        }
        let coalesce = active >= if self.coalesces { COALESCE_DOWN_TO } else { COALESCE_FROM };
        self.coalesces = coalesce;
        let list = (coalesce && !self.listing).then(|| self.list_due(now));
        if list.is_some_and(|due| due <= now) {
            self.listing = true;
            self.last_list = Some(now);
            return Step::List;
        }
        let by_list = coalesce && self.list_failures == 0;
        let single = self.single_due(by_list);
        match single {
            Some((due, key)) if due <= now => self.ask(key, now),
            _ => Step::Wait(list.into_iter().chain(single.map(|(due, _)| due)).min()),
        }
    }

    fn ask(&mut self, key: K, now: Instant) -> Step<K> {
        match self.jobs.get_mut(&key) {
            Some(tracked) => {
                tracked.asking = true;
                self.asking += 1;
                self.next_single = now + SPACING;
                Step::Ask(key, tracked.job)
            }
            None => Step::Wait(Some(now)),
        }
    }

    fn list_due(&self, now: Instant) -> Instant {
        let Some(last) = self.last_list else { return self.server.until };
        let active = self.jobs.values().filter(|job| job.is_active());
        // A job that no List could show yet is as good as just started.
        let age = |job: &Tracked| if job.since >= last { Duration::ZERO } else { job.age(now) };
        let youngest = active.map(age).min().unwrap_or_default();
        let tick = lengthened(list_interval(youngest), self.list_random);
        (last + tick).max(self.next_list).max(self.server.until)
    }

    /// The job to ask for next, and when. Those that a List will show are left out.
    fn single_due(&self, by_list: bool) -> Option<(Instant, K)> {
        if self.asking >= MAX_ASKING {
            return None;
        }
        let candidates = self.jobs.iter().filter(|(_, job)| job.is_active() && !job.asking && (!by_list || job.alone));
        let (key, job) = candidates.min_by_key(|(_, job)| job.due)?;
        Some((job.due.max(self.next_single).max(self.server.until), key.clone()))
    }

    /// Takes the outcome of a single poll; the keys whose readers could care.
    pub(super) fn polled(&mut self, key: K, job: JobId, outcome: Result<Job>, now: Instant, random: f64) -> Option<K> {
        self.asking = self.asking.saturating_sub(1);
        self.judge_server(outcome.as_ref().err(), now, random);
        let tracked = self.jobs.get_mut(&key).filter(|tracked| tracked.job == job)?;
        tracked.asking = false;
        // A List may have told the end meanwhile, and the end is final.
        let changed = tracked.is_active() && tracked.polled(outcome, now, random);
        changed.then_some(key)
    }

    /// Takes the outcome of a List; the keys whose readers could care.
    pub(super) fn listed(
        &mut self,
        outcome: Result<Vec<Job>>,
        now: Instant,
        mut random: impl FnMut() -> f64,
    ) -> Vec<K> {
        let began = self.last_list.unwrap_or(now);
        self.listing = false;
        self.list_random = random();
        self.next_list = now + list_rest(now.saturating_duration_since(began));
        self.judge_server(outcome.as_ref().err(), now, self.list_random);
        match outcome {
            Ok(jobs) => {
                self.list_failures = 0;
                self.spread(jobs, began, now, random)
            }
            Err(error) => {
                self.list_failures = self.list_failures.saturating_add(1);
                let pause = if is_lasting(error.kind) { LIST_RETRY } else { backoff(self.list_failures) };
                self.next_list = self.next_list.max(now + lengthened(pause, self.list_random));
                Vec::new()
            }
        }
    }

    /// One pass over the List, one over the tracked jobs.
    fn spread(&mut self, jobs: Vec<Job>, began: Instant, now: Instant, mut random: impl FnMut() -> f64) -> Vec<K> {
        let listed: HashMap<JobId, Job> = jobs.into_iter().map(|job| (job.id, job)).collect();
        let mut changed = Vec::new();
        for (key, tracked) in self.jobs.iter_mut().filter(|(_, tracked)| tracked.is_active()) {
            match listed.get(&tracked.job) {
                Some(job) => {
                    if tracked.listed(job.clone(), now, random()) {
                        changed.push(key.clone());
                    }
                }
                // A job that was tracked while the List was under way may be younger than its content.
                _ if tracked.since >= began => {}
                _ => tracked.missing(now),
            }
        }
        changed
    }

    fn judge_server(&mut self, error: Option<&MilvusError>, now: Instant, random: f64) {
        match error {
            Some(error) if error.kind.is_of_the_server() => self.server.failed(now, random),
            _ => self.server = Pause::none(now),
        }
    }
}

/// Whether a List that failed so will most likely fail again: denied, unknown, or too large.
fn is_lasting(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::PermissionDenied | ErrorKind::Unsupported | ErrorKind::Malformed)
}
