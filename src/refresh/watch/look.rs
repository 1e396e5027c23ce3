//! When to look, and at what.

use std::time::Duration;

use jiff::Timestamp;

use super::{LastLook, Scouted, Watch, WatchRecord, rewritten::Question};
use crate::{
    backoff::doubled,
    catalogs,
    refresh::{
        Desired, Fact, Recorded,
        decide::Step,
        desired::drawn,
        grid,
        limits::HOLD,
        record::{elapsed, not_ahead},
    },
    scout::{Plan, What},
};

/// A run of a watched object is claimed after a look that began no longer ago.
const FRESH: Duration = Duration::from_secs(30);
/// The look may be older when the claim is made: Milvus is asked in between.
pub(super) const STILL_FRESH: Duration = Duration::from_mins(5);
/// How long a run waits for a look.
const PATIENCE: Duration = Duration::from_secs(30);
/// A look that began so shortly before it was asked for is as good as one that begins then.
const SLACK: Duration = Duration::from_secs(5);
/// The longest pause after looks that failed.
const LONGEST_PAUSE: Duration = Duration::from_mins(30);
/// Recorded times are whole seconds.
const SECOND: Duration = Duration::from_secs(1);

impl Desired {
    /// What the next look is at.
    pub fn plan(&self, record: &Recorded) -> Option<Plan> {
        let watch = self.watch.as_ref()?;
        let kept = record.watch.as_ref().filter(|kept| kept.fingerprint == watch.fingerprint);
        let what = match &watch.spec.iceberg {
            Some(table) => What::Iceberg {
                catalog: table.catalog.clone(),
                ask: catalogs::Ask {
                    table: table.table.clone(),
                    reference: table.reference.clone(),
                    pinned: kept.and_then(WatchRecord::pinned),
                },
            },
            None => {
                let (newer_than, among) = match kept.map(WatchRecord::question) {
                    Some(Question::Which(since)) => (Some(since), Vec::new()),
                    Some(Question::Still(since, names)) => (Some(since), names),
                    Some(Question::Nothing) | None => (None, Vec::new()),
                };
                let objects = watch.spec.objects.clone().unwrap_or_default();
                let (include, marker) = (objects.include, objects.marker);
                What::Objects { format: watch.format.clone(), include, marker, newer_than, among }
            }
        };
        let source = self.own_source.as_ref().map(|own| own.source.clone());
        Some(Plan { collection: (self.database.clone(), self.collection.clone()), source, what })
    }

    /// Whether a run has to wait for a look before it is claimed: not once its collection was looked at, which comes after that.
    pub fn awaits_look(&self, scouted: &Scouted, fact: &Fact) -> bool {
        if self.watch.is_none() || matches!(fact, Fact::Looked(_)) {
            return false;
        }
        let last = scouted.last.as_ref().filter(|last| last.age <= FRESH);
        if self.is_watched_table() {
            // It has nothing to start from without one.
            return last.is_none_or(|last| last.found.is_err());
        }
        last.is_none() && scouted.waited.is_none_or(|waited| waited < PATIENCE)
    }
}

impl WatchRecord {
    /// The snapshot that the collection reads.
    fn pinned(&self) -> Option<i64> {
        self.refreshed.as_ref()?.version.name.parse().ok()
    }
}

impl Step<'_> {
    /// Asks for a look where one is due, or where a run `waits` for it.
    pub(in crate::refresh) fn ask_for_look(&mut self, waits: bool) {
        let (Some(watch), Some(kept)) = (&self.want.watch, &self.next.watch) else { return };
        if self.want.terminating || self.seen.scouted.waited.is_some() {
            return;
        }
        let Some(last) = &self.seen.scouted.last else {
            self.look = Some(SLACK);
            return;
        };
        let longest = if waits { FRESH } else { Duration::MAX };
        self.look = match last.found {
            Err(_) => (last.age >= pause_after(watch, last).min(longest)).then_some(SLACK),
            Ok(_) if waits && last.age > FRESH => Some(SLACK),
            Ok(_) => self.look_due(watch, kept, last),
        };
    }

    /// A look is due at its time, and at the end of the quiet time.
    fn look_due(&self, watch: &Watch, kept: &WatchRecord, last: &LastLook) -> Option<Duration> {
        let began = self.wall(last.age);
        let tick = watch.times(self.next.source(self.want), self.now).map(|(last, _)| last);
        let quiet = kept.pending_since.and(kept.changed).and_then(|changed| changed.checked_add(watch.quiet()).ok());
        // Times are whole seconds, and the ages of looks are not.
        let missed = tick.into_iter().chain(quiet).filter(|due| elapsed(began, *due) > SECOND && *due <= self.now);
        missed.max().map(|due| elapsed(due, self.now).saturating_add(SECOND))
    }

    /// When the run that waits for a look goes on without, or looks again.
    pub(in crate::refresh) fn patience(&self) -> Duration {
        let waited = self.seen.scouted.waited.unwrap_or_default();
        PATIENCE.saturating_sub(waited).max(HOLD)
    }
}

/// Longer after each look that failed, and at least as long as whoever was asked wants.
fn pause_after(watch: &Watch, last: &LastLook) -> Duration {
    let first = super::seconds(watch.spec.interval_seconds);
    let longest = LONGEST_PAUSE.max(first);
    let asked = last.found.as_ref().err().and_then(|blind| blind.retry_after).unwrap_or_default();
    // The time of a look is one of a grid, and the pass that meets it comes a moment later.
    doubled(first, last.failures, longest).max(asked).saturating_sub(SLACK)
}

impl Watch {
    /// The last time up to `now` at which `source` is looked at, and the next one: of the watches of a connection those of one
    /// source at the same time, others at others, and each at the same after every restart.
    fn times(&self, source: &str, now: Timestamp) -> Option<(Timestamp, Timestamp)> {
        let place = drawn(&format!("{} {source}", self.place));
        grid::around(place, super::seconds(self.spec.interval_seconds), now)
    }
}

impl Recorded {
    /// The source that is watched, as far as it is known without asking.
    fn source<'a>(&'a self, want: &'a Desired) -> &'a str {
        let own = want.own_source.as_ref().map(|own| &*own.source);
        let claimed = self.run.as_ref().map(|run| &*run.source).filter(|source| !source.is_empty());
        let table = want.watch.as_ref().and_then(|watch| watch.spec.iceberg.as_ref()).map(|table| &*table.table);
        own.or(table).or(claimed).unwrap_or(&want.collection)
    }
}

/// When an object at rest is looked at again: at its time, and when a change that waits may start a run.
pub(in crate::refresh) fn next_look(want: &Desired, record: &Recorded, now: Timestamp) -> Option<Timestamp> {
    let watch = want.watch.as_ref().filter(|_| !want.terminating && record.is_at_rest())?;
    let kept = record.watch.as_ref()?;
    let tick = watch.times(record.source(want), now).map(|(_, next)| next);
    let after = |since: Option<Timestamp>, wait: Duration| not_ahead(since?, now).checked_add(wait).ok();
    let delay = super::seconds(watch.spec.max_delay_seconds);
    let waits = [
        kept.pending_since.and(after(kept.changed, watch.quiet())),
        after(kept.pending_since, delay),
        kept.pending_since.and(after(record.last_change_run(), super::seconds(watch.spec.min_interval_seconds))),
    ];
    tick.into_iter().chain(waits.into_iter().flatten().filter(|time| *time > now)).min()
}

/// Whether there is nothing to look at before the next time of an object that rests.
pub(in crate::refresh) fn rests(want: &Desired, record: &Recorded) -> bool {
    match (&want.watch, &record.watch) {
        (None, None) => true,
        (Some(watch), Some(kept)) => kept.fingerprint == watch.fingerprint && kept.fresh.is_some(),
        (Some(_), None) | (None, Some(_)) => false,
    }
}
