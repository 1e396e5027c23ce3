//! What a decision records of the source.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::{FreshReason, LastLook, Seen, Version, Watch, WatchRecord};
use crate::{
    refresh::{
        Cause, Run,
        decide::Step,
        record::{not_ahead, whole_second},
    },
    scout::Sight,
    stores::Newer,
};

impl Step<'_> {
    /// Brings what is known of the source up to what is wanted and to what the last look has found.
    pub(in crate::refresh) fn keep_watch(&mut self) {
        let kept = self.next.watch.take();
        let Some(watch) = &self.want.watch else { return };
        let kept = kept.filter(|kept| kept.fingerprint == watch.fingerprint);
        let mut kept = kept.unwrap_or_else(|| WatchRecord::new(watch, self.now));
        // What another process has seen since is newer than what this one saw before. Of looks that began in one second either may
        // be the later one: two processes would overwrite each other endlessly.
        kept.changed = kept.changed.map(|changed| not_ahead(changed, self.now));
        let last = self.seen.scouted.last.as_ref();
        let last = last.filter(|last| kept.changed.is_none_or(|changed| changed < self.wall(last.age)));
        if let Some(LastLook { age, found: Ok(sight), .. }) = last {
            let collection = self.next.run.as_ref().and_then(|run| run.collection_id);
            kept.take(watch, sight, self.wall(*age), collection);
            // An object that waits for its first run stands at what was there when it was first looked at.
            if self.next.run.is_none() && self.next.baseline.is_some() && kept.refreshed.is_none() {
                kept.refreshed = kept.observed.clone().map(|version| Seen { version, time: self.wall(*age) });
            }
        }
        kept.compare(watch, self.now);
        self.next.watch = Some(kept);
    }

    /// The time of so long ago, by the wall clock.
    pub(super) fn wall(&self, ago: Duration) -> Timestamp {
        let ago = SignedDuration::try_from(ago).unwrap_or_default();
        self.exact.checked_sub(ago).map_or(self.now, whole_second)
    }

    /// What the run that is about to be claimed has seen before it: what a look found that has just ended; else, for a run that a
    /// change has made due, the look which saw that.
    pub(in crate::refresh) fn capture_version(&mut self, looked: Option<&LastLook>) {
        let Some(watch) = &self.want.watch else {
            self.run.seen = None;
            return;
        };
        let fresh = looked.filter(|last| last.age <= super::look::STILL_FRESH);
        let before = self.next.watch.as_ref().and_then(|kept| kept.observed.as_ref());
        self.run.seen = match fresh.map(|last| (last, &last.found)) {
            Some((last, Ok(sight))) => {
                let seen = Seen { version: Version::of(sight, watch.has_marker(), before), time: self.wall(last.age) };
                let newer = self.last_seen().filter(|known| known.time > seen.time && !self.want.is_watched_table());
                Some(newer.unwrap_or(seen))
            }
            Some((_, Err(_))) | None if self.run.cause == Some(Cause::SourceChanged) => self.last_seen(),
            Some((_, Err(_))) | None => None,
        };
    }

    /// What was last seen of the source.
    pub(in crate::refresh) fn last_seen(&self) -> Option<Seen> {
        let kept = self.next.watch.as_ref()?;
        Some(Seen { version: kept.observed.clone()?, time: kept.changed? })
    }

    /// Milvus has applied the job: the collection has at least what the run had seen before it started.
    pub(in crate::refresh) fn refreshed(&mut self) {
        let (Some(watch), Some(kept)) = (&self.want.watch, &mut self.next.watch) else { return };
        let Run { seen, collection_id, .. } = &self.run;
        kept.refreshed = match (seen.clone(), kept.refreshed.take()) {
            (Some(seen), _) => Some(seen),
            // It did not look: what comes next counts as a change, and how much there was is still known.
            (None, Some(Seen { version, time })) => Some(Seen { version: version.unknown(), time }),
            (None, None) => None,
        };
        kept.rewritten.take_if(|listed| listed.collection.zip(*collection_id).is_some_and(|(then, now)| then != now));
        kept.pending_since = None;
        kept.compare(watch, self.now);
    }
}

impl WatchRecord {
    /// Takes what a look that began at `began` has found. The same look can be taken again.
    fn take(&mut self, watch: &Watch, sight: &Sight, began: Timestamp, collection: Option<i64>) {
        let question = self.question();
        let version = Version::of(sight, watch.has_marker(), self.observed.as_ref());
        if let Sight::Objects(snapshot) = sight {
            self.hear(&question, &version, &snapshot.newer, collection);
        } else {
            self.hear(&question, &version, &Newer::default(), collection);
        }
        if self.observed.as_ref() != Some(&version) {
            if self.observed.as_ref().is_none_or(|before| before.name != version.name) {
                self.changed = Some(began);
            }
            self.observed = Some(version);
        }
    }

    /// Whether there is a change that no run has answered, and since when.
    fn compare(&mut self, watch: &Watch, now: Timestamp) {
        let since = self.pending_since.or(self.changed).map(|since| not_ahead(since, now));
        self.pending_since = since.filter(|_| self.is_pending(watch));
    }

    fn is_pending(&self, watch: &Watch) -> bool {
        let Some(observed) = &self.observed else { return false };
        let refreshed = self.refreshed.as_ref().map(|seen| &seen.version);
        observed.is_change_of(refreshed.unwrap_or(&Version::default()), watch.has_marker())
    }

    /// Whether so much is gone that somebody has to ask for a run.
    pub(super) fn is_held(&self, watch: &Watch) -> bool {
        let (Some(observed), Some(refreshed)) = (&self.observed, &self.refreshed) else { return false };
        self.pending_since.is_some() && observed.lacks_more_than(watch.spec.max_shrink_percent, &refreshed.version)
    }

    /// Whether the table no longer has the snapshot that the collection reads, as the last look has it or as it stands.
    pub(super) fn is_expired(&self, last: Option<&LastLook>) -> bool {
        let stands = self.fresh.as_ref().is_some_and(|fresh| fresh.reason == FreshReason::PinnedSnapshotExpired);
        let gone = match last.map(|last| &last.found) {
            Some(Ok(Sight::Table { table, .. })) => table.pinned_is_gone,
            Some(Ok(Sight::Objects(_))) => false,
            Some(Err(_)) | None => stands,
        };
        gone && self.pending_since.is_some()
    }
}

impl Version {
    /// As much of it as is known after a run that had not looked.
    fn unknown(self) -> Self {
        Self { name: String::new(), content: String::new(), ..self }
    }
}
