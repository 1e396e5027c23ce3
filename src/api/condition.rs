//! Conditions as Kubernetes wants them, for every kind: the types as kstatus, Flux, Argo CD and `kubectl wait` know them.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};

/// The summary: `True` when the last run is done and nothing is due.
pub const READY: &str = "Ready";
/// `True` when the last run completed. For `kubectl wait --for=condition=Complete`, as Job's.
pub const COMPLETE: &str = "Complete";
/// `True` when the last run failed for good, as Job's.
pub const FAILED: &str = "Failed";
/// `True` while the operator has something to do or to wait for (kstatus).
pub const RECONCILING: &str = "Reconciling";
/// `True` when nothing goes on until somebody changes something (kstatus).
pub const STALLED: &str = "Stalled";
/// `True` while starts are held.
pub const SUSPENDED: &str = "Suspended";
/// Whether all `sources` and `catalogs` of a connection have settings that can be used, where it has any.
pub const SOURCES_READY: &str = "SourcesReady";
/// Whether what the last run refreshed was found to be served, where the spec asks for it.
pub const VERIFIED: &str = "Verified";
/// Whether the collection has what was last seen of its source, where the spec has that watched.
pub const SOURCE_FRESH: &str = "SourceFresh";

/// The conditions for these types and statuses, all of which carry `says.0` as their reason (a condition must have one).
/// `says.1` is the message of `Ready` and of what is `True`. A condition whose status stood before keeps its transition
/// time.
pub fn conditions(
    rows: impl IntoIterator<Item = (&'static str, &'static str)>,
    says: (&str, &str),
    generation: Option<i64>,
    before: &[Condition],
    now: Timestamp,
) -> Vec<Condition> {
    let row = |(type_, status)| {
        let speaks = type_ == READY || status == "True";
        condition((type_, status), (says.0, if speaks { says.1 } else { "" }), generation, before, now)
    };
    rows.into_iter().map(row).collect()
}

/// One condition, with its reason and its message.
pub fn condition(
    (type_, status): (&str, &str),
    (reason, message): (&str, &str),
    generation: Option<i64>,
    before: &[Condition],
    now: Timestamp,
) -> Condition {
    let stood = before.iter().find(|condition| condition.type_ == type_ && condition.status == status);
    Condition {
        type_: type_.to_owned(),
        status: status.to_owned(),
        reason: reason.to_owned(),
        message: message.to_owned(),
        last_transition_time: stood.map_or(Time(now), |condition| condition.last_transition_time.clone()),
        observed_generation: generation,
    }
}
