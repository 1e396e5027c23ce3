//! What is known of a watched source, from the record to the status and back.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::read::{condition, read_time};
use crate::{
    api::{RefreshStatus, RewrittenFiles, SOURCE_FRESH, SourceLook, WatchStatus},
    refresh::{Fresh, FreshReason, Rewritten, Seen, Version, WatchRecord},
};

impl WatchRecord {
    /// What is written of it.
    pub(super) fn status(&self) -> WatchStatus {
        let observed = self.observed.as_ref();
        let files = observed.filter(|observed| !observed.content.is_empty());
        let name = |version: &Version| version.name.clone();
        WatchStatus {
            fingerprint: self.fingerprint.clone(),
            since: Some(Time(self.since)),
            observed_version: observed.map(name),
            content_version: files.map(|files| files.content.clone()),
            changed_time: self.changed.map(Time),
            objects: files.map(|files| files.objects),
            bytes: files.map(|files| files.bytes),
            refreshed_version: self.refreshed.as_ref().map(|seen| name(&seen.version)),
            refreshed: self.refreshed.as_ref().map(Seen::look),
            pending_version: self.pending_since.and(observed).map(name),
            pending_since: self.pending_since.map(Time),
            rewritten: self.rewritten.as_ref().map(|listed| RewrittenFiles {
                count: listed.count,
                names: listed.names.clone(),
                since: Some(Time(listed.since)),
                content_version: listed.content.clone(),
                collection_id: listed.collection.map(|id| id.to_string()),
            }),
        }
    }

    /// Reads it back. What makes no sense is looked at anew.
    pub(super) fn of(status: &RefreshStatus) -> Option<Self> {
        let watch = status.watch.as_ref()?;
        let observed = watch.observed_version.clone().map(|name| Version {
            name,
            content: watch.content_version.clone().unwrap_or_default(),
            objects: watch.objects.unwrap_or_default().max(0),
            bytes: watch.bytes.unwrap_or_default().max(0),
        });
        let fresh = condition(status, SOURCE_FRESH)
            .and_then(|says| Some(Fresh { reason: FreshReason::parse(&says.reason)?, message: says.message.clone() }));
        let rewritten = watch.rewritten.as_ref().and_then(|listed| {
            Some(Rewritten {
                count: listed.count,
                names: listed.names.clone(),
                since: read_time(listed.since.as_ref()?),
                content: listed.content_version.clone(),
                collection: listed.collection_id.as_deref().and_then(|id| id.parse().ok()),
            })
        });
        Some(Self {
            fingerprint: watch.fingerprint.clone(),
            since: read_time(watch.since.as_ref()?),
            changed: watch.changed_time.as_ref().map(read_time).filter(|_| observed.is_some()),
            pending_since: watch.pending_since.as_ref().map(read_time).filter(|_| observed.is_some()),
            observed,
            refreshed: Seen::of(watch.refreshed_version.as_deref(), watch.refreshed.as_ref()),
            rewritten,
            fresh,
        })
    }
}

impl Seen {
    /// What is written of it beside its version's name.
    pub(super) fn look(&self) -> SourceLook {
        SourceLook {
            time: Some(Time(self.time)),
            content_version: self.version.content.clone(),
            objects: self.version.objects,
            bytes: self.version.bytes,
        }
    }

    pub(super) fn of(name: Option<&str>, look: Option<&SourceLook>) -> Option<Self> {
        let (name, look) = name.zip(look)?;
        let version = Version {
            name: name.to_owned(),
            content: look.content_version.clone(),
            objects: look.objects.max(0),
            bytes: look.bytes.max(0),
        };
        Some(Self { version, time: read_time(look.time.as_ref()?) })
    }
}
