//! The refreshes and their runs, counted from what is durable of them: what a write has made so or the watch has shown.
//! Each end of a run counts once in a process, whether the reply to its write was lost, its write was repeated or both
//! tell of it.

use std::collections::{BTreeMap, HashMap};

use jiff::Timestamp;
use parking_lot::Mutex;
use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
    registry::Registry,
};

use super::own::{Own, OwnSeries};
use crate::{
    object::{Key, Uid},
    refresh::{Cause, FailureClass, FreshReason, Outcome, PastRun, Reason, Recorded, VerifyReason},
};

/// In seconds, up to Milvus' own limit of a job and the time in a queue before it.
const DURATIONS: [f64; 14] =
    [1.0, 5.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0, 7200.0, 21_600.0, 43_200.0, 86_400.0];
/// The reason of an object without a status.
const NEW: &str = "New";
/// Instead of an outcome, while the checks are in progress.
const VERIFYING: &str = "Verifying";
/// Instead of a reason, before the first look at a source.
const UNSEEN: &str = "Unseen";
const COMPLETED: &str = "completed";
const FAILED: &str = "failed";

/// The refreshes and their runs.
#[derive(Debug)]
pub struct Refreshes {
    known: Mutex<HashMap<Uid, Known>>,
    runs: Family<End, Counter>,
    durations: Family<ByResult, Histogram, fn() -> Histogram>,
    adopted: Counter,
    in_progress: Gauge,
    queue_length: Gauge,
    oldest: Family<ByPhase, Gauge>,
    objects: Family<ByReason, Gauge>,
    missed: Counter,
    verified: Family<ByOutcome, Gauge>,
    fresh: Family<ByReason, Gauge>,
    lag: Gauge,
    /// `None` where objects have no series of their own.
    own: Option<OwnSeries>,
}

/// What is known of an object.
#[derive(Debug)]
struct Known {
    run: i64,
    last_ended: i64,
    adopted: bool,
    reason: &'static str,
    /// Few of many objects have any of it.
    more: Option<Box<More>>,
}

/// What is known of some objects only.
#[derive(Debug)]
struct More {
    /// Its run, while that is not over.
    open: Option<Open>,
    /// What its checks came to, if it asks for any.
    verified: Option<&'static str>,
    /// If it watches its source.
    watched: Option<Watched>,
    /// Where the object has series of its own.
    own: Option<Box<Own>>,
}

/// What is known of a run that is not over.
#[derive(Debug)]
struct Open {
    queued: Option<Timestamp>,
    /// Where it is and since when, unless it is held.
    phase: Option<(Phase, Option<Timestamp>)>,
}

/// What is known of an object that watches its source.
#[derive(Debug)]
struct Watched {
    /// How fresh it is.
    fresh: &'static str,
    /// Since when a change waits that may start a run.
    pending: Option<Timestamp>,
}

/// Where a run is that is not over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// It is due, and nothing of it has been sent to Milvus that still counts.
    Queued,
    /// A start has been sent, or is about to be.
    InProgress,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct End {
    result: &'static str,
    class: &'static str,
    cause: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByResult {
    result: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByPhase {
    phase: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByReason {
    reason: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByOutcome {
    outcome: &'static str,
}

impl Refreshes {
    pub(super) fn new(registry: &mut Registry, per_object: bool) -> Self {
        let refreshes = Self {
            known: Mutex::default(),
            runs: Family::default(),
            durations: Family::new_with_constructor(|| Histogram::new(DURATIONS)),
            adopted: Counter::default(),
            in_progress: Gauge::default(),
            queue_length: Gauge::default(),
            oldest: Family::default(),
            objects: Family::default(),
            missed: Counter::default(),
            verified: Family::default(),
            fresh: Family::default(),
            lag: Gauge::default(),
            own: per_object.then(OwnSeries::default),
        };
        refreshes.expect(None);
        for result in [COMPLETED, FAILED] {
            drop(refreshes.durations.get_or_create_owned(&ByResult { result }));
        }
        refreshes.sample(Timestamp::UNIX_EPOCH);
        refreshes.register(registry);
        refreshes
    }

    fn register(&self, registry: &mut Registry) {
        registry.register(
            "milvus_refresh_runs",
            "Runs that ended: completed, or failed with its failure class; and the cause of the run",
            self.runs.clone(),
        );
        registry.register(
            "milvus_refresh_schedule_missed",
            "Scheduled times that were skipped: the operator noticed them later than startingDeadlineSeconds allows",
            self.missed.clone(),
        );
        registry.register(
            "milvus_refresh_duration_seconds",
            "Duration of runs, from due to ended",
            self.durations.clone(),
        );
        registry.register(
            "milvus_refresh_adopted_jobs",
            "Jobs that were found rather than started: the reply to a start was lost, or the refresh did not start them",
            self.adopted.clone(),
        );
        registry.register(
            "milvus_refresh_in_progress",
            "Runs whose start was sent and that have not ended",
            self.in_progress.clone(),
        );
        registry.register(
            "milvus_refresh_queue_length",
            "Runs that are due and waiting: in the queue, for a job that they did not start, or for their connection",
            self.queue_length.clone(),
        );
        registry.register(
            "milvus_refresh_oldest_run_age_seconds",
            "Age of the oldest run that is queued or in progress; 0 if there is none",
            self.oldest.clone(),
        );
        registry.register(
            "milvus_refresh_objects",
            "Refreshes by the reason of Ready; New without a status",
            self.objects.clone(),
        );
        registry.register(
            "milvus_refresh_verified",
            "Refreshes with spec.verify by what its checks last came to; Verifying while they are in progress",
            self.verified.clone(),
        );
        registry.register(
            "milvus_refresh_source_fresh",
            "Refreshes with spec.watch by the reason of SourceFresh; Unseen before the first look",
            self.fresh.clone(),
        );
        registry.register(
            "milvus_refresh_source_lag_seconds",
            "Age of the oldest change of a watched source that is not refreshed yet; 0 if all are. Suspended refreshes do not \
             count",
            self.lag.clone(),
        );
        if let Some(own) = &self.own {
            own.register(registry);
        }
    }

    /// Series begin at zero, or the first run of each would not count as an increase. Most causes are never seen, so those of a
    /// cause begin when a run is opened for it.
    fn expect(&self, cause: Option<Cause>) {
        let cause = cause.map_or("", Cause::as_str);
        let completed = End { result: COMPLETED, class: "", cause };
        if self.runs.get(&completed).is_some() {
            return;
        }
        drop(self.runs.get_or_create_owned(&completed));
        for class in FailureClass::ALL.map(FailureClass::as_str) {
            drop(self.runs.get_or_create_owned(&End { result: FAILED, class, cause }));
        }
    }

    /// A scheduled time was skipped.
    pub fn missed(&self) {
        self.missed.inc();
    }

    /// This is durable of the object, and not outdated.
    pub fn observe(&self, uid: &str, key: &Key, record: &Recorded) {
        self.expect(record.run.as_ref().and_then(|run| run.cause));
        let now = Known::of(record, self.own.as_ref().map(|_| key));
        let (uid, mut known) = (Uid::of(uid), self.known.lock());
        // What an object was when this process first saw it, an earlier process may have counted.
        let Some(before) = known.insert(uid, now) else { return };
        let Some(now) = known.get(&uid) else { return };
        let (same, later) = (now.run == before.run, now.run > before.run);
        if now.adopted && (later || same && !before.adopted) {
            self.adopted.inc();
        }
        // The write that ends a run may open the next one; the history tells either way.
        if let Some(past) = record.history.first().filter(|past| past.number > before.last_ended) {
            let ended = record.run.as_ref().filter(|run| run.number == past.number).and_then(|run| run.queued_time);
            let open = before.open().filter(|_| before.run == past.number).and_then(|open| open.queued);
            let due = ended.or(open);
            self.count(past, due);
        }
    }

    /// The object is gone.
    pub fn forget(&self, uid: &str) {
        self.known.lock().remove(&Uid::of(uid));
    }

    /// Counts the end of a run, which was due since then.
    fn count(&self, past: &PastRun, due: Option<Timestamp>) {
        let (result, class) = match past.failure {
            Some(class) => (FAILED, class.as_str()),
            None => (COMPLETED, ""),
        };
        let cause = past.cause.map_or("", Cause::as_str);
        self.runs.get_or_create(&End { result, class, cause }).inc();
        if let (Some(due), Some(end)) = (due, past.completion_time) {
            // The end may be told by Milvus' clock.
            let took = end.duration_since(due).as_secs_f64().max(0.0);
            self.durations.get_or_create(&ByResult { result }).observe(took);
        }
    }

    pub(super) fn sample(&self, now: Timestamp) {
        let known = self.known.lock();
        let more = || known.values().filter_map(|known| known.more.as_deref());
        for (phase, count) in [(Phase::InProgress, &self.in_progress), (Phase::Queued, &self.queue_length)] {
            let runs = || more().filter_map(|more| more.open.as_ref()?.phase).filter(|(at, _)| *at == phase);
            count.set(i64::try_from(runs().count()).unwrap_or(i64::MAX));
            let oldest = runs().filter_map(|(_, since)| since).min();
            let age = oldest.map_or(0, |since| now.duration_since(since).as_secs().max(0));
            self.oldest.get_or_create(&ByPhase { phase: phase.as_str() }).set(age);
        }
        for (reason, count) in counted(reasons(), known.values().map(|known| known.reason)) {
            self.objects.get_or_create(&ByReason { reason }).set(count);
        }
        let outcomes = Outcome::ALL.map(Outcome::as_str).into_iter().chain([VERIFYING]);
        for (outcome, count) in counted(outcomes, more().filter_map(|more| more.verified)) {
            self.verified.get_or_create(&ByOutcome { outcome }).set(count);
        }
        let watched = || more().filter_map(|more| more.watched.as_ref());
        let reasons = FreshReason::ALL.map(FreshReason::as_str).into_iter().chain([UNSEEN]);
        for (reason, count) in counted(reasons, watched().map(|watched| watched.fresh)) {
            self.fresh.get_or_create(&ByReason { reason }).set(count);
        }
        let oldest = watched().filter_map(|watched| watched.pending).min();
        self.lag.set(oldest.map_or(0, |since| now.duration_since(since).as_secs().max(0)));
        if let Some(series) = &self.own {
            series.sample(|| more().filter_map(|more| more.own.as_deref()));
        }
    }
}

/// How often each of `all` is `seen`.
fn counted(
    all: impl Iterator<Item = &'static str>,
    seen: impl Iterator<Item = &'static str>,
) -> BTreeMap<&'static str, i64> {
    let mut counts: BTreeMap<_, _> = all.map(|name| (name, 0)).collect();
    for name in seen {
        *counts.entry(name).or_default() += 1;
    }
    counts
}

/// Every reason that an object can have.
fn reasons() -> impl Iterator<Item = &'static str> {
    let going_on = Reason::GOING_ON.into_iter().chain([Reason::Idle, Reason::RefreshCompleted]).map(Reason::as_str);
    let not_served = VerifyReason::FAILING.map(VerifyReason::as_str);
    going_on.chain(FailureClass::ALL.map(FailureClass::as_str)).chain(not_served).chain([NEW])
}

impl Known {
    /// With the key where the object has series of its own.
    fn of(record: &Recorded, key: Option<&Key>) -> Self {
        let run = record.run.as_ref();
        Self {
            run: run.map_or(0, |run| run.number),
            last_ended: record.history.first().map_or(0, |past| past.number),
            adopted: run.is_some_and(|run| run.adopted),
            reason: record.ready_reason().unwrap_or(NEW),
            more: More::of(record, key).map(Box::new),
        }
    }

    fn open(&self) -> Option<&Open> {
        self.more.as_ref()?.open.as_ref()
    }
}

impl More {
    fn of(record: &Recorded, key: Option<&Key>) -> Option<Self> {
        let more = Self {
            open: Open::of(record),
            verified: record.verification.as_ref().map(|checked| checked.outcome.map_or(VERIFYING, Outcome::as_str)),
            watched: Watched::of(record),
            own: key.map(|key| Box::new(Own::of(record, key))),
        };
        let none = more.open.is_none() && more.verified.is_none() && more.watched.is_none() && more.own.is_none();
        (!none).then_some(more)
    }
}

impl Open {
    fn of(record: &Recorded) -> Option<Self> {
        let run = record.run.as_ref().filter(|_| !record.ended())?;
        let held = record
            .summary
            .as_ref()
            .is_some_and(|summary| matches!(summary.reason, Reason::Suspended | Reason::Terminating));
        let phase = match run.submit_time {
            None if record.job.id.is_none() => (Phase::Queued, run.queued_time),
            submit_time => (Phase::InProgress, submit_time.or(record.job.start_time)),
        };
        Some(Self { queued: run.queued_time, phase: Some(phase).filter(|_| !held) })
    }
}

impl Watched {
    fn of(record: &Recorded) -> Option<Self> {
        let watch = record.watch.as_ref()?;
        let fresh = watch.fresh.as_ref().map_or(UNSEEN, |fresh| fresh.reason.as_str());
        Some(Self { fresh, pending: watch.pending_since.filter(|_| record.suspended.is_none()) })
    }
}

impl Phase {
    fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::InProgress => "in_progress",
        }
    }
}
