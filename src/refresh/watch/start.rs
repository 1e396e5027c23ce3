//! When a change makes a run due.

use jiff::Timestamp;

use super::{LastLook, Seen, Watch, WatchRecord, seconds};
use crate::refresh::{
    Cause, Reason, Recorded,
    decide::{Effect, Outcome, Step, Wake},
    limits::LONGEST_SLEEP,
    record::{elapsed, not_ahead},
};

impl Step<'_> {
    /// Opens the run that a change makes due, if it does. It is written before it is claimed, as one that the clock opens.
    pub(in crate::refresh) fn open_by_watch(&mut self) -> bool {
        if !self.change_is_due() {
            return false;
        }
        self.open_run(Some(self.run.clone()));
        self.run.cause = Some(Cause::SourceChanged);
        true
    }

    /// Opens the run that the watch or the clock makes due, if one does. While a change is held, times of the schedule pass by.
    pub(in crate::refresh) fn open_unasked(&mut self) -> bool {
        if self.is_held() {
            let _ = self.take_tick();
            return false;
        }
        self.open_by_watch() || self.open_by_clock()
    }

    /// Whether so much of the source is gone that somebody has to ask for a run.
    fn is_held(&self) -> bool {
        self.watched().is_some_and(|(watch, kept)| kept.is_held(watch))
    }

    /// Whether what the run was opened for by a change, or by the clock beside one that is held, still stands.
    pub(in crate::refresh) fn stands_unasked(&self) -> bool {
        let changed = self.run.cause == Some(Cause::SourceChanged) && self.is_pending();
        !self.is_held() && (changed || self.tick_stands())
    }

    /// Whether there is something at the source that was not refreshed.
    pub(in crate::refresh) fn is_pending(&self) -> bool {
        self.watched().is_some_and(|(_, kept)| kept.pending_since.is_some())
    }

    fn watched(&self) -> Option<(&Watch, &WatchRecord)> {
        self.want.watch.as_ref().zip(self.next.watch.as_ref())
    }

    fn change_is_due(&self) -> bool {
        let Some((watch, kept)) = self.watched() else { return false };
        let Some(last @ LastLook { found: Ok(_), .. }) = &self.seen.scouted.last else { return false };
        if kept.pending_since.is_none() || self.has_failed_for(kept) {
            return false;
        }
        kept.is_expired(Some(last)) || self.is_settled(watch, kept, last) && self.has_paused(watch)
    }

    /// Whether a look that began after the quiet time has found nothing new, or the first change is too long ago to wait.
    fn is_settled(&self, watch: &Watch, kept: &WatchRecord, last: &LastLook) -> bool {
        let quiet = elapsed(kept.changed.unwrap_or(self.now), self.wall(last.age)).as_secs() + 1;
        quiet > watch.quiet().as_secs() || !self.is_within_delay(watch, kept)
    }

    /// Whether a change waits for the source to be quiet, and for no run that is due or in progress.
    pub(super) fn is_settling(&self, watch: &Watch, kept: &WatchRecord) -> bool {
        let captured = self.next.run.as_ref().filter(|_| !self.next.is_at_rest()).map(|_| self.run.seen.as_ref());
        let is_newer = |seen: Option<&Seen>| seen.is_some_and(|seen| kept.observed.as_ref() != Some(&seen.version));
        if !captured.is_none_or(is_newer) {
            return false;
        }
        let quiet = kept.changed.map(|changed| elapsed(changed, self.now));
        quiet.is_some_and(|quiet| quiet < watch.quiet()) && self.is_within_delay(watch, kept)
    }

    fn is_within_delay(&self, watch: &Watch, kept: &WatchRecord) -> bool {
        let waited = kept.pending_since.map(|since| elapsed(since, self.now)).unwrap_or_default();
        waited < seconds(watch.spec.max_delay_seconds)
    }

    /// The same version is not started again after a run for it has failed.
    fn has_failed_for(&self, kept: &WatchRecord) -> bool {
        let captured = self.run.seen.as_ref().map(|seen| &seen.version.name);
        self.next.failure.is_some() && captured.is_some() && captured == kept.observed.as_ref().map(|seen| &seen.name)
    }

    /// Whether the last run that a change started is long enough ago.
    fn has_paused(&self, watch: &Watch) -> bool {
        let last = self.next.last_change_run().map(|last| elapsed(not_ahead(last, self.now), self.now));
        last.is_none_or(|ago| ago >= seconds(watch.spec.min_interval_seconds))
    }

    /// The run waits for a look at the source. One that needs the source of a table says so.
    pub(in crate::refresh) fn await_look(&mut self) -> Outcome {
        self.ask_for_look(true);
        if !self.want.is_watched_table() {
            if self.next.summary.is_none() {
                self.queue_up();
            }
            return (Effect::None, Wake::After(self.patience()));
        }
        let blind = self.seen.scouted.last.as_ref().and_then(|last| last.found.as_ref().err());
        let Some(blind) = blind else {
            if self.next.summary.is_none() {
                self.queue_up();
            }
            return (Effect::None, Wake::After(LONGEST_SLEEP));
        };
        let message = format!("The run cannot start before the catalog says what to read. {}", blind.message);
        if !self.summarised(Reason::SourceNotResolved) {
            self.warn(Reason::SourceNotResolved.as_str(), &message);
        }
        self.sum_up(Reason::SourceNotResolved, message);
        (Effect::None, Wake::After(self.patience()))
    }
}

impl Recorded {
    /// When the last run that a change started was started.
    pub(super) fn last_change_run(&self) -> Option<Timestamp> {
        let by_change = self.history.iter().filter(|past| past.cause == Some(Cause::SourceChanged));
        by_change.filter_map(|past| past.start_time.or(past.completion_time)).max()
    }
}
