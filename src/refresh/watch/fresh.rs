//! What the condition `SourceFresh` says.

use super::{LastLook, Watch, WatchRecord};
use crate::{
    complete::complete,
    refresh::{
        decide::Step,
        limits::{MESSAGE_BYTES, bounded, cut},
    },
    scout::BlindReason,
};

/// Names of rewritten files in a message.
const NAMES_SHOWN: usize = 5;

complete! {
    /// Why `SourceFresh` is as it is. Of several that hold at once the first counts, in this order.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub enum FreshReason {
        /// The connection does not let its refreshes look there.
        NotAllowed,
        /// More files than are looked at.
        ListingTooLarge,
        /// A look failed.
        CheckFailed,
        /// So much is gone that somebody has to ask for a run.
        Held,
        /// The table no longer has the snapshot that the collection reads.
        PinnedSnapshotExpired,
        /// A run is due for a change, or in progress.
        ChangePending,
        /// There is a change, and perhaps more to come.
        Settling,
        /// Files were rewritten under their names.
        InPlaceRewrite,
        /// The collection has what was last seen.
        UpToDate,
    }
}

impl FreshReason {
    /// As the condition shows it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NotAllowed => "NotAllowed",
            Self::ListingTooLarge => "ListingTooLarge",
            Self::CheckFailed => "CheckFailed",
            Self::Held => "Held",
            Self::PinnedSnapshotExpired => "PinnedSnapshotExpired",
            Self::ChangePending => "ChangePending",
            Self::Settling => "Settling",
            Self::InPlaceRewrite => "InPlaceRewrite",
            Self::UpToDate => "UpToDate",
        }
    }

    /// Reads what [`as_str`](Self::as_str) gives.
    pub(in crate::refresh) fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.as_str() == text)
    }

    /// The status of the condition.
    pub(in crate::refresh) fn status(self) -> &'static str {
        match self {
            Self::UpToDate => "True",
            Self::NotAllowed | Self::ListingTooLarge | Self::CheckFailed => "Unknown",
            Self::Held | Self::PinnedSnapshotExpired | Self::ChangePending | Self::Settling | Self::InPlaceRewrite => {
                "False"
            }
        }
    }
}

impl From<BlindReason> for FreshReason {
    fn from(reason: BlindReason) -> Self {
        match reason {
            BlindReason::NotAllowed => Self::NotAllowed,
            BlindReason::ListingTooLarge => Self::ListingTooLarge,
            BlindReason::CheckFailed => Self::CheckFailed,
        }
    }
}

/// The condition's reason and message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fresh {
    /// See [`FreshReason`].
    pub reason: FreshReason,
    /// What is so, what the operator does, and what the reader can do.
    pub message: String,
}

impl Step<'_> {
    /// Says how fresh the collection is, and tells of what is new about that.
    pub(in crate::refresh) fn judge_freshness(&mut self) {
        let (Some(watch), Some(kept)) = (&self.want.watch, &self.next.watch) else { return };
        let last = self.seen.scouted.last.as_ref();
        let (before, first) = (kept.fresh.clone(), kept.refreshed.is_none());
        let Some(now) = self.freshness(watch, kept, last) else { return };
        if let Some(kept) = &mut self.next.watch {
            kept.fresh = Some(now.clone());
        }
        let was = before.map(|before| before.reason);
        if was == Some(now.reason) {
            return;
        }
        match now.reason {
            FreshReason::UpToDate => {}
            FreshReason::ChangePending | FreshReason::Settling => {
                // What is seen first is no change.
                let known = matches!(was, Some(FreshReason::ChangePending | FreshReason::Settling)) || first;
                if !known {
                    self.inform("SourceChanged", now.message);
                }
            }
            FreshReason::Held => self.warn("SourceHeld", now.message),
            reason => self.warn(reason.as_str(), now.message),
        }
    }

    /// `None` while nothing was seen yet.
    fn freshness(&self, watch: &Watch, kept: &WatchRecord, last: Option<&LastLook>) -> Option<Fresh> {
        if let Some(blind) = self.blindness(kept, last) {
            return Some(blind);
        }
        kept.observed.as_ref()?;
        let rewritten = kept.rewritten_in_words();
        let reason = if kept.is_held(watch) {
            FreshReason::Held
        } else if kept.is_expired(last) {
            FreshReason::PinnedSnapshotExpired
        } else if kept.pending_since.is_some() {
            if self.is_settling(watch, kept) { FreshReason::Settling } else { FreshReason::ChangePending }
        } else if rewritten.is_some() {
            FreshReason::InPlaceRewrite
        } else {
            FreshReason::UpToDate
        };
        let said = match reason {
            FreshReason::Held => self.held_in_words(watch, kept),
            FreshReason::PinnedSnapshotExpired => {
                "The table has expired the snapshot that the collection reads, so its files may be \
                 deleted. A run for the newest snapshot starts without waiting."
                    .to_owned()
            }
            FreshReason::Settling => format!(
                "{}. A run starts once it has not changed for {} s, or {} s after the first change.",
                kept.news(),
                watch.quiet().as_secs(),
                watch.spec.max_delay_seconds
            ),
            FreshReason::ChangePending => self.pending_in_words(watch, kept),
            FreshReason::InPlaceRewrite | FreshReason::UpToDate => {
                let says = match &rewritten {
                    Some(rewritten) => rewritten.clone(),
                    None => format!("The collection has what the operator last saw of the source: {}.", kept.amount()),
                };
                return Some(Fresh { reason, message: bounded(&says) });
            }
            FreshReason::NotAllowed | FreshReason::ListingTooLarge | FreshReason::CheckFailed => return None,
        };
        let message = rewritten.map(|rewritten| format!("{said} {rewritten}")).unwrap_or(said);
        Some(Fresh { reason, message: bounded(&message) })
    }

    /// What is said while nothing can be seen. One look that fails is no news where an earlier one did not; after a restart what
    /// was said stands until there is a look.
    fn blindness(&self, kept: &WatchRecord, last: Option<&LastLook>) -> Option<Fresh> {
        let stands = || kept.fresh.clone().filter(|fresh| fresh.reason.status() == "Unknown");
        let Some(last) = last else { return stands() };
        let blind = last.found.as_ref().err()?;
        let reason = FreshReason::from(blind.reason);
        if reason == FreshReason::CheckFailed && last.failures < 2 && kept.observed.is_some() {
            return stands();
        }
        let known = match (&kept.observed, kept.pending_since) {
            (Some(_), Some(_)) => " The change that was seen before is still pending.",
            (Some(_), None) => " When it was last seen, the collection had all of it.",
            (None, _) => "",
        };
        let said = cut(&blind.message, MESSAGE_BYTES - known.len());
        Some(Fresh { reason, message: format!("{said}{known}") })
    }

    fn held_in_words(&self, watch: &Watch, kept: &WatchRecord) -> String {
        format!(
            "More than {} % of the source is gone: {}. No run starts by itself; if that is right, set spec.trigger or the \
             annotation milvus-refresh.dev/requestedAt to refresh, or raise spec.watch.maxShrinkPercent.",
            watch.spec.max_shrink_percent,
            kept.difference()
        )
    }

    fn pending_in_words(&self, watch: &Watch, kept: &WatchRecord) -> String {
        let news = kept.news();
        let captured = self.run.seen.as_ref().map(|seen| &seen.version.name);
        let reads_it = captured.is_some() && captured == kept.observed.as_ref().map(|observed| &observed.name);
        if reads_it && !self.next.is_at_rest() {
            return format!("{news}. Run {} reads it.", self.run.number);
        }
        if reads_it && self.next.failure.is_some() {
            return format!(
                "{news}. Run {} failed for it, so it is not started again before the source changes \
                 again. To retry, set spec.trigger.",
                self.run.number
            );
        }
        if self.want.suspend {
            return format!("{news}. spec.suspend holds the run for it.");
        }
        format!(
            "{news}. A run for it starts as soon as no other run is in progress and {} s after the \
             last one that a change started.",
            watch.spec.min_interval_seconds
        )
    }
}

impl WatchRecord {
    /// How much there is.
    fn amount(&self) -> String {
        match &self.observed {
            Some(observed) if observed.content.is_empty() => format!("snapshot {}", observed.name),
            Some(observed) => files(observed.objects, observed.bytes),
            None => String::new(),
        }
    }

    /// What is to be refreshed.
    fn news(&self) -> String {
        let (now, seen_before) = (self.difference(), self.refreshed.is_some());
        if seen_before { format!("The source has changed: {now}") } else { format!("The source has {now}") }
    }

    /// How much there is, and how much there was.
    fn difference(&self) -> String {
        let now = self.amount();
        match self.refreshed.as_ref().map(|seen| &seen.version) {
            Some(before) if before.name.is_empty() => format!("{now}, and the last run did not look"),
            Some(before) if before.content.is_empty() => format!("{now}, before snapshot {}", before.name),
            Some(before) => format!("{now}, before {}", files(before.objects, before.bytes)),
            None => format!("{now}, not refreshed yet"),
        }
    }

    fn rewritten_in_words(&self) -> Option<String> {
        let rewritten = self.rewritten.as_ref()?;
        let shown: Vec<_> = rewritten.names.iter().take(NAMES_SHOWN).map(String::as_str).collect();
        let names = if shown.is_empty() { String::new() } else { format!(" ({})", shown.join(", ")) };
        let were = if rewritten.count == 1 { "1 file was" } else { &format!("{} files were", rewritten.count) };
        Some(format!(
            "{were} rewritten under their names{names}. Milvus does not read a file again whose name it knows, so no \
             refresh shows the new contents: write new data under new names, or recreate the collection."
        ))
    }
}

fn files(count: i64, bytes: i64) -> String {
    let files = if count == 1 { "file" } else { "files" };
    format!("{count} {files}, {bytes} bytes")
}
